"""The same prompts of all models in one table."""

import pytest

from reportgen.report.content.side_by_side import lay_side_by_side
from reportgen.results.quantities import Table
from tests.report.fakes import outcome

COLUMNS = ("prompt", "asked", "rank", "says", "is_right")
BESIDE = ("answers", ("says", "is_right", "rank"))
OPTIONS = {"prompts": [{"text": "one"}, {"text": "two", "id": "second"}, {"text": "three"}]}


def answered(model, *rows):
    return outcome("right_answer", model, OPTIONS, tables={"answers": Table(COLUMNS, [list(row) for row in rows])})


@pytest.fixture
def models():
    return {
        "m": answered("m", (0, "one", 1, " a", True), (1, "second", 12, " b", False)),
        "n": answered("n", (1, "second", 3, " c", False), (2, "three", 1, " a", True)),
    }


def test_every_prompt_that_a_model_was_asked_has_a_line(models):
    table = lay_side_by_side(models, BESIDE)
    assert table.subjects == ("m", "n")
    assert table.heads == [("says", "token"), ("is right", "text"), ("rank", "number")]
    shown = [(label, [cell.entry.text for cell in cells]) for label, cells in table.lines]
    assert shown == [
        ("one", ["␣a", "yes", "1", "–", "–", "–"]),
        ("second", ["␣b", "no", "12", "␣c", "no", "3"]),
        ("three", ["–", "–", "–", "␣a", "yes", "1"]),
    ]
    assert [cell.key for cell in table.lines[0][1]] == ["", "1.0", "1.0", "", "", ""]


def test_one_model_alone_and_a_table_that_is_not_there_are_compared_with_nothing(models):
    assert lay_side_by_side({"m": models["m"]}, BESIDE) is None
    assert lay_side_by_side(models, None) is None
    assert lay_side_by_side(models, ("other", ("rank",))) is None
    assert lay_side_by_side(models, ("answers", ("rank", "not_there"))) is None
