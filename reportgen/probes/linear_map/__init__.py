"""A map inside the model: where cities lie, or when things happened, read from their names by a linear map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Pass
from reportgen.probes.linear_map.names import read_names
from reportgen.probes.linear_map.options import Options
from reportgen.probing.case import Case
from reportgen.probing.probe import Probe
from reportgen.probing.source import Source
from reportgen.results.quantities import Findings, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class LinearMap(Findings):
    """What is read from the names."""

    r2: float = metric("", "higher")
    """R² on the names held out, at `best_layer`: 1 − Σ (y − ŷ)² / Σ (y − ȳ)² of each column, ȳ being their own mean,
    and the mean of the columns. 1 is a perfect map, 0 is what the mean of all names would give."""
    best_layer: int = metric("layer")
    """The layer whose fit best predicts each name that it was fitted to from the others (leave-one-out R²): no name
    held out has a part in the choice."""
    r2_at_embedding: float = metric()
    """The same at layer 0: what the name's last token says on its own."""
    r2_of_shuffled: float = metric()
    """The same at `best_layer` where names are given each other's numbers."""
    r2_of_twin: float | None = metric(optional=True)
    """The highest R² over the layers of the twin, the same architecture with random weights: what tokens that names
    share say without any training."""
    r2_of_new_groups: float | None = metric("", "higher", optional=True)
    """The same names at `best_layer`, each predicted by the fit without all names of its own group (country): what is
    known beyond neighbours of the same country."""
    median_error: float | None = metric("km", "lower", optional=True)
    """Median distance along the globe from the true place to the predicted one, of the names held out at
    `best_layer`."""
    fitted: int = metric("names")
    """Names that the map is fitted to."""
    held_out: int = metric("names")
    """Names that it is tested on."""
    r2_by_layer: NDArray[np.float64] = array("layer", stored="r2")
    """(layer) R² on the names held out."""
    r2_inner: NDArray[np.float64] = array("layer")
    """(layer) leave-one-out R² on the names fitted to, by which the best layer is chosen."""
    r2_shuffled: NDArray[np.float64] = array("layer")
    """(layer) R² on the names held out where names are given each other's numbers, before anything is fitted."""
    r2_random: NDArray[np.float64] | None = array("layer", optional=True)
    """(layer) R² on the names held out in the twin with random weights."""
    r2_by_country: NDArray[np.float64] | None = array("layer", optional=True)
    """(layer) R² on the names held out, each predicted without all names of its own group."""
    explained: NDArray[np.float64] = array("layer", "item")
    """(layer x name held out) what each name adds to R², which is their mean: 1 − the mean over the columns of
    n (y − ŷ)² / Σ (y − ȳ)²."""
    columns: Rows = table("column", "r2", "spearman", "median_absolute_error", "penalty")
    """Each column at `best_layer`: R² on the names held out, Spearman's rank correlation of true and predicted numbers,
    the median absolute error in the column's own unit, and the penalty of the fit as a share of the mean sum of squares
    of a dimension."""
    predicted: Rows = table("item", "name", "group", "colour", "column", "true", "predicted", "without_group")
    """The names held out, by their numbers in the data from 0: what is true, and what is predicted at `best_layer`,
    with and without the other names of the group."""
    skipped: Rows = table("item", "name", "reason")
    """Names that this model does not read."""


class LinearMapProbe(Probe[Options, LinearMap]):
    """Shows: whether names carry where their cities lie (or when things happened, or any number known of them) along
    straight directions of the residual stream, layer by layer, and the map that is read from them.

    Read: R² is the share of the differences between names that the map explains on names that it was not fitted to: 0
    is no more than the mean. What layer 0 explains is in the embedding of the name's last token alone: endings lie in
    parts of the world. The twin has random weights, shuffled names have each other's numbers: what these explain is no
    knowledge. Without its own country a name has no neighbours to be placed next to. In the map each point is a name
    held out, where it is predicted and where it truly lies; points of one part of the world that lie together show that
    the model has the plane of the map, not that it knows each city.

    Computed: ridge regression (Gurnee and Tegmark 2023) from the residual stream at the last token of each name,
    standardised a dimension, to the columns. A share of the names (`split`) is held out by seed before anything else;
    the penalty of each column is that of the smallest leave-one-out error on the others, out of 15 from 10⁻⁴ to 10³
    times the mean sum of squares of a dimension, as in scikit-learn's RidgeCV. Without its own group: the same fit, at
    the same penalty, with all rows of the group deleted, exactly. A name that is the first token of its text is left
    out. Distances are great circles on a globe of 6,371.0088 km; predictions beyond the poles are put onto them,
    longitudes wrapped at 180°. The interval of R² is a bootstrap over the names held out. The cities, their coordinates
    and countries are those of GeoNames (geonames.org, CC BY 4.0), without cities that share a larger one's name; the
    coasts are Natural Earth's (public domain).
    """

    name = "linear_map"
    version = 2
    question = "Does it know where and when?"
    options = Options
    findings = LinearMap
    libraries = ("scipy.stats",)
    sources = (
        Source(
            "gurnee2023space",
            ("Wes Gurnee", "Max Tegmark"),
            "Language Models Represent Space and Time",
            2023,
            "arXiv:2310.02207",
            "https://arxiv.org/abs/2310.02207",
        ),
    )

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: names pass pack by pack. Whether enough of them can be read is looked at here."""
        read_names(case)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Each name once, and once more in the twin."""
        return len(read_names(case)[0]) * (2 if case.options.twin else 1)

    def wants_twin(self, case: Case[Options]) -> bool:
        """Whether the twin is read too."""
        return case.options.twin


probe = LinearMapProbe()
