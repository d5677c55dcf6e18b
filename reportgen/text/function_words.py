"""The shipped lists of function words: which words tell a language."""

from collections import Counter
from collections.abc import Mapping
from functools import cache

from reportgen.documents.yaml_source import read_source, read_text
from reportgen.resources import PACKAGE

FILE = PACKAGE / "data" / "function_words.yaml"


@cache
def function_words() -> Mapping[str, frozenset[str]]:
    """Language -> its function words, case folded. A word may be one of several languages."""
    lists = read_source(read_text(FILE, "list of function words"), FILE).value
    return {language: frozenset(words.casefold().split()) for language, words in lists.items()}


@cache
def telling_words() -> Mapping[str, frozenset[str]]:
    """Language -> those of its function words that are in no other language's list."""
    listed_in = Counter(word for words in function_words().values() for word in words)
    return {
        language: frozenset(word for word in words if listed_in[word] == 1)
        for language, words in function_words().items()
    }


@cache
def elisions() -> frozenset[str]:
    """The listed words that end in an apostrophe ("l'"): each stands before a word without a space between them."""
    return frozenset(word for words in function_words().values() for word in words if word.endswith("'"))


def listed_language(tag: str) -> str:
    """The language of `function_words()` that a BCP 47 tag means: zh-TW is zh, fr-CA is fr.

    Raises:
        ValueError: there is no list of it; names those there are.
    """
    language = tag.strip().replace("_", "-").partition("-")[0].lower()
    if language in function_words():
        return language
    raise ValueError(f"no list of function words for the language '{tag}'. Known: {', '.join(function_words())}")
