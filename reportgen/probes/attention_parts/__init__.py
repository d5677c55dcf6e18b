"""The way to an attention weight: scores, weights, what stands at the keys (Kobayashi et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.attention_grid.find import Look
from reportgen.probes.attention_parts.pairs import PairPlace, PairsFound, find_pairs
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import HeadFindings, PromptFindings, word_table
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, arrays, mean_of_array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


DISTANCES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""In tokens: where a score is shown unless the battery says otherwise."""
Head = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, which heads, and from where they look."""

    prompts: Prompts
    """What the model reads."""
    heads: Annotated[list[Head], Field(min_length=1)]
    """The heads, each as [block, head], counted from 0."""
    query: Annotated[int, Field(ge=0)] | None = None
    """The position that looks, counted from 0; by default the last of each prompt."""
    pairs: list[Look] = Field(default=[], max_length=8)
    """Two words each, as {from: fruit, to: green}, whose score is shown with and without positions and at growing
    distance, in every prompt that contains both, each read at its last token. Of a word that occurs more than once,
    `from_index` or `to_index` says which occurrence is meant, counted from 0; `prompt` says in which prompt."""
    distances: Annotated[list[Annotated[int, Field(ge=1, le=1_000_000)]], Field(min_length=1, max_length=200)] = Field(
        default=list(DISTANCES)
    )
    """Distances of the two words of `pairs`, in tokens."""


@dataclass(frozen=True, kw_only=True)
class AttentionParts(HeadFindings, PromptFindings):
    """What is found on the way to the weights."""

    first_weight: float = metric("share", of=mean_of_array("weights", key=0))
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
    pairs: Rows = table("pair", "prompt", "from", "to", "query", "key", "distance")
    """Where the words of `pairs` are in the prompts that contain both: each is read at its last token."""
    words: Rows = word_table()
    """These words, the tokens that hold them, and whether they are the word and nothing else."""
    pair_scores: Rows = table("pair", "item", "block", "head", "without_positions", "with_positions", "window")
    """The score of query and key of a pair before the rotary embedding, scaled and softcapped as in the model; the
    model's own score of them, after it; and how many tokens the block sees, if that is not all."""
    distance_scores: list[NDArray[np.float32]] = arrays("item", "position", unit="score")
    """(head x distance) one array per pair: the score of its query and key, turned by the model's own rotary embedding
    as if they stood so many tokens apart; empty beyond what the block sees, and where it turns nothing. None if no
    block turns anything."""


class AttentionPartsProbe(Probe[Options, AttentionParts]):
    """Shows: for one head and one token that looks, how its attention weights arise and what the head takes from each
    token.

    Read: one column per token that can be seen. The score says how well key and query match; the softmax turns scores
    into weights; the value norm says how much there is to read at the key; weight times norm is what the head takes
    from it. A first token with nearly all of the weight and a tiny norm is where a head looks when there is nothing to
    read. For `pairs`, a curve shows the score of two words at growing distance, with nothing but their positions
    changed, and a line what it would be without positions: near and far would be the same.

    Computed: query and key after rotary embedding, their product scaled (and softcapped) as the model does; the weights
    are the model's own, and it is checked that they are the softmax of the scores. Norm of value · W_O without its bias
    and before any norm that follows; norm-weighted attention is weight times that norm (Kobayashi et al. 2020). Scores
    at a distance: query and key before rotary embedding (Su et al. 2021), the key at position 0 and the query so many
    tokens behind it, both turned by the model's own function and angles; their product depends on the distance alone.
    """

    name = "attention_parts"
    version = 1
    question = "Why does this head look there?"
    options = Options
    findings = AttentionParts
    sources = (literature.KOBAYASHI_2020, literature.SU_2021)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, with what the named blocks compute."""
        case.require_attention()
        if not asked_heads(case):
            raise Unusable("; ".join(f"head {head}: {told}" for head, told in self.skipped_rows(case).items()))
        prompts = [case.tokens(prompt) for prompt in case.options.prompts]
        own = [Pass(tokens, needs_of(case, case.named_position(case.options.query, tokens))) for tokens in prompts]
        places = pairs_of(case).places
        # A model whose positions enter elsewhere has all but this.
        return own + [Pass(prompts[one.prompt], needs_of_pair(case, one), partial=True) for one in places]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Named heads out of range, and pairs that no prompt has."""
        return {**case.missing_heads(case.options.heads), **pairs_of(case).missing}


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


def pairs_of(case: Case[Options]) -> PairsFound:
    """Where the words of the named pairs are."""
    return find_pairs(case.tokenizer, case.options.prompts, case.options.pairs)


def needs_of_pair(case: Case[Options], place: PairPlace) -> tuple[Need, ...]:
    """Of each block, on its own: query and key before they are turned, and the score that they have after it."""
    query, key = (place.query.position,), (place.key.position,)
    blocks = sorted({block for block, _ in asked_heads(case)})
    sites = ((Site.QUERIES, query), (Site.KEYS, key), (Site.SCORES, query))
    return tuple(Need(site, positions, (block,)) for block in blocks for site, positions in sites)


probe = AttentionPartsProbe()
