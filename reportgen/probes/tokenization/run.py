"""How it is measured."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.tokenization import Options, Tokens, cut_text
from reportgen.probes.tokenization.view import BYTES, DIGITS, MIXED, OTHER, RESERVED, SPACE, SPECIAL, SYMBOLS
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows
from reportgen.text.scripts import script_of

_RESERVED = re.compile(r"<.*(?:unused|reserved).*>")


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Tokens:
    """Every text, then every token of the vocabulary."""
    tokenizer, options = case.tokenizer, case.options
    strips = [cut_text(case, prompt) for prompt in options.prompts]
    own = sum(strip.own for strip in strips)
    pieces = [tokenizer.piece(token_id) for token_id in range(tokenizer.size)]
    kinds = [_kind(piece, special=at in tokenizer.special_ids) for at, piece in enumerate(pieces)]
    counts = Counter(kinds)
    return Tokens(
        vocabulary=tokenizer.size,
        characters_per_token=sum(len(strip.text) for strip in strips) / own if own else float("nan"),
        fragments=sum(strip.fragments for strip in strips) / own if own else float("nan"),
        added=sum(sum(strip.added) for strip in strips) / len(strips),
        special=counts[SPECIAL],
        reserved=counts[RESERVED],
        texts=[[prompt, *strip.row()] for prompt, strip in enumerate(strips)],
        tokens=[
            [prompt, position, *cells]
            for prompt, strip in enumerate(strips)
            for position, cells in enumerate(strip.cells(tokenizer))
        ],
        make_up=[
            [kind, count, count / len(kinds), tokenizer.show(kinds.index(kind))] for kind, count in counts.most_common()
        ],
        longest=_longest(pieces, kinds, options.longest),
        prompts=[
            [prompt, strip.text, tokenizer.show_joined(strip.ids), len(strip.ids)]
            for prompt, strip in enumerate(strips)
        ],
    )


def _kind(piece: bytes, *, special: bool) -> str:
    """What a token of the vocabulary is."""
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        return BYTES
    if _RESERVED.fullmatch(text):
        return RESERVED
    return SPECIAL if special else kind_of(text)


def kind_of(text: str) -> str:
    """What a text is: a script of `script_names()`, or one of this module's kinds."""
    if text.isascii():
        if any(character.isalpha() for character in text):
            return "latin"
    else:
        scripts = {_script_of_letter(character) for character in text if character.isalpha()}
        if scripts:
            return scripts.pop() if len(scripts) == 1 else MIXED
    if not text.strip():
        return SPACE
    bare = text.strip()
    return DIGITS if all(unicodedata.category(character)[0] == "N" for character in bare) else SYMBOLS


@cache
def _script_of_letter(letter: str) -> str:
    return script_of(letter) or OTHER


def _longest(pieces: Sequence[bytes], kinds: Sequence[str], count: int) -> Rows:
    """Rows of `longest`."""
    words = [
        (-len(piece.decode().strip()), token_id)
        for token_id, (piece, kind) in enumerate(zip(pieces, kinds, strict=True))
        if kind not in (SPECIAL, RESERVED, BYTES) and piece.decode().strip().isalpha()
    ]
    best = [(token_id, -size) for size, token_id in sorted(words)[:count]]
    return [[rank, token_id, pieces[token_id].decode(), size] for rank, (token_id, size) in enumerate(best, 1)]
