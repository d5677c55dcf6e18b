"""How a mixture of experts routes its tokens: which experts do the work, and how clearly they are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts, SpecialTokens
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUTES_NEED, SCORES_NEED, GATES_NEED = Need(Site.ROUTES), Need(Site.ROUTER_SCORES), Need(Site.GATES)


class Options(ProbeOptions):
    """Which texts."""

    prompts: Prompts = Field(default=["unrelated/texts", "features/examples"], validate_default=True)
    """What the model reads. Whether an expert is rarely used shows over hundreds of tokens, not over a sentence."""
    special_tokens: SpecialTokens = "exclude"
    """Whether BOS and the like count: each is at the beginning of every text, and routed alike in all of them."""


@dataclass(frozen=True, kw_only=True)
class Routing(PromptFindings):
    """How tokens are spread over the routed experts of each block."""

    experts: int = metric("experts")
    """E: routed experts per block. Shared experts, which every token takes, are not counted anywhere."""
    taken: int = metric("experts")
    """k: routed experts that each token takes."""
    tokens: int = metric("tokens")
    """n: tokens of all prompts that count."""
    load_evenness: float = metric("share of log₂ E")
    """Mean over the blocks of `load_evenness_by_block`."""
    busiest: float = metric("times even")
    """Largest load of any expert, as a multiple of an even one: load × E."""
    unused: float = metric("share")
    """Share of the experts of all blocks that no token takes."""
    entropy: float | str = metric("share of log₂ E")
    """Mean over the blocks of `entropy_by_block`."""
    undecided: float = metric("share", "lower")
    """Share of the routes (a token in a block) whose margin is no larger than the block's noise: rounding may decide
    them."""
    rounding_flips: float = metric("share", "lower")
    """Share of the routes that rounding the residual stream once more did flip."""
    load: NDArray[np.float32] = array("block", "expert", unit="share")
    """(block x expert) share of the n × k slots of a block that the expert takes (Shazeer et al. 2017); 1 / E for each
    if they are used evenly."""
    load_evenness_by_block: NDArray[np.float32] = array("block", unit="share of log₂ E")
    """(block) entropy of the load in bits, divided by log₂ E: 1 if all experts are used equally, 0 if one does all."""
    entropy_by_block: NDArray[np.float32] = array("block", unit="share of log₂ E", optional=True)
    """(block) entropy in bits of the router's distribution over the E experts, divided by log₂ E, mean over the tokens:
    1 if the router is indifferent, 0 if it is sure of one. The distribution is the softmax of the router's logits, or
    their sigmoids over their sum, whichever the model weighs its experts by."""
    margin_median: NDArray[np.float32] = array("block", unit="router score")
    """(block) margin of a route, median over the tokens: the score of the last expert chosen less that of the first
    left out. Scores are what the router compares: logits, a softmax or sigmoids, a correcting bias included; margins of
    different architectures are not comparable."""
    margin_low: NDArray[np.float32] = array("block", unit="router score")
    """(block) the margin below which a tenth of the tokens are."""
    noise: NDArray[np.float32] = array("block", unit="router score")
    """(block) the noise: the largest change of a margin over all tokens when the residual stream is rounded once more,
    or the largest margin that this overcame."""
    blocks: Rows = table("block", "expert", "slots", "times_even", "chance", "unused", "undecided")
    """Each block with experts: the busiest expert, its slots, and their multiple of an even load; the chance that any
    expert would have so many if each token took k at random (Bonferroni); experts that no token takes; share of
    undecided routes."""


class MoeRouting(Probe[Options, Routing]):
    """Shows: which of its routed experts a model sends the tokens of these texts to, how sure its routers are, and by
    how much the experts they choose lead those they leave out.

    Read: one row per block, one cell per expert: white takes an even share, each step of 1 is twice or half of that.
    Uneven load is not a fault by itself, as experts may serve languages or topics: look at other texts, too. Where the
    router's entropy is near 1 it hardly prefers any expert. Where the margin comes near the noise, the experts are
    chosen by rounding: another number format, batch or device may choose others.

    Computed: the experts counted are those that compute, as their numbers are handed to them; that these are the
    highest of the scores compared, and that an expert changes exactly the tokens routed to it, is checked in each
    model, which is else refused. Load is the share of routed slots (Shazeer et al. 2017; Fedus et al. 2022 for one
    expert per token). Entropies in bits over log₂ E. For the noise every text passes once more with each number that
    enters a block moved at random by up to one step of the model's number format. Special tokens are left out unless
    asked for; there is no padding.
    """

    name = "moe_routing"
    version = 1
    question = "Which experts do the work?"
    options = Options
    findings = Routing
    sources = (literature.SHAZEER_2017, literature.FEDUS_2022)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once; of a router that cannot be read as a distribution, routes and scores alone."""
        return passes_of(case, case.options.prompts, case.options.special_tokens, gates=True)

    def further_passes(self, case: Case[Options]) -> int:
        """Each text once more, rounded otherwise."""
        return len(case.options.prompts)


def passes_of(case: Case[Any], prompts: Prompts, special_tokens: SpecialTokens, *, gates: bool) -> list[Pass]:
    """Each text with its routes and scores; then, of `gates`, the same with the routers' distributions.

    Raises:
        Unusable: the model has no routed experts, or no token counts.
    """
    if (case.facts.experts or 1) < 2:
        raise Unusable(f"the configuration of {case.facts.architecture or case.facts.model_type} has no routed experts")
    texts = [case.tokens(prompt) for prompt in prompts]
    if not any(counted_positions(case, tokens, special_tokens) for tokens in texts):
        raise Unusable("no prompt has a token besides special ones, which are left out")
    routes = [Pass(tokens, (ROUTES_NEED, SCORES_NEED)) for tokens in texts]
    return routes + [Pass(tokens, (GATES_NEED,), partial=True) for tokens in texts if gates]


def counted_positions(case: Case[Any], tokens: Sequence[int], special_tokens: SpecialTokens) -> list[int]:
    """Positions of a text that count."""
    special = case.tokenizer.special_ids if special_tokens == "exclude" else frozenset()
    return [position for position, token in enumerate(tokens) if token not in special]


probe = MoeRouting()
