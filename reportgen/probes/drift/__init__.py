"""What a fine-tune, a quantisation or another number format changed inside a model: two checkpoints, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.cka import FEWEST
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import PairOptions, Prompts, SpecialTokens
from reportgen.probing.pairs import require_same_reading
from reportgen.probing.probe import PairProbe
from reportgen.results.quantities import Findings, Rows, array, mean_of_array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


STREAM = Need(Site.RESIDUAL, "all")
FINAL_NEED = Need(Site.FINAL, "all")


class Options(PairOptions):
    """Which two models, on which prompts."""

    prompts: Prompts
    """What both models read."""
    special_tokens: SpecialTokens = "exclude"
    """Whether positions of BOS and the like count: their enormous vectors alone would decide the CKA."""


@dataclass(frozen=True, kw_only=True)
class Drift(Findings):
    """What differs between base and other."""

    positions: int = metric("positions")
    """n: positions of all prompts that are compared."""
    first_changed_layer: int | str = metric("layer")
    """The first layer at which the relative change exceeds 10⁻⁴."""
    kl: float = metric("nat", "lower", of=mean_of_array("kl_by_prompt", pooled=True))
    """KL(base || other) of the next-token distributions, mean over the positions."""
    agreement: float = metric("share", "higher", of=mean_of_array("agreement_by_prompt", pooled=True))
    """Share of the positions at which both models have the same most likely next token."""
    weight_change: float = metric("share")
    """‖W_other − W_base‖ / ‖W_base‖ over all tensors as one vector."""
    changed_tensors: int = metric("tensors")
    """Tensors that differ in at least one number."""
    cka: NDArray[np.float32] = array("layer", unit="CKA")
    """(layer) debiased linear CKA of base's and other's residual stream over all positions: 1 if one is a rotated or
    scaled copy of the other. Undefined if all positions of a model are the same."""
    cka_shuffled: NDArray[np.float32] = array("layer", unit="CKA")
    """(layer) the control: the same with other's positions in a random order in which no two neighbours stay
    together."""
    cosine: NDArray[np.float32] = array("layer", unit="cosine")
    """(layer) cosine of base's and other's residual stream at the same position, mean over the positions."""
    relative_change: NDArray[np.float32] = array("layer", unit="share of the norm")
    """(layer) ‖h_other − h_base‖ / ‖h_base‖ of the residual stream at the same position, mean over the positions."""
    kl_by_prompt: NDArray[np.float32] = array("prompt", unit="nat")
    """(prompt) KL(base || other) of the next-token distributions, mean over the prompt's positions."""
    agreement_by_prompt: NDArray[np.float32] = array("prompt", unit="share")
    """(prompt) share of the prompt's positions at which the most likely next tokens are the same."""
    weights: Rows = table("tensor", "component", "block", "shape", "norm", "change")
    """Every tensor that both models have, tied ones once: ‖W_base‖ and ‖W_other − W_base‖ / ‖W_base‖."""
    partings: Rows = table("prompt", "position", "token", "base_token", "other_token", "kl")
    """Positions after which the models predict different tokens."""
    skipped: Rows = table("tensor", "reason")
    """Tensors that cannot be compared."""
    prompts: Rows = prompt_table()
    """The prompts as both models read them."""


class DriftProbe(PairProbe[Options, Drift]):
    """Shows: which layers and which weights differ between two checkpoints of one architecture, and how much of the
    difference reaches the next token.

    Read: the relative change says from which layer the two differ and by how much; a change that stays at 0 up to a
    layer was made above it. A CKA near 1 at the same layer means that the positions keep their arrangement. CKA weighs
    positions by their size: a first token of enormous norm can hold it at 1; then cosine and relative change, which
    count every position equally, tell more. The grid shows the weights themselves: a fine-tune touches some blocks, a
    number format all of them equally.

    Computed: both models read the same tokens, in the same process. At every layer, in float64: debiased linear CKA
    (Kornblith et al. 2019; unbiased HSIC of Song et al. 2012) over all positions of all prompts, and the same with
    positions shuffled; cosine and ‖Δh‖/‖h‖ of matched positions, averaged. KL(base || other) in nats and the agreement
    of the most likely tokens, from the models' own logits. ‖ΔW‖/‖W‖ per tensor in float32, tied tensors once.
    """

    name = "drift"
    version = 1
    question = "What changed between the two checkpoints?"
    options = Options
    findings = Drift
    sources = (literature.KORNBLITH_2019, literature.SONG_2012)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, all positions."""
        passes = [Pass(case.tokens(prompt), (STREAM, FINAL_NEED)) for prompt in case.options.prompts]
        count = sum(len(counted_positions(case, single.tokens)) for single in passes)
        if count < FEWEST:
            raise Unusable(f"the prompts have {count} positions together: debiased CKA needs at least {FEWEST}")
        return passes

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses models of other sizes, or that read the prompts as other tokens."""
        require_same_reading(base, other, base.options.prompts)


def counted_positions(case: Case[Options], tokens: Sequence[int]) -> list[int]:
    """Positions of a prompt that are compared."""
    special = case.tokenizer.special_ids if case.options.special_tokens == "exclude" else frozenset()
    return [position for position, token in enumerate(tokens) if token not in special]


probe = DriftProbe()
