"""How well the next token is predicted at every position of a long text, up to the trained context and beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.features.text_options import TextOptions, documents_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.case import Case, Unusable
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, metric, table
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.windows import split_documents

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Options(TextOptions):
    """Which text, how long its windows are, and how finely positions are told apart."""

    length: Annotated[int, Field(ge=16, le=131_072)] = 512
    """Tokens of a window, BOS included. It may exceed the context that the model was trained on."""
    windows: Annotated[int, Field(ge=1, le=256)] = 4
    """Windows that are read, at most."""
    bin: Annotated[int, Field(ge=2, le=8192)] = 32
    """Positions over which a mean is taken."""


@dataclass(frozen=True, kw_only=True)
class Losses(Findings):
    """What is found at the positions."""

    loss_first: float = metric("nat", "lower")
    """Mean −ln p of the token that stands there, in the first bin of positions."""
    loss_last: float = metric("nat", "lower")
    """The same in the last whole bin that ends within the trained context and was measured."""
    loss_beyond: float | str = metric("nat", "lower")
    """The same over all positions beyond the trained context."""
    context: int | str = metric("tokens")
    """Tokens that the configuration names as the most the model was made for: positions from 0 to this, less one."""
    windows: int = metric("windows")
    """Windows over which the means are taken; all are of the whole length, so that every bin is of the same texts."""
    loss: NDArray[np.float32] = array("position", unit="nat")
    """(bin of positions) mean −ln p of the token at the positions of a bin, given all before it in its window; the
    coordinate is the bin's first position, counted from 0. The first token of a window has nothing before it and does
    not count. Empty where the model has no such position."""
    loss_by_window: NDArray[np.float32] = array("item", "position", unit="nat")
    """(window x bin of positions) the same of each window."""
    bins: Rows = table("first", "last", "tokens", "loss", "reason")
    """The bins of positions, the number of tokens in each over all windows, and why there is no loss if there is
    none."""


class LossByPosition(Probe[Options, Losses]):
    """Shows: how well the model predicts the next token at each place of a long text, up to the context that it was
    trained on and beyond.

    Read: the line falls as long as more text before a token helps to predict it, and then stays level. Past the trained
    context, which is marked, it stays level if the positions there mean something to the model, and rises steeply if
    they don't. A model with a table of positions has none there at all. Faint lines are single windows: where they
    cross, a step of the mean says little; of five windows or more the mean has a 95 % band (a bootstrap over windows).
    A nat per token is another thing in another tokenizer: compare a model's places with each other, not the heights of
    two models.

    Computed: documents are cut into windows of `length` tokens; shorter rests are left out, so that every position is
    averaged over the same windows. Per position −ln p of the token that stands there, from the final logits in float32;
    mean over the positions of a bin and over the windows. A bin ends where the trained context ends, which is what the
    configuration names (`max_position_embeddings` or its like).
    """

    name = "loss_by_position"
    version = 1
    question = "Does more context help, and how far does the model reach?"
    options = Options
    findings = Losses

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each window once; windows that exceed the trained context wait until it is known how positions enter."""
        windows = windows_of(case)
        return () if exceeds_context(case) else [Pass(window, (need_of(case),)) for window in windows]

    def further_passes(self, case: Case[Options]) -> int:
        """Those that wait."""
        return len(windows_of(case)) if exceeds_context(case) else 0


def need_of(case: Case[Options]) -> Need:
    """The stream after the last block, of all positions."""
    return Need(Site.RESIDUAL, "all", (case.last_layer,))


def exceeds_context(case: Case[Options]) -> bool:
    """Whether windows are longer than the context that the configuration names."""
    most = case.facts.context_length
    return most is not None and case.options.length > most


def windows_of(case: Case[Options]) -> tuple[tuple[int, ...], ...]:
    """The windows, all of the whole length.

    Raises:
        Unusable: no document is so long, or it cannot be read.
    """
    options = case.options
    try:
        windows, longest = _split(case.tokenizer, tuple(documents_of(options)), options.length, options.windows)
    except ValueError as error:
        raise Unusable(str(error)) from error
    if not windows:
        told = f"no text has {options.length:,} tokens: the longest has {longest:,}"
        raise Unusable(f"{told}; name a longer one, or a smaller `length`")
    return windows


@lru_cache(maxsize=4)
def _split(
    tokenizer: TextTokenizer, documents: tuple[Prompt, ...], length: int, most: int
) -> tuple[tuple[tuple[int, ...], ...], int]:
    """The first windows of the whole length, and how many tokens the longest window has that was seen."""
    found: list[tuple[int, ...]] = []
    longest = 0
    for document in documents:
        windows = split_documents(tokenizer, [document], length)
        tokens = [windows.tokens(at) for at in range(len(windows))]
        longest = max([longest, *map(len, tokens)])
        found += [one for one in tokens if len(one) == length]
        if len(found) >= most:
            break
    return tuple(found[:most]), longest


def edges_of(length: int, width: int, context: int | None) -> list[int]:
    """Where bins of positions begin, and where the last one ends; none reaches over the end of the trained context."""
    starts = {*range(0, length, width), *((context,) if context is not None and context < length else ())}
    return [*sorted(starts), length]


probe = LossByPosition()
