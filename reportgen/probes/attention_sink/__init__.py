"""Which heads park their attention on the first token, and the huge activations that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import ByIndex, Need, Pass, Site
from reportgen.numerics.attention import SINK_THRESHOLD, sink_importance
from reportgen.numerics.outliers import median_magnitude
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.findings import PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, mean_of_array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


LARGEST = 3
"""Activations kept a layer."""


class Options(ProbeOptions):
    """Which prompts."""

    prompts: Prompts
    """What the model reads; it takes a prompt of a dozen tokens or more to see a sink."""


@dataclass(frozen=True)
class FirstKey(ByIndex):
    """A reducer that keeps of each block's patterns how important position 0 is to each head."""

    def update(self, state: dict[int, Tensor], value: Tensor, *, index: int, step: int) -> dict[int, Tensor]:
        """One block's (head x query x key) patterns, of which one column is read."""
        state[index] = sink_importance(value[..., :1].float())
        return state


@dataclass(frozen=True)
class Extremes:
    """The largest activations of one layer, and what is usual there."""

    values: Tensor
    """(rank) with their sign, by falling magnitude."""
    places: Tensor
    """(rank) position x width + dimension."""
    median: Tensor
    """() the median magnitude."""
    width: int


@dataclass(frozen=True)
class LargestActivations(ByIndex):
    """A reducer that keeps of each layer's stream the largest activations and the median magnitude."""

    count: int = LARGEST

    def update(self, state: dict[int, Extremes], value: Tensor, *, index: int, step: int) -> dict[int, Extremes]:
        """One layer's (position x width) stream."""
        flat = value.float().flatten()
        places = flat.abs().topk(self.count).indices
        state[index] = Extremes(flat[places], places, median_magnitude(flat), value.shape[-1])
        return state


FIRST_KEY_NEED = Need(Site.ATTENTION, "all", reducer=FirstKey())
STREAM = Need(Site.RESIDUAL, "all", reducer=LargestActivations())


@dataclass(frozen=True, kw_only=True)
class Sinks(PromptFindings):
    """What the attention sink gives."""

    sink_share: float = metric("share", of=mean_of_array("importance", above=SINK_THRESHOLD))
    """Share of heads whose importance of position 0 exceeds 0.3, over all prompts."""
    mean_importance: float = metric("weight", of=mean_of_array("importance"))
    """Mean of `importance` over all heads and prompts."""
    massive_share: float = metric("share")
    """Share of layers, over all prompts, with a massive activation."""
    importance: NDArray[np.float32] = array("prompt", "block", "head", unit="weight")
    """(prompt x block x head) mean over all queries of the weight on position 0 (Gu et al. 2024)."""
    largest: NDArray[np.float32] = array("prompt", "layer", "rank")
    """(prompt x layer x rank) the three activations of the residual stream that are largest in magnitude."""
    median: NDArray[np.float32] = array("prompt", "layer")
    """(prompt x layer) median magnitude of all activations of the layer."""
    blocks: Rows = table("block", "attention", "window", "sees_first", "importance", "sink_share")
    """Each block's kind of attention; the share of queries that can see position 0 at all (fewer than all if the prompt
    is longer than a sliding window), importance and share of sink heads, as means over prompts."""
    sinks: Rows = table("prompt", "token", "special", "token_count", "uniform", "sink_heads", "heads")
    """The token at position 0 of each prompt, and the importance that it would have if all attention were spread
    evenly: H(T) / T."""
    activations: Rows = table(
        "prompt", "layer", "rank", "position", "token", "dimension", "value", "times_median", "massive"
    )
    """Where the three largest activations of each layer are. Massive: |h| > 100 and more than 1,000 times the median
    (Sun et al. 2024)."""


class AttentionSink(Probe[Options, Sinks]):
    """Shows: how much of each head's attention rests on the first token, whatever it is, and the few huge activations
    that come with it.

    Read: one cell per head, blocks from top to bottom; a strong cell is a head that gives most of its weight to the
    first token, a sink: a place to look when there is nothing to look for. Attention spread evenly over all tokens
    before would give the value named in the table (0.07 for 64 tokens). Blocks with full attention and with a sliding
    window are told apart: a query further on than its window cannot see the first token at all. Of the curves over the
    layers the thin ones are the second and third largest activation. Massive activations are usually at the sink's
    position, in a few dimensions, and stay the same through most middle layers.

    Computed: importance of position 0 = mean over all queries, including the first, of the weight on it after the
    softmax; above 0.3 a head is a sink head (Gu et al. 2024). A massive activation exceeds both 100 and 1,000 times the
    median magnitude of all activations of its layer (Sun et al. 2024), in the residual stream before the final norm.
    Which blocks have a sliding window is read from the configuration.
    """

    name = "attention_sink"
    version = 1
    question = "Where does attention go when there is nothing to look for?"
    options = Options
    findings = Sinks
    sources = (literature.GU_2024, literature.SUN_2024)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, reduced while it passes."""
        case.require_attention()
        return [Pass(case.tokens(prompt), (FIRST_KEY_NEED, STREAM)) for prompt in case.options.prompts]


probe = AttentionSink()
