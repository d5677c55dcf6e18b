"""Which routes of a mixture of experts two checkpoints choose otherwise, and which of those rounding cannot explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from reportgen.model.needs import Pass
from reportgen.probes.moe_routing import passes_of
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import PairOptions, Prompts, SpecialTokens
from reportgen.probing.pairs import require_same_reading
from reportgen.probing.probe import PairProbe
from reportgen.results.quantities import Findings, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Options(PairOptions):
    """Which two models, on which texts."""

    prompts: Prompts = Field(default=["unrelated/texts", "features/examples"], validate_default=True)
    """What both models read."""
    special_tokens: SpecialTokens = "exclude"
    """Whether BOS and the like count."""


@dataclass(frozen=True, kw_only=True)
class RoutingDrift(Findings):
    """What differs between the routes of base and other. A route is one token in one block."""

    routes: int = metric("routes")
    """Routes that are compared: tokens of all prompts × blocks with experts."""
    flipped: float = metric("share", "lower")
    """Share of the routes for which the two models choose different sets of experts."""
    decided: float = metric("share", "higher")
    """Share of the routes whose margin exceeds the block's noise in both models."""
    flipped_decided: float | str = metric("share", "lower")
    """Share of the decided routes that are flipped: what rounding does not explain."""
    slots_changed: float = metric("share", "lower")
    """Share of the k experts of a route that other does not choose, mean over the routes."""
    load_shift: float = metric("share", "lower")
    """½ Σ |load_other − load_base| over the experts of a block, mean over the blocks: share of the slots that would
    have to move."""
    rounding_flips: float = metric("share", "lower")
    """Share of base's routes that rounding its residual stream once more flipped: the control."""
    other_rounding_flips: float = metric("share", "lower")
    """The same of other."""
    flipped_by_block: NDArray[np.float32] = array("block", unit="share")
    """(block) share of the routes that are flipped."""
    flipped_decided_by_block: NDArray[np.float32] = array("block", unit="share")
    """(block) share of the decided routes that are flipped; undefined where none is decided."""
    rounding_flips_by_block: NDArray[np.float32] = array("block", unit="share")
    """(block) share of the routes that rounding alone flipped, in whichever model has more of them."""
    margins: Rows = table("model", "from", "to", "routes", "flipped", "share")
    """Routes by their margin, as multiples of the noise: of both models the smaller multiple counts (`pair`); beside it
    the flips that rounding alone makes of base's routes, by base's margins, and of other's."""
    decided_flips: Rows = table("prompt", "position", "token", "block", "times_noise", "base_experts", "other_experts")
    """The flipped routes that are decided, those with the largest multiple of the noise first; at most 50."""
    prompts: Rows = prompt_table()
    """The prompts as both models read them."""


class MoeRoutingDrift(PairProbe[Options, RoutingDrift]):
    """Shows: how many tokens two checkpoints of a mixture of experts send to other experts, and whether these flips say
    anything.

    Read: look at the flips by margin first. A flip within the noise says nothing: the same model would flip it if it
    were rounded otherwise. Flips beyond the noise are drift. Bars of the controls show what rounding alone flips in
    each model; beyond the noise it flips none. Experts are compared by their numbers: a checkpoint whose experts are
    the same in another order has every route flipped.

    Computed: a route is flipped if the sets of chosen experts differ. Its margin is the score of the last expert chosen
    less that of the first left out, as the router compares them. A block's noise is the largest change of a margin
    over all tokens, when each number that enters a block is moved at random by up to one step of the model's number
    format, or the largest margin which that overcame; each model has its own. A route is decided where its margin
    exceeds the noise in both. Special tokens are left out unless asked for.
    """

    name = "moe_routing_drift"
    version = 1
    question = "Do the two checkpoints use other experts?"
    options = Options
    findings = RoutingDrift
    sources = (literature.SHAZEER_2017,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once."""
        return passes_of(case, case.options.prompts, case.options.special_tokens, gates=False)

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses models of other sizes or numbers of experts, or that read the texts as other tokens."""
        if base.facts.experts != other.facts.experts:
            raise Unusable(
                f"they cannot be compared: their blocks have {base.facts.experts} and {other.facts.experts} experts"
            )
        require_same_reading(base, other, base.options.prompts)


probe = MoeRoutingDrift()
