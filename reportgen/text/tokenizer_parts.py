"""What a tokenizer.json is made of, and whether every part of it is known to end: read without running any of it.

The tokenizers library holds to no limits: a pattern may search for ever, a normaliser grow without bound, a wrong table
end the process. What is of the usual kinds, with patterns whose search is bounded, runs here; whatever else runs in a
process of its own (`tokenizer_process`).
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from reportgen.text.pattern_cost import is_bounded

MOST_GROWTH = 1_000
"""Characters that normalisers may make of one."""
LONGEST_WORD = 1_000
"""Characters of a word that WordPiece takes apart; it takes their square."""
_MARK = re.compile(rb'"\s*:\s*[{\[]')
"""After the name of a part that holds others."""
_BEFORE = frozenset(
    ("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder")
)
"""Parts that the tokenizers library writes before the model."""


class UnknownPart(Exception):
    """A tokenizer.json has a part of which it is not known that it ends."""


def check_parts(content: bytes) -> None:
    """Passes where each part of a tokenizer.json is known to end.

    Raises:
        Unknown: one is not, or they cannot be read; it says which.
    """
    try:
        parts, model = list_parts(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnknownPart("it is not the JSON of a tokenizer") from error
    try:
        growth = _growth(parts.get("normalizer"))
        _check_pre_tokenizer(parts.get("pre_tokenizer"))
        _check_post_processor(parts.get("post_processor"))
        _check_model(model)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, re.error) as error:
        raise UnknownPart("a part of it is not of the usual form") from error
    if growth > MOST_GROWTH:
        raise UnknownPart("its normaliser may make much of little")


def list_parts(content: bytes) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The parts before the model, and the model's own, without the vocabulary where it comes last: it is large.

    Raises:
        ValueError, KeyError, TypeError, RecursionError: they cannot be read.
    """
    vocabulary = content.find(b'"vocab"')
    try:
        text = content[:vocabulary].decode()
        parts, at = _members(text, 0)
        model, at = _members(text, at)
        if vocabulary < 0 or at < len(text) or not set(parts) <= _BEFORE:
            return _parse_whole(content)
    except ValueError:
        return _parse_whole(content)
    return _parse_whole(content) if _holds_parts(content[vocabulary:]) else (parts, model)


def _parse_whole(content: bytes) -> tuple[dict[str, Any], Mapping[str, Any]]:
    parts = json.loads(content, object_pairs_hook=_refuse_repeated_names)
    return parts, parts["model"]


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _members(text: str, at: int) -> tuple[dict[str, Any], int]:
    """Members of the mapping that begins at a place, up to the model or to where the text is cut; and that place."""
    read = json.JSONDecoder(object_pairs_hook=_refuse_repeated_names).raw_decode
    found: list[tuple[str, Any]] = []
    at = _skip_sign(text, at, "{")
    while at < len(text):
        name, at = read(text, at)
        at = _skip_sign(text, at, ":")
        if name == "model":
            break
        value, at = read(text, at)
        found.append((str(name), value))
        at = _skip_sign(text, at, ",")
    return _refuse_repeated_names(found), at


def _skip_sign(text: str, at: int, sign: str) -> int:
    """Where the next value begins, after this sign."""
    found = re.compile(rf"\s*{sign}\s*").match(text, at)
    if found is None:
        raise ValueError(f"{sign} expected")
    return found.end()


def _holds_parts(rest: bytes) -> bool:
    """Whether a part may stand again behind the vocabulary, or the model: the last of two would count.

    A name of theirs ends with r, s or l, or with a letter that is spelled out; a vocabulary has numbers and the merges
    have lists alone.
    """
    if b"max_input_chars_per_word" in rest:
        return True
    for mark in _MARK.finditer(rest):
        before = rest[max(mark.start() - 6, 0) : mark.start()]
        ends = before[-1:] in b"rsl" and not before.endswith(b"merges")
        if ends or re.search(rb"\\u[0-9a-fA-F]{4}$", before):
            return True
    return False


def _growth(normalizer: Any) -> float:
    """Characters that a normaliser may make of one, at most."""
    if normalizer is None:
        return 1
    kind = normalizer["type"]
    if kind == "Sequence":
        growth = 1.0
        for one in normalizer["normalizers"]:
            growth *= _growth(one)
        return growth
    return float(_NORMALIZERS[kind](normalizer))


def _growth_of_replacement(normalizer: Mapping[str, Any]) -> float:
    pattern = normalizer["pattern"]
    sought = pattern.get("String") or pattern["Regex"]
    if "Regex" in pattern and not is_bounded(sought):
        raise UnknownPart("its normaliser has a pattern whose search may not end")
    if not sought or ("Regex" in pattern and re.compile(sought).match("")):
        raise UnknownPart("its normaliser replaces nothing by something")
    return max(1, len(normalizer["content"]) / (len(sought) if "String" in pattern else 1))


def _growth_of_prefix(normalizer: Mapping[str, Any]) -> float:
    if not normalizer["prepend"]:
        raise UnknownPart("its normaliser puts nothing in front")
    return 1 + len(normalizer["prepend"])


_NORMALIZERS: dict[str, Callable[[Mapping[str, Any]], float]] = {
    **{kind: lambda _: 18 for kind in ("NFC", "NFD", "NFKC", "NFKD")},
    **{kind: lambda _: 3 for kind in ("Lowercase", "BertNormalizer", "ByteLevel")},
    **{kind: lambda _: 1 for kind in ("Strip", "StripAccents", "Nmt")},
    "Replace": _growth_of_replacement,
    "Prepend": _growth_of_prefix,
}


def _check_pre_tokenizer(part: Any) -> None:
    if part is None:
        return
    if part["type"] == "Sequence":
        for one in part["pretokenizers"]:
            _check_pre_tokenizer(one)
    elif part["type"] == "Split":
        pattern = part["pattern"]
        if not (pattern.get("String") or is_bounded(pattern["Regex"])):
            raise UnknownPart(f"it splits texts by a pattern whose search may not end: {pattern['Regex'][:40]}")
    elif part["type"] not in _PRE_TOKENIZERS:
        raise UnknownPart("it splits texts in an unusual way")


_PRE_TOKENIZERS = frozenset(
    ("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "UnicodeScripts",
     "Whitespace", "WhitespaceSplit")
)  # fmt: skip


def _check_post_processor(part: Any) -> None:
    if part is None:
        return
    if part["type"] == "Sequence":
        for one in part["processors"]:
            _check_post_processor(one)
    elif part["type"] == "TemplateProcessing":
        named = {piece["SpecialToken"]["id"] for piece in part["single"] if "SpecialToken" in piece}
        texts = {piece["Sequence"]["id"] for piece in part["single"] if "Sequence" in piece}
        if not named <= set(part["special_tokens"]) or not texts <= {"A"}:
            raise UnknownPart("it adds a token that it does not have, or a second text")
    elif part["type"] not in ("BertProcessing", "ByteLevel", "RobertaProcessing"):
        raise UnknownPart("it adds tokens in an unusual way")


def _check_model(model: Mapping[str, Any]) -> None:
    if model.get("type") not in ("BPE", "Unigram", "WordLevel", "WordPiece", None):  # older files name none
        raise UnknownPart("it is of an unusual kind")
    if not 0 < model.get("max_input_chars_per_word", 100) <= LONGEST_WORD:
        raise UnknownPart("it takes words of any length apart")
