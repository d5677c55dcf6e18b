"""How much is computed for a token and for a prompt, by the length of the text: from the configuration alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from reportgen.probing import literature
from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LENGTHS = tuple(2**power for power in range(16))
"""Tokens, from 1 to 32,768."""
COMPONENTS = (
    "attention projections",
    "attention scores",
    "MLP",
    "experts",
    "router",
    "state space",
    "other",
    "unembedding",
)
"""Parts that are told apart, in the order of the arrays."""


class Options(ProbeOptions):
    """For which lengths."""

    lengths: Annotated[list[Annotated[int, Field(ge=1, le=10_000_000)]], Field(min_length=2, max_length=100)] = Field(
        default=list(LENGTHS)
    )
    """Lengths of a text in tokens, two different ones at least."""

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if len({*self.lengths}) < 2 or max(self.lengths) < 2:
            raise ValueError("lengths: give two different ones")
        return self


@dataclass(frozen=True, kw_only=True)
class Costs(Findings):
    """What is counted, in multiplications."""

    per_token: int = metric("multiplications")
    """What a token costs whatever came before it: every number of the matrices that it passes, once; of routed experts
    those that take it. With the unembedding."""
    growth: float = metric("times")
    """By how much a whole prompt of the longest length (less one token, if that is odd) costs more than one of half
    that length: 2 if every token costs the same, 4 if all that counts is that each looks at all before it."""
    half_at: int | str = metric("tokens", "higher")
    """Length of the text from which attention's scores take more than half of a token's multiplications."""
    token: NDArray[np.float64] = array("component", "position", unit="multiplications")
    """(part x length) the last token of a text of this length, where keys and values of those before it are kept. Parts
    as the table `parts` names them."""
    prompt: NDArray[np.float64] = array("component", "position", unit="multiplications")
    """(part x length) a whole prompt of this length, the next token being predicted once, after its end."""
    parts: Rows = table("component", "part", "per_token")
    """The parts, and what each costs per token whatever came before it (attention's scores: of the first token)."""


class Cost(Probe[Options, Costs]):
    """Shows: how many multiplications one more token takes, and a whole prompt, as the text grows.

    Read: a token's own matrices cost the same at every length. Its scores do not: it looks at every token before it, so
    that the cost of a token grows with the length, and that of a prompt with its square. Blocks with a sliding window
    stop growing where the window is full; a state space (Mamba) never grows. The length from which scores cost more
    than all else is far beyond most texts in small models.

    Computed: multiplications in products of matrices and convolutions, counted from shapes. Each number of a matrix is
    multiplied once per token (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1), of routed
    experts those that take a token. Scores: q·k and weight·v, once per head, number and key that is seen: heads ×
    (query width + value width) × min(position + 1, window). The unembedding counts once per predicted token. State
    spaces (Gu and Dao 2023): their projections, convolution and the reading of the state. Left out is what is done
    number by number (norms, activation functions, softmax, gates), and what a kernel computes only to hide it: eager
    attention computes all n² scores of a prompt, of which n (n + 1) / 2 are seen.
    """

    name = "cost"
    version = 1
    question = "How does the cost grow with the length of the text?"
    options = Options
    findings = Costs
    sources = (literature.GU_2023, literature.KAPLAN_2020)
    needs_weights = False


probe = Cost()
