"""What a tokenizer is made of, in a few numbers and hashes: what says later how another one differs from it."""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from reportgen.text.tokenizer_parts import list_parts
from reportgen.text.vocabulary import TokenVocabulary, hash_tokens

MOST_LISTED = 64
"""Added tokens that are listed by name; those reserved for later, of which Gemma has thousands, and white space are
counted alone."""
LONGEST = 100
"""Characters of such a name."""
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
"""What works on a text before and after the model of the tokenizer."""
NAMES = frozenset((*PARTS, "merges", "merges_sha256", "model"))
"""What is told of a tokenizer.json."""
_MERGES = re.compile(rb'"merges"\s*:\s*\[')
"""Tokens of that name are followed by a number."""
_RESERVED = re.compile("unused|reserved")


def describe_tokenizer(content: bytes) -> dict[str, Any]:
    """Number and hash of the merges of a tokenizer.json (a tokenizer that has none, as Unigram, has 0), and the hash of
    each other part, its model's settings among them. Nothing of what cannot be read.
    """
    try:
        parts, model = list_parts(content)
        merges = _list_merges(content)
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    settings = {name: value for name, value in model.items() if name not in ("vocab", "merges")}
    return {
        "merges": len(merges),
        "merges_sha256": sha256("\n".join(merges).encode(errors="surrogatepass")).hexdigest(),
        **{name: _hash_part(parts.get(name)) for name in PARTS},
        "model": _hash_part(settings),
    }


def describe_vocabulary(vocabulary: TokenVocabulary) -> dict[str, Any]:
    """Number of its tokens, of those that its model does not make, and the first of these by name."""
    added = [token for _, (token, _) in sorted(vocabulary.added.items())]
    named = [token[:LONGEST] for token in added if token.strip() and not _RESERVED.search(token)]
    return {
        "tokens": vocabulary.size,
        "tokens_sha256": hash_tokens(vocabulary),
        "added": len(added),
        "added_sha256": sha256("\n".join(added).encode(errors="surrogatepass")).hexdigest(),
        "added_tokens": named[:MOST_LISTED],
    }


def _list_merges(content: bytes) -> list[str]:
    """Each as two pieces with a space between, however the file writes them."""
    found = _MERGES.search(content)
    if found is None:
        return []
    merges, _ = json.JSONDecoder().raw_decode(content[found.end() - 1 :].decode())
    return [one if isinstance(one, str) else " ".join(one) for one in merges]


def _hash_part(part: Mapping[str, Any] | None) -> str:
    """Empty where there is none."""
    return "" if part is None else sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
