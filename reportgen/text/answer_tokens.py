"""Answers and words as tokens: those that have to be one token, and those that are followed by their first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reportgen.text.scripts import script_of
from reportgen.text.tokens import TextTokenizer, is_fragment

_UNSPACED = frozenset({"han", "kana", "thai"})
"""Scripts that put no spaces between words."""


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
    if len(ids) > 1 and not tokenizer.piece(ids[0]).strip():
        return f"{text!r} is {len(ids)} tokens, of which the first is white space and begins any word: it tells nothing"
    return tokenizer.reason_against_tokens(ids[:1])


def answer_ids(tokenizer: TextTokenizer, text: str) -> tuple[int, ...]:
    """Token ids of an answer as it stands there, with nothing in front."""
    return tokenizer.encode(text, special_tokens=False).ids


def opening_tokens(tokenizer: TextTokenizer, answer: str) -> frozenset[int]:
    """Tokens with which an answer may begin to be written: the first that shows anything, of the answer as it stands
    and of it after a space; none that is bytes of many characters.
    """
    found: set[int] = set()
    for form in (answer, f" {answer.lstrip()}"):
        shown = [token for token in answer_ids(tokenizer, form) if tokenizer.piece(token).strip()]
        if shown and not is_fragment(tokenizer.piece(shown[0])) and not tokenizer.reason_against_tokens(shown[:1]):
            found.add(shown[0])
    return frozenset(found)


def find_answer(text: str, answers: Iterable[str]) -> str:
    """The first of the answers that a text contains, upper and lower case alike; empty where it has none.

    An answer inside a longer word or number is none (4 in 24), except in scripts that put no spaces between words.
    """
    folded = text.casefold()
    for answer in answers:
        wanted = answer.strip().casefold()
        at = folded.find(wanted)
        while wanted and at >= 0:
            end = at + len(wanted)
            if not (_goes_on(folded[at - 1 : at], wanted[0]) or _goes_on(wanted[-1], folded[end : end + 1])):
                return answer
            at = folded.find(wanted, at + 1)
    return ""


def _goes_on(before: str, after: str) -> bool:
    """Whether a word or a number goes on from one character to the next; there may be none."""
    if not before or not after:
        return False
    if before.isdigit() or after.isdigit():
        return before.isdigit() and after.isdigit()
    unspaced = {script_of(before), script_of(after)} & _UNSPACED
    return before.isalpha() and after.isalpha() and not unspaced


def reason_against_answer(tokenizer: TextTokenizer, text: str) -> str:
    """Why a text is not one token of the model, with the tokens that it is; empty where it is one."""
    ids = answer_ids(tokenizer, text)
    if not ids:
        return f"{text!r} has no tokens"
    if len(ids) > 1:
        return f"{text!r} is {len(ids)} tokens, where an answer is one: {tokenizer.show_joined(ids)}"
    return tokenizer.reason_against_tokens(ids)
