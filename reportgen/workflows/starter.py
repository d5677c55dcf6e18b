"""A battery to start from, for the models that are there; beside it the schema by which editors check it."""

import json
from collections.abc import Sequence
from pathlib import Path

from reportgen.battery.schema import battery_schema
from reportgen.documents.regular_file import read_regular_text
from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.model.files.demo import DEMO_MODELS
from reportgen.workflows.found_models import FoundModel, find_models, is_one_kind
from reportgen.workflows.report import bundle_of
from reportgen.workflows.starter_texts import SCHEMA_NAME, NamedSource, Purpose, write_text

DEMO = (
    FoundModel("llama", (f"demo:{next(iter(DEMO_MODELS))}",)),
    FoundModel("gemma", ("demo:gemma-3-270m",)),
)
"""The models of a battery for which none were named."""
MOST_BYTES = 10_000_000
"""Of a file that may be an older schema."""
ALONE = "report.yaml"
"""What a battery is called that is not named after a model."""


def write_starter(asked: Sequence[str], file: Path | None, purpose: Purpose | None) -> Path:
    """Writes a battery for the models that were named, or for the demo models; gives its path.

    Raises:
        BatteryError: a model is not there, one alone cannot be compared, or the file exists already.
        OutputError: it cannot be written.
    """
    models = find_models(asked) if asked else list(DEMO)
    if purpose == "compare" and len(models) < 2:
        told = f"a comparison wants two models, and there is one: {models[0].source(Path())}"
        raise BatteryError(Mistake(told, "Name both: reportgen init MODEL MODEL --for compare"))
    target = file or _name_battery(asked)
    if any(_lies_at(model, bundle_of(target)) for model in models):
        told = f"the report of {target} would go to {bundle_of(target)}, where the model lies"
        raise BatteryError(Mistake(told, f"Name another file: reportgen init {' '.join(asked)} -o {ALONE}"))
    _refuse_strangers_schema(target.with_name(SCHEMA_NAME))
    named = [NamedSource(model.id, model.source(target.parent)) for model in models]
    text = write_text(named, purpose, one_kind=is_one_kind(models))
    schema = target.with_name(SCHEMA_NAME)
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        told = "the name of a model's file or folder is not UTF-8, which no battery can hold"
        raise BatteryError(Mistake(told, "Give it another name.")) from error
    try:
        # "x" refuses to overwrite in the same step, so that no one else's file can slip in between
        with target.open("xb") as stream:
            stream.write(content)
    except FileExistsError as error:
        other = target.with_stem(f"{target.stem}-2")
        remedy = f"Name another file: reportgen init {' '.join([*asked, '-o', str(other)] if asked else [str(other)])}"
        raise BatteryError(Mistake(f"{target} exists already; nothing was written", remedy)) from error
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}") from error
    try:
        schema.write_text(_write_schema(), encoding="utf-8")
    except OSError as error:
        target.unlink()
        raise OutputError(f"{schema} cannot be written: {error.strerror}; nothing was written") from error
    return target


def _name_battery(asked: Sequence[str]) -> Path:
    """Called after the one folder that was named, and never such that its bundle would go there."""
    single = Path(asked[0]) if len(asked) == 1 else None
    return Path(f"{single.resolve().name}-{ALONE}") if single is not None and single.is_dir() else Path(ALONE)


def _lies_at(model: FoundModel, place: Path) -> bool:
    return any(part.resolve() == place.resolve() for part in model.parts if isinstance(part, Path))


def _write_schema() -> str:
    return json.dumps(battery_schema(), ensure_ascii=False, separators=(",", ":")) + "\n"


def _refuse_strangers_schema(file: Path) -> None:
    """An older schema of ours is replaced; whatever else has its name stays."""
    if not file.exists():
        return
    try:
        ours = json.loads(read_regular_text(file, MOST_BYTES))["title"] == battery_schema()["title"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        ours = False
    if not ours:
        told = f"{file} exists already, and is no schema of reportgen; nothing was written"
        raise BatteryError(Mistake(told, "Move it away: the battery's schema goes there."))
