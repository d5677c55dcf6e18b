"""Whether words of one group lie together at a layer, beyond what shuffled groups would show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, computed_field, model_validator

from reportgen.model.needs import Pass
from reportgen.numerics.neighbour_map import find_umap_version
from reportgen.probing.case import Case
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.probing.source import Source
from reportgen.results.quantities import Rows, array, arrays, metric, table
from reportgen.training.places import find_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPONENTS = 10
"""Principal components whose share of the variance is told."""


def choose_layers(best: int, last: int) -> list[int]:
    """Those whose maps and variance are drawn: the embedding, the best and the last."""
    return sorted({0, best, last})


class Options(ProbeOptions):
    """Which words, in which groups."""

    prompts: Prompts
    """What is read: each prompt has a `group`, and may have the `word` at which it is read."""
    accept_parts: bool = False
    """Whether a verdict is given even if a word is its own tokens in one prompt and part of a larger token, or only
    bytes, in another."""
    shuffles: Annotated[int, Field(ge=99, le=9999)] = 199
    """Random orders of the groups, which show what chance gives."""
    twin: bool = True
    """Whether the same words pass through the model's twin, which has random weights."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""
    umap: bool = False
    """Whether maps that keep neighbours are drawn too, for which umap-learn has to be installed."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def umap_version(self) -> str | None:
        """Which umap-learn draws them: another one draws other maps."""
        return find_umap_version() if self.umap else None

    @model_validator(mode="after")
    def _check_umap(self) -> Options:
        if self.umap and not find_umap_version():
            raise ValueError("umap needs umap-learn: pip install umap-learn")
        return self

    @model_validator(mode="after")
    def _check_groups(self) -> Options:
        if without := [prompt.called for prompt in self.prompts if prompt.group is None]:
            raise ValueError(f"the prompt {without[0]!r} has no `group`")
        counts = Counter(prompt.group for prompt in self.prompts)
        if len(counts) < 2:
            raise ValueError("all prompts are of one group: there is nothing to tell apart")
        if max(counts.values()) < 2:
            raise ValueError("every group has one prompt: none of them can lie together")
        return self


@dataclass(frozen=True, kw_only=True)
class Clusters(PromptFindings):
    """What is found about the groups."""

    silhouette: float = metric("silhouette", "higher")
    """Mean silhouette at the best layer."""
    best_layer: int = metric("layer")
    """The layer at which the mean silhouette is largest; of several the first."""
    chance: float = metric("p")
    """Share of orders of the groups, the true one counted, whose silhouette is as large at any layer."""
    intrinsic_dimension: float | str = metric("dimensions")
    """The intrinsic dimension at the best layer."""
    silhouettes: NDArray[np.float64] = array("layer", unit="silhouette")
    """(layer) mean over words of (b - a) / max(a, b): a is the mean distance to the others of its group, b to those of
    the nearest other group (Rousseeuw 1987). 1 where groups are points far apart, 0 where they lie over each other,
    below 0 where a word is nearer to another group."""
    silhouettes_shuffled: NDArray[np.float64] = array("layer", unit="silhouette")
    """(layer) what 95 % of random orders of the groups stay below at every layer: the same at all of them."""
    silhouettes_random: NDArray[np.float64] | None = array("layer", unit="silhouette", optional=True)
    """(layer) the same of the model's twin, which has random weights: what tokens and architecture alone give."""
    dimensions: NDArray[np.float64] | None = array("layer", unit="dimensions", optional=True)
    """(layer) intrinsic dimension: (n - 1) / Σ ln(distance to the second neighbour / to the first), the TwoNN estimate
    of Facco et al. (2017) by maximum likelihood, from the distances of the rows as they are. NaN of fewer than 20
    words."""
    dimensions_low: NDArray[np.float64] | None = array("layer", unit="dimensions", optional=True)
    """(layer) lower end of its 95 % interval."""
    dimensions_high: NDArray[np.float64] | None = array("layer", unit="dimensions", optional=True)
    """(layer) upper end of its 95 % interval."""
    points: NDArray[np.float64] = array("layer", "item", "component", unit="coordinate")
    """(layer x item x component) coordinates of the centred rows on their first two principal components."""
    neighbour_points: Sequence[NDArray[np.float64]] = arrays("item", "component", unit="coordinate")
    """(item x component) coordinates on a map that keeps neighbours (UMAP), one of each layer that is drawn: the
    embedding, the best and the last. Of none where it was not asked for."""
    explained_variance: NDArray[np.float64] = array("layer", "component", unit="share")
    """(layer x component) share of the rows' variance along each of the first principal components."""
    items: Rows = table("item", "text", "group")
    """The words."""
    words: Rows = word_table()
    """The words that prompts name, the tokens that hold them, and whether they are the word and nothing else."""


class ClustersProbe(Probe[Options, Clusters]):
    """Shows: whether words of one group lie together in the residual stream, at which layer most, and how many
    dimensions the words fill.

    Read: the silhouette is above the line of shuffled groups where groups are more than chance. Compare it with layer
    0, which knows the words alone, and with the twin of random weights: only what exceeds both was brought about by
    training. The bars of variance say how much of all differences a plane can show: where the first two are short, a
    map of two dimensions hides most of it. On a map that keeps neighbours only what is near means something:
    distances between heaps and their sizes do not.

    Computed: the residual stream at the last token of each prompt (or of its `word`); rows less their mean and scaled
    to length 1, Euclidean distances between them; silhouettes of the true groups, of random orders of the groups and
    of a model of the same architecture with random weights. The p-value is that of the largest silhouette over all
    layers. Components are scikit-learn's PCA of the centred rows, unscaled.
    """

    name = "clusters"
    version = 3
    question = "Do words of one kind lie together?"
    libraries = ("sklearn.decomposition",)
    options = Options
    findings = Clusters
    sources = (
        Source(
            "rousseeuw1987silhouettes",
            ("Peter J. Rousseeuw",),
            "Silhouettes: A graphical aid to the interpretation and validation of cluster analysis",
            1987,
            "Journal of Computational and Applied Mathematics",
            "https://doi.org/10.1016/0377-0427(87)90125-7",
            "article",
        ),
        Source(
            "facco2017twonn",
            ("Elena Facco", "Maria d'Errico", "Alex Rodriguez", "Alessandro Laio"),
            "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
            2017,
            "Scientific Reports",
            "https://doi.org/10.1038/s41598-017-11873-y",
            "article",
        ),
        Source(
            "mcinnes2018umap",
            ("Leland McInnes", "John Healy", "James Melville"),
            "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction",
            2018,
            "arXiv:1802.03426",
            "https://arxiv.org/abs/1802.03426",
        ),
    )

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: words pass pack by pack. What can be wrong is looked at here."""
        find_places(case, case.options.prompts)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Each word once, and once through the twin."""
        return len(case.options.prompts) * (2 if case.options.twin else 1)

    def wants_twin(self, case: Case[Options]) -> bool:
        """Where the battery does not switch it off."""
        return case.options.twin


probe = ClustersProbe()
