"""Words that are calculated with: pairs of one relation, and the sentence in which they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, model_validator

from reportgen.text.prompts import STRICT, Message, Prompt, read_prompts

PLACE = "{word}"
"""Where the word goes in a template."""
Word = Annotated[str, Field(min_length=1, max_length=200)]


class WordPair(BaseModel):
    """Two words of one relation, such as king and man."""

    model_config = STRICT

    first: Word
    """The word from which the second is subtracted."""
    second: Word
    """The word that is subtracted."""
    group: str = ""
    """The relation; differences of one relation are compared and form analogies with each other."""


def read_pairs(value: Any, info: ValidationInfo) -> Any:
    """Pairs from the name of a prompt set, whose prompts of one `pair` belong together, or from [first, second]."""
    if isinstance(value, str):
        return _read_named_pairs(read_prompts(value, (info.context or {}).get("prompt_sets")))
    if not isinstance(value, list | tuple):
        return value
    return [_read_written_pair(item) for item in value]


def _read_written_pair(item: Any) -> Any:
    if not isinstance(item, list | tuple):
        return item
    if len(item) != 2:
        raise ValueError(f"a pair is two words, not {len(item)}: [king, man]")
    return {"first": item[0], "second": item[1]}


def _read_named_pairs(prompts: Sequence[Prompt]) -> list[WordPair]:
    by_name: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_name.setdefault(prompt.pair or "", []).append(prompt)
    found = []
    for name, halves in by_name.items():
        if len(halves) != 2 or not name or halves[0].text is None or halves[1].text is None:
            raise ValueError(f"the pair {name!r} of the prompt set is not two prompts of a word each")
        found.append(WordPair(first=halves[0].text, second=halves[1].text, group=halves[0].group or ""))
    return found


class Template(BaseModel):
    """A text or a chat that contains {word} once."""

    model_config = STRICT

    text: str | None = None
    """The text itself."""
    messages: Annotated[tuple[Message, ...], Field(strict=False, min_length=1)] | None = None
    """Turns of a chat, which go through the model's chat template."""
    index: Annotated[int, Field(ge=0)] | None = None
    """Which occurrence of the word is meant, from 0, if it may occur elsewhere too."""

    @model_validator(mode="after")
    def _check_place(self) -> Template:
        if (self.text is None) == (self.messages is None):
            raise ValueError("a template has either text or messages")
        whole = self.text or "".join(message.content for message in self.messages or ())
        if whole.count(PLACE) != 1:
            raise ValueError(f"{PLACE} stands {whole.count(PLACE)} times in the template: once is needed")
        return self

    def fill_in(self, word: str) -> Prompt:
        """The prompt with the word in its place, without the spaces around it."""
        word = word.strip()
        if self.text is not None:
            return Prompt(text=self.text.replace(PLACE, word), word=word, index=self.index)
        turns = tuple(
            Message(role=turn.role, content=turn.content.replace(PLACE, word)) for turn in self.messages or ()
        )
        return Prompt(messages=turns, word=word, index=self.index)


def read_template(value: Any) -> Any:
    """A template, of which a text alone may be written."""
    return {"text": value} if isinstance(value, str) else value


def pair_label(pair: WordPair) -> str:
    """What figures call a pair."""
    return f"{pair.first.strip()} − {pair.second.strip()}"


def words_label(words: Sequence[str]) -> str:
    """Words as one label."""
    a, b, c = (word.strip() for word in words[:3])
    return f"{a} − {b} + {c}"
