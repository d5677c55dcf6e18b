"""Tokens of a text by the tokenizer's own library, and kinds of tokens by asking for each character's name."""

import unicodedata


def characters_per_token(tokenizer, texts, *, count_added=False):
    """Over all texts together; `count_added` makes a known wrong formula."""
    tokens = sum(len(tokenizer.encode(text, add_special_tokens=count_added).ids) for text in texts)
    return sum(len(text) for text in texts) / tokens


def is_fragment(tokenizer, token_id):
    """Whether a token alone decodes to the sign for bytes that are no character."""
    return "�" in tokenizer.decode([token_id])


def is_script(text, word):
    """Whether every letter's name begins with a word, such as CYRILLIC."""
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and all(unicodedata.name(c, "").split(" ")[0] == word for c in letters)
