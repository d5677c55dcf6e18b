"""Strangers' text where it is told: one line, nothing hidden in it, no command of a workflow."""

import pytest

from reportgen.spelling import LONGEST, capitalize_first, is_hidden, spell_text

HOSTILE = (
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m\x90q\x85next",
    "one\ntwo\r\n::error::three\u2028four\u2029five",
    "::error file=a::b",
    "  ::set-output name=a::b",
    "\u00a0::warning::x",
    "text ##[error]x",
    "##vso[task.setvariable variable=a]b",
    "\u202eright\u2066isolate\u200f",
    "zero\u200bwidth\u2060\ufeff",
    "\ud800lone\udfff",
    "tag\U000e0041\ufe0f",
    "\0",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_told_text_is_one_line_that_hides_and_commands_nothing(text: str) -> None:
    told = spell_text(text)
    assert len(told.splitlines()) == 1
    assert not any(map(is_hidden, told.replace(" ", "")))
    assert not told.lstrip().startswith("::")
    assert "##[" not in told
    assert "##vso[" not in told
    told.encode()
    assert spell_text(told) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: b :: c # d", "a: b :: c # d"),
        ("天氣 café 🐠", "天氣 café 🐠"),
        ("a\nb\tc", "a↵b⇥c"),
        ("::error::x", "<U+003A>:error::x"),
        ("##[error]x", "<U+0023>#[error]x"),
        ("\x1b[31m", "<U+001B>[31m"),
    ],
)
def test_what_can_be_read_stays(text: str, told: str) -> None:
    assert spell_text(text) == told


def test_what_nobody_reads_to_the_end_is_cut() -> None:
    told = spell_text("A" * 100_000)
    assert len(told) == LONGEST
    assert told.endswith("A…")
    assert spell_text(told) == told
    assert len(spell_text("\x1b" * 100_000)) == LONGEST
    assert spell_text("/a" * 1_000, longest=None) == "/a" * 1_000


def test_a_name_of_code_begins_a_sentence_as_it_is() -> None:
    assert capitalize_first("numbers of model.norm") == "Numbers of model.norm"
    assert capitalize_first("model.norm.weight 的數") == "model.norm.weight 的數"
    assert capitalize_first("") == ""
