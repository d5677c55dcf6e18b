"""What a stored bundle holds of one subject, as a probe's figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from reportgen.results.quantities import Outcome
from reportgen.results.section import SUBJECT, ModelCard, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SubjectView:
    """One subject with what was found of it. A probe that reads more out of it has a subclass, `View`, in its module
    `view`.
    """

    subject: str
    name: str
    """What sentences and figures call it."""
    outcome: Outcome
    models: tuple[ModelCard, ...]
    """The model, or both of a pair."""

    @classmethod
    def each(cls, section: Section) -> list[Self]:
        """Every subject of which there are numbers, in the battery's order."""
        return [
            cls(subject, section.name(subject), outcome, tuple(section.models[id] for id in subject.split(SUBJECT)))
            for subject, outcome in section.ok().items()
        ]

    @property
    def options(self) -> Mapping[str, Any]:
        """What was asked."""
        return self.outcome.options

    @property
    def last_layer(self) -> int:
        """Number of the last layer: there are as many blocks."""
        return self.models[0].layers

    def metric(self, name: str) -> float | int | None:
        """The value of a metric; None where it is undefined."""
        return self.outcome.metrics[name].value

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Each row of a table as a dict by column name."""
        return self.outcome.tables[table].records()

    def column(self, table: str, column: str) -> list[Any]:
        """All cells of a table's column, top to bottom."""
        return self.outcome.tables[table].column(column)

    def values(self, array: str) -> NDArray[Any]:
        """The values of an array."""
        return self.outcome.arrays[array].values

    def along(self, array: str, dim: str) -> tuple[int, ...]:
        """The coordinates of an array's dim."""
        return self.outcome.arrays[array].along(dim)
