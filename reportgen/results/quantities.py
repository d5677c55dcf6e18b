"""What a probe found: numbers that carry their meaning.

A probe declares its findings as one dataclass whose fields say what each number is
(`metric`, `array`, `arrays`, `table`), and fills it with plain values. The declaration
travels with the value: unit, direction, named dims, columns.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from reportgen.errors import ReportgenError
from reportgen.results.columns import misfit
from reportgen.suggest import suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray


Dim = Literal[
    "layer", "block", "head", "query", "key", "position", "token", "feature",
    "component", "prompt", "item", "pair", "rank", "step", "other_layer", "expert",
]  # fmt: skip
DIMS: tuple[str, ...] = get_args(Dim)

Direction = Literal["higher", "lower", "none"]
Status = Literal["ok", "failed", "skipped"]
Cell = str | int | float | bool | None
Rows = list[list[Cell]]

LARGEST = 2**63 - 1
"""Of whole numbers in metrics and tables."""
NUMBERS = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)
"""What arrays may hold, by numpy's names."""
_NAMES_TOLD = 8


class WrongFindings(ReportgenError):
    """What a probe gave is not what it declares, or nothing that a bundle can hold."""


@dataclass(frozen=True)
class Metric:
    """A number with its unit, the better direction, and, when it has no value, the reason."""

    value: float | int | None
    unit: str = ""
    direction: Direction = "none"
    reason: str = ""

    @property
    def state(self) -> Literal["ok", "undefined"]:
        """`undefined` where there is no finite value; `reason` then says why."""
        return "ok" if self.value is not None else "undefined"


@dataclass(frozen=True, repr=False)
class Array:
    """(dims) values with the name of each dim, a unit, and coordinates where a dim does not count from 0."""

    dims: tuple[str, ...]
    values: NDArray[Any]
    unit: str = ""
    coordinates: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    relative_to: str = ""
    """What the values are seen from, such as the final answer: a change there moves the values of every layer."""
    called: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the places along a dim are called, where they have names: prompts by their ids. No part of what is
    stored."""

    def __post_init__(self) -> None:
        unknown = set(self.dims) - set(DIMS)
        if unknown or len(self.dims) != self.values.ndim:
            raise ValueError(f"array of shape {self.values.shape} with dims {self.dims}")
        for dim, size in zip(self.dims, self.values.shape, strict=True):
            if dim in self.coordinates and len(self.coordinates[dim]) != size:
                raise ValueError(f"{len(self.coordinates[dim])} coordinates for dim {dim} of size {size}")

    def __repr__(self) -> str:
        sizes = " x ".join(f"{dim} {size}" for dim, size in zip(self.dims, self.values.shape, strict=True))
        return f"<Array {sizes or self.values}{f', {self.unit}' if self.unit else ''}>"

    def along(self, dim: str) -> tuple[int, ...]:
        """The coordinates of a dim: those given, else 0, 1, 2, …"""
        size = self.values.shape[self.dims.index(dim)]
        return tuple(self.coordinates.get(dim, range(size)))

    def sel(self, **at: int | str | Sequence[int | str]) -> Array:
        """What lies at these coordinates: `entropy.sel(layer=3, prompt=0)`, `entropy.sel(layer=[0, 6, 12])`; a prompt
        may be asked for by its id.

        A dim at one coordinate is gone from what is returned; one at several keeps these, in the order given.

        Raises:
            KeyError: a dim that it does not have.
            IndexError: a coordinate that the dim does not have.
        """
        for dim in at:
            if dim not in self.dims:
                raise KeyError(f"no dim {dim!r}. {suggestion(dim, self.dims)}")
        several = {dim: tuple(one) for dim, one in at.items() if isinstance(one, Iterable) and not isinstance(one, str)}
        asked = {dim: self._places(dim, several.get(dim, (at[dim],))) for dim in self.dims if dim in at}
        values = self.values[...]
        for axis, dim in reversed(list(enumerate(self.dims))):
            if dim in at:
                values = values[(slice(None),) * axis + (asked[dim] if dim in several else asked[dim][0], ...)]
        left = tuple(dim for dim in self.dims if dim in several or dim not in at)
        kept = {dim: tuple(self.along(dim)[place] for place in asked[dim]) for dim in left if dim in asked}
        called = {dim: tuple(names[place] for place in asked.get(dim, range(len(names))))
                  for dim, names in self.called.items() if dim in left}  # fmt: skip
        known = {dim: places for dim, places in {**self.coordinates, **kept}.items() if dim in left}
        return replace(self, dims=left, values=values, coordinates=known, called=called)

    def frame(self) -> Any:
        """A pandas DataFrame in long form: a column a dim, which holds its coordinates, beside it what these are called
        where they have names (`prompt_id`), and `value`.

        Raises:
            ImportError: pandas is not installed.
        """
        import numpy as np

        grid = np.meshgrid(*(np.arange(size) for size in self.values.shape), indexing="ij")
        columns: dict[str, Any] = {}
        for dim, places in zip(self.dims, grid, strict=True):
            columns[dim] = np.array(self.along(dim), dtype=np.int64)[places.ravel()]
            if dim in self.called:
                columns[f"{dim}_id"] = np.array(self.called[dim], dtype=object)[places.ravel()]
        return _pandas().DataFrame({**columns, "value": self.values.ravel()})

    def _places(self, dim: str, asked: Sequence[Any]) -> list[int]:
        """Where coordinates, or what they are called, lie along the dim."""
        known: list[Any] = list(self.along(dim))
        named = list(self.called.get(dim, ()))
        for coordinate in asked:
            if coordinate not in (named if named and isinstance(coordinate, str) else known):
                raise IndexError(f"no {dim} {coordinate!r}: {_range_of(known)}{_list_called(named)}")
        return [(named if isinstance(one, str) else known).index(one) for one in asked]


def _range_of(coordinates: list[int]) -> str:
    """What there is to select along a dim."""
    if not coordinates:
        return "it is empty"
    first, last = coordinates[0], coordinates[-1]
    if coordinates == list(range(first, last + 1)):
        return f"it goes from {first} to {last}"
    return f"there are {', '.join(map(str, coordinates))}"


def _list_called(names: list[str]) -> str:
    """By which names these may be asked for, the first of them."""
    if not names:
        return ""
    told = ", ".join(map(repr, names[:_NAMES_TOLD]))
    return f", called {told}{', …' if len(names) > _NAMES_TOLD else ''}"


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        raise ImportError("a frame needs pandas: pip install pandas", name="pandas") from error


@dataclass(frozen=True, repr=False)
class Table:
    """Rows under named columns."""

    columns: tuple[str, ...]
    rows: Rows

    def __post_init__(self) -> None:
        if wrong := misfit(self.columns, self.rows):
            raise ValueError(wrong)

    def __repr__(self) -> str:
        return f"<Table of {len(self.rows)} rows: {', '.join(self.columns)}>"

    def column(self, name: str) -> list[Any]:
        """All cells of one column, top to bottom."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def records(self) -> list[dict[str, Any]]:
        """Each row as a dict by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def frame(self) -> Any:
        """A pandas DataFrame with the same columns. Whole numbers stay whole beside empty cells (Int64).

        Raises:
            ImportError: pandas is not installed.
        """
        pandas = _pandas()
        columns = {name: self.column(name) for name in self.columns}
        kinds = {name: "Int64" for name, cells in columns.items() if None in cells and _whole(cells)}
        return pandas.DataFrame(columns).astype(kinds)


def _whole(cells: Sequence[Cell]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(isinstance(cell, int) and not isinstance(cell, bool) for cell in known)


@dataclass(frozen=True)
class Outcome:
    """What became of one probe on one subject, as `results.json` holds it."""

    probe: str
    version: int
    options: Mapping[str, Any]
    models: tuple[str, ...]
    status: Status
    reason: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    prompt_sets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """FILE/SET -> title, source and what_to_see of each prompt set that the options name."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """What its author calls the probe ("") and its prompts (by what tables call them), where that is something else."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What its author says of these."""


@dataclass(frozen=True)
class Mean:
    """Of which stored numbers a metric is the mean, and to which prompt each belongs."""

    name: str
    """An array, several of them (NAME/0, NAME/1, …: one a prompt), or a table."""
    column: str = ""
    """Of the table."""
    each: str = "prompt"
    """The dim of the array, or the column of the table, that says whose a number is: `prompt`, `text`, `pair`."""
    at: Mapping[str, int] = field(default_factory=dict)
    """Dim of the array -> the place along it, counted from 0, from the end below 0; over other dims is the mean."""
    where: Mapping[str, Cell] = field(default_factory=dict)
    """Column of the table -> what stands there in the rows that count."""
    called: str | None = ""
    """Column of the table that says what the prompt is called; empty where that is as everywhere, None where it has
    no name: then it is told by its number."""
    above: float | None = None
    """The metric is the share of the numbers above this."""
    pooled: bool = False
    """The metric counts every token or answer once, not every prompt: it lies between the prompts' numbers, and is not
    their plain mean."""


def mean_of_rows(
    name: str, column: str, each: str = "prompt", *, called: str = "", pooled: bool = False, **where: Cell
) -> Mean:
    """The mean of a table's column: `mean_of_rows("top", "probability", rank=1)`."""
    return Mean(name, column, each, where=where, called=called, pooled=pooled)


def mean_of_array(
    name: str, *, called: str | None = "", above: float | None = None, pooled: bool = False, **at: int
) -> Mean:
    """The mean of an array over its prompts, at a place along other dims: `mean_of_array("entropy", layer=-1)`."""
    return Mean(name, at=at, called=called, above=above, pooled=pooled)


@dataclass(frozen=True)
class Quantity:
    """The declaration of one field of a probe's findings."""

    kind: Literal["metric", "array", "arrays", "table"]
    dims: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    unit: str = ""
    direction: Direction = "none"
    relative_to: str = ""
    optional: bool = False
    of_asked: bool = False
    of: Mean | None = None
    stored: str = ""
    """What results call it, where that is not the name of its field: a metric of the same quantity may have that."""


def metric(
    unit: str = "",
    direction: Direction = "none",
    *,
    optional: bool = False,
    of_asked: bool = False,
    of: Mean | None = None,
) -> Any:
    """A field that holds one number, or a string that says why there is none.

    An optional one is None where an option that asks for it is not given; the result then does not have it. One that
    is `of_asked` is over those prompts that `skipped` does not name: where that names others in one model than in
    another, the two numbers are of different prompts. `of` says of which of the other fields it is the mean over
    prompts: then two nights are compared prompt by prompt, too.
    """
    return _declare(Quantity("metric", unit=unit, direction=direction, optional=optional, of_asked=of_asked, of=of))


def array(*dims: Dim, unit: str = "", relative_to: str = "", optional: bool = False, stored: str = "") -> Any:
    """A field that holds one numpy array with these dims; `relative_to` as in `Array`, `optional` as in `metric`,
    `stored` as in `Quantity`.
    """
    return _declare(Quantity("array", dims=dims, unit=unit, relative_to=relative_to, optional=optional, stored=stored))


def arrays(*dims: Dim, unit: str = "") -> Any:
    """A field that holds a list of arrays, stored as NAME/0, NAME/1, …"""
    return field(metadata={"quantity": Quantity("arrays", dims=dims, unit=unit)})


def table(*columns: str, optional: bool = False) -> Any:
    """A field that holds rows under these columns; `optional` as in `metric`."""
    return _declare(Quantity("table", columns=columns, optional=optional))


def _declare(quantity: Quantity) -> Any:
    metadata = {"quantity": quantity}
    return field(default=None, metadata=metadata) if quantity.optional else field(metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Base of what each probe returns; what is in it is checked where it is taken out."""

    coordinates: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def metrics(self) -> dict[str, Metric]:
        """Every declared metric, of the optional ones those that were asked for; a non-finite one is undefined, with
        its reason.

        Raises:
            WrongFindings: one is not a number, and no reason why there is none.
        """
        return {name: _make_metric(name, value, quantity) for name, quantity, value in self._of("metric")}

    def tables(self) -> dict[str, Table]:
        """Every declared table (of the optional ones those that were asked for), its rows checked against its columns.

        Raises:
            WrongFindings: a row does not fit them, or a cell holds what no table can.
        """
        found = {}
        for name, quantity, rows in self._of("table"):
            if any(len(row) != len(quantity.columns) for row in rows):
                raise WrongFindings(f"table {name}: a row does not fit the columns {', '.join(quantity.columns)}")
            found[name] = Table(
                quantity.columns, [[_check_cell(cell, f"table {name}") for cell in row] for row in rows]
            )
        return found

    def arrays(self) -> dict[str, Array]:
        """Every declared array, of the optional ones those that were asked for; lists are spread as NAME/0, NAME/1, …

        Raises:
            WrongFindings: its shape is not that of its dims, or it holds no plain numbers.
        """
        found = {}
        for name, quantity, values in self._of("array"):
            found[quantity.stored or name] = self._make_array(name, values, quantity)
        for name, quantity, many in self._of("arrays"):
            for index, values in enumerate(many):
                found[f"{name}/{index}"] = self._make_array(f"{name}/{index}", values, quantity)
        return found

    def _of(self, kind: str) -> list[tuple[str, Quantity, Any]]:
        """Those of a kind, without the optional ones that were not asked for."""
        declared = {name: q for name, q in quantities_of(type(self)).items() if q.kind == kind}
        held = [(name, q, getattr(self, name)) for name, q in declared.items()]
        return [(name, q, value) for name, q, value in held if value is not None or not q.optional]

    def _make_array(self, name: str, values: Any, quantity: Quantity) -> Array:
        import numpy as np

        found = np.asarray(values)
        if found.dtype.name not in NUMBERS:
            raise WrongFindings(f"array {name} is of {found.dtype.name}, not of plain numbers")
        if found.ndim != len(quantity.dims):
            raise WrongFindings(f"array {name} has {found.ndim} dims, not {', '.join(quantity.dims) or 'none'}")
        known = {dim: tuple(int(i) for i in c) for dim, c in self.coordinates.items() if dim in quantity.dims}
        # a scalar stays one: `ascontiguousarray` would make a list of one of it
        whole = np.ascontiguousarray(found) if found.ndim else found
        return Array(quantity.dims, whole, quantity.unit, known, quantity.relative_to)


def _make_metric(name: str, value: Any, quantity: Quantity) -> Metric:
    if isinstance(value, str):
        return Metric(None, quantity.unit, quantity.direction, _check_text(value, f"metric {name}"))
    number = _unwrap_number(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise WrongFindings(f"metric {name} is of type {type(value).__name__}, not a number")
    if isinstance(number, int) and abs(number) > LARGEST:
        raise WrongFindings(f"metric {name} is a whole number beyond 64 bits")
    if not math.isfinite(number):
        return Metric(None, quantity.unit, quantity.direction, f"the computation gave {number}")
    return Metric(number, quantity.unit, quantity.direction)


def _check_cell(value: Any, where: str) -> Cell:
    if value is None or type(value) is float or type(value) is bool:  # most of a long table, and nothing to look at
        return value
    plain = value if type(value) is int or type(value) is str else _unwrap_number(value)
    if isinstance(plain, str):
        return _check_text(plain, where)
    if isinstance(plain, int) and abs(plain) > LARGEST:
        raise WrongFindings(f"{where}: a cell holds a whole number beyond 64 bits")
    if plain is None or isinstance(plain, bool | int | float):
        return plain
    raise WrongFindings(f"{where}: a cell is of type {type(value).__name__}, which no table holds")


def _unwrap_number(value: Any) -> Any:
    """A value as Python has it: numpy's own numbers are what computations give."""
    import numpy as np

    return value.item() if isinstance(value, np.generic) else value


def _check_text(text: str, where: str) -> str:
    """A text that can be written: a lone half of a surrogate pair is no character."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise WrongFindings(f"{where}: a text holds half of a character (a lone surrogate)") from None
    return text


def quantities_of(findings: type[Findings]) -> dict[str, Quantity]:
    """Every declared number by its name: those of the class itself first, then those of what it is made of."""
    declared = {one.name: one.metadata["quantity"] for one in fields(findings) if "quantity" in one.metadata}
    names = (name for kind in findings.__mro__ for name in inspect.get_annotations(kind))
    return {name: declared[name] for name in names if name in declared}


def name_arrays(findings: type[Findings]) -> dict[str, str]:
    """What results call each array -> its field: a metric may have the same name."""
    declared = quantities_of(findings).items()
    return {one.stored or name: name for name, one in declared if one.kind in ("array", "arrays")}


def definitions(findings: type[Findings]) -> dict[str, str]:
    """The docstring below each declared field: the definition that is printed beside the number."""
    found: dict[str, str] = {}
    for kind in findings.__mro__:
        if issubclass(kind, Findings) and kind is not Findings:
            found = {**_own_definitions(kind), **found}
    return {name: found[name] for name in quantities_of(findings) if name in found}


def _own_definitions(findings: type[Findings]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(findings))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[statement.target.id] = inspect.cleandoc(str(following.value.value))
    return found
