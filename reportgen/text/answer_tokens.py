"""Answers and words as tokens: those that have to be one token, and those that are followed by their first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reportgen.text.tokens import TextTokenizer, is_fragment


@dataclass(frozen=True)
class FollowedWord:
    """A word that is followed by one token: its own, or the first of several."""

    text: str
    token: int
    pieces: int
    """How many tokens the word has."""


def words_by_first_token(tokenizer: TextTokenizer, texts: Iterable[str]) -> list[FollowedWord]:
    """Each word with the token that begins it; without those that have none."""
    found = []
    for text in texts:
        ids = answer_ids(tokenizer, text)
        if not _reason_against_first(tokenizer, text, ids):
            found.append(FollowedWord(text, ids[0], len(ids)))
    return found


def reasons_against_words(tokenizer: TextTokenizer, texts: Iterable[str]) -> Mapping[str, str]:
    """Those that cannot be followed, each with the reason."""
    reasons = {text: _reason_against_first(tokenizer, text, answer_ids(tokenizer, text)) for text in texts}
    return {text: reason for text, reason in reasons.items() if reason}


def _reason_against_first(tokenizer: TextTokenizer, text: str, ids: tuple[int, ...]) -> str:
    if not ids:
        return f"{text!r} has no tokens"
    if len(ids) > 1 and is_fragment(tokenizer.piece(ids[0])):
        shown = tokenizer.show(ids[0])
        return (
            f"{text!r} is {len(ids)} tokens, and the first of them, {shown}, begins many characters: it tells nothing"
        )
    return tokenizer.reason_against_tokens(ids[:1])


def answer_ids(tokenizer: TextTokenizer, text: str) -> tuple[int, ...]:
    """Token ids of an answer as it stands there, with nothing in front."""
    return tokenizer.encode(text, special_tokens=False).ids


def reason_against_answer(tokenizer: TextTokenizer, text: str) -> str:
    """Why a text is not one token of the model, with the tokens that it is; empty where it is one."""
    ids = answer_ids(tokenizer, text)
    if not ids:
        return f"{text!r} has no tokens"
    if len(ids) > 1:
        return f"{text!r} is {len(ids)} tokens, where an answer is one: {tokenizer.show_joined(ids)}"
    return tokenizer.reason_against_tokens(ids)
