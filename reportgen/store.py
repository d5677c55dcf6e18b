"""The bundle on disk: results.json, arrays.safetensors, run.json, and the outputs made of them.

Results and arrays are the same bytes for the same inputs; clocks, hosts and paths live in run.json alone.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from reportgen.errors import BundleError, Mistake
from reportgen.probes.base import ModelCard, Section
from reportgen.result import Array, Metric, Outcome, Table

SCHEMA = 1
RESULTS, ARRAYS, RUN = "results.json", "arrays.safetensors", "run.json"

_OF_ONE_RUN = ("files", "durations", "from_cache", "battery", "presentation")
"""What run.json says that means nothing beside a copy of the numbers."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

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
    content = {"schema": SCHEMA, "title": bundle.title, "models": models, "results": results}
    write_json(folder / RESULTS, content)
    save_file(dict(sorted(tensors.items())), folder / ARRAYS)
    (folder / ARRAYS).chmod(0o644)
    write_json(folder / RUN, dict(bundle.run))


def copy_numbers(bundle: Path, folder: Path) -> None:
    """Copies a bundle's numbers, without its outputs, into a folder that is there."""
    for name in (RESULTS, ARRAYS):
        shutil.copyfile(bundle / name, folder / name)
    run = read_json(bundle / RUN)
    write_json(folder / RUN, {key: value for key, value in run.items() if key not in _OF_ONE_RUN})


def load_bundle(folder: Path) -> Bundle:
    """Reads a bundle.

    Raises:
        BundleError: no bundle, one of another schema, or a damaged one; says which file and what is wrong.
    """
    content = read_json(folder / RESULTS)
    if content.get("schema") != SCHEMA:
        raise BundleError(
            Mistake(
                f"a bundle of schema {content.get('schema')!r}; this version reads {SCHEMA}",
                "make it again with reportgen run",
                file=folder / RESULTS,
            )
        )
    _check_names(content, folder / RESULTS)
    tensors = _read_arrays(folder / ARRAYS)
    try:
        return Bundle(
            path=folder,
            title=content["title"],
            models={id: _card(id, card) for id, card in content["models"].items()},
            outcomes={
                probe_id: {subject: outcome_from(outcome, tensors) for subject, outcome in by.items()}
                for probe_id, by in content["results"].items()
            },
            run=read_json(folder / RUN) if (folder / RUN).exists() else {},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(damaged(folder / RESULTS, f"{type(error).__name__}: {error}")) from error


def _check_names(content: Mapping[str, Any], file: Path) -> None:
    """Ids become file names: those of a stranger's bundle must be ids."""
    results, models = content.get("results"), content.get("models")
    if not isinstance(results, dict) or not isinstance(models, dict):
        raise BundleError(damaged(file, "it lacks results or models"))
    subjects = {subject for by_subject in results.values() if isinstance(by_subject, dict) for subject in by_subject}
    names = {*results, *models, *(part for subject in subjects for part in subject.split(".."))}
    wrong = sorted(name for name in names if not _ID.fullmatch(name))
    if wrong:
        raise BundleError(damaged(file, f"{wrong[0][:80]!r} is no id"))


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


def _cell(cell: Any) -> Any:
    return float("nan") if isinstance(cell, dict) else cell


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
        KeyError, TypeError, ValueError, AttributeError: it is damaged.
    """
    metrics = {
        name: Metric(m["value"], m["unit"], m["direction"], m.get("reason", ""))
        for name, m in content["metrics"].items()
    }
    tables = {
        name: Table(tuple(t["columns"]), [[_cell(cell) for cell in row] for row in t["rows"]])
        for name, t in content["tables"].items()
    }
    return Outcome(
        probe=content["probe"],
        version=content["version"],
        options=content["options"],
        models=tuple(content["models"]),
        status=content["status"],
        reason=content.get("reason", ""),
        metrics=metrics,
        tables=tables,
        arrays={name: _array(array, tensors) for name, array in content["arrays"].items()},
        prompt_sets=content.get("prompt_sets", {}),
    )


def _array(content: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Array:
    name = content["tensor"]
    if name not in tensors:
        raise ValueError(f"{ARRAYS} lacks the tensor {name}")
    if list(tensors[name].shape) != content["shape"]:
        raise ValueError(f"the tensor {name} has shape {list(tensors[name].shape)}, not {content['shape']}")
    coordinates = {dim: tuple(values) for dim, values in content.get("coordinates", {}).items()}
    relative_to = content.get("relative_to", "")
    return Array(tuple(content["dims"]), tensors[name], content["unit"], coordinates, relative_to)


def _card_json(card: ModelCard) -> dict[str, Any]:
    content = asdict(card)
    return {"name": content["name"], "architecture": content["architecture"], "layers": content["layers"], **card.facts}


def _card(id: str, content: Mapping[str, Any]) -> ModelCard:
    own = ("name", "architecture", "layers")
    facts = {name: value for name, value in content.items() if name not in own}
    return ModelCard(id, content["name"], content["architecture"], content["layers"], facts)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Writes one of a bundle's JSON files; a number that is not finite is refused."""
    file.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """Reads one of a bundle's JSON files.

    Raises:
        BundleError: it is not there, or not a mapping.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        remedy = "a bundle is the folder that reportgen run made, with results.json in it"
        raise BundleError(Mistake("there is no such file", remedy, file=file)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(damaged(file, str(error))) from error
    if not isinstance(content, dict):
        raise BundleError(damaged(file, "it is no mapping"))
    return content


def _read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        found: dict[str, NDArray[Any]] = load_file(file)
    except (OSError, ValueError, SafetensorError) as error:
        raise BundleError(damaged(file, str(error))) from error
    return {name: np.asarray(values) for name, values in found.items()}


def damaged(file: Path, what: str) -> Mistake:
    """What a person is told of a bundle that cannot be read."""
    return Mistake(f"the bundle is damaged: {what}", "make it again with reportgen run", file=file)
