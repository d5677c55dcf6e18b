"""The way to an attention weight: scores, weights, what stands at the keys (Kobayashi et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import HeadFindings, PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Head = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, which heads, and from where they look."""

    prompts: Prompts
    """What the model reads."""
    heads: Annotated[list[Head], Field(min_length=1)]
    """The heads, each as [block, head], counted from 0."""
    query: Annotated[int, Field(ge=0)] | None = None
    """The position that looks, counted from 0; by default the last of each prompt."""


@dataclass(frozen=True, kw_only=True)
class AttentionParts(HeadFindings, PromptFindings):
    """What is found on the way to the weights."""

    first_weight: float = metric("share")
    """Mean over prompts and heads of the weight on position 0."""
    first_share: float = metric("share")
    """Mean over prompts and heads of position 0's share of the norm-weighted attention: how much of what is written its
    weight contributes."""
    scores: list[NDArray[np.float32]] = arrays("item", "key", unit="score")
    """(head x key) q·k of the query with each key, scaled and softcapped as in the model, before mask and softmax;
    empty where the mask hides the key."""
    weights: list[NDArray[np.float32]] = arrays("item", "key", unit="weight")
    """(head x key) attention after the softmax, as the model computes it."""
    value_norms: list[NDArray[np.float32]] = arrays("item", "key", unit="norm")
    """(head x key) norm of value · W_O: what the head would write if it looked at this key alone."""
    norm_weighted: list[NDArray[np.float32]] = arrays("item", "key", unit="norm")
    """(head x key) weight times that norm (Kobayashi et al. 2020): how much of what is written comes from the key."""
    heads: Rows = table("item", "block", "head")
    """The heads, in the order of the arrays."""
    keys: Rows = table("prompt", "item", "key", "token", "score", "weight", "value_norm", "norm_weighted")
    """The same, one row per key."""
    queries: Rows = table("prompt", "query", "token")
    """The positions that look."""


class AttentionPartsProbe(Probe[Options, AttentionParts]):
    """Shows: for one head and one token that looks, how its attention weights arise and what the head takes from each
    token.

    Read: one column per token that can be seen. The score says how well key and query match; the softmax turns scores
    into weights; the value norm says how much there is to read at the key; weight times norm is what the head takes
    from it. A first token with nearly all of the weight and a tiny norm is where a head looks when there is nothing to
    read.

    Computed: query and key after rotary embedding, their product scaled (and softcapped) as the model does; the weights
    are the model's own, and it is checked that they are the softmax of the scores. Norm of value · W_O without its bias
    and before any norm that follows; norm-weighted attention is weight times that norm (Kobayashi et al. 2020).
    """

    name = "attention_parts"
    version = 1
    question = "Why does this head look there?"
    options = Options
    findings = AttentionParts

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, with what the named blocks compute."""
        case.require_attention()
        if not asked_heads(case):
            raise Unusable("; ".join(f"head {head}: {told}" for head, told in self.skipped_rows(case).items()))
        return [
            Pass(tokens, needs_of(case, case.named_position(case.options.query, tokens)))
            for tokens in map(case.tokens, case.options.prompts)
        ]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Named heads out of range."""
        return case.missing_heads(case.options.heads)


def asked_heads(case: Case[Options]) -> list[tuple[int, int]]:
    """The named heads that this model has, each once."""
    missing = case.missing_heads(case.options.heads)
    named = dict.fromkeys((block, head) for block, head in case.options.heads)
    return [(block, head) for block, head in named if f"{block}.{head}" not in missing]


def needs_of(case: Case[Options], query: int) -> tuple[Need, Need, Need, Need]:
    """Scores and weights of the query, all values; what the heads found, so that their order is proven."""
    blocks = tuple(sorted({block for block, _ in asked_heads(case)}))
    return (
        Need(Site.SCORES, (query,), blocks),
        Need(Site.ATTENTION, (query,), blocks),
        Need(Site.VALUES, "all", blocks),
        Need(Site.HEADS, (query,), blocks),
    )


probe = AttentionPartsProbe()
