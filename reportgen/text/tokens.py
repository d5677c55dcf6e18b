"""Text to tokens and back, legibly, from `tokenizer.json` alone: no torch, no transformers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.errors import Mistake, ModelError
from reportgen.text.chat import ChatTemplate
from reportgen.text.chat_files import read_chat_template
from reportgen.text.kept_tokens import KeptTokenizer
from reportgen.text.prompts import Prompt
from reportgen.text.vocabulary import drop_training_settings, read_vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class EncodedText:
    """A text as tokens."""

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    """(token) character range in the text; (0, 0) for a token that the tokenizer added."""
    added: tuple[bool, ...]
    """(token) true for special tokens that are not part of the text (BOS)."""


class TextTokenizer:
    """A tokenizer with what a report needs of it: offsets, bytes of tokens, legible tokens, chat prompts."""

    def __init__(self, tokenizer: "Tokenizer | KeptTokenizer", chat: ChatTemplate | None = None) -> None:
        self._encoder = tokenizer
        if isinstance(tokenizer, KeptTokenizer):
            self._vocabulary = tokenizer.vocabulary
        else:
            drop_training_settings(tokenizer)
            self._vocabulary = read_vocabulary(tokenizer)
        self._chat = chat or ChatTemplate()
        self.rows: int | None = None
        """Tokens that the model has a row for in its embedding, where that is known; a tokenizer may know more."""

    @classmethod
    def from_folder(cls, folder: Path, *, kept: bool = False) -> "TextTokenizer":
        """Reads `tokenizer.json` and, where they are, `tokenizer_config.json` and the chat template; with `kept`
        it knows what earlier runs asked it, and is read when it is asked something else.

        Raises:
            ModelError: no `tokenizer.json`, or one that cannot be read.
        """
        return cls(KeptTokenizer(folder / "tokenizer.json", used=kept), read_chat_template(folder))

    def rest(self) -> None:
        """Keeps what it was asked for later runs, and gives back most of its memory; it may be asked on."""
        if isinstance(self._encoder, KeptTokenizer):
            self._encoder.rest()

    def facts(self) -> dict[str, Any]:
        """What it is made of: numbers and hashes that tell it from another one; nothing of one that has no file."""
        if not isinstance(self._encoder, KeptTokenizer):
            return {}
        return {**self._encoder.facts(), "chat_template": sha256(self._chat.text.encode()).hexdigest()[:16]}

    @property
    def has_chat_template(self) -> bool:
        """Whether prompts given as messages can be used."""
        return bool(self._chat.text)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids of the special tokens (BOS, end of turn, …)."""
        return frozenset(token_id for token_id, (_, special) in self._vocabulary.added.items() if special)

    @property
    def size(self) -> int:
        """Number of tokens the tokenizer knows; a model's table may have more rows."""
        return self._vocabulary.size

    @cached_property
    def reserved(self) -> int:
        """Number of tokens kept for later use, by their name (`<unused7>`, `<|reserved_special_token_3|>`)."""
        return sum(bool(re.search(r"unused|reserved", token)) for token, _ in self._vocabulary.added.values())

    def encode(self, text: str, *, special_tokens: bool = True) -> EncodedText:
        """Tokens of a text, with what the tokenizer adds in front or behind if `special_tokens`.

        Raises:
            ModelError: the tokenizer fails on it.
        """
        try:
            encoding = self._encoder.encode(text, add_special_tokens=special_tokens)
        except ModelError:
            raise
        except BaseException as error:  # a panic of Rust is no Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise ModelError(_explain_failure(text, error)) from error
        return EncodedText(
            tuple(encoding.ids),
            tuple((start, end) for start, end in encoding.offsets),
            tuple(bool(mask) for mask in encoding.special_tokens_mask),
        )

    def encode_prompt(self, prompt: Prompt) -> EncodedText:
        """Tokens of a prompt as the model will see it; messages go through the chat template.

        Raises:
            ChatUnavailable: messages, and no template that takes them.
        """
        if prompt.messages is None:
            return self.encode(self.prompt_text(prompt))
        return self.encode(self.prompt_text(prompt), special_tokens=False)  # the template writes its own

    def prompt_text(self, prompt: Prompt) -> str:
        """A prompt as one text, messages through the chat template."""
        if prompt.messages is None:
            return prompt.text or ""
        return self._chat.render([{"role": one.role, "content": one.content} for one in prompt.messages])

    def reason_against_tokens(self, ids: Iterable[int]) -> str:
        """Why the model cannot read these tokens; empty where it can."""
        beyond = [] if self.rows is None else [token_id for token_id in ids if token_id >= self.rows]
        if not beyond:
            return ""
        return f"token {self.show(beyond[0])!r} ({beyond[0]}) has no row in the model's embedding of {self.rows} rows"

    def prompt_ids(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt."""
        return self.encode_prompt(prompt).ids

    def name(self, token_id: int) -> str | None:
        """A token as its file spells it; None for a row of the table beyond the tokens."""
        return self._vocabulary.token(token_id)

    def piece(self, token_id: int) -> bytes:
        """The bytes that a token writes."""
        token = self._vocabulary.token(token_id)
        if token is None:
            return f"<#{token_id}>".encode()  # a row of the table beyond the tokens: short, as cells are narrow
        if token_id in self._vocabulary.added:
            return token.encode("utf-8", "replace")
        if self._vocabulary.byte_level:
            return bytes(_BYTE_OF_CHARACTER.get(c, 63) for c in token)
        if re.fullmatch(r"<0x[0-9A-Fa-f]{2}>", token):
            return bytes([int(token[3:5], 16)])
        text = token.replace("▁", " ")
        word_end = self._vocabulary.word_end
        if word_end and text.endswith(word_end):
            text = f"{text.removesuffix(word_end)} "  # it stands for a space
        return text.encode("utf-8", "replace")

    def show(self, token_id: int) -> str:
        """A token alone as text; bytes that are no whole character as `<E9 A2>`."""
        return spell(self.piece(token_id))

    def show_sequence(self, ids: Sequence[int]) -> list[str]:
        """(token) tokens that follow each other as text: the one that completes a character split over
        several tokens shows it, as `<A0>→🐠`.
        """
        shown: list[str] = []
        pending = b""
        for piece in map(self.piece, ids):
            text = spell(piece)
            pending = pending + piece if is_fragment(piece) else b""
            whole = _complete_characters(pending)
            if whole:
                text, pending = f"{text}→{whole}", b""
            shown.append(text)
        return shown

    def show_joined(self, ids: Sequence[int]) -> str:
        """Tokens that follow each other as one line, a bar between them."""
        return " | ".join(self.show_sequence(ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The text that tokens write together."""
        return spell(b"".join(self.piece(token_id) for token_id in ids))


def _explain_failure(text: str, error: BaseException) -> Mistake:
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    told = " ".join(str(error).split())[:300] or "it gives no reason"
    return Mistake(f"the tokenizer fails on {shown!r}: {told}", "its tokenizer.json is damaged, or of another program")


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's table of one printable character a byte (Radford et al. 2019), inverted."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTE_OF_CHARACTER = _byte_alphabet()


def spell(data: bytes) -> str:
    """Bytes as text, each run that is not UTF-8 as `<E9 A2>`."""
    text, fragment = "", b""
    while data:
        try:
            good, bad, rest = data.decode(), b"", b""
        except UnicodeDecodeError as error:
            good, bad, rest = data[: error.start].decode(), data[error.start : error.end], data[error.end :]
        if good:
            text, fragment = text + _show_bytes(fragment) + good, b""
        fragment += bad
        data = rest
    return text + _show_bytes(fragment)


def _show_bytes(fragment: bytes) -> str:
    return f"<{fragment.hex(' ').upper()}>" if fragment else ""


def is_fragment(piece: bytes) -> bool:
    """Whether the bytes of a token are no whole characters."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False


def _complete_characters(pending: bytes) -> str:
    """The characters that pieces write together, empty while one is unfinished."""
    try:
        return pending.decode().strip()
    except UnicodeDecodeError:
        return ""
