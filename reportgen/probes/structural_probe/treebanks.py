"""Which sentences maps are trained on and which are held out: decided by the seed, before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

from reportgen.documents.beside import explain_search, folder_of, is_file, path_of
from reportgen.documents.problem import Problem, describe_value
from reportgen.errors import BatteryError, Mistake
from reportgen.numerals import count_items
from reportgen.probes.structural_probe.conllu import Treebank, read_treebank
from reportgen.probes.structural_probe.grammar import write_sentences
from reportgen.probes.structural_probe.trees import Sentence
from reportgen.text.prompts import PromptsError

BUILT_IN = "built-in"
FEWEST_TRAINED, FEWEST_TESTED = 40, 20
"""Sentences below which nothing is trained, or counted."""
SHORTEST, LONGEST = 2, 50
"""Words of the sentences that are taken."""
SHOWN, EASY = 2, 12
"""Sentences that are drawn where none is named, and the most words of each."""


@dataclass(frozen=True)
class Split:
    """Sentences of a treebank, no text twice among them."""

    trained: tuple[Sentence, ...]
    tested: tuple[Sentence, ...]
    named: tuple[Sentence, ...]
    """Those of `tested` that are to be drawn, in the order in which they are named."""
    unfit: int
    """Sentences of the treebank that are none to be taken: too short, too long, or not spelled by their words."""


def split_treebank(
    treebank: str, test: str | None, seed: int, show: Sequence[str] | None, sizes: tuple[int, int]
) -> Split:
    """The sentences that options name.

    Args:
        treebank: a file, or `BUILT_IN`.
        test: a file of test sentences, if they are in a file of their own.
        seed: decides which are taken.
        show: ids or texts of sentences that are to be among those tested.
        sizes: the most sentences to train on, and to test on.

    Raises:
        BatteryError: a file cannot be read or is wrong, or there are too few sentences.
        KeyError: a sentence that is to be shown is not there.
    """
    whole = _write_built_in(sum(sizes), seed) if treebank == BUILT_IN else read_treebank(path_of(treebank))
    sentences, unfit = _choose_fit(whole)
    apart = None if test is None else _choose_fit(read_treebank(path_of(test)))
    pool = sentences if apart is None else apart[0]
    wanted = [_find_sentence(pool, name) for name in show or ()]
    if apart is None:
        _check_enough(treebank, sentences, FEWEST_TRAINED + FEWEST_TESTED, "to train on and to test on")
        share = round(len(sentences) * sizes[1] / sum(sizes))
        held = min(sizes[1], max(share, FEWEST_TESTED))
        tested = _take(sentences, held, seed, wanted)
    else:
        unfit += apart[1]
        tested = _take(pool, sizes[1], seed, wanted)
    texts = {one.text for one in tested}
    trained = _take([one for one in sentences if one.text not in texts], sizes[0], seed, [])
    _check_enough(treebank, trained, FEWEST_TRAINED, "to train on")
    _check_enough(test or treebank, tested, FEWEST_TESTED, "to test on")
    return Split(trained, tested, tuple(wanted), unfit)


@lru_cache(maxsize=4)
def _write_built_in(count: int, seed: int) -> Treebank:
    return Treebank(write_sentences(count, seed), 0)


def _choose_fit(treebank: Treebank) -> tuple[list[Sentence], int]:
    """The sentences that can be taken, each text once, and how many others there are."""
    found: dict[str, Sentence] = {}
    unfit = treebank.left_out
    for one in treebank.sentences:
        if SHORTEST <= len(one.words) <= LONGEST and one.edges:
            found.setdefault(one.text, one)
        else:
            unfit += 1
    return list(found.values()), unfit


def _find_sentence(sentences: Iterable[Sentence], name: str) -> Sentence:
    for one in sentences:
        if name in (one.id, one.text):
            return one
    raise KeyError(name)


def _take(sentences: Sequence[Sentence], most: int, seed: int, wanted: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """Those that are wanted, then others at random; the shortest first, so that equally long ones stand together."""
    chosen = list(dict.fromkeys(wanted))
    texts = {one.text for one in chosen}
    others = [one for one in sentences if one.text not in texts]
    Random(seed).shuffle(others)
    return tuple(sorted([*chosen, *others][: max(most, len(chosen))], key=lambda one: len(one.words)))


def _check_enough(written: str, sentences: Sequence[Sentence], fewest: int, what: str) -> None:
    if len(sentences) < fewest:
        told = f"has {count_items(len(sentences), 'sentence')} {what}, and {fewest} are needed"
        remedy = f"Name a larger treebank: sentences of {SHORTEST} to {LONGEST} words count, each text once."
        raise BatteryError(Mistake(told, remedy, path_of(written), 1))


def choose_shown(tested: Sequence[Sentence]) -> list[Sentence]:
    """What is drawn where nothing is named: those of not too many words whose edges reach over most words in all."""
    easy = [one for one in tested if len(one.words) <= EASY] or list(tested[:1])
    return sorted(easy, key=lambda one: (-one.reach, one.text))[:SHOWN]


def check_treebanks(
    treebank: str, test: str | None, seed: int, show: Sequence[str] | None, sizes: tuple[int, int]
) -> None:
    """Refuses what options name while the battery is read, before anything runs.

    Raises:
        PromptsError: says what is wrong, in the battery or in a treebank.
    """
    for key, written in (("treebank", treebank), ("test", test)):
        if written not in (None, BUILT_IN) and not is_file(path_of(written or "")):
            remedy = explain_search(written or "", folder_of(written or ""))
            raise PromptsError(Problem((key,), f"there is no file {describe_value(written)}", remedy))
    if treebank == BUILT_IN and test is not None:
        remedy = "Name a file as treebank, too, or leave test out."
        raise PromptsError(Problem(("test",), "the built-in treebank holds its own test sentences", remedy))
    try:
        split_treebank(treebank, test, seed, show, sizes)
    except BatteryError as error:
        raise PromptsError(elsewhere=error.mistakes) from error
    except KeyError as error:
        name = str(error.args[0])
        told = f"no sentence of {Path(test or treebank).name} has the id or the text {describe_value(name)}"
        remedy = "Name its `sent_id`, or write its text as it stands."
        at = list(show or ()).index(name)
        raise PromptsError(Problem(("show", at), told, remedy)) from error
