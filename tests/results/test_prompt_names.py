"""The ids of prompts beside their numbers: the right one, or none."""

from typing import Any

import numpy as np
import pytest

from reportgen.results.prompt_names import name_along, name_prompts, name_rows
from reportgen.results.quantities import Array, Outcome, Table

ASKED = [
    {"text": "a hot day", "id": "hot"},
    {"text": "a cold day"},
    {"messages": [{"role": "user", "content": "a day?"}], "id": "asked"},
]


def make_outcome(read: list[tuple[int, str]] | None = None, asked: Any = ASKED, **tables: Table) -> Outcome:
    known = {} if read is None else {"prompts": Table(("prompt", "text"), [list(row) for row in read])}
    return Outcome("p", 1, {"prompts": asked}, ("m",), "ok", tables={**known, **tables})


def test_a_prompt_is_called_by_its_id_else_its_text() -> None:
    names = {0: "hot", 1: "a cold day", 2: "asked"}
    assert name_prompts(make_outcome()) == names
    assert name_prompts(make_outcome([(0, "a hot day"), (1, "a cold day"), (2, "<s>user: a day?</s>")])) == names


def test_a_probe_that_left_prompts_out_or_turned_them_round_counts_anew() -> None:
    assert name_prompts(make_outcome([(0, "a cold day"), (1, "<s>a day?")])) == {0: "a cold day", 1: "asked"}
    turned = make_outcome([(0, "<s>a day?"), (1, "a hot day"), (2, "a cold day")])
    assert name_prompts(turned) == {0: "asked", 1: "hot", 2: "a cold day"}


def test_where_two_prompts_have_one_text_there_is_no_name_rather_than_a_doubtful_one() -> None:
    asked = [{"text": "left out", "id": "first"}, {"text": "sea", "id": "one"}, {"text": "sea", "id": "two"}]
    assert name_prompts(make_outcome([(0, "sea"), (1, "sea")], asked)) == {}
    assert name_prompts(make_outcome([(0, "left out"), (1, "sea"), (2, "sea")], asked)) == {
        0: "first",
        1: "one",
        2: "two",
    }


@pytest.mark.parametrize("asked", [None, "lecture/apple", 3, [1], [{"id": 3}], [{"messages": []}], {}])
def test_options_that_hold_no_prompts_give_no_names(asked: Any) -> None:
    assert name_prompts(make_outcome(asked=asked)) == {}


def test_an_array_counts_as_the_options_do_if_it_has_coordinates_and_else_as_the_tables_do() -> None:
    outcome = make_outcome([(0, "a cold day"), (1, "<s>a day?")])
    stored = Array(("prompt", "layer"), np.zeros((2, 3)), "", {"prompt": (0, 2)})
    assert name_along(outcome, stored) == ("hot", "asked")
    assert name_along(outcome, Array(("prompt",), np.zeros(2))) == ("a cold day", "asked")
    assert name_along(outcome, Array(("prompt",), np.zeros(3))) == ()
    assert name_along(outcome, Array(("layer",), np.zeros(2))) == ()


def test_ids_and_the_model_stand_beside_the_numbers() -> None:
    pairs = Table(("pair", "prompt_a", "prompt_b"), [[0, 0, 2], [1, None, 9]])
    named = name_rows(pairs, "Tiny", name_prompts(make_outcome()))
    assert named.columns == ("model", "pair", "prompt_a", "prompt_a_id", "prompt_b", "prompt_b_id")
    assert named.rows == [["Tiny", 0, 0, "hot", 2, "asked"], ["Tiny", 1, None, None, 9, None]]
    assert pairs.rows[0] == [0, 0, 2]


def test_numbers_within_sides_and_prompts_told_by_their_text_get_no_ids() -> None:
    names = name_prompts(make_outcome())
    for table in (
        Table(("side", "prompt", "text"), [["towards", 0, "x"]]),
        Table(("prompt", "reason"), [["a hot day", "too long"]]),
        Table(("model", "prompt", "prompt_id"), [["own", 0, "own"]]),
    ):
        named = name_rows(table, "Tiny", names)
        assert [one for one in named.columns if one.endswith("_id")] == [one for one in table.columns if "_id" in one]
        assert named.columns.count("model") == 1
