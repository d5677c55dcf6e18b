"""Which heads look at the token before, at an earlier copy, or at what followed it (induction)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.head_scores.reducers import Scores
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import ProbeOptions, Prompts, SpecialTokens
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_KEPT_FOR_LATER_USE = re.compile(r"<[^<>]*(unused|reserved|no token)[^<>]*>")


class Options(ProbeOptions):
    """What the heads read, and how many are listed."""

    length: Annotated[int, Field(ge=2, le=4096)] = 50
    """Random tokens of a sequence, which is then repeated once."""
    sequences: Annotated[int, Field(ge=1, le=256)] = 4
    """Random sequences; scores are shown as their mean."""
    prompts: Prompts | None = None
    """Texts or chats to score the heads on instead of random tokens."""
    special_tokens: SpecialTokens = "include"
    """Whether what the tokenizer adds in front of a text (BOS) also precedes random tokens."""
    top: Annotated[int, Field(ge=1, le=1000)] = 5
    """Heads listed for each kind."""


@dataclass(frozen=True, kw_only=True)
class HeadScores(Findings):
    """What the head scores give."""

    best_previous_token: float = metric("share")
    """Score of the head that looks most at the token before: mean of `previous_token` over prompts."""
    best_duplicate_token: float = metric("share")
    """Score of the head that looks most at an earlier copy of the token: mean of `duplicate_token` over prompts."""
    best_induction: float = metric("share")
    """Score of the head that looks most at what followed an earlier copy: mean of `induction` over prompts."""
    previous_token: NDArray[np.float32] = array("prompt", "block", "head", unit="share")
    """(prompt x block x head) sum(A * pattern) / sum(A) with a pattern that is 1 at the token before each query."""
    duplicate_token: NDArray[np.float32] = array("prompt", "block", "head", unit="share")
    """(prompt x block x head) sum(A * pattern) / sum(A) with a pattern that is 1 at all earlier copies of the query's
    token."""
    induction: NDArray[np.float32] = array("prompt", "block", "head", unit="share")
    """(prompt x block x head) sum(A * pattern) / sum(A) with a pattern that is 1 at the tokens that followed earlier
    copies of the query's token (Olsson et al. 2022)."""
    patterns: list[NDArray[np.float32]] = arrays("query", "key", unit="weight")
    """(query x key) attention of the best head of each kind, in the order of `shown`, on the tokens of `tokens`."""
    top: Rows = table("kind", "rank", "block", "head", "score", "most_possible")
    """The heads that score highest, as means over prompts, and the score of a head that always looks there when it can:
    a token that occurs for the first time has no earlier copy."""
    shown: Rows = table("pattern", "kind", "block", "head")
    """Which head each of `patterns` belongs to."""
    tokens: Rows = table("position", "token")
    """What the heads read in `patterns`."""
    prompts: Rows = prompt_table()
    """What the heads were scored on."""


class HeadScoresProbe(Probe[Options, HeadScores]):
    """Shows: which heads do one of three simple things: look at the token before, at an earlier copy of the same
    token, or at what followed that copy. The last are induction heads, with which a model repeats what it has read.

    Read: one cell per head, blocks from top to bottom; a strong cell is a large share of the head's weight. The best
    head of each kind is shown large below: on repeated tokens, an induction head draws a line from each token of the
    second half to the one after its first copy, a duplicate-token head one step to the left of that line, a
    previous-token head one just below the diagonal. A token that occurs for the first time has nothing to look back at,
    so no head can score 1; the table gives the highest possible score.

    Computed: sum(A * pattern) / sum(A) over all queries and keys of the attention A after the softmax, on a sequence of
    random tokens that is repeated once (drawn by the seed, no token twice in the sequence, never a special token),
    after whatever the tokenizer adds in front of a text; means over the sequences. Texts may be used instead.
    """

    name = "head_scores"
    version = 1
    question = "Which heads copy?"
    options = Options
    findings = HeadScores
    sources = (literature.OLSSON_2022,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each sequence or text once, reduced while it passes."""
        case.require_attention()
        if case.options.prompts is not None:
            read = [case.tokens(prompt) for prompt in case.options.prompts]
        else:
            read = _random_sequences(case)
        return [Pass(tokens, (need_of(tokens),)) for tokens in read]


def need_of(tokens: tuple[int, ...]) -> Need:
    """What the score of every head is made of."""
    return Need(Site.ATTENTION, "all", reducer=Scores(tokens))


def _random_sequences(case: Case[Options]) -> list[tuple[int, ...]]:
    """(sequence) token ids: what the tokenizer puts in front, and random tokens twice."""
    length, size = case.options.length, case.tokenizer.size
    front = _read_front_tokens(case)
    whole, most = len(front) + 2 * length, case.facts.context_length
    if most is not None and whole > most:
        raise Unusable(f"{length} random tokens twice are {whole} tokens and exceed the context of {most}")
    generator = random.Random(case.options.seed)
    vocabulary = min(size, case.facts.vocabulary or size)
    found = []
    for _ in range(case.options.sequences):
        ordinary = (token for token in _draw_numbers(generator, vocabulary) if _is_ordinary(case, token))
        tokens = tuple(islice(ordinary, length))
        if len(tokens) < length:
            raise Unusable(f"length {length} is out of range: there are {len(tokens)} tokens to draw from")
        found.append((*front, *tokens, *tokens))
    return found


def _read_front_tokens(case: Case[Options]) -> tuple[int, ...]:
    """What the tokenizer puts in front of any text."""
    if case.options.special_tokens == "exclude":
        return ()
    encoded = case.tokenizer.encode("a")
    added = takewhile(lambda pair: pair[1], zip(encoded.ids, encoded.added, strict=True))
    return tuple(token for token, _ in added)


def _draw_numbers(generator: random.Random, size: int) -> Iterator[int]:
    """All numbers below `size` in random order; the first of them cost nothing like the whole."""
    seen: set[int] = set()
    while len(seen) < size:
        number = generator.randrange(size)
        if number not in seen:
            seen.add(number)
            yield number


def _is_ordinary(case: Case[Options], token: int) -> bool:
    """Neither a special token nor one that is kept for later use, on which no model was trained."""
    return token not in case.tokenizer.special_ids and not _KEPT_FOR_LATER_USE.fullmatch(case.tokenizer.show(token))


probe = HeadScoresProbe()
