"""Shares of words, on texts counted by hand and on ordinary prose of each language."""

from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.documents.yaml_source import read_source
from reportgen.text.function_words import function_words
from reportgen.text.wording import (
    LEAST_HITS,
    LOOPS_FROM,
    function_word_share,
    language_share,
    repeated_share,
    repeats,
    script_share,
    words_of,
)

FILE = Path(__file__).with_name("prose.yaml")
PROSE: dict[str, list[str]] = read_source(FILE.read_text(encoding="utf-8"), FILE).value
LANGUAGES = list(function_words())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The CAT sat, 12 times!", ["the", "cat", "sat", "times"]),
        ("L’eau qu'il boit", ["l'", "eau", "qu'", "il", "boit"]),
        ("I don't say 'maybe'", ["i", "don't", "say", "maybe"]),
        ("D’accord, aujourd'hui", ["d'", "accord", "aujourd'hui"]),
        ("qu'l'eau", ["qu'", "l'", "eau"]),
        ("今天on下雨", ["今", "天", "on", "下", "雨"]),
        ("e\u0301te\u0301 com\u00adpany", ["été", "company"]),
        ("🐠 … 3.14 — ' ''", []),
    ],
)
def test_words_are_runs_of_letters_and_elisions_are_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_run_that_comes_again_is_a_repeat() -> None:
    assert repeats(words_of("we went to town so we went to town again")) == [False] * 5 + [True] * 4 + [False]
    assert not any(repeats(words_of("we went to work and we went to town"))), "three words are no run"
    assert repeats(["la"] * 6) == [False] + [True] * 5
    assert not any(repeats(list("台積電的人台積電的人")[:8])), "five letters are no run"
    assert any(repeats(list("今天天氣真的很好" * 2)))


@pytest.mark.parametrize("rounds", [2, 5])
def test_a_loop_counts_once(rounds: int) -> None:
    text = "The river was high and les maisons sont dans la vallée "
    # of 11 words, les, sont, dans and la are in the French list; the, and tell English (was is Dutch too), and French
    # is told by les, sont, dans (la is Spanish too)
    assert repeated_share(text * rounds) == pytest.approx(1 - 1 / rounds)
    assert function_word_share(text * rounds, "fr") == pytest.approx(4 / 11)
    assert language_share(text * rounds, "fr") == pytest.approx(3 / 5)


def test_a_text_that_falls_into_a_loop_has_the_share_of_what_it_said_before() -> None:
    falls = "The river was high and wide for all " + "dans les " * 40
    counted_every_time = sum(word in function_words()["fr"] for word in words_of(falls)) / len(words_of(falls))
    assert counted_every_time > 0.9
    assert function_word_share(falls, "fr") == pytest.approx(2 / 10)
    assert language_share(falls, "fr") == pytest.approx(2 / 6)
    assert repeated_share(falls) == pytest.approx(78 / 88)
    assert repeated_share(falls) > LOOPS_FROM


def test_several_texts_are_measured_together_and_each_by_its_own_loops() -> None:
    one, other = "dans les maisons froides", "the house and the garden"
    assert function_word_share([one, other], "fr") == pytest.approx(2 / 9)
    assert language_share([one, other], "fr") == pytest.approx(2 / 5)
    assert repeated_share([one, one]) == 0
    assert repeated_share([one, f"{one} {one}"]) == pytest.approx(4 / 12)


def test_a_word_of_several_languages_tells_none() -> None:
    assert function_word_share("de la", "fr") == function_word_share("de la", "es") == 1
    assert isnan(language_share("de la " * 3, "fr"))


def test_what_cannot_be_measured_is_no_number() -> None:
    assert LEAST_HITS == 2
    assert isnan(language_share("maisons vertes dans", "fr"))
    assert language_share("maisons vertes dans les", "fr") == 1
    for nothing in ("", "12 3! 🐠", []):
        assert isnan(repeated_share(nothing))
        assert isnan(function_word_share(nothing, "en"))
        assert isnan(language_share(nothing, "en"))
        assert isnan(script_share(nothing, "latin"))


def test_a_language_without_a_list_is_refused() -> None:
    for share in (function_word_share, language_share):
        with pytest.raises(ValueError, match="no list of function words for the language 'xx'"):
            share("any text", "xx")


@pytest.mark.parametrize("language", LANGUAGES)
def test_ordinary_prose_is_of_its_own_language_and_no_other(language: str) -> None:
    for text in PROSE[language]:
        assert repeated_share(text) == 0
        assert 0.3 <= function_word_share(text, language) <= 0.75
        for other in LANGUAGES:
            if other == language:
                assert language_share(text, language) >= 0.8
            else:
                assert language_share(text, other) < 0.2
                assert function_word_share(text, other) < function_word_share(text, language)
    assert function_word_share(PROSE[language], language) >= 0.39


def test_english_prose_is_hardly_french_by_either_measure() -> None:
    for text in PROSE["en"]:
        assert function_word_share(text, "fr") < 0.05
        assert language_share(text, "fr") == 0
    assert function_word_share(PROSE["fr"], "fr") == pytest.approx(0.56, abs=0.03)


def test_the_script_is_that_of_the_letters() -> None:
    assert script_share("abcd 今天 12", "han") == pytest.approx(2 / 6)
    assert script_share("Привет ab", "cyrillic") == pytest.approx(6 / 8)
    assert script_share("good morning to you " + "天" * 40, "han") == pytest.approx(1 / 17), "a loop counts once"
    assert script_share(PROSE["zh"], "han") == 1


@given(st.text(), st.sampled_from(LANGUAGES))
def test_any_text_has_shares_between_0_and_1_or_none(text: str, language: str) -> None:
    for share in (repeated_share(text), function_word_share(text, language), language_share(text, language)):
        assert isnan(share) or 0 <= share <= 1


@given(st.lists(st.sampled_from(["la", "dans", "house", "qu'il", "the"])))
def test_saying_everything_again_changes_no_share(words: list[str]) -> None:
    # the front is nowhere else, so that no run reaches over from the first round into the second
    text = "les maisons froides du " + " ".join(words)
    for share in (function_word_share, language_share):
        assert share(f"{text} {text} {text}", "fr") == pytest.approx(share(text, "fr"), nan_ok=True)
