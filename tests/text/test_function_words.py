import re
import unicodedata

import pytest

from reportgen.documents.yaml_source import read_source, read_text
from reportgen.text.function_words import FILE, elisions, function_words, listed_language, telling_words

LISTS = read_source(read_text(FILE, "list"), FILE)


def test_every_language_has_a_list() -> None:
    assert list(function_words()) == ["en", "fr", "de", "es", "it", "hu", "nl", "pt", "zh"]
    assert not LISTS.problems
    for language, words in function_words().items():
        assert 100 <= len(words) <= 200, language


def test_each_word_is_written_once_composed_and_in_small_letters() -> None:
    for language, written in LISTS.value.items():
        words = written.split()
        assert len(words) == len(set(words)), (language, {word for word in words if words.count(word) > 1})
        for word in words:
            assert word == unicodedata.normalize("NFC", word.lower())
            assert re.fullmatch(r"[^\W\d_]+('([^\W\d_]+)?)?", word), word
    assert all(len(word) == 1 for word in function_words()["zh"])


def test_a_word_of_two_lists_tells_neither_language() -> None:
    for article in ("de", "la"):
        assert {article} <= function_words()["fr"] & function_words()["es"]
    for language, words in telling_words().items():
        assert len(words) >= 100, language
        assert words <= function_words()[language]
        others = [listed for other, listed in function_words().items() if other != language]
        assert not words & frozenset().union(*others), language
    assert {"the", "and", "with"} <= telling_words()["en"]
    assert {"les", "est", "dans", "avec"} <= telling_words()["fr"]


def test_no_list_takes_common_english_words_for_its_own() -> None:
    english = "on or son me car come once war hat man will most mind want men door fin pain chat main"
    for language in ("fr", "es", "it", "hu", "pt"):
        assert not set(english.split()) & telling_words()[language], language
    assert not {"war", "hat", "man", "will", "bin"} & function_words()["de"]
    assert not {"want", "men", "door"} & function_words()["nl"]


def test_elisions_are_found_by_their_apostrophe() -> None:
    assert {"l'", "d'", "qu'", "dell'"} <= elisions()
    assert "don't" not in elisions()


@pytest.mark.parametrize(("tag", "language"), [("zh-TW", "zh"), ("FR_ca", "fr"), ("hu", "hu")])
def test_a_variety_has_the_list_of_its_language(tag: str, language: str) -> None:
    assert listed_language(tag) == language


def test_a_language_without_a_list_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(ValueError, match=r"for the language 'sv'\. Known: en, fr, de, es, it, hu, nl, pt, zh"):
        listed_language("sv")
