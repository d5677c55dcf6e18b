"""A battery's matrix: models, number formats and revisions, of which every combination becomes a model with an id."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from reportgen.battery.checkpoints import UnmatchedGlob, find_checkpoints, has_wildcard
from reportgen.battery.model_entry import STRICT, Dtype, ModelEntry
from reportgen.documents.problem import Problem, Where, describe_value
from reportgen.errors import BatteryError
from reportgen.results.schema import ID

MOST_MODELS = 200
"""Models of one battery: a report of more is read by nobody, and a slip of a glob would run for days."""

KEY = "matrix"


class Matrix(BaseModel):
    """Models, and what each of them is run with: every combination is one model of the battery.

    A model's id is its own id here, then its dtype, then its revision, of those that are listed: small-float32. Where
    a source is a glob, each folder or .gguf file that it matches is a model, and the id begins with its name instead:
    step-100-bfloat16. What a model says of its own dtype or revision stands, and is not multiplied.
    """

    model_config = STRICT

    models: Annotated[dict[str, Any], Field(min_length=1)]
    """The models, each under an id, as in a battery's models; a source may be a glob: ckpt/step-*."""
    dtype: Annotated[list[Dtype], Field(min_length=1)] | None = None
    """Number formats, in each of which every model is run."""
    revision: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] | None = None
    """Branches, tags or commits, of each of which every hub id is run; other sources have none."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The keys of a model that it lists values of."""
        return tuple(axis for axis in ("dtype", "revision") if getattr(self, axis) is not None)


@dataclass
class Expansion:
    """The models that a matrix stands for."""

    models: dict[str, ModelEntry] = field(default_factory=dict)
    """Id -> model, in the matrix's order: dtypes within a model, revisions within a dtype."""
    places: dict[str, Where] = field(default_factory=dict)
    """Id -> where the battery says so."""
    problems: list[Problem] = field(default_factory=list)


def expand_matrix(
    matrix: Matrix, entries: Mapping[str, ModelEntry], taken: Mapping[str, Where], folder: Path
) -> Expansion:
    """Every combination under its id, or what is wrong with it.

    Args:
        matrix: whose axes are multiplied.
        entries: its models, read.
        taken: ids that the battery gives to other models, and where.
        folder: the battery's, from which globs start.
    """
    found = Expansion()
    for key, entry in entries.items():
        where = (KEY, "models", key)
        try:
            combined = list(_combine(key, entry, matrix, folder))
        except UnmatchedGlob as unmatched:
            found.problems.append(Problem(where, str(unmatched), unmatched.remedy))
            continue
        for id, model in combined:
            if problem := _refuse_id(id, model, where, {**taken, **found.places}):
                found.problems.append(problem)
            else:
                found.models[id], found.places[id] = model, where
    count = len(found.models) + len(taken)
    if count > MOST_MODELS:
        remedy = "List fewer dtypes or revisions, or write a narrower glob."
        told = f"the battery would have {count} models, where {MOST_MODELS} are the most"
        found.problems.append(Problem((KEY,), told, remedy))
    return found


def _combine(key: str, entry: ModelEntry, matrix: Matrix, folder: Path) -> Iterator[tuple[str, ModelEntry]]:
    """Id and model of each combination of one entry."""
    for name, source in find_checkpoints(entry.source, folder) or [(key, entry.source)]:
        axes = _choose_axes(entry, matrix, source, folder)
        for values in product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            said = {name: getattr(entry, name) for name in entry.model_fields_set}
            yield make_id(name, *values), ModelEntry(**(said | {"source": source} | chosen))


def _choose_axes(entry: ModelEntry, matrix: Matrix, source: str, folder: Path) -> dict[str, list[Any]]:
    """Key of a model -> its values, of what the matrix lists and the model does not say itself."""
    axes: dict[str, list[Any]] = {}
    if matrix.dtype is not None and "dtype" not in entry.model_fields_set:
        axes["dtype"] = list(matrix.dtype)
    if matrix.revision is not None and entry.revision is None and _has_revisions(source, folder):
        axes["revision"] = list(matrix.revision)
    return axes


def _has_revisions(source: str, folder: Path) -> bool:
    """Whether a source is a hub id (or an adapter's base is one) that names no revision itself."""
    from reportgen.model.files.sources import parse_source  # here: few batteries list revisions

    try:
        parsed = parse_source(source, None, folder)
    except BatteryError:  # told where all sources are looked at
        return False
    base = parsed.parts[0] if parsed.parts is not None else parsed
    return base.kind == "hub" and base.revision is None


def make_id(*parts: str) -> str:
    """The id of a combination: its parts joined by hyphens; what no id can hold becomes a hyphen too."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(parts)).strip("-")


def _refuse_id(id: str, model: ModelEntry, where: Where, taken: Mapping[str, Where]) -> Problem | None:
    """Why a combination cannot have its id; None where it can."""
    of_source = f"the id of {describe_value(model.source)} would be {id}"
    if not re.fullmatch(ID, id):
        told = f"{of_source}, which is not usable as an id"
        return Problem(where, told, "Ids are 1 to 64 of A-Z a-z 0-9 _ and -. Give it a shorter name.")
    folded = {one.casefold(): one for one in taken}
    if id.casefold() not in folded:
        return None
    other = taken[folded[id.casefold()]]
    of_other = f"{other[-1]} has it already" if other != where else "another of these has it already"
    remedy = "Let the first wildcard stand further up in the path (run-*/step-*), or write no dtype or revision twice."
    return Problem(where, f"{of_source}, and {of_other}", remedy)


def select_models(pattern: str, models: Mapping[str, Any]) -> list[str]:
    """The ids that a name of a probe's `models` means: that id, or those that it matches as a glob."""
    from fnmatch import fnmatchcase

    return [id for id in models if id == pattern or (has_wildcard(pattern) and fnmatchcase(id, pattern))]
