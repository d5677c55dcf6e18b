"""Labels that mean nothing, to hold a probe against: what it does with them, it does by itself.

After Hewitt and Liang's control tasks (2019): every type has one random label, the same wherever it stands. Labels are
dealt out again among the types, so that each stays as frequent as it is among them. Where a word has the same label in
all of its rows, a probe could learn the words by heart, and the type is the word; where it has several, the word does
not tell, and the type is the row.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from reportgen.training.folds import count_units

TRIES, APART = 50, 1000
"""Deals that are tried, and how far their numbers lie apart: further than there are draws."""
FEWEST_UNITS = 2


def name_types(labels: Sequence[str], words: Sequence[str | None]) -> list[Hashable]:
    """(row) its type: its word if all rows have one, and every word one label alone; else its own number."""
    labels_of: dict[str | None, set[str]] = {}
    for label, word in zip(labels, words, strict=True):
        labels_of.setdefault(word, set()).add(label)
    by_word = None not in labels_of and all(len(found) == 1 for found in labels_of.values())
    return list(words) if by_word else list(range(len(labels)))


def deal_labels(labels: Sequence[str], types: Sequence[Hashable], seed: int, draw: int) -> list[str]:
    """(row) another label: those of the types, shuffled among them."""
    first: dict[Hashable, str] = {}
    for label, one in zip(labels, types, strict=True):
        first.setdefault(one, label)
    dealt = list(first.values())
    random.Random(f"labels {seed} {draw}").shuffle(dealt)
    label_of = dict(zip(first, dealt, strict=True))
    return [label_of[one] for one in types]


def deal_testable_labels(
    labels: Sequence[str], types: Sequence[Hashable], units: Sequence[Hashable], seed: int, draw: int
) -> list[str]:
    """The same, dealt again until each label stands in two units, so that it can be held out: a type of one row may
    have got a label alone. Among the rows where types allow no such deal.
    """
    for among in (types, range(len(labels))):
        for again in range(TRIES):
            dealt = deal_labels(labels, among, seed, draw + again * APART)
            if min(count_units(dealt, units).values()) >= FEWEST_UNITS:
                return dealt
    raise ValueError("no label stands in two prompts that are held out apart")
