"""What may be asked: which words, from which language into which, and which of them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, model_validator

from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.suggest import suggestion

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
    show: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=6)
    """Words that are drawn alone in addition, each by its sense or by any of its spellings: also where the overlap rule
    or `limit` leaves them out of the mean."""
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
        if self.example is not None and self.example not in (*self.senses[: self.limit], *self.shown_senses):
            raise ValueError(f"example: there is no sense {self.example!r} with words in {', '.join(self.languages)}")
        unknown = next((name for name in self.show if not self._find_senses(name)), None)
        if unknown is not None:
            near = suggestion(unknown, dict.fromkeys(one for words in self._spellings.values() for one in words))
            raise ValueError(f"show: there is no word {unknown!r} that is in {', '.join(self.languages)}. {near}")
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

    @property
    def shown_senses(self) -> list[str]:
        """The senses that `show` asks for, each once."""
        return list(dict.fromkeys(sense for word in self.show for sense in self._find_senses(word)))

    def _find_senses(self, word: str) -> list[str]:
        """The sense of this name; else those with a word that is so spelt, upper and lower case alike."""
        if word in self.senses:
            return [word]
        return [
            sense for sense, spellings in self._spellings.items() if word.casefold() in map(str.casefold, spellings)
        ]

    @cached_property
    def _spellings(self) -> Mapping[str, Sequence[str]]:
        """Sense -> its name and every word for it."""
        return {
            sense: [sense, *(word for words in self.by_sense[sense].values() for word in words)]
            for sense in self.senses
        }
