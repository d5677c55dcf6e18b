"""How a model cuts text into tokens, and what its vocabulary is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, metric, table
from reportgen.text.chat import ChatUnavailable

if TYPE_CHECKING:
    from reportgen.model.needs import Pass
    from reportgen.text.prompts import Prompt
    from reportgen.text.tokens import TextTokenizer


MOST_DRAWN = 8
"""Texts that are drawn."""


class Options(ProbeOptions):
    """Which texts, and how much of the vocabulary is listed."""

    prompts: Prompts
    """Texts, or chats, that are split into tokens."""
    longest: Annotated[int, Field(ge=1, le=1000)] = 20
    """Longest words of the vocabulary that are listed."""


@dataclass(frozen=True, kw_only=True)
class Tokens(Findings):
    """What tokenization gives."""

    vocabulary: int = metric("tokens")
    """Tokens that the tokenizer knows, special ones included; a model's table may have more rows."""
    characters_per_token: float = metric("characters")
    """Characters of all texts together, divided by their tokens, without what the tokenizer adds (BOS)."""
    fragments: float = metric("share")
    """Share of the tokens of all texts that are bytes of an incomplete character."""
    added: float = metric("tokens")
    """Mean over texts of the tokens that the tokenizer adds, such as BOS; a chat's template writes its own."""
    special: int = metric("tokens")
    """Special tokens of the vocabulary that are in use, by their flag in the tokenizer."""
    reserved: int = metric("tokens")
    """Tokens reserved by their name (unused, reserved)."""
    texts: Rows = table(
        "prompt", "characters", "bytes", "token_count", "added", "characters_per_token", "bytes_per_token", "fragments"
    )
    """Each text: its characters and UTF-8 bytes, its tokens, how many of them the tokenizer added, and how many are
    fragments of a character."""
    tokens: Rows = table("prompt", "position", "token_id", "token", "characters", "added")
    """Every token with its id; `<E5 A4>` are bytes of an incomplete character, the one that completes it shows it after
    an arrow. Characters: those of the text that begin in it."""
    make_up: Rows = table("kind", "tokens", "share", "example")
    """The vocabulary by what its tokens are: letters of one script, of several, digits, symbols, white space, bytes of
    an incomplete character, special and reserved ones."""
    longest: Rows = table("rank", "token_id", "token", "characters")
    """The longest tokens that are one word: letters only, except for a leading space."""
    prompts: Rows = prompt_table()
    """The texts as this model reads them."""


class Tokenization(Probe[Options, Tokens]):
    """Shows: how each model's tokenizer splits the same texts, token by token with its id, and what its vocabulary is
    made of.

    Read: the stronger the colour of a token, the more characters it holds; outlined ones are not part of the text but
    added by the tokenizer (BOS). ␣ marks a leading space: most words have a token of their own that begins with one.
    `<E5 A4>` is a fragment of a character: a script that is rare in the tokenizer's training data is written byte by
    byte, costs more tokens, and leaves the model to put its characters together. Of two tokenizers, the one with more
    characters per token reads further in one context.

    Computed: from the tokenizer alone. Characters are Unicode code points. A token's kind: special if the tokenizer
    says so, reserved by its name, bytes if it does not decode to a whole character, else by the script of its letters
    in the Unicode data; a token without letters is digits, white space or symbols.
    """

    name = "tokenization"
    version = 1
    question = "How is text split into tokens?"
    options = Options
    findings = Tokens
    drawn = ("prompts", MOST_DRAWN)
    needs_weights = False

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None; but a configuration has no tokenizer, and a base model no chat template."""
        for prompt in case.options.prompts:
            cut_text(case, prompt)
        return ()


@dataclass(frozen=True)
class _Strip:
    """A text as tokens."""

    text: str
    ids: tuple[int, ...]
    added: tuple[bool, ...]
    """(token) true for what the tokenizer put there."""
    starts: tuple[int, ...]
    """(token) characters of the text that begin in it."""
    pieces: tuple[bytes, ...]

    @property
    def own(self) -> int:
        """Tokens of the text itself."""
        return len(self.ids) - sum(self.added)

    @property
    def fragments(self) -> int:
        """Tokens of bytes that are no whole character."""
        return sum(_is_bytes(piece) for piece in self.pieces)

    def row(self) -> list[str | int | float | bool | None]:
        """A row of `texts`, less its number."""
        size, own = len(self.text.encode("utf-8", "replace")), max(self.own, 1)
        added = sum(self.added)
        return [len(self.text), size, len(self.ids), added, len(self.text) / own, size / own, self.fragments]

    def cells(self, tokenizer: TextTokenizer) -> Iterator[list[str | int | float | bool | None]]:
        """Rows of `tokens`, less their numbers."""
        shown = tokenizer.show_sequence(self.ids)
        for token_id, text, count, added in zip(self.ids, shown, self.starts, self.added, strict=True):
            yield [token_id, text, count, added]


def cut_text(case: Case[Options], prompt: Prompt) -> _Strip:
    """A text as it is cut."""
    tokenizer = case.tokenizer
    try:
        text, encoded = tokenizer.prompt_text(prompt), tokenizer.encode_prompt(prompt)
    except ChatUnavailable as error:
        raise Unusable(str(error)) from error
    # What a template writes is part of the text it makes; only a tokenizer's own additions have no place in it.
    added = tuple(flag and first == last for flag, (first, last) in zip(encoded.added, encoded.offsets, strict=True))
    return _Strip(
        text, encoded.ids, added, _starts(encoded.offsets), tuple(tokenizer.piece(token) for token in encoded.ids)
    )


def _starts(offsets: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """(token) characters that begin in each: of several fragments of one character, the first has it."""
    counts, reached = [], 0
    for first, last in offsets:
        counts.append(max(last - max(first, reached), 0))
        reached = max(reached, last)
    return tuple(counts)


def _is_bytes(piece: bytes) -> bool:
    """Whether a token is not text by itself."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False


probe = Tokenization()
