"""Answers that have to be one token: what a text is in a model's tokens, and why it cannot be used."""

from reportgen.text.tokens import TextTokenizer


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
