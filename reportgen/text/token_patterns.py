"""Patterns of tokens: what the places at which something fires have in common."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from reportgen.text.characters import mark_space
from reportgen.text.scripts import script_of
from reportgen.text.spellings import word_of

COMMON = 0.7
"""Share of the strongest examples that a pattern must match."""
FEWEST = 3
"""Examples from which a pattern is looked for."""
STEM = 4
"""Letters that words of one stem have in common, from the beginning."""
BEGINNING = -1
"""Stands for the token before the first one of a window."""
Where = Literal["token", "previous"]
_KINDS = {"newline": "line breaks", "space": "spaces", **{same: same for same in ("digits", "punctuation", "symbols")}}
_SCRIPTS = {"latin": "Latin letters", "han": "Chinese characters", "kana": "Japanese kana", "hangul": "Korean Hangul"}


@dataclass(frozen=True)
class Pattern:
    """A set of tokens, one of which must stand there (or before) for the feature to be expected to fire."""

    where: Where
    text: str
    ids: frozenset[int]
    """Of those tokens that occur in the text at all."""


def kind_of(text: str) -> str | None:
    """What a token is made of: newline, space, digits, punctuation, symbols (emoji too), or its letters' script."""
    if "\n" in text or "\r" in text:
        return "newline"
    bare = text.strip()
    if not bare:
        return "space"
    if bare.isnumeric():
        return "digits"
    if any(character.isalnum() for character in bare):
        return script_of(bare)
    return "symbols" if any(category(character) in ("So", "Sk") for character in bare) else "punctuation"


def kind_name(kind: str) -> str:
    """What a kind of token is called."""
    return _KINDS.get(kind) or _SCRIPTS.get(kind) or f"{kind.capitalize()} letters"


def stem_of(words: Sequence[str], needed: int) -> str:
    """The longest beginning, of `STEM` letters or more, that `needed` of the words have in common; empty if none."""
    counts = Counter(word[:length] for word in words if word.isalpha() for length in range(STEM, len(word) + 1))
    shared = [stem for stem, count in counts.items() if count >= needed]
    return max(shared, key=lambda stem: (len(stem), counts[stem], stem), default="")


def most_common(items: Sequence[str]) -> tuple[str, int]:
    """What stands there most often, the first where several do."""
    return Counter(items).most_common(1)[0] if items else ("", 0)


class TokenIndex:
    """The tokens of a text, by what patterns look at."""

    def __init__(self, ids: Sequence[int], text_of: Callable[[int], str]) -> None:
        self.texts = {token: text_of(token) for token in ids}
        words: dict[str, set[int]] = {}
        kinds: dict[str, set[int]] = {}
        for token, text in self.texts.items():
            words.setdefault(word_of(text), set()).add(token)
            kinds.setdefault(kind_of(text) or "", set()).add(token)
        # Frozen once: thousands of features with one kind in common, such as Latin letters, share its tokens.
        self.words = {word: frozenset(ids) for word, ids in words.items()}
        self.kinds = {kind: frozenset(ids) for kind, ids in kinds.items()}
        self._stems: dict[str, frozenset[int]] = {}

    def text(self, token: int) -> str:
        """A token as text; empty for the beginning."""
        return self.texts.get(token, "")

    def with_stem(self, stem: str) -> frozenset[int]:
        """The tokens whose word begins so."""
        if stem not in self._stems:
            found = [ids for word, ids in self.words.items() if word.startswith(stem)]
            self._stems[stem] = frozenset().union(*found)
        return self._stems[stem]


def pattern_of(examples: Sequence[tuple[int, int]], vocabulary: TokenIndex) -> Pattern | None:
    """What the strongest examples of a feature, as (previous token, token), have in common; the narrowest first.

    None where there are too few, or nothing that `COMMON` of them share.
    """
    if len(examples) < FEWEST:
        return None
    needed = int(np.ceil(COMMON * len(examples)))
    before, here = [previous for previous, _ in examples], [token for _, token in examples]
    for find in (_same_token, _same_word, _same_stem, _same_kind):
        found = find(here, needed, vocabulary)
        if found is not None:
            return Pattern("token", *found)
        found = find(before, needed, vocabulary)
        if found is not None:
            text, ids = found
            return Pattern("previous", "at the beginning" if ids == {BEGINNING} else f"after {text}", ids)
    return None


_Found = tuple[str, frozenset[int]] | None


def _same_token(side: Sequence[int], needed: int, vocabulary: TokenIndex) -> _Found:
    token, count = Counter(side).most_common(1)[0]
    return (f"“{mark_space(vocabulary.text(token))}”", frozenset({token})) if count >= needed else None


def _same_word(side: Sequence[int], needed: int, vocabulary: TokenIndex) -> _Found:
    word, count = most_common([word for token in side if (word := word_of(vocabulary.text(token)))])
    return (f"“{word}” in any form", vocabulary.words[word]) if word and count >= needed else None


def _same_stem(side: Sequence[int], needed: int, vocabulary: TokenIndex) -> _Found:
    stem = stem_of([word_of(vocabulary.text(token)) for token in side], needed)
    return (f"“{stem}…”", vocabulary.with_stem(stem)) if stem else None


def _same_kind(side: Sequence[int], needed: int, vocabulary: TokenIndex) -> _Found:
    kinds = [kind_of(vocabulary.text(token)) for token in side if token != BEGINNING]
    kind, count = most_common([kind for kind in kinds if kind])
    return (kind_name(kind), vocabulary.kinds[kind]) if kind and count >= needed else None


class PatternTable:
    """The patterns of all features of a dictionary, matched against many entries at once."""

    def __init__(self, patterns: Sequence[Pattern | None]) -> None:
        distinct = list(dict.fromkeys(one for one in patterns if one is not None))
        number = {pattern: at for at, pattern in enumerate(distinct)}
        self._of = np.array([-1 if one is None else number[one] for one in patterns], np.int64)
        self._previous = np.array([one.where == "previous" for one in distinct] or [False], np.bool_)
        self._members = np.unique(
            np.array([at * _WIDE + token + 1 for at, one in enumerate(distinct) for token in one.ids], np.int64)
        )

    def match(
        self, feature: NDArray[np.int64], token: NDArray[np.int64], previous: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """(n) whether the pattern of each entry's feature matches its token, or the one before."""
        which = self._of[feature]
        looked_at = np.where(self._previous[which], previous, token)
        return (which >= 0) & self._holds(which * _WIDE + looked_at + 1)

    def matches(self, tokens: Mapping[int, int], previous: Mapping[int, int]) -> NDArray[np.int64]:
        """(feature) how many tokens of a text each pattern matches, from how often each token stands there (or before
        one that counts).
        """
        held = [np.zeros(0, np.int64)] * 2
        totals = np.zeros(max(len(self._previous), 1), np.int64)
        which, ids = self._members // _WIDE, self._members % _WIDE - 1
        for at, counts in enumerate((tokens, previous)):
            found = np.array([counts.get(token, 0) for token in ids.tolist()], np.int64)
            held[at] = np.bincount(which, weights=found, minlength=len(totals)).astype(np.int64)
        totals = np.where(self._previous, held[1], held[0]) if len(self._members) else totals
        return np.where(self._of >= 0, totals[self._of], 0)

    def _holds(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not len(self._members):
            return np.zeros(len(keys), np.bool_)
        at = np.searchsorted(self._members, keys).clip(max=len(self._members) - 1)
        held: NDArray[np.bool_] = self._members[at] == keys
        return held


_WIDE = 1 << 32
"""More than any token's id."""
