"""A sentence whose words hang together in a tree: what a treebank holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

ROOT = -1
"""The head of the word that has none."""


@dataclass(frozen=True)
class Sentence:
    """A parsed sentence. Words are counted from 0."""

    id: str
    """What a figure or a battery may call it."""
    words: tuple[str, ...]
    heads: tuple[int, ...]
    """(word) the word that it depends on; `ROOT` for the one that depends on none."""
    punctuation: tuple[bool, ...]
    """(word) whether it is a punctuation mark, which no edge is counted of."""
    spaces: tuple[bool, ...]
    """(word) whether a space follows it."""

    @property
    def text(self) -> str:
        """As it is written."""
        parts = (word + " " * space for word, space in zip(self.words, self.spaces, strict=True))
        return "".join(parts).rstrip(" ")

    @property
    def ends(self) -> list[int]:
        """(word) the character of the text behind it."""
        ends, at = [], 0
        for word, space in zip(self.words, self.spaces, strict=True):
            ends.append(at + len(word))
            at += len(word) + space
        return ends

    @property
    def counted(self) -> list[int]:
        """The words that are no punctuation."""
        return [at for at, mark in enumerate(self.punctuation) if not mark]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Pairs of counted words, the first one first, of which one is the other's head."""
        counted = set(self.counted)
        return sorted(
            (min(word, head), max(word, head))
            for word, head in enumerate(self.heads)
            if word in counted and head in counted
        )

    @property
    def reach(self) -> int:
        """Steps from word to word that its edges span, all together."""
        return sum(second - first for first, second in self.edges)

    @property
    def chain(self) -> list[tuple[int, int]]:
        """Each counted word with the next: the tree of who knows no more than the order."""
        return list(pairwise(self.counted))


def find_fault(heads: Sequence[int]) -> tuple[int, str] | None:
    """A word at which heads are no tree, and why; None where they are one."""
    roots = [word for word, head in enumerate(heads) if head == ROOT]
    if len(roots) > 1:
        return roots[1], f"is a second root, next to word {roots[0] + 1}"
    for word, head in enumerate(heads):
        if not ROOT <= head < len(heads):
            return word, f"depends on word {head + 1}, and the sentence has {len(heads)}"
    for word in range(len(heads)):
        if _leads_in_a_circle(word, heads):
            return word, "depends on itself, over its heads"
    return None if roots else (0, "has no root above it")


def _leads_in_a_circle(word: int, heads: Sequence[int]) -> bool:
    steps = 0
    while heads[word] != ROOT:
        word, steps = heads[word], steps + 1
        if steps > len(heads):
            return True
    return False
