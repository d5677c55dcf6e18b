"""Which words a model is measured on: the prompt of each, the tokens that count, and why others are left out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.probes.latent_language.options import IN_PROMPT, Options
from reportgen.probing.case import Case, Unusable
from reportgen.results.quantities import Rows
from reportgen.text.prompts import Message, Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.word_openings import beginnings


@dataclass(frozen=True)
class TranslatedWord:
    """One word to translate."""

    sense: str
    prompt: Prompt
    tokens: Sequence[Sequence[int]]
    """(language) the tokens that count."""
    shared: str = ""
    """The tokens that begin it both in the pivot language and in another, as they are shown."""


@dataclass(frozen=True)
class SenseChoice:
    """The words that a model is measured on, and those that it is not."""

    words: Sequence[TranslatedWord]
    """Those of the mean."""
    alone: Sequence[TranslatedWord]
    """Those that are asked for by name and are not among these."""
    skipped: Rows

    def shown(self, options: Options) -> list[TranslatedWord]:
        """The words asked for by name that this model can write, in the order asked."""
        of_sense = {word.sense: word for word in (*self.words, *self.alone)}
        return [of_sense[sense] for sense in options.shown_senses if sense in of_sense]


def choose_senses(case: Case[Options]) -> SenseChoice:
    """Applies the overlap rule, to the mean alone.

    Raises:
        Unusable: no word is left for the mean.
    """
    options = case.options
    in_mean = options.senses[: options.limit]
    senses = list(dict.fromkeys((*in_mean, *options.shown_senses)))
    known = beginnings(
        case.tokenizer, [w for s in senses for one in options.languages for w in options.by_sense[s][one]]
    )
    words: list[TranslatedWord] = []
    alone: list[TranslatedWord] = []
    skipped: Rows = []
    for sense in senses:
        of_sense = [options.by_sense[sense][language] for language in options.languages]
        sets = [frozenset().union(*(known[word] for word in of_language)) for of_language in of_sense]
        missing = _tell_missing(of_sense, sets)
        shared = _show_shared(case.tokenizer, sets)
        if missing or shared:
            skipped.append([sense, " · ".join(of_language[0] for of_language in of_sense), missing or shared])
        if missing:
            continue
        word = TranslatedWord(sense, _write_prompt(options, sense), [sorted(ids) for ids in sets], shared)
        if not shared and sense in in_mean:
            words.append(word)
        elif sense in options.shown_senses:
            alone.append(word)
    if not words:
        raise Unusable(f"none of its {len(in_mean)} words is left: {skipped[0][1]}: {skipped[0][2]}")
    return SenseChoice(words, alone, skipped)


def _tell_missing(words: Sequence[Sequence[str]], sets: Sequence[frozenset[int]]) -> str:
    """The first word that no token begins; empty where each has some."""
    return next((f"no token begins {of[0]}" for of, ids in zip(words, sets, strict=True) if not ids), "")


def _show_shared(tokenizer: TextTokenizer, sets: Sequence[frozenset[int]]) -> str:
    """The tokens that the first language shares with the others."""
    return " | ".join(tokenizer.show(token_id) for token_id in sorted(sets[0] & frozenset().union(*sets[1:])))


def _write_prompt(options: Options, sense: str) -> Prompt:
    """A few other words with their translations, then this one; the examples depend on the seed and the word alone."""
    names = {**IN_PROMPT, **options.names}
    source, target = names[options.source], names[options.target]
    others = [other for other in options.senses if other != sense]
    shown = random.Random(f"{options.seed} {sense}").sample(others, options.shots)
    words = options.by_sense
    lines = [f'{source}: "{words[s][options.source][0]}" - {target}: "{words[s][options.target][0]}"' for s in shown]
    lines.append(f'{source}: "{words[sense][options.source][0]}" - {target}:')
    text = "\n".join(lines)
    if options.chat:
        return Prompt(messages=(Message(role="user", content=text),))
    return Prompt(text=f'{text} "')
