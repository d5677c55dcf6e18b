"""The model's own distribution of the next token under temperatures and cuts, a few rows at a time.

A cut is made in the tempered distribution, as `generate` makes it, and what is left is renormalised: entropy and
probabilities are of that. Cost: one unembedding and one sort of the vocabulary a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.distributions import entropy
from reportgen.numerics.sampling import apply_temperature, nucleus_size, renormalise


@dataclass(frozen=True)
class Cut:
    """How the unlikely tokens are left out: the k likeliest stay, or those that make up a mass, or all."""

    name: str
    top_k: int | None = None
    top_p: float | None = None


@dataclass(frozen=True)
class Setting:
    """One distribution: after one prompt, at one temperature, with one cut."""

    prompt: int
    temperature: float
    cut: str
    kept: int
    """Tokens that can be drawn."""
    mass: float
    """Probability that they had together before the cut."""
    entropy: float
    """In nats, of what is left."""
    token_ids: list[int]
    """The likeliest of them."""
    logits: list[float]
    probabilities: list[float]


@torch.inference_mode()
def distributions(
    model: LoadedModel, normed: torch.Tensor, temperatures: Sequence[float], cuts: Sequence[Cut], k: int
) -> Iterator[Setting]:
    """Every temperature with every cut, at (prompt x width) rows that left the final norm; `k` tokens are named.

    Temperature comes first, each cut is made of what it gives, and what is left is renormalised: the order of
    transformers' samplers. Equal logits stand by ascending id.
    """
    for rows, logits in model.final_logits(normed):
        together = [apply_temperature(logits, temperature) for temperature in temperatures]
        whole = [entropy(log_p).tolist() for log_p in together]
        for at, prompt in enumerate(range(rows.start, rows.stop)):
            # A temperature leaves the order as it is, so that one sort serves them all.
            ordered = logits[at].sort(descending=True, stable=True)
            for temperature, log_p, own in zip(temperatures, together, whole, strict=True):
                # In float64, on the host: sums over a vocabulary, which not every accelerator has.
                p = log_p[at][ordered.indices].cpu().double().exp()
                for cut in cuts:
                    yield _setting(prompt, temperature, cut, p, ordered, own[at], k)


@dataclass(frozen=True)
class Mapped:
    """What a map other than softmax makes of the logits after one prompt."""

    prompt: int
    kept: int
    """Tokens that it gives more than 0."""
    entropy: float
    """In nats."""
    token_ids: list[int]
    """The likeliest of them."""
    logits: list[float]
    probabilities: list[float]


Map = Callable[[torch.Tensor], torch.Tensor]
"""(token) probabilities from (token) descending logits in float64."""


@torch.inference_mode()
def map_logits(model: LoadedModel, normed: torch.Tensor, of_logits: Map, k: int) -> Iterator[Mapped]:
    """A map at (prompt x width) rows that left the final norm; `k` tokens are named, equal logits by ascending id."""
    for rows, logits in model.final_logits(normed):
        for at, prompt in enumerate(range(rows.start, rows.stop)):
            ordered = logits[at].sort(descending=True, stable=True)
            p = of_logits(ordered.values.cpu().double())
            kept = int((p > 0).sum())
            named = min(k, kept)
            yield Mapped(
                prompt=prompt,
                kept=kept,
                entropy=abs(float(torch.xlogy(p, p).sum())),
                token_ids=ordered.indices[:named].tolist(),
                logits=ordered.values[:named].tolist(),
                probabilities=p[:named].tolist(),
            )


def _setting(
    prompt: int,
    temperature: float,
    cut: Cut,
    p: torch.Tensor,
    ordered: torch.return_types.sort,
    whole: float,
    k: int,
) -> Setting:
    """One cut of (token) descending probabilities."""
    kept = len(p)
    if cut.top_k is not None:
        kept = min(kept, cut.top_k)
    if cut.top_p is not None:
        kept = nucleus_size(p, cut.top_p)
    left = p if kept == len(p) else renormalise(p[:kept])
    named = min(k, kept)
    return Setting(
        prompt=prompt,
        temperature=temperature,
        cut=cut.name,
        kept=kept,
        mass=1.0 if kept == len(p) else float(p[:kept].sum()),
        entropy=whole if kept == len(p) else abs(float(torch.xlogy(left, left).sum())),
        token_ids=ordered.indices[:named].tolist(),
        logits=ordered.values[:named].tolist(),
        probabilities=left[:named].tolist(),
    )
