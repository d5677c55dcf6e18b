"""A treebank's sentences as a model reads them: which token ends each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from reportgen.numerals import count_items
from reportgen.probes.structural_probe.options import Options
from reportgen.probes.structural_probe.treebanks import FEWEST_TESTED, FEWEST_TRAINED, choose_shown, split_treebank
from reportgen.probes.structural_probe.trees import Sentence
from reportgen.probing.case import Case, Unusable
from reportgen.text.prompts import Prompt

if TYPE_CHECKING:
    from reportgen.text.tokens import TextTokenizer

HELD_BYTES = 2**30
"""Rows of as many layers are in memory together as have room in it; for the others the texts pass again."""
NUMBER = 4
"""Bytes of a number in a row."""
UNKNOWN_WIDTH = 8192
"""Taken for a model whose configuration does not say how wide it is."""


@dataclass(frozen=True)
class ReadSentence:
    """A sentence with its tokens."""

    sentence: Sentence
    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    """(word) the last of its tokens, where a causal model has seen all of it."""


@dataclass(frozen=True)
class Readings:
    """All sentences as one model reads them, the shortest first."""

    trained: tuple[ReadSentence, ...]
    tested: tuple[ReadSentence, ...]
    shown: tuple[int, ...]
    """Which of `tested` are drawn."""
    unfit: int
    """Sentences of the treebank that nobody takes."""
    left_out: int
    """Sentences that were chosen, of which a word does not end where a token ends."""
    undrawn: tuple[Sentence, ...]
    """Those of them that the battery names to be drawn."""

    @property
    def all(self) -> tuple[ReadSentence, ...]:
        """Those that are trained on, then those that are held out."""
        return self.trained + self.tested

    @property
    def words(self) -> int:
        """Of all sentences."""
        return sum(len(one.positions) for one in self.all)


def readings_of(case: Case[Options]) -> Readings:
    """The sentences of a case.

    Raises:
        Unusable: words and tokens end together in too few of them, or one is longer than the model's context.
    """
    options = case.options
    show = None if options.show is None else tuple(options.show)
    sizes = (options.sentences, options.test_sentences)
    split = split_treebank(options.treebank, options.test, options.seed, show, sizes)
    read = {one: _read_cached(case.tokenizer, one) for one in (*split.trained, *split.tested)}
    most = case.facts.context_length
    if most is not None and any(len(one.tokens) > most for one in read.values() if one is not None):
        raise Unusable(f"a sentence exceeds the context of {most:,}")
    trained, tested = (_keep_read(read, some) for some in (split.trained, split.tested))
    if len(trained) < FEWEST_TRAINED or len(tested) < FEWEST_TESTED:
        told = f"in {count_items(len(trained) + len(tested), 'sentence')} of {len(read):,} every word ends with a token"
        raise Unusable(f"{told}, too few to train and to test on")
    drawn = [one for one in split.named if read[one] is not None]
    drawn = drawn or choose_shown([one.sentence for one in tested])
    shown = tuple(at for one in drawn for at, held in enumerate(tested) if held.sentence == one)
    undrawn = tuple(one for one in split.named if read[one] is None)
    return Readings(trained, tested, shown, split.unfit, len(read) - len(trained) - len(tested), undrawn)


def _keep_read(read: dict[Sentence, ReadSentence | None], some: Sequence[Sentence]) -> tuple[ReadSentence, ...]:
    return tuple(found for one in some if (found := read[one]) is not None)


@lru_cache(maxsize=8192)
def _read_cached(tokenizer: TextTokenizer, sentence: Sentence) -> ReadSentence | None:
    """A sentence with its tokens; None where a word's last character is not the last of a token, or the model has no
    row for one of them.
    """
    encoded = tokenizer.encode_prompt(Prompt(text=sentence.text))
    if tokenizer.reason_against_tokens(encoded.ids):
        return None
    spans = enumerate(zip(encoded.offsets, encoded.added, strict=True))
    # The last of those that end there: a character of several tokens is known with its last byte.
    ending = {end: at for at, ((first, end), added) in spans if not added and end > first}
    if not all(end in ending for end in sentence.ends):
        return None
    return ReadSentence(sentence, encoded.ids, tuple(ending[end] for end in sentence.ends))


def measured_layers(case: Case[Options]) -> tuple[int, ...]:
    """Layer 0, and those that are asked for."""
    return tuple(sorted({0, *case.named_layers(case.options.layers)}))


def measure_layer(case: Case[Options], words: int) -> int:
    """Bytes of the rows of so many words at one layer."""
    return words * (case.facts.hidden_size or UNKNOWN_WIDTH) * NUMBER


def group_layers(case: Case[Options], words: int) -> list[tuple[int, ...]]:
    """The layers in as few stretches as memory takes, about equally many in each."""
    layers = measured_layers(case)
    together = max(HELD_BYTES // measure_layer(case, words), 1)
    count = -(-len(layers) // together)
    ends = [-(-len(layers) * at // count) for at in range(count + 1)]
    return [layers[first:end] for first, end in pairwise(ends)]
