from dataclasses import dataclass

import numpy as np
import pytest

from reportgen.results.quantities import (
    Array,
    Findings,
    Rows,
    Table,
    WrongFindings,
    array,
    arrays,
    definitions,
    metric,
    quantities_of,
    table,
)


@dataclass(frozen=True, kw_only=True)
class Example(Findings):
    """Findings of a probe that does not exist."""

    total: float | str = metric("tokens", "lower")
    """How many."""
    curve: np.ndarray = array("layer", unit="nat")
    """(layer) how much."""
    grids: list[np.ndarray] = arrays("head", "query")
    """(head x query) where."""
    rows: Rows = table("name", "value")


def example(**changed: object) -> Example:
    values = {"total": 3, "curve": np.zeros(2), "grids": [np.zeros((1, 2)), np.ones((1, 3))], "rows": [["a", 1]]}
    return Example(**values | changed)


def test_a_value_carries_its_declaration() -> None:
    found = example(coordinates={"layer": [4, 9]})
    assert found.metrics()["total"].unit == "tokens"
    assert found.metrics()["total"].direction == "lower"
    assert found.arrays()["curve"].along("layer") == (4, 9)
    assert set(found.arrays()) == {"curve", "grids/0", "grids/1"}
    assert found.arrays()["grids/1"].dims == ("head", "query")
    assert found.tables()["rows"].column("value") == [1]


def test_definitions_are_the_docstrings_below_the_fields() -> None:
    told = {"total": "How many.", "curve": "(layer) how much.", "grids": "(head x query) where."}
    assert definitions(Example) == told


@dataclass(frozen=True, kw_only=True)
class SharedFindings(Findings):
    skipped: object = table("row", "reason")
    """What was left out."""


@dataclass(frozen=True, kw_only=True)
class Made(SharedFindings):
    rows: object = table("a")
    """Its own."""
    most: float = metric()
    """The most."""


def test_what_findings_are_made_of_comes_after_what_they_declare() -> None:
    assert list(Made(rows=[], skipped=[], most=1.0).tables()) == ["rows", "skipped"]
    assert list(quantities_of(Made)) == ["rows", "most", "skipped"]
    assert definitions(Made) == {"rows": "Its own.", "most": "The most.", "skipped": "What was left out."}


@pytest.mark.parametrize(("value", "reason"), [("no heads", "no heads"), (float("nan"), "the computation gave nan")])
def test_a_number_that_is_none_is_undefined_with_its_reason(value: object, reason: str) -> None:
    undefined = example(total=value).metrics()["total"]
    assert (undefined.state, undefined.value, undefined.reason) == ("undefined", None, reason)


def test_an_optional_number_that_was_not_asked_for_is_not_there() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Asked(Example):
        """Findings with one more number, where an option asks for it."""

        share: float | None = metric("share", optional=True)
        """Of what is asked for."""

    assert set(Asked(**vars(example())).metrics()) == {"total"}
    assert Asked(**vars(example()), share=0.5).metrics()["share"].value == 0.5
    with pytest.raises(WrongFindings, match="total is of type NoneType"):
        example(total=None).metrics()


def test_rows_must_fit_their_columns() -> None:
    with pytest.raises(WrongFindings, match="table rows: a row does not fit"):
        example(rows=[["a"]]).tables()


@pytest.mark.parametrize(
    ("dims", "shape", "coordinates"),
    [(("layer",), (2, 2), {}), (("depth",), (2,), {}), (("layer",), (2,), {"layer": (1,)})],
)
def test_an_array_that_does_not_fit_its_dims_is_refused(dims, shape, coordinates) -> None:
    with pytest.raises(ValueError, match=r"dims|dim layer"):
        Array(dims, np.zeros(shape), "", coordinates)


def test_records_go_by_column_name() -> None:
    assert Table(("a", "b"), [[1, 2]]).records() == [{"a": 1, "b": 2}]
