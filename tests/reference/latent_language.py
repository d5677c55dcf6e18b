"""Probability of a word in a language, by looking at every token of the vocabulary and adding up in loops."""

import math

from transformers.convert_slow_tokenizer import bytes_to_unicode

from tests.reference import plain


def vocabulary(tokenizer):
    """id -> the bytes that a token of a byte-level tokenizer writes."""
    of_character = {character: byte for byte, character in bytes_to_unicode().items()}
    return {
        i: bytes(of_character[c] for c in token)
        for token, i in tokenizer.get_vocab().items()
        if not token.startswith("<")
    }


def tokens(tokenizer, word, *, spaced=True, whole=True):
    """Ids of the tokens with which a word may begin; `whole` allows only whole characters, `spaced` a space before."""
    found = []
    for i, written in vocabulary(tokenizer).items():
        rest = written.removeprefix(b" ") if spaced else written
        if not rest or not word.encode().startswith(rest):
            continue
        if whole and not _is_text(rest):
            continue
        found.append(i)
    return found


def _is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def probabilities(network, family, ids, sets):
    """(layer) (set) probability of the tokens of a set, and (layer) entropy."""
    by_layer = plain.lens(network, family, ids)
    return [[sum(p[i].item() for i in one) for one in sets] for p in by_layer], [plain.entropy(p) for p in by_layer]


def mean_and_margin(values):
    """Mean, and 1.96 standard errors of it."""
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, 1.959963984540054 * math.sqrt(variance / len(values))
