"""How far a number may move before that is told: by glob in the battery, from calibration, or by its kind."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reportgen.documents.plain_words import explain_errors
from reportgen.documents.problem import write_place

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ToleranceEntry(BaseModel):
    """Limits for the quantities that a glob matches; what is left out comes from the next glob, then from the kind."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    abs: Bound | None = None
    """Largest difference, in the quantity's unit."""
    rel: Bound | None = None
    """Largest difference as a share of the baseline's value; it adds to `abs`."""
    overlap: Share | None = None
    """Of a ranked table: smallest share of entries that each list keeps."""
    direction: Literal["higher", "lower", "none"] | None = None
    """Which direction is better, instead of the metric's own."""
    gate: bool | None = None
    """Whether going beyond it fails the comparison."""


Entries = Mapping[str, ToleranceEntry]
"""Glob over PROBE_ID.SUBJECT.NAME -> entry; of several that match, the last one written wins."""


_ENTRIES = TypeAdapter(dict[str, ToleranceEntry])


def check_entries(content: object) -> dict[str, ToleranceEntry]:
    """What a stranger's file says of tolerances, by glob.

    Raises:
        ValueError: it is something else; says where.
    """
    try:
        return _ENTRIES.validate_python(content)
    except ValidationError as error:
        (first, *_) = explain_errors(error, content, ToleranceEntry)
        where = write_place(first.where)
        raise ValueError(f"{where}: {first.message}" if where else first.message) from error


@dataclass(frozen=True)
class Tolerance:
    """What holds for one quantity."""

    abs: float
    rel: float
    overlap: float
    direction: str
    gate: bool

    def bound(self, size: float) -> float:
        """Largest difference allowed where the baseline's value has this size."""
        return self.abs + self.rel * size


COUNT = Tolerance(abs=0, rel=0, overlap=1, direction="none", gate=True)
"""Whole numbers are counted, not measured."""
MEASURED = Tolerance(abs=1e-3, rel=1e-3, overlap=0.8, direction="none", gate=True)
"""Other kernels, threads and batch sizes move float32 logits by up to 5e-4."""
RANK = Tolerance(abs=2, rel=0.1, overlap=0.8, direction="none", gate=True)
"""Far down a vocabulary, the last bits of logits decide about places."""


def may_match(glob: str, before: str) -> bool:
    """Whether a glob matches any path that begins with `before`, whatever follows."""
    return any(fnmatchcase(before, glob[:end]) for end in range(len(glob) + 1))


def tolerance_of(path: str, kind: Tolerance, written: Entries, calibrated: Entries, direction: str) -> Tolerance:
    """The tolerance of a quantity: the battery's word before the calibration's, that before the kind's.

    Args:
        path: PROBE_ID.SUBJECT.NAME.
        kind: what holds for its kind.
        written: the battery's entries.
        calibrated: entries found by repeated runs.
        direction: the metric's own.
    """
    found = replace(kind, direction=direction)
    for entries in (calibrated, written):
        for glob, entry in entries.items():
            if fnmatchcase(path, glob):
                found = replace(found, **entry.model_dump(exclude_none=True))
    return found
