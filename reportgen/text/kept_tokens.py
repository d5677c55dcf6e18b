"""A tokenizer that is read when something is asked of it that nobody asked before.

A tokenizer.json of 262,144 tokens takes a second and 300 MB to read; what most reports want of it are the same few
texts each time. So its vocabulary and the texts that it has cut are kept, under the hash of its file.
"""

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.cache import TOKENS, Shelf, key_of
from reportgen.documents.regular_file import TOKENIZER_BYTES, read_regular
from reportgen.errors import Mistake, ModelError
from reportgen.text.tokenizer_facts import NAMES, describe_tokenizer, describe_vocabulary
from reportgen.text.tokenizer_parts import UnknownPart, check_parts
from reportgen.text.tokenizer_process import Encoding, TokenizerProcess
from reportgen.text.vocabulary import (
    TokenVocabulary,
    drop_training_settings,
    pack_vocabulary,
    read_vocabulary,
    unpack_vocabulary,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_FORM = "1"
"""Raised whenever what is kept, or how it is made of the file, changes."""
LONGEST_KEPT = 20_000
"""Characters of a text; whole documents are cut anew."""
MOST_KEPT = 4_000_000
"""Bytes of all kept texts of a tokenizer together: beyond it, those that were asked last stay."""
_NOT_KEPT = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading says of bytes that are no kept tokens."""


@dataclass(frozen=True)
class _Cut:
    """A text that was cut, in little memory."""

    ids: "array[int]"
    starts: "array[int]"
    ends: "array[int]"
    added: bytes

    @classmethod
    def pack(cls, ids: Sequence[int], starts: Sequence[int], ends: Sequence[int], added: Sequence[int]) -> "_Cut":
        """One of numbers as the tokenizer gives them."""
        if not len(ids) == len(starts) == len(ends) == len(added):
            raise ValueError("a part of it is missing")
        return cls(array("I", ids), array("I", starts), array("I", ends), bytes(added))

    def encoding(self) -> Encoding:
        """The numbers as the tokenizer gave them."""
        return Encoding(list(self.ids), list(zip(self.starts, self.ends, strict=True)), list(self.added))


def _size_of(text: str, cut: _Cut) -> int:
    """About as many bytes as a text and its tokens take where they are kept."""
    return 2 * len(text) + 20 * len(cut.ids) + 20


class KeptTokenizer:
    """Encodes as `tokenizers.Tokenizer` does, from memory where it can."""

    def __init__(self, file: Path, *, used: bool = True) -> None:
        """Reads a tokenizer.json, unless its vocabulary is known; `used` is false where nothing is to be kept.

        Raises:
            ModelError: there is no such file, or it cannot be read.
        """
        content = read_tokenizer_file(file)
        self._file = file
        self._sha256 = sha256(content).hexdigest()
        self._shelf = Shelf(TOKENS, used)
        self._encoder: Tokenizer | TokenizerProcess | None = None
        self._cut: dict[tuple[str, bool], _Cut] = {}
        self._asked: dict[tuple[str, bool], None] = {}
        self._new = False
        self._held = 0
        """Bytes of the texts that this process cut and keeps."""
        # Before the tokenizer is there: what is read of its file for this takes as much memory, and is gone then.
        self._made_of = self._recall_parts() or self._keep_parts(describe_tokenizer(content))
        known = self._recall_vocabulary()
        if known is not None:
            self._cut = dict(self._recall_texts())
        self.vocabulary = known or self._keep_vocabulary(read_vocabulary(self._open(content)))

    def encode(self, text: str, add_special_tokens: bool = True) -> Encoding:
        """Tokens of a text.

        Raises:
            ModelError: the file cannot be read any longer, or is another.
            Exception: whatever the tokenizer raises.
        """
        key = (text, add_special_tokens)
        cut = self._cut.get(key)
        if cut is None:
            found = self._find_encoder().encode(text, add_special_tokens=add_special_tokens)
            offsets = found.offsets
            cut = _Cut.pack(found.ids, [s for s, _ in offsets], [e for _, e in offsets], found.special_tokens_mask)
            if len(text) > LONGEST_KEPT or self._held > MOST_KEPT:
                return cut.encoding()  # documents of a whole corpus would be in memory twice
            self._held += _size_of(text, cut)
            self._cut[key] = cut
            self._new = True
        self._asked[key] = None
        return cut.encoding()

    def rest(self) -> None:
        """Keeps the texts for later runs, and gives up what can be read again should another text be asked for."""
        if self._new:
            self._shelf.write(self._key("texts"), json.dumps(self._choose_kept()).encode())
            self._new = False
        self._encoder = None

    def _find_encoder(self) -> "Tokenizer | TokenizerProcess":
        if self._encoder is None:
            content = read_tokenizer_file(self._file)
            if sha256(content).hexdigest() != self._sha256:
                raise ModelError(Mistake("it changed while it was read", "Run it again.", self._file))
            self._open(content)
        assert self._encoder is not None
        return self._encoder

    def _open(self, content: bytes) -> "Tokenizer":
        from tokenizers import Tokenizer

        process = None
        try:
            try:
                check_parts(content)
            except UnknownPart:
                process = TokenizerProcess(content)
            tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the tokenizers library raises bare Exception
            told = " ".join(str(error).split())[:300]
            raise ModelError(Mistake(f"the tokenizer cannot be read: {told}", file=self._file)) from error
        drop_training_settings(tokenizer)
        self._encoder = process or tokenizer
        return tokenizer

    def _keep_vocabulary(self, known: TokenVocabulary) -> TokenVocabulary:
        packed = pack_vocabulary(known)
        if packed is not None:
            self._shelf.write(self._key("vocabulary"), packed)
        return known

    def facts(self) -> dict[str, Any]:
        """What it is made of: numbers and hashes that tell it from another one."""
        return {**describe_vocabulary(self.vocabulary), **self._made_of}

    def _keep_parts(self, known: dict[str, Any]) -> dict[str, Any]:
        self._shelf.write(self._key("parts"), json.dumps(known).encode())
        return known

    def _recall_parts(self) -> dict[str, Any]:
        try:
            known = json.loads(self._shelf.read(self._key("parts")) or b"{}")
        except _NOT_KEPT:
            return {}
        return known if isinstance(known, dict) and set(known) == NAMES else {}

    def _recall_vocabulary(self) -> TokenVocabulary | None:
        packed = self._shelf.read(self._key("vocabulary"))
        try:
            return None if packed is None else unpack_vocabulary(packed)
        except _NOT_KEPT:
            return None

    def _recall_texts(self) -> Iterator[tuple[tuple[str, bool], _Cut]]:
        """What was cut by earlier runs; of what is none, nothing."""
        try:
            known: list[Any] = json.loads(self._shelf.read(self._key("texts")) or b"[]")
            yield from [((str(text), bool(special)), _Cut.pack(*numbers)) for text, special, *numbers in known]
        except _NOT_KEPT:
            return

    def _choose_kept(self) -> list[list[Any]]:
        """The texts that stay, as JSON holds them: those that this process was asked for before the others."""
        kept, room = [], MOST_KEPT
        for text, special in [*self._asked, *(key for key in self._cut if key not in self._asked)]:
            cut = self._cut[text, special]
            room -= _size_of(text, cut)
            if room >= 0:
                kept.append([text, special, *map(list, (cut.ids, cut.starts, cut.ends, cut.added))])
        return kept

    def _key(self, what: str) -> str:
        return key_of("tokens", _FORM, what, version("tokenizers"), self._sha256)


def read_tokenizer_file(file: Path) -> bytes:
    """The bytes of a tokenizer.json.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    if not file.exists():
        raise ModelError(
            Mistake(
                "the model has no tokenizer.json, so its tokens have no offsets in the text",
                "convert it: transformers' AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
                file=file.parent,
            )
        )
    try:
        return read_regular(file, TOKENIZER_BYTES)
    except OSError as error:
        raise ModelError(Mistake(f"the tokenizer cannot be read: {error.strerror}", file=file)) from error
