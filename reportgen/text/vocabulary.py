"""What a tokenizer knows without cutting any text: its tokens by id, and how these write their bytes."""

import json
import sys
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LENGTH = 8
"""Bytes that tell how long the header of a packed vocabulary is."""


@dataclass(frozen=True)
class TokenVocabulary:
    """The tokens of a tokenizer."""

    size: int
    """Number of its tokens."""
    added: Mapping[int, tuple[str, bool]]
    """Id -> token, and whether it is special, of those that its model does not make."""
    word_end: str
    """What marks that a word ends with a token, as `</w>`; empty where nothing does."""
    byte_level: bool
    """Whether a token writes a byte with each of its characters."""
    token: Callable[[int], str | None]
    """The token with an id; None where there is none."""


@dataclass(frozen=True)
class _Tokens:
    """Tokens with the ids 0, 1, 2, …: a tenth of the memory of as many texts."""

    ends: "array[int]"
    """(token) where each ends among the bytes of all."""
    written: bytes

    def __call__(self, token_id: int) -> str | None:
        if not 0 <= token_id < len(self.ends):
            return None
        return self.written[self.ends[token_id - 1] if token_id else 0 : self.ends[token_id]].decode()


def drop_training_settings(tokenizer: "Tokenizer") -> None:
    """A file may carry the truncation and padding of its training: a prompt is read whole and as it is."""
    tokenizer.no_truncation()
    tokenizer.no_padding()


def read_vocabulary(tokenizer: "Tokenizer") -> TokenVocabulary:
    """The vocabulary of a tokenizer, which is not needed for it any longer where ids have no gaps."""
    size = int(tokenizer.get_vocab_size(with_added_tokens=True))
    named = [tokenizer.id_to_token(token_id) for token_id in range(size)]
    written = [token.encode() for token in named if token is not None]
    known = _Tokens(array("I", accumulate(map(len, written))), b"".join(written)) if len(written) == size else None
    added = tokenizer.get_added_tokens_decoder()
    suffix = getattr(tokenizer.model, "end_of_word_suffix", None)
    decoder = tokenizer.decoder
    return TokenVocabulary(
        size,
        {token_id: (token.content, bool(token.special)) for token_id, token in added.items()},
        suffix if isinstance(suffix, str) else "",
        decoder is not None and b'"ByteLevel"' in decoder.__getstate__(),
        known or tokenizer.id_to_token,
    )


def hash_tokens(vocabulary: TokenVocabulary) -> str:
    """A hash of all tokens by their ids; empty where ids have gaps, which no known model's have."""
    tokens = vocabulary.token
    if not isinstance(tokens, _Tokens):
        return ""
    return sha256(_order_bytes(tokens.ends).tobytes() + tokens.written).hexdigest()


def pack_vocabulary(vocabulary: TokenVocabulary) -> bytes | None:
    """A vocabulary as bytes; None where its ids have gaps, which no known model's have."""
    tokens = vocabulary.token
    if not isinstance(tokens, _Tokens):
        return None
    said = {
        "size": vocabulary.size,
        "added": [[token_id, *token] for token_id, token in vocabulary.added.items()],
        "word_end": vocabulary.word_end,
        "byte_level": vocabulary.byte_level,
    }
    header = json.dumps(said).encode()
    return len(header).to_bytes(_LENGTH, "little") + header + _order_bytes(tokens.ends).tobytes() + tokens.written


def unpack_vocabulary(packed: bytes) -> TokenVocabulary:
    """The vocabulary that was packed.

    Raises:
        ValueError, LookupError, TypeError: it was not.
    """
    begin = _LENGTH + int.from_bytes(packed[:_LENGTH], "little")
    said: dict[str, Any] = json.loads(packed[_LENGTH:begin])
    ends: array[int] = array("I")
    after = begin + said["size"] * ends.itemsize
    ends.frombytes(packed[begin:after])
    ends = _order_bytes(ends)
    written = packed[after:]
    if len(ends) != said["size"] or (ends[-1] if ends else 0) != len(written):
        raise ValueError("a part of it is missing")
    added = {token_id: (token, special) for token_id, token, special in said["added"]}
    return TokenVocabulary(said["size"], added, said["word_end"], said["byte_level"], _Tokens(ends, written))


def _order_bytes(numbers: "array[int]") -> "array[int]":
    """Numbers as they are stored, or of what is stored as this machine has them."""
    if sys.byteorder == "little":
        return numbers
    numbers = array("I", numbers)
    numbers.byteswap()
    return numbers
