"""What may be asked: which names, which numbers are read from them, and what is held out."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, computed_field, field_validator, model_validator

from reportgen.documents.beside import PathOption, exists, explain_search, folder_of, path_of
from reportgen.documents.problem import Problem, describe_value
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.probes.linear_map.sheet import BUILT_IN, Columns, Entity, read_sheet
from reportgen.probing.options import ProbeOptions
from reportgen.suggest import suggestion
from reportgen.text.prompts import PromptsError
from reportgen.training.hold_out import draw_held_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST, FEWEST_HELD_OUT = 50, 10
"""Names, and names held out, below which an R² is chance."""
NAME = "{name}"

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]


class Options(ProbeOptions):
    """Which names, which numbers are read from them, and what is held out."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Decides which names are held out, how targets are shuffled, and the weights of the twin."""
    data: PathOption
    """`cities` (the 1,500 largest), `events` (255 dated ones), or a CSV file whose first line names its columns; its
    path starts from the battery's folder."""
    name: ColumnName | None = None
    """The column of the names; by default the first."""
    columns: Annotated[list[ColumnName], Field(min_length=1, max_length=8)] | None = None
    """The columns of numbers that are read from the names, such as [latitude, longitude]. The built-in data know
    theirs."""
    group: ColumnName | None = None
    """A column of what names have in common, such as their country: names are then also predicted by a fit without all
    names of their own group."""
    colour: ColumnName | None = None
    """A column that gives a name its colour on the map; by default the group."""
    template: Annotated[str, Field(max_length=2000)] = NAME
    """The text that is read, up to the name: {name} stands at its end, since a model sees nothing of what follows."""
    most: Annotated[int, Field(ge=FEWEST)] | None = None
    """Only so many of the names, the first ones."""
    split: Annotated[float, Field(ge=0.05, le=0.5)] = 0.2
    """Share of the names that is held out."""
    twin: bool = True
    """Whether the same is done with random weights, as a control; it costs as many passes again."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def data_sha256(self) -> str:
        """Numbers depend on what the file holds, not on what it is called."""
        return sha256_of(self.file)

    @property
    def file(self) -> Path:
        """Where the names stand."""
        return BUILT_IN[self.data][0] if self.data in BUILT_IN else path_of(self.data)

    @property
    def sheet(self) -> Columns:
        """What each of its columns is for."""
        known = BUILT_IN[self.data][1] if self.data in BUILT_IN else Columns(())
        group = self.group or known.group
        numbers = known.numbers if self.columns is None else tuple(self.columns)
        return Columns(numbers, self.name or known.name, group, self.colour or known.colour or group)

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        """The names, with what is known of them."""
        return read_sheet(self.file, self.sheet, self.most)

    @property
    def held_out(self) -> int:
        """How many names are held out."""
        return round(self.split * len(self.entities))

    def draw_held_out(self) -> NDArray[np.bool_]:
        """(name) which ones, the same for all models."""
        return draw_held_out(len(self.entities), self.split, self.seed)

    @field_validator("template")
    @classmethod
    def _check_template(cls, written: str) -> str:
        if written.count(NAME) != 1 or not written.endswith(NAME):
            raise ValueError(f"{describe_value(written)} does not end in {NAME}, once: nothing after it would be seen")
        return written

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        """Names are read once while the battery is checked: what is wrong with them is told with the battery."""
        if self.data not in BUILT_IN:
            if not exists(self.file):
                told = f"there is no file {describe_value(self.data)}"
                remedy = explain_search(self.data, folder_of(self.data)) if "." in self.data else ""
                raise PromptsError(Problem(("data",), told, remedy or suggestion(self.data, BUILT_IN)))
            if self.columns is None:
                remedy = "Write columns: [latitude, longitude], or the columns of your numbers."
                raise PromptsError(Problem(("data",), "it is not said which columns are read", remedy))
        repeated = [column for column in dict.fromkeys(self.columns or ()) if (self.columns or []).count(column) > 1]
        if repeated:
            raise PromptsError(Problem(("columns",), f"{describe_value(repeated[0])} is named twice"))
        count = len(self.entities)
        if count < FEWEST:
            told = f"{self.file.name} has {count} names; at least {FEWEST} are needed, some of them held out"
            raise PromptsError(Problem(("data",), told))
        if self.held_out < FEWEST_HELD_OUT:
            told = f"{self.held_out} of {count} names would be held out"
            remedy = f"At least {FEWEST_HELD_OUT} are needed: name a larger share, or more names."
            raise PromptsError(Problem(("split",), told, remedy))
        return self
