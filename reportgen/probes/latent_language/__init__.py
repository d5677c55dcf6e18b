"""Which language the layers think in while the model translates (Wendler et al. 2024)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site, pack_passes
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, metric, table
from reportgen.text.prompts import Message, Prompt
from reportgen.text.word_openings import beginnings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.text.tokens import TextTokenizer


IN_PROMPT: Mapping[str, str] = {"en": "English", "fr": "Français", "de": "Deutsch", "zh": "中文", "zh-TW": "中文"}
"""What a prompt calls a language, where `names` does not say it."""


class Options(ProbeOptions):
    """Which words, from which language into which."""

    seed: int = 0
    """Decides which other words are the examples in each prompt."""
    words: Prompts
    """Words as prompts with `text`, `language` and `sense`: those of one sense mean the same."""
    source: Annotated[str, Field(min_length=1)]
    """Language of the word to translate, as the words call it."""
    target: Annotated[str, Field(min_length=1)]
    """Language to translate into."""
    pivot: Annotated[str, Field(min_length=1)] = "en"
    """Language that may lie between them."""
    names: dict[str, str] = Field(default={})
    """What the prompt calls a language: {fr: Français}; known are de, en, fr, zh and zh-TW."""
    shots: Annotated[int, Field(ge=1, le=32)] = 4
    """Translated examples before the word."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Takes only this many of the senses, the first ones."""
    example: str | None = None
    """The sense whose prompt is shown layer by layer; by default the first that is measured."""
    k: Annotated[int, Field(ge=1, le=100)] = 5
    """Tokens shown per layer of that prompt."""
    chat: bool = False
    """Puts the prompt through the chat template as the user's message."""

    @model_validator(mode="after")
    def _check_words(self) -> Self:
        for word in self.words:
            if word.text is None or word.sense is None or word.language is None:
                raise ValueError("words: each has text, sense and language, such as {text: chien, sense: dog, "
                                 "language: fr}")  # fmt: skip
        known = sorted({word.language for word in self.words if word.language is not None})
        for role in ("source", "target", "pivot"):
            if getattr(self, role) not in known:
                raise ValueError(f"{role}: there are no words in {getattr(self, role)!r}; there are in "
                                 f"{', '.join(known)}")  # fmt: skip
        if self.source == self.target:
            raise ValueError(f"target: it is the source, {self.source!r}")
        for language in (self.source, self.target):
            if language not in {**IN_PROMPT, **self.names}:
                raise ValueError(f"names: a prompt has no name for {language!r}: give names: {{{language}: …}}")
        count = len(self.senses)
        if count <= self.shots:
            raise ValueError(f"shots: {self.shots} examples beside a word need {self.shots + 1} senses with words in "
                             f"{', '.join(self.languages)}; there are {count}")  # fmt: skip
        if self.example is not None and self.example not in self.senses[: self.limit]:
            raise ValueError(f"example: there is no sense {self.example!r} with words in {', '.join(self.languages)}")
        return self

    @property
    def languages(self) -> tuple[str, ...]:
        """The pivot, the target and the source, each once: the components of the results."""
        return tuple(dict.fromkeys((self.pivot, self.target, self.source)))

    @cached_property
    def by_sense(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """Sense -> language -> its words: the first stands in prompts, and all count."""
        found: dict[str, dict[str, list[str]]] = {}
        for word in self.words:
            found.setdefault(str(word.sense), {}).setdefault(str(word.language), []).append(str(word.text))
        return found

    @property
    def senses(self) -> list[str]:
        """The senses with a word in every language."""
        return [sense for sense, words in self.by_sense.items() if all(words.get(one) for one in self.languages)]


@dataclass(frozen=True, kw_only=True)
class LatentLanguages(PromptFindings):
    """What latent language gives."""

    pivot_peak: float = metric("probability")
    """Largest mean probability of the pivot's words over the layers before the last."""
    pivot_peak_layer: int = metric("layer")
    """The layer where that is."""
    target_final: float = metric("probability")
    """Mean probability that the model itself gives to the right word in the target language."""
    probability: NDArray[np.float32] = array("item", "component", "layer", unit="probability")
    """(word x language x layer) sum of the lens probabilities of every token that is a prefix of the word in that
    language, with and without a leading space; for scripts other than Latin also of the bytes with which it begins."""
    mean: NDArray[np.float64] = array("component", "layer", unit="probability")
    """(language x layer) mean over words."""
    margin: NDArray[np.float64] = array("component", "layer", unit="probability")
    """(language x layer) half the width of the normal 95 % confidence interval of that mean."""
    entropy: NDArray[np.float32] = array("item", "layer", unit="nat")
    """(word x layer) -sum p ln p of the lens distribution."""
    mean_entropy: NDArray[np.float64] = array("layer", unit="nat")
    """(layer) mean over words."""
    entropy_margin: NDArray[np.float64] = array("layer", unit="nat")
    """(layer) half the width of the normal 95 % confidence interval of that mean."""
    items: Rows = table("item", "sense", "source", "target", "pivot")
    """The words that are measured."""
    languages: Rows = table("component", "language", "roles")
    """Which language each component is."""
    tokens: Rows = table("item", "component", "token_id", "token")
    """The tokens that count for a word in a language."""
    skipped: Rows = table("sense", "words", "tokens")
    """Words left out, with the tokens that the pivot's word shares with another language's, or what has no token."""
    example: Rows = table("sense", "layer", "rank", "token_id", "token", "probability")
    """The most likely tokens of every layer after one of the prompts."""


class LatentLanguage(Probe[Options, LatentLanguages]):
    """Shows: which language a word appears in on its way through the layers, while the model translates it from one
    language into another.

    Read: one curve per language, layers from left to right: where the pivot language is above the target language, the
    layers hold the meaning in the pivot language first. The bands are 95 % confidence intervals of the mean over words.
    High entropy means that a layer's lens reads nothing yet. The table below is one of the prompts: outlined cells
    begin the word in the pivot language.

    Computed: prompts of a few translated words and a last one whose translation is left open. The probability of a
    language at a layer is the sum of the lens probabilities over all tokens that are prefixes of the word in it, with
    and without a leading space, and for scripts other than Latin of its first bytes, which many words share. Words are
    left out if the pivot language's tokens overlap with another's. Mean over words, ±1.96 standard errors.
    """

    name = "latent_language"
    version = 1
    question = "Which language does it think in?"
    options = Options
    findings = LatentLanguages

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each word's prompt once, its last position."""
        needs = needs_of(case)
        return pack_passes([Pass(case.tokens(word.prompt), needs) for word in choose_senses(case).words])


def needs_of(case: Case[Options]) -> tuple[Need, Need]:
    """The stream at the last position, and what chooses the next token."""
    return Need(Site.RESIDUAL, "last", tuple(range(case.last_layer))), Need(Site.FINAL, "last")


@dataclass(frozen=True)
class _Word:
    """One word to translate."""

    sense: str
    prompt: Prompt
    tokens: Sequence[Sequence[int]]
    """(language) the tokens that count."""


@dataclass(frozen=True)
class SenseChoice:
    """The words that a model is measured on, and those that it is not."""

    words: Sequence[_Word]
    skipped: Rows


def choose_senses(case: Case[Options]) -> SenseChoice:
    """Applies the overlap rule.

    Raises:
        Unusable: no word is left.
    """
    options, tokenizer = case.options, case.tokenizer
    senses = options.senses[: options.limit]
    known = beginnings(tokenizer, [w for s in senses for one in options.languages for w in options.by_sense[s][one]])
    words: list[_Word] = []
    skipped: Rows = []
    for sense in senses:
        of_sense = [options.by_sense[sense][language] for language in options.languages]
        sets = [frozenset().union(*(known[word] for word in of_language)) for of_language in of_sense]
        reason = _reason_against_words(tokenizer, of_sense, sets)
        if reason:
            skipped.append([sense, " · ".join(of_language[0] for of_language in of_sense), reason])
        else:
            words.append(_Word(sense, _write_prompt(options, sense), [sorted(ids) for ids in sets]))
    if not words:
        raise Unusable(f"none of its {len(senses)} words is left: {skipped[0][1]}: {skipped[0][2]}")
    return SenseChoice(words, skipped)


def _reason_against_words(
    tokenizer: TextTokenizer, words: Sequence[Sequence[str]], sets: Sequence[frozenset[int]]
) -> str:
    """Why a word is left out: the tokens that the first language shares with the others, or a word without tokens."""
    for of_language, ids in zip(words, sets, strict=True):
        if not ids:
            return f"no token begins {of_language[0]}"
    shared = sorted(sets[0] & frozenset().union(*sets[1:]))
    return " | ".join(tokenizer.show(token_id) for token_id in shared)


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


probe = LatentLanguage()
