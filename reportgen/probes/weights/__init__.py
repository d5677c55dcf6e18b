"""The numbers that a model is made of: single tensors, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, arrays, metric, table
from reportgen.suggest import suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.needs import Pass


MOST_DRAWN = 4
"""Tensors that are drawn."""
Name = Annotated[str, Field(min_length=1)]


class Options(ProbeOptions):
    """Which tensors, and whether they are decomposed."""

    tensor: Name | Annotated[list[Name], Field(min_length=1)]
    """Exact names, or globs such as `*.layers.0.mlp.*`; the census lists them all."""
    spectrum: bool = False
    """Whether singular values are computed: for large tensors this takes long."""
    numbers: Annotated[int, Field(ge=1, le=16)] | None = None
    """Shows the numbers themselves of each tensor's first rows and columns: so many of each. Rows of the embedding
    table are named with their tokens."""

    @property
    def patterns(self) -> list[str]:
        """What `tensor` names, one or several."""
        return [self.tensor] if isinstance(self.tensor, str) else list(dict.fromkeys(self.tensor))


@dataclass(frozen=True, kw_only=True)
class Weights(Findings):
    """What weights gives."""

    numbers: int = metric("parameters")
    """Numbers of all tensors together."""
    farthest: float | str = metric("standard deviations")
    """Largest distance of any number from the mean of its tensor, in standard deviations of that tensor."""
    zeros: float = metric("share")
    """Share of exact zeros among all of them."""
    tensors: Rows = table(
        "item", "tensor", "component", "block", "shape", "dtype",
        "mean", "std", "min", "max", "zeros", "farthest", "low", "high",
    )  # fmt: skip
    """Each tensor once (tied ones under the first name that matches): mean, standard deviation, range, share of exact
    zeros, farthest number in standard deviations, and the ends of its histogram."""
    histogram: NDArray[np.float64] = array("item", "component", unit="share")
    """(item x bin) share of the tensor's numbers in each of 100 equal steps from `low` to `high`, which are the
    smallest and the largest number, but at most 6 standard deviations from the mean."""
    corners: list[NDArray[np.float32]] = arrays("feature", "component", unit="weight")
    """(row x column) the first 100 rows and columns as stored, one array per tensor, of the first 12 tensors; of a
    tensor with more dims those of its first matrix, a vector as one row."""
    spectrum: list[NDArray[np.float64]] = arrays("component", unit="singular value")
    """(component) singular values in descending order, one array per tensor; none unless asked for."""
    named_rows: Rows = table("item", "row", "token")
    """The tokens of the first rows of an embedding table, if `numbers` asks for them."""
    skipped: Rows = table("tensor", "reason")
    """Names that match nothing here, and tensors that cannot be summarised."""


class WeightsProbe(Probe[Options, Weights]):
    """Shows: what is in single tensors of the model: their numbers, how these are distributed, and a corner of them.

    Read: trained weights look like noise with a mean near 0, and the histogram is near the faint one of a normal
    distribution; a longer tail is where a model keeps what matters most to it. In the corner, a stripe is a dimension
    that all rows use alike. Singular values above the line of a random matrix are structure: few large ones mean that
    the tensor writes along few directions.

    Computed: over all numbers of a tensor as it is stored, quantised ones as they are read, sums in float64. The line
    of a random matrix is std · (√rows + √columns), the largest singular value of that much noise (Marchenko and Pastur
    1967). Outliers are judged against √(2 ln n) standard deviations, about the farthest of n normal numbers.
    """

    name = "weights"
    version = 1
    question = "What is in the weights?"
    options = Options
    findings = Weights
    sources = (literature.MARCHENKO_1967,)
    of_tokenizer = ()
    drawn = ("tensors", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None; but some tensor has to be there.

        Raises:
            Unusable: none has any of the names; says which are near.
        """
        skipped = self.skipped_rows(case)
        if len(skipped) == len(case.options.patterns):
            raise Unusable("; ".join(f"tensor {name!r}: {reason}" for name, reason in skipped.items()))
        return ()

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Names that no tensor has, each with the nearest."""
        return rows_left_out(case)


def rows_left_out(case: Case[Options]) -> Mapping[str, str]:
    """Names that no tensor has, each with the nearest."""
    from reportgen.model.measures.tensor_names import find_unmatched

    left, names = find_unmatched(case.located, case.options.patterns)
    return {pattern: f"no tensor of the model has this name. {suggestion(pattern, names)}".strip() for pattern in left}


probe = WeightsProbe()
