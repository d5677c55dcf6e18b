"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reportgen.probing.view import SubjectView
from reportgen.text.function_words import function_words
from reportgen.text.scripts import script_of
from reportgen.text.wording import words_of

BEYOND = 2.0
"""Times the largest of the relabellings from which a difference is no chance."""
CLEAR = 1e-4
"""Share of the stream's norm below which a difference is that of another kernel."""
FEWEST_CELLS = 2
"""Cells in which a token has to be read before it is what a difference speaks of."""
CONTROLS = ("relabelled", "mirrored")
"""Directions of the control, as `patched` calls them."""


class View(SubjectView):
    """One pair, with what its difference says."""

    @property
    def differs(self) -> bool:
        """Whether the streams are apart by more than another kernel would have them."""
        return (self.metric("strongest_norm") or 0.0) > CLEAR

    @property
    def stands_out(self) -> bool:
        """Whether the mean difference at the strongest layer is well beyond that of every relabelling; it is where no
        relabelling leaves anything.
        """
        times = self.metric("times_relabelled")
        return self.differs and (times is None or times >= BEYOND)

    @property
    def steered_layer(self) -> int:
        """The layer at which the difference is added where base writes."""
        asked = self.options.get("steered_layer")
        return self.last_layer // 2 if asked is None else int(asked)

    def list_read(self) -> list[str]:
        """The tokens that the lens reads in most cells in which the difference stands out, of those that it reads
        nowhere in the control.
        """
        out, by_chance = self._find_cells(), {row["token_id"] for row in self.rows("top_relabelled")}
        read = Counter(
            str(row["token"])
            for row in self.rows("top")
            if (row["layer"], row["position"]) in out and row["token_id"] not in by_chance
        )
        return [token for token, cells in read.most_common() if cells >= FEWEST_CELLS]

    @property
    def patched(self) -> list[dict[str, Any]]:
        """What Patchscope reads; nothing in bundles of before it did."""
        return self.rows("patched") if "patched" in self.outcome.tables else []

    def list_patched(self, scale: float) -> list[str]:
        """The words that Patchscope reads at a scale in most cells in which the difference stands out, of those that it
        reads nowhere in the control, nor in the identity prompt as it is: a tuned model may go on with its subject
        whatever stands there. They are in at least twice as many cells as any word that one half of the control alone
        is read as; cells side by side often read alike.
        """
        of_way = self._count_patched(scale)
        chance = max((max(map(len, of_way[way].values()), default=0) for way in CONTROLS), default=0)
        least, read = max(FEWEST_CELLS, BEYOND * chance), of_way["difference"]
        return [word for word in sorted(read, key=lambda word: -len(read[word])) if len(read[word]) >= least]

    def choose_patched_scale(self) -> float | None:
        """The smallest scale at which there is such a word, else the smallest: what is much longer than the stream soon
        says the same whatever it is. None where nothing was read.
        """
        scales = sorted({float(row["scale"]) for row in self.patched if row["direction"] == "difference"})
        return next((scale for scale in scales if self.list_patched(scale)), next(iter(scales), None))

    def _count_patched(self, scale: float) -> dict[str, dict[str, set[tuple[int, int]]]]:
        """Direction -> word that Patchscope reads there alone -> the cells in which the difference stands out and that
        read it. Function words of any language are none.
        """
        cells: dict[str, dict[str, set[tuple[int, int]]]] = {way: {} for way in ("none", "difference", *CONTROLS)}
        out, common = self._find_cells(), frozenset().union(*function_words().values())
        for row in self.patched:
            word, way, place = str(row["token"]), row["direction"], (row["layer"], row["position"])
            if way != "none" and row["scale"] != scale:
                continue
            if _is_word(word) and word.strip().casefold() not in common:
                cells[way].setdefault(word, set()).update({place} & out)
        ways = Counter(word for words in cells.values() for word in words)
        return {way: {word: at for word, at in words.items() if ways[word] == 1} for way, words in cells.items()}

    def _find_cells(self) -> set[tuple[int, int]]:
        """(layer, position) at which the difference stands out over its control."""
        norm, control = self.values("norm"), self.values("relabelled_norm")
        return {(layer, at) for layer, row in enumerate(norm) for at, value in enumerate(row)
                if value > CLEAR and value >= BEYOND * control[layer][at]}  # fmt: skip

    def list_risen(self) -> list[str]:
        """The words whose logits rise most, where that is well beyond what rises in the control."""
        by_chance = max((row["change"] for row in self.rows("gains_relabelled") if row["direction"] == "up"), default=0)
        return [
            str(row["token"])
            for row in self.rows("gains")
            if row["direction"] == "up" and row["change"] >= BEYOND * by_chance and _is_word(row["token"])
        ]

    def count_naming(self, direction: str, scale: float) -> tuple[int, int]:
        """How many texts written this way name a word whose logit rises, and of how many."""
        risen = {word.strip().casefold() for word in self.list_risen()}
        texts = [row["text"] for row in self.rows("written") if (row["direction"], row["scale"]) == (direction, scale)]
        return sum(bool(risen.intersection(words_of(text))) for text in texts), len(texts)

    def choose_scale(self) -> float | None:
        """The scale at which most texts name such a word, the smallest of several; None where nothing was written."""
        scales = sorted({float(row["scale"]) for row in self.rows("written") if row["direction"] == "difference"})
        return max(scales, key=lambda scale: (self.count_naming("difference", scale)[0], -scale), default=None)


def _is_word(token: str) -> bool:
    """Whether a token may be a word: letters behind a space, or, in scripts that put none between words, letters."""
    bare = token.removeprefix(" ")
    return bare.isalpha() and (bare != token or script_of(bare[0]) not in _SPACED)


_SPACED = ("latin", "greek", "cyrillic", "arabic", "hebrew", "hangul", "devanagari")
