"""No verdict is given across sentences in which a word is other things; what is read instead is said."""

from typing import Any

import pytest

from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import refuse_verdict, tell_parts
from reportgen.results.quantities import Outcome, Table
from reportgen.results.section import ModelCard

Rows = list[list[Any]]
OWN = [0, "花", "花", "exact"]
IN_FLOWER = [1, "花", "的花", "inside"]
IN_SPENT = [2, "花", "花了", "inside"]
IN_BYTES = [3, "花", "<8A> | <B1>→花", "bytes"]


def view(rows: Rows | None, **options: object) -> SubjectView:
    tables = {} if rows is None else {"words": Table(("prompt", "word", "tokens", "fit"), rows)}
    outcome = Outcome("word_similarity", 1, options, ("m",), "ok", tables=tables)
    return SubjectView("m", "Model", outcome, (ModelCard("m", "Model", "X", 3),))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([OWN, OWN, IN_FLOWER], "it is its own tokens 2 times and part of what is read as “的花”."),
        ([OWN, IN_BYTES], "it is its own tokens once and read at the last of its bytes in “<8A> | <B1>→花”."),
        ([IN_FLOWER, IN_SPENT], "it is part of what is read as “的花” and “花了”."),
    ],
)
def test_words_that_differ_are_not_compared(rows: Rows, told: str) -> None:
    assert told in refuse_verdict(view(rows))
    assert refuse_verdict(view(rows)).startswith("No verdict on Model")
    assert refuse_verdict(view(rows, accept_parts=True)) == ""


@pytest.mark.parametrize("rows", [None, [], [OWN, OWN], [IN_FLOWER, IN_FLOWER], [IN_BYTES, IN_BYTES]])
def test_words_that_are_read_alike_are_compared(rows: Rows | None) -> None:
    assert refuse_verdict(view(rows)) == ""


def test_what_is_read_instead_of_the_word_is_said() -> None:
    assert tell_parts(view([OWN])) == ""
    assert tell_parts(view(None)) == ""
    assert tell_parts(view([IN_BYTES])) == "In Model the word is read at the last of its bytes in “<8A> | <B1>→花”."


def test_other_words_in_other_tokens_are_alike() -> None:
    assert refuse_verdict(view([[0, "花", "的花", "inside"], [1, "天", "今天", "inside"]])) == ""
