"""The bundle on disk: results.json, arrays.safetensors, run.json, and the outputs made of them.

Results and arrays are the same bytes for the same inputs; clocks, hosts and paths live in run.json alone.
"""

import json
import math
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reportgen.documents.problem import describe_value
from reportgen.errors import BundleError
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.schema import (
    MOST_TENSOR_BYTES,
    SCHEMA,
    StoredArray,
    StoredModel,
    StoredOutcome,
    StoredResults,
    StoredRun,
    StoredTable,
    check_content,
    check_regular,
    check_results,
    describe_damage,
    parse_json,
    read_bytes,
)
from reportgen.results.section import ModelCard, Section, tell_apart
from reportgen.results.shared_texts import share_texts

RESULTS, ARRAYS, RUN = "results.json", "arrays.safetensors", "run.json"

_OF_ONE_RUN = ("files", "durations", "from_cache", "battery", "presentation")
"""What run.json says that means nothing beside a copy of the numbers."""

NUMBERS = frozenset({"BOOL", "U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "U64", "I64", "F64"})
"""What arrays may hold, by the names of safetensors."""
_SIZES_TOLD = 8

Outcomes = Mapping[str, Mapping[str, Outcome]]


@dataclass(frozen=True)
class Bundle:
    """The numbers of one run, as read back from its folder."""

    path: Path | None
    title: str
    models: Mapping[str, ModelCard]
    outcomes: Outcomes
    """Probe id -> subject -> outcome."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """When, where and how long: the content of run.json."""

    def __repr__(self) -> str:
        sizes = f"{len(self.outcomes)} probes on {', '.join(card.name for card in self.models.values())}"
        return f"<Bundle {self.title!r}: {sizes}>"

    def __getitem__(self, probe_id: str) -> Mapping[str, Outcome]:
        """The outcomes of one probe, by model."""
        return self.outcomes[probe_id]

    def section(self, probe_id: str) -> Section:
        """All that a report needs of one probe."""
        return Section(probe_id, self.outcomes[probe_id], self.models)

    @property
    def failed(self) -> bool:
        """Whether any probe failed."""
        return any(o.status == "failed" for outcomes in self.outcomes.values() for o in outcomes.values())


def write_numbers(folder: Path, bundle: Bundle) -> None:
    """Writes results.json, arrays.safetensors and run.json into a folder that is there."""
    tensors: dict[str, NDArray[Any]] = {}
    results = {
        probe_id: {subject: outcome_json(outcome, f"{probe_id}/{subject}", tensors) for subject, outcome in by.items()}
        for probe_id, by in bundle.outcomes.items()
    }
    models = {id: _card_json(card) for id, card in bundle.models.items()}
    shared, texts = share_texts(results)
    content = {"schema": SCHEMA, "title": bundle.title, "models": models, "results": shared, "texts": texts}
    write_json(folder / RESULTS, content)
    save_file(dict(sorted(tensors.items())), folder / ARRAYS)
    (folder / ARRAYS).chmod(0o644)
    write_json(folder / RUN, dict(bundle.run))


def copy_numbers(bundle: Path, folder: Path) -> None:
    """Copies a bundle's numbers, without its outputs, into a folder that is there."""
    for name in (RESULTS, ARRAYS):
        shutil.copyfile(bundle / name, folder / name)
    run = read_run(bundle)
    write_json(folder / RUN, {key: value for key, value in run.items() if key not in _OF_ONE_RUN})


def load_bundle(folder: Path) -> Bundle:
    """Reads a bundle, and checks all that it holds: it is a stranger's data.

    Raises:
        BundleError: no bundle, one of another schema, or a damaged one; says which file and what is wrong.
    """
    file = folder / RESULTS
    stored = check_results(read_json(file), file)
    tensors = _read_arrays(folder / ARRAYS)
    return bundle_from(stored, folder, tensors, read_run(folder) if (folder / RUN).exists() else {})


def load_some(folder: Path, wanted: Callable[[str, str, str], bool], tables: Collection[str] = ()) -> Bundle:
    """A bundle with some of its arrays, of which no others are read, and with tables of these names alone.

    Args:
        folder: where it lies.
        wanted: is asked of each array by the id of its probe, its subject and its name.
        tables: names of tables to keep.

    Raises:
        BundleError: as `load_bundle`, but for what is not read.
    """
    file = folder / RESULTS
    stored = check_results(read_json(file), file)
    kept = {
        probe_id: {subject: _keep_some(one, partial(wanted, probe_id, subject), tables) for subject, one in by.items()}
        for probe_id, by in stored.results.items()
    }
    named = {array.tensor for by in kept.values() for one in by.values() for array in one.arrays.values()}
    tensors = _read_arrays(folder / ARRAYS, named) if named else {}
    return bundle_from(stored.model_copy(update={"results": kept}), folder, tensors)


def _keep_some(stored: StoredOutcome, wanted: Callable[[str], bool], tables: Collection[str]) -> StoredOutcome:
    return stored.model_copy(
        update={
            "arrays": {name: array for name, array in stored.arrays.items() if wanted(name)},
            "tables": {name: table for name, table in stored.tables.items() if name in tables},
        }
    )


def bundle_from(
    stored: StoredResults, folder: Path, tensors: Mapping[str, NDArray[Any]] | None, run: Mapping[str, Any] = {}
) -> Bundle:
    """The bundle that was stored in `folder`; without its tables and arrays where no tensors are given.

    Raises:
        BundleError: a table is not one, or an array is not what is said of it.
    """
    outcomes: dict[str, dict[str, Outcome]] = {}
    for probe_id, by_subject in stored.results.items():
        outcomes[probe_id] = {}
        for subject, outcome in by_subject.items():
            try:
                outcomes[probe_id][subject] = _outcome(outcome, tensors)
            except ValueError as error:
                told = f"results.{probe_id}.{subject}.{error}"
                raise BundleError(describe_damage(folder / RESULTS, told)) from error
    models = tell_apart(_card(id, card) for id, card in stored.models.items())
    return Bundle(folder, stored.title, models, outcomes, run)


def read_run(folder: Path) -> dict[str, Any]:
    """The content of a bundle's run.json, checked.

    Raises:
        BundleError: it is not there, or damaged.
    """
    content = read_json(folder / RUN)
    check_content(StoredRun, content, folder / RUN)
    return content


def outcome_json(outcome: Outcome, prefix: str, tensors: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """An outcome as JSON holds it; its arrays are added to `tensors`, as PREFIX/NAME."""
    for name, array in outcome.arrays.items():
        tensors[f"{prefix}/{name}"] = array.values
    reason = {"reason": outcome.reason} if outcome.reason else {}
    return {
        "probe": outcome.probe,
        "version": outcome.version,
        "options": outcome.options,
        **({"prompt_sets": outcome.prompt_sets} if outcome.prompt_sets else {}),
        **({"titles": dict(outcome.titles)} if outcome.titles else {}),
        **({"notes": dict(outcome.notes)} if outcome.notes else {}),
        "models": list(outcome.models),
        "status": outcome.status,
        **reason,
        "metrics": {name: _metric_json(metric) for name, metric in outcome.metrics.items()},
        "tables": {name: _table_json(table) for name, table in outcome.tables.items()},
        "arrays": {name: _array_json(array, f"{prefix}/{name}") for name, array in outcome.arrays.items()},
    }


def _metric_json(metric: Metric) -> dict[str, Any]:
    content = {"value": metric.value, "unit": metric.unit, "direction": metric.direction, "state": metric.state}
    return content | {"reason": metric.reason} if metric.state == "undefined" else content


def _table_json(table: Table) -> dict[str, Any]:
    return {"columns": list(table.columns), "rows": [[_cell_json(cell) for cell in row] for row in table.rows]}


def _cell_json(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        return {"undefined": f"the computation gave {cell}"}
    return cell


def _array_json(array: Array, tensor: str) -> dict[str, Any]:
    coordinates = {dim: list(values) for dim, values in array.coordinates.items()}
    return {
        "dims": list(array.dims),
        "shape": list(array.values.shape),
        "unit": array.unit,
        **({"coordinates": coordinates} if coordinates else {}),
        **({"relative_to": array.relative_to} if array.relative_to else {}),
        "tensor": tensor,
    }


def outcome_from(content: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Outcome:
    """The outcome that `outcome_json` wrote.

    Raises:
        ValueError: it is damaged.
    """
    return _outcome(StoredOutcome.model_validate(content), tensors)


def _outcome(stored: StoredOutcome, tensors: Mapping[str, NDArray[Any]] | None) -> Outcome:
    return Outcome(
        probe=stored.probe,
        version=stored.version,
        options=stored.options,
        models=tuple(stored.models),
        status=stored.status,
        reason=stored.reason,
        metrics={name: Metric(m.value, m.unit, m.direction, m.reason) for name, m in stored.metrics.items()},
        tables={name: _table(name, table) for name, table in stored.tables.items()} if tensors is not None else {},
        arrays=_arrays(stored.arrays, tensors) if tensors is not None else {},
        prompt_sets=stored.prompt_sets,
        titles=stored.titles,
        notes=stored.notes,
    )


def _arrays(stored: Mapping[str, StoredArray], tensors: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    return {name: _array(name, array, tensors) for name, array in stored.items()}


def _table(name: str, stored: StoredTable) -> Table:
    rows = [[math.nan if isinstance(cell, dict) else cell for cell in row] for row in stored.rows]
    try:
        return Table(tuple(stored.columns), rows)
    except ValueError as error:
        raise ValueError(f"tables.{name}: {error}") from error


def _array(name: str, stored: StoredArray, tensors: Mapping[str, NDArray[Any]]) -> Array:
    values = tensors.get(stored.tensor)
    if values is None:
        raise ValueError(f"arrays.{name}: {ARRAYS} lacks the tensor {describe_value(stored.tensor)}")
    if list(values.shape) != stored.shape:
        found, expected = _write_shape(values.shape), _write_shape(stored.shape)
        raise ValueError(f"arrays.{name}: the tensor {describe_value(stored.tensor)} has shape {found}, not {expected}")
    coordinates: dict[str, tuple[int, ...]] = {dim: tuple(at) for dim, at in stored.coordinates.items()}
    return Array(tuple(stored.dims), values, stored.unit, coordinates, stored.relative_to)


def _write_shape(shape: Sequence[int]) -> str:
    sizes = ", ".join(map(str, shape[:_SIZES_TOLD]))
    return f"[{sizes}{', …' if len(shape) > _SIZES_TOLD else ''}]"


def _card_json(card: ModelCard) -> dict[str, Any]:
    own = {"name": card.own_name or card.name, "architecture": card.architecture, "layers": card.layers}
    return {**own, **card.facts}


def _card(id: str, stored: StoredModel) -> ModelCard:
    facts = stored.model_dump(exclude={"name", "architecture", "layers"}, exclude_unset=True)
    return ModelCard(id, stored.name, stored.architecture, stored.layers, facts)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Writes one of a bundle's JSON files; a number that is not finite is refused."""
    file.write_text(format_json(content) + "\n", encoding="utf-8")


def format_json(value: Any, level: int = 0) -> str:
    """JSON with a line a key and a line a row: a difference can be read, and nothing is spread over a line a number.

    Raises:
        ValueError: a number is not finite.
    """
    if isinstance(value, dict) and value:
        parts = [f"{format_json(str(key))}: {format_json(one, level + 1)}" for key, one in value.items()]
        return _bracket("{", parts, "}", level)
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        return _bracket("[", [format_json(one, level + 1) for one in value], "]", level)
    # Python's own indenting is done by Python code, at a tenth of this speed.
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _bracket(opening: str, parts: Sequence[str], closing: str, level: int) -> str:
    """Parts on lines of their own, one space further in than what holds them."""
    before, after = "\n" + " " * (level + 1), "\n" + " " * level
    return opening + before + f",{before}".join(parts) + after + closing


def read_json(file: Path) -> dict[str, Any]:
    """Reads one of a bundle's JSON files.

    Raises:
        BundleError: it is not there, or not a mapping.
    """
    return parse_json(file, read_bytes(file))


def _read_arrays(file: Path, wanted: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """The tensors of a file, or those of these names, as far as it has them."""
    check_regular(file, MOST_TENSOR_BYTES)
    try:
        with safe_open(file, framework="numpy") as opened:
            # An open safetensors file has keys(), but cannot be iterated over itself.
            names = [name for name in opened.keys() if wanted is None or name in wanted]  # noqa: SIM118
            for name in names:
                kind = opened.get_slice(name).get_dtype()
                if kind not in NUMBERS:
                    raise BundleError(
                        describe_damage(
                            file, f"the tensor {describe_value(name)} holds {describe_value(kind)}, not numbers"
                        )
                    )
            return {name: _quieten_nan(np.asarray(opened.get_tensor(name))) for name in names}
    except (OSError, SafetensorError) as error:
        told = getattr(error, "strerror", None) or "it is not a file of tensors, or it ends too early"
        raise BundleError(describe_damage(file, str(told))) from error


def _quieten_nan(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, each NaN the usual one: bits that signal one make numpy warn wherever they are next used."""
    if values.dtype.kind != "f":
        return values
    with np.errstate(invalid="ignore"):
        unknown = np.isnan(values)
    if unknown.any():
        values = values.copy()
        values[unknown] = np.nan
    return values
