"""How a model cuts text into tokens, and what its vocabulary is made of."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.figures.describe import Figure, StackedBars, TokenGrid
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts, Unusable, prompt_labels
from reportgen.results.quantities import Findings, Outcome, Rows, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space
from reportgen.text.chat import ChatUnavailable
from reportgen.text.scripts import script_names, script_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.needs import Captured, Pass
    from reportgen.model.network.loaded import LoadedModel
    from reportgen.text.prompts import Prompt
    from reportgen.text.tokens import TextTokenizer

SPECIAL, RESERVED, BYTES, SPACE = "special", "reserved", "bytes", "space"
DIGITS, SYMBOLS, MIXED, OTHER = "digits", "symbols", "mixed", "other script"
WIDEST = 14
"""Tokens in a line of a strip."""
MOST_LINES = 6
"""Lines of a strip; the table has all tokens."""
MOST_DRAWN = 8
"""Texts that are drawn."""
MOST_KINDS = 9
"""Kinds of tokens that a bar tells apart; the rest is one more."""
APART = 1.25
"""Times the tokens from which one tokenizer is said to need more than another."""
CUT = 0.05
"""Share of tokens that are fragments of characters from which that is said."""

_RESERVED = re.compile(r"<.*(?:unused|reserved).*>")


class Options(ProbeOptions):
    """Which texts, and how much of the vocabulary is listed."""

    prompts: Prompts
    """Texts, or chats, that are cut into tokens."""
    longest: Annotated[int, Field(ge=1, le=1000)] = 20
    """Longest words of the vocabulary that are listed."""


@dataclass(frozen=True, kw_only=True)
class Tokens(Findings):
    """What tokenization gives."""

    vocabulary: int = metric("tokens")
    """Tokens that the tokenizer knows, special ones included; a model's table may have more rows."""
    characters_per_token: float = metric("characters")
    """Characters of all texts together, over their tokens; what the tokenizer adds (BOS) does not count."""
    fragments: float = metric("share")
    """Share of the tokens of all texts that are bytes of no whole character."""
    added: float = metric("tokens")
    """Mean over texts of the tokens that the tokenizer adds, such as BOS; a chat's template writes its own."""
    special: int = metric("tokens")
    """Special tokens of the vocabulary that are in use, by their flag in the tokenizer."""
    reserved: int = metric("tokens")
    """Tokens kept for later, by their name (unused, reserved)."""
    texts: Rows = table(
        "prompt", "characters", "bytes", "token_count", "added", "characters_per_token", "bytes_per_token", "fragments"
    )
    """Each text: its characters and UTF-8 bytes, its tokens, how many of them the tokenizer added, and how many are
    fragments of a character."""
    tokens: Rows = table("prompt", "position", "token_id", "token", "characters", "added")
    """Every token with its id; `<E5 A4>` are bytes of no whole character, the one that completes it shows it after an
    arrow. Characters: those of the text that begin in it."""
    make_up: Rows = table("kind", "tokens", "share", "example")
    """The vocabulary by what its tokens are: letters of one script, of several, digits, symbols, white space, bytes of
    no whole character, special and reserved ones."""
    longest: Rows = table("rank", "token_id", "token", "characters")
    """The longest tokens that are one word: letters alone, but for a leading space."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The texts as this model reads them."""


class Tokenization(Probe[Options, Tokens]):
    """Shows: how each model's tokenizer cuts the same texts, token by token with its id, and what its vocabulary is
    made of.

    Read: the darker a token, the more characters it holds; outlined ones are no part of the text, but added by the
    tokenizer (BOS). ␣ marks a leading space: most words have a token of their own behind one. `<E5 A4>` is a fragment
    of a character: a script that the tokenizer has hardly seen is written byte by byte, costs more tokens, and leaves
    the model to put its characters together. Of two tokenizers, that with more characters a token reads further in one
    context.

    Computed: from the tokenizer alone. Characters are Unicode code points. A token's kind: special where the tokenizer
    says so, reserved by its name, bytes where it decodes to no whole character, else by the script of its letters
    in the Unicode data; a token without letters is digits, white space or symbols.
    """

    name = "tokenization"
    version = 1
    question = "How is text cut into tokens?"
    options = Options
    findings = Tokens
    drawn = ("prompts", MOST_DRAWN)
    needs_weights = False

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None; but a configuration has no tokenizer, and a base model no chat template."""
        for prompt in case.options.prompts:
            _strip(case, prompt)
        return ()

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Tokens:
        """Every text, then every token of the vocabulary."""
        tokenizer, options = case.tokenizer, case.options
        strips = [_strip(case, prompt) for prompt in options.prompts]
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
                [kind, count, count / len(kinds), tokenizer.show(kinds.index(kind))]
                for kind, count in counts.most_common()
            ],
            longest=_longest(pieces, kinds, options.longest),
            prompts=[
                [prompt, strip.text, tokenizer.show_joined(strip.ids), len(strip.ids)]
                for prompt, strip in enumerate(strips)
            ],
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """The strips of each text, models side by side; then the vocabularies in one figure."""
        ok = section.ok()
        for prompt in range(MOST_DRAWN):
            for subject, outcome in ok.items():
                if prompt < len(outcome.tables["prompts"].rows):
                    yield _strip_figure(section.name(subject), subject, outcome, prompt)
        if ok:
            yield _make_up({section.name(subject): outcome for subject, outcome in ok.items()}, tuple(ok))

    def statement(self, section: Section) -> str:
        """What each tokenizer needs for the texts, where two differ most, and what is cut into bytes."""
        named = [(section.name(subject), outcome) for subject, outcome in section.ok().items()]
        return sentences([*(_seen(*one) for one in named), _compared(named)])


@dataclass(frozen=True)
class _Strip:
    """A text as tokens."""

    text: str
    ids: tuple[int, ...]
    added: tuple[bool, ...]
    """(token) true for what the tokenizer put there."""
    starts: tuple[int, ...]
    """(token) characters of the text that begin in it."""
    pieces: tuple[bytes, ...]

    @property
    def own(self) -> int:
        """Tokens of the text itself."""
        return len(self.ids) - sum(self.added)

    @property
    def fragments(self) -> int:
        """Tokens of bytes that are no whole character."""
        return sum(_is_bytes(piece) for piece in self.pieces)

    def row(self) -> list[str | int | float | bool | None]:
        """A row of `texts`, less its number."""
        size, own = len(self.text.encode("utf-8", "replace")), max(self.own, 1)
        added = sum(self.added)
        return [len(self.text), size, len(self.ids), added, len(self.text) / own, size / own, self.fragments]

    def cells(self, tokenizer: TextTokenizer) -> Iterator[list[str | int | float | bool | None]]:
        """Rows of `tokens`, less their numbers."""
        shown = tokenizer.show_sequence(self.ids)
        for token_id, text, count, added in zip(self.ids, shown, self.starts, self.added, strict=True):
            yield [token_id, text, count, added]


def _strip(case: Case[Options], prompt: Prompt) -> _Strip:
    tokenizer = case.tokenizer
    try:
        text, encoded = tokenizer.prompt_text(prompt), tokenizer.encode_prompt(prompt)
    except ChatUnavailable as error:
        raise Unusable(str(error)) from error
    # What a template writes is part of the text it makes; only a tokenizer's own additions have no place in it.
    added = tuple(flag and first == last for flag, (first, last) in zip(encoded.added, encoded.offsets, strict=True))
    return _Strip(
        text, encoded.ids, added, _starts(encoded.offsets), tuple(tokenizer.piece(token) for token in encoded.ids)
    )


def _starts(offsets: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """(token) characters that begin in each: of several fragments of one character, the first has it."""
    counts, reached = [], 0
    for first, last in offsets:
        counts.append(max(last - max(first, reached), 0))
        reached = max(reached, last)
    return tuple(counts)


def _is_bytes(piece: bytes) -> bool:
    """Whether a token is no text by itself."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False


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
        scripts = {_script(character) for character in text if character.isalpha()}
        if scripts:
            return scripts.pop() if len(scripts) == 1 else MIXED
    if not text.strip():
        return SPACE
    bare = text.strip()
    return DIGITS if all(unicodedata.category(character)[0] == "N" for character in bare) else SYMBOLS


@cache
def _script(letter: str) -> str:
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


def _kind_label(kind: str) -> str:
    own = {
        SPECIAL: say("tokenization.special", "special"),
        RESERVED: say("tokenization.reserved", "reserved"),
        BYTES: say("tokenization.bytes", "bytes of a character"),
        SPACE: say("tokenization.space", "white space"),
        DIGITS: say("tokenization.digits", "digits"),
        SYMBOLS: say("tokenization.symbols", "symbols and punctuation"),
        MIXED: say("tokenization.mixed", "several scripts"),
        OTHER: say("tokenization.other_script", "other scripts"),
    }
    return {**script_names(), **own}[kind]


def _strip_figure(name: str, subject: str, outcome: Outcome, prompt: int) -> TokenGrid:
    """Lines of tokens, below each line its ids."""
    import numpy as np

    records = [row for row in outcome.tables["tokens"].records() if row["prompt"] == prompt]
    shown = records[: WIDEST * MOST_LINES]
    lines = [shown[at : at + WIDEST] for at in range(0, len(shown), WIDEST)]
    columns = max(len(line) for line in lines)
    most = max((int(row["characters"]) for row in records), default=0) or 1
    texts, values, outlined, rows = [], [], [], []
    for line in lines:
        gap = columns - len(line)
        texts += [[str(row["token"]) for row in line] + [""] * gap, [str(row["token_id"]) for row in line] + [""] * gap]
        values += [[row["characters"] / most for row in line] + [np.nan] * gap, [0.0] * len(line) + [np.nan] * gap]
        outlined += [[bool(row["added"]) for row in line] + [False] * gap, [False] * columns]
        rows += [
            say("tokenization.from", "from {position}", position=line[0]["position"]),
            say("tokenization.id", "id"),
        ]
    counted = outcome.tables["texts"].records()[prompt]
    label = prompt_labels(outcome)[prompt]
    title = say_count(
        "tokenization.strip.title",
        "{model}: “{text}” in {count} token",
        "{model}: “{text}” in {count} tokens",
        len(records),
        model=name,
        text=label,
    )
    if len(shown) < len(records):
        title = say("tokenization.strip.first", "{title}, the first {count}", title=title, count=len(shown))
    return TokenGrid(
        name=f"strip-{prompt}",
        subject=(subject,),
        title=title,
        alt=say(
            "tokenization.strip.alt",
            "Tokens of “{text}” in {model}, {characters} characters each on average: {tokens}",
            text=label,
            model=name,
            characters=digits(f"{counted['characters_per_token']:.1f}"),
            tokens=" | ".join(mark_space(str(row["token"])) for row in shown),
        ),
        row_label=say("tokenization.token_and_id", "token, and its id"),
        rows=rows,
        column_label=say("tokenization.reading", "in the order of the text"),
        columns=[""] * columns,
        texts=texts,
        values=np.array(values, dtype=np.float64),
        value_label=say(
            "tokenization.characters", "characters of the text, as a share of the most ({most})", most=most
        ),
        outlined=np.array(outlined, dtype=bool),
        outline_label=say("tokenization.added", "added by the tokenizer") if any(map(any, outlined)) else "",
    )


def _make_up(named: Mapping[str, Outcome], subjects: tuple[str, ...]) -> StackedBars:
    """A bar a vocabulary, its rarer kinds together."""
    shares = {
        name: {str(row["kind"]): 100 * float(row["share"]) for row in outcome.tables["make_up"].records()}
        for name, outcome in named.items()
    }
    kinds = list(dict.fromkeys(kind for of_one in shares.values() for kind in of_one))
    kinds.sort(key=lambda kind: -max(of_one.get(kind, 0.0) for of_one in shares.values()))
    kept = kinds[:MOST_KINDS]
    values = _bars(shares, kept, rest=len(kinds) > len(kept))
    labels = [_kind_label(kind) for kind in kept]
    if len(kinds) > len(kept):
        labels.append(say("tokenization.rest", "the rest"))
    return StackedBars(
        name="vocabulary",
        subject=subjects,
        title=say("tokenization.make_up.title", "What the vocabularies are made of"),
        alt=sentences(_make_up_told(name, outcome) for name, outcome in named.items()),
        bars=list(named),
        segments=labels,
        values=values,
        value_label=say("tokenization.percent", "% of the vocabulary"),
    )


def _bars(shares: Mapping[str, Mapping[str, float]], kept: Sequence[str], *, rest: bool) -> NDArray[np.float64]:
    """(bar x segment)"""
    import numpy as np

    rows = [[of_one.get(kind, 0.0) for kind in kept] for of_one in shares.values()]
    if rest:
        rows = [[*row, max(100.0 - sum(row), 0.0)] for row in rows]
    return np.array(rows)


def _make_up_told(name: str, outcome: Outcome) -> str:
    parts = [
        say(
            "tokenization.share_of",
            "{kind} {share}",
            kind=_kind_label(str(row["kind"])),
            share=digits(f"{100 * float(row['share']):.2g} %"),
        )
        for row in outcome.tables["make_up"].records()
    ]
    return say("tokenization.make_up.alt", "{model}: {parts}.", model=name, parts=listed(parts))


def _seen(name: str, outcome: Outcome) -> str:
    """What one tokenizer needs, and what it cuts into bytes."""
    known = {metric: outcome.metrics[metric].value or 0 for metric in ("characters_per_token", "fragments", "added")}
    largest = outcome.tables["make_up"].records()[0]
    first = say(
        "tokenization.seen",
        "{model} writes {characters} characters a token on these texts; {share} of its {vocabulary} tokens are {kind}.",
        model=name,
        characters=digits(f"{known['characters_per_token']:.2g}"),
        vocabulary=digits(f"{outcome.metrics['vocabulary'].value or 0:,}"),
        share=digits(f"{largest['share']:.0%}"),
        kind=_kind_label(str(largest["kind"])),
    )
    cut = ""
    if known["fragments"] >= CUT:
        cut = say(
            "tokenization.cut",
            "{share} of the tokens of the texts are only fragments of a character.",
            share=digits(f"{known['fragments']:.0%}"),
        )
    return sentences([first, cut])


def _compared(named: Sequence[tuple[str, Outcome]]) -> str:
    """The text for which two tokenizers need the most different numbers of tokens; nothing of one alone."""
    if len(named) < 2:
        return ""
    counts = {
        name: [row["token_count"] - row["added"] for row in outcome.tables["texts"].records()]
        for name, outcome in named
    }
    labels = prompt_labels(named[0][1])
    found = []
    for prompt in range(min(map(len, counts.values()))):
        of_prompt = sorted((many[prompt], name) for name, many in counts.items())
        found.append((of_prompt[-1][0] / max(of_prompt[0][0], 1), prompt, of_prompt[0], of_prompt[-1]))
    times, prompt, (few, short), (many, long) = max(found, key=lambda one: (one[0], -one[1]))
    if times < APART:
        return say(
            "tokenization.no_clear_statement", "No clear difference: all need about as many tokens for each text."
        )
    return say(
        "tokenization.compared",
        "They differ most on “{text}”: {few} tokens in {short}, {many} in {long}.",
        text=labels[prompt],
        few=few,
        short=short,
        many=many,
        long=long,
    )


probe = Tokenization()
