"""What there is to measure and what was found: the demo models, what lies in the cache, and how it is cleared."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reportgen.cache import cache_folder, measure_holding
from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.model.files.demo import DEMO_MODELS, DemoModel
from reportgen.model.files.demo_wheels import is_fetching_forbidden
from reportgen.model.files.gguf import models_folder
from reportgen.running.outcome_cache import OutcomeCache

PARTS = {
    "models": "converted models",
    "results": "probe results",
    "drawings": "figures",
    "pages": "pages and PDFs",
    "fonts": "font subsets for reports",
    "hashes": "hashes of weights",
    "tokens": "vocabularies, and the tokens of texts",
}
"""The folders of the cache."""


def take_inventory(*, with_results: bool = False) -> dict[str, Any]:
    """The demo models and the parts of the cache, as JSON holds them; what is known of which model, where asked for."""
    parts = {part: asdict(measure_holding(cache_folder() / part)) for part in PARTS}
    cache = {"folder": str(cache_folder()), "bytes": measure_holding(cache_folder()).bytes, "parts": parts}
    if with_results:
        cache["results"] = [asdict(entry) for entry in OutcomeCache().entries()]
    return {"models": [_entry(model) for model in DEMO_MODELS.values()], "cache": cache}


def _entry(model: DemoModel) -> dict[str, Any]:
    converted = model.converted
    return {
        "source": f"demo:{model.id}",
        "name": model.name,
        "parameters": model.parameters,
        "licence": model.licence,
        "terms": model.terms or None,
        "installed": model.installed,
        "install": model.install_command,
        "fetched": not is_fetching_forbidden(),
        "folder": str(model.folder) if converted else None,
        "bytes": _size(model.folder) if converted else 0,
    }


def clear_cache(name: str) -> int:
    """Deletes a part of the cache, all of it, or the converted folders of one model, of older versions too; gives
    the bytes that were freed.

    Raises:
        BatteryError: the cache has no such part.
        OutputError: something cannot be deleted.
    """
    name = name.removeprefix("demo:")
    if name not in (*PARTS, *DEMO_MODELS, "all"):
        remedy = f"One of {', '.join((*PARTS, *DEMO_MODELS))}, or all."
        raise BatteryError(Mistake(f"the cache has no part {name!r}", remedy))
    parts = PARTS if name == "all" else [name] if name in PARTS else []
    pattern = f"*{name}-v*" if name in DEMO_MODELS else ""
    targets = [target for part in parts for target in (cache_folder() / part).glob("*")]
    targets += models_folder().glob(pattern) if pattern else []
    freed = sum(_size(target) for target in targets)
    for target in targets:
        _delete(target)
    return freed


def _delete(target: Path) -> None:
    try:
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(Mistake(f"cannot be deleted: {error.strerror}", file=target)) from error


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
