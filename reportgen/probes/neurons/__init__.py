"""A neuron on its own, a dimension of the stream and a feature beside it: what sets each off, and how many neurons are
off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.features.tables import DICTIONARIES
from reportgen.model.needs import Pass
from reportgen.probes.neurons.options import Options
from reportgen.probes.neurons.units import asked_units, counted_positions, missing_units, off_need, units_need
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


FEWEST = 2
"""Tokens that count below which nothing can be said to set a unit off."""


@dataclass(frozen=True, kw_only=True)
class Neurons(PromptFindings):
    """What is found."""

    closed: float | str = metric("share")
    """Mean over the blocks of `closed_by_block`."""
    silent: float | str = metric("share")
    """Mean over the blocks of `silent_by_block`."""
    neuron_kinds: float | str = metric("kinds", "lower")
    """Mean over the neurons of the kinds of token among their strongest tokens."""
    dimension_kinds: float | str = metric("kinds", "lower")
    """The same of the dimensions of the stream."""
    feature_kinds: float | str = metric("kinds", "lower")
    """The same of the features."""
    closed_by_block: NDArray[np.float32] = array("block", unit="share")
    """(block) share of all pairs of a token and a neuron in which the activation function gives 0 or less: a closed
    neuron. ReLU gives exactly 0 there, GELU and SiLU down to −0.17 and −0.28."""
    silent_by_block: NDArray[np.float32] = array("block", unit="share")
    """(block) share of all pairs of a token and a neuron in which the activation function gives at most a hundredth of
    the largest that it gives on this token in this block."""
    functions: Rows = table("block", "function", "neurons")
    """The activation function of each block's MLP, as the configuration names it, and the number of neurons."""
    units: Rows = table("item", "kind", "place", "index", "largest", "kinds", "kinds_all", "share", "tokens")
    """What is shown: a neuron of a block, a dimension of the stream at a layer, or a feature of a dictionary at a
    layer; its activation of largest size; how many kinds of token there are among its strongest, and among all tokens:
    exp(entropy) of the shares that tokens of one spelling have of its activation, by size; the share of tokens on which
    its activation is not 0; how many tokens count."""
    examples: Rows = table("item", "rank", "activation", "prompt", "position", "before", "token", "after")
    """The tokens on which each is strongest, with the text around them."""
    activations: list[NDArray[np.float32]] = arrays("item", "position", unit="activation")
    """(item x position) one array per text: a neuron's is what enters the down projection, act(w·x + b), in a gated MLP
    times its other half; a dimension's is the number in the stream less its mean over all tokens; empty at special
    tokens and at position 0."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries; none unless asked for."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens of each text."""
    skipped: Rows = table("unit", "reason")
    """What was asked for and cannot be shown."""


class NeuronsProbe(Probe[Options, Neurons]):
    """Shows: on which tokens single neurons are strongest, beside a single number of the residual stream and a feature
    of a sparse dictionary; and how many neurons of each block are off.

    Read: one row each, from left to right the tokens on which it is strongest. Where these have nothing in common the
    unit is called polysemantic, and single numbers of the stream mostly are; a good feature is 0 on most tokens. Kinds
    are counted by spelling: one word over and over is 1, a feature of all nouns has many kinds and still one meaning,
    so read the tokens. The curves say how many neurons of a block are closed, and how many give next to nothing; of a
    ReLU every closed one gives nothing.

    Computed: a neuron's activation is what enters the down projection; of the stream one number, less its mean over all
    tokens; a feature's is what its dictionary gives. Special tokens and position 0 are left out. Kinds: exp(−Σ p ln p),
    p being the share that a spelling (without spaces and capitals) has of the sizes of activation on the strongest
    tokens: the effective number (Hill 1973); as many kinds as tokens are the most there can be. Strongest neurons: by
    |m|·‖v‖, activation times length of what it writes (Geva et al. 2022). Closed and silent are defined with their
    numbers; Li et al. 2023, "The Lazy Neuron Phenomenon". Polysemantic: Elhage et al. 2022, "Toy Models of
    Superposition".
    """

    name = "neurons"
    version = 1
    question = "What sets one neuron off?"
    options = Options
    findings = Neurons
    sources = (literature.ELHAGE_2022, literature.GEVA_2022, literature.HILL_1973, literature.LI_2023)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once; what a model lacks (experts have no neurons in a row) is left out."""
        if not asked_units(case):
            told = (f"{what}: {reason}" for what, reason in missing_units(case).items())
            raise Unusable("; ".join(told) or "there is nothing to show")
        texts = [case.tokens(prompt) for prompt in case.options.prompts]
        if sum(len(counted_positions(case, tokens)) for tokens in texts) < FEWEST:
            raise Unusable(f"the texts have fewer than {FEWEST} tokens besides special ones and the first of each")
        own = [Pass(tokens, units_need(case), partial=True) for tokens in texts]
        return own + [Pass(tokens, (off_need(case, tokens),), partial=True) for tokens in texts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """What is out of range, and a dictionary of another model."""
        return missing_units(case)


probe = NeuronsProbe()
