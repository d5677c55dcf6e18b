"""How a sparse dictionary of activations is trained: BatchTopK, stored as the JumpReLU dictionary that it amounts to.

Bussmann, Leask & Nanda, "BatchTopK Sparse Autoencoders", 2024: of all activations of a batch the strongest k a row are
kept, so that a row may take more than another. At inference one threshold takes the batch's place: the mean of the
weakest activations that batches kept. Features that stay silent are brought back by an auxiliary loss: they
reconstruct what the others left over (Gao et al., "Scaling and evaluating sparse autoencoders", 2024).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Recipe:
    """What a training is told."""

    features: int = 2048
    k: int = 72
    """Mean number of active features a row."""
    steps: int = 3000
    batch: int = 1024
    """Rows a step."""
    rate: float = 6e-4
    """Adam's, after the warm-up over the first twentieth of the steps; it falls to 0 over the last third."""
    silent: int = 60
    """Steps without firing after which a feature counts as dead."""
    revived: int = 256
    """Dead features that reconstruct the remainder of a row, at most."""
    revival: float = 1 / 32
    """Weight of their loss."""
    precision: torch.dtype = torch.bfloat16
    """Of the matrix products; the weights and Adam stay in float32."""
    seed: int = 0


@dataclass(frozen=True)
class Dictionary:
    """f = z · 1[z > threshold], z = relu((x − b_dec) W_enc + b_enc); x̂ = f W_dec + b_dec."""

    w_enc: Tensor
    """width x feature"""
    w_dec: Tensor
    """feature x width"""
    b_enc: Tensor
    b_dec: Tensor
    threshold: Tensor
    """feature"""

    def encode(self, x: Tensor) -> Tensor:
        """(row x width) to (row x feature)."""
        z = (x - self.b_dec) @ self.w_enc + self.b_enc
        return torch.where(z > self.threshold, z.relu(), 0.0)

    def decode(self, f: Tensor) -> Tensor:
        """(row x feature) to (row x width)."""
        return f @ self.w_dec + self.b_dec

    def of_inputs(self, mean: Tensor, into: Tensor, out: Tensor) -> "Dictionary":
        """The same for inputs that were handed to training as (x − mean) @ into, with decoder rows of norm 1.

        `out` is the inverse of `into`, both (width x width).
        """
        rows = self.w_dec @ out
        norms = rows.norm(dim=1)
        return Dictionary(
            into @ self.w_enc * norms,
            rows / norms[:, None],
            self.b_enc * norms,
            self.b_dec @ out + mean,
            self.threshold * norms,
        )


def strongest(z: Tensor, k: int) -> Tensor:
    """The smallest of the k largest values of a batch (row x feature), were they taken a row on average; 0 at least."""
    return z.flatten().topk(min(k * len(z), z.numel()), sorted=False).values.min().clamp_min(0)


class Training:
    """A dictionary on its way, and Adam's state."""

    def __init__(self, width: int, recipe: Recipe) -> None:
        self.recipe = recipe
        self.dice = torch.Generator().manual_seed(recipe.seed)
        rows = torch.randn(recipe.features, width, generator=self.dice)
        self.w_dec = (rows / rows.norm(dim=1, keepdim=True)).requires_grad_()
        self.w_enc = self.w_dec.detach().T.clone().requires_grad_()
        self.b_enc = torch.zeros(recipe.features, requires_grad=True)
        self.b_dec = torch.zeros(width, requires_grad=True)
        self.parameters = [self.w_enc, self.w_dec, self.b_enc, self.b_dec]
        self.adam = torch.optim.Adam(self.parameters, lr=recipe.rate, betas=(0.9, 0.999), fused=True)
        self.quiet = torch.zeros(recipe.features, dtype=torch.long)
        """Steps since each feature fired."""

    def step(self, x: Tensor, rate: float) -> tuple[float, int]:
        """One step on (row x width) at a learning rate: the share of the batch's power that is lost, dead features."""
        recipe = self.recipe
        for group in self.adam.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", recipe.precision, enabled=recipe.precision != torch.float32):
            z = ((x - self.b_dec) @ self.w_enc).float() + self.b_enc
            with torch.no_grad():
                kept = z >= strongest(z, recipe.k).clamp_min(torch.finfo(torch.float32).tiny)
                self.quiet = torch.where(kept.any(0), 0, self.quiet + 1)
                dead = (self.quiet >= recipe.silent).nonzero()[:, 0]
            error = x - ((z * kept) @ self.w_dec).float() - self.b_dec
            lost = error.square().sum() / x.square().sum()
            loss = lost + recipe.revival * self._left_over(z, error.detach(), dead) if len(dead) else lost
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        with torch.no_grad():
            self.w_dec /= self.w_dec.norm(dim=1, keepdim=True)
        return float(lost.detach()), len(dead)

    def _left_over(self, z: Tensor, error: Tensor, dead: Tensor) -> Tensor:
        """The share of the error's power that dead features, as many as may, do not explain."""
        values, at = z[:, dead].relu().topk(min(self.recipe.revived, len(dead)), sorted=False)
        f = torch.zeros(len(z), len(dead)).scatter(1, at, values)
        return (error - (f @ self.w_dec[dead]).float()).square().sum() / error.square().sum()

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        steps = self.recipe.steps
        return self.recipe.rate * min(1.0, (step + 1) / max(1, steps // 20), (steps - step) / max(1, steps // 3))


def trained(
    rows: Tensor,
    recipe: Recipe,
    notify: Callable[[str], None] = lambda _: None,
    into: Tensor | None = None,
) -> Dictionary:
    """A dictionary of `rows @ into` (row x width), or of rows, whose mean is about 0 and values are of the order of 1.

    Every row is seen once before any is seen twice.
    """
    training = Training(rows.shape[1], recipe)
    batches = _batches(rows, into, recipe, training.dice)
    for step in range(recipe.steps):
        lost, dead = training.step(next(batches), training.rate(step))
        if step % 100 == 99:
            notify(f"step {step + 1} of {recipe.steps}: {lost:.3f} lost, {dead} dead features")
    return _stopped(training, batches)


def _batches(rows: Tensor, into: Tensor | None, recipe: Recipe, dice: torch.Generator) -> Iterator[Tensor]:
    size = min(recipe.batch, len(rows))
    while True:
        for some in torch.randperm(len(rows), generator=dice).split(size):
            if len(some) == size:
                yield rows[some].float() if into is None else rows[some].float() @ into


@torch.no_grad()
def _stopped(training: Training, batches: Iterator[Tensor]) -> Dictionary:
    """As it stands, with the threshold that batches of it imply."""
    w_enc, w_dec, b_enc, b_dec = (parameter.detach() for parameter in training.parameters)
    cuts = [strongest((next(batches) - b_dec) @ w_enc + b_enc, training.recipe.k) for _ in range(20)]
    return Dictionary(w_enc, w_dec, b_enc, b_dec, torch.stack(cuts).mean().expand(len(b_enc)).clone())
