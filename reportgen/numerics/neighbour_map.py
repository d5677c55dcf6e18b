"""A map that keeps neighbours (UMAP, McInnes et al. 2018), where umap-learn is installed.

What lies near each other on it is near each other in the rows; distances between groups, their sizes and densities mean
nothing, and no axis holds a share of the variance: so it stands beside the map of the principal components, never in
its place. One thread and a fixed seed, so that two runs agree. Cost: some seconds to compile, then a second a map.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEIGHBOURS = 15
"""Of each row, that the map keeps near it; fewer where there are no more."""


def find_umap_version() -> str:
    """The version of umap-learn; empty where it is not installed."""
    return version("umap-learn") if importlib.util.find_spec("umap") is not None else ""


def map_neighbours(rows: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    """(item x 2) coordinates of (item x width) rows less their mean, of which the angles count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of tensorflow, which nobody asked for
        umap = importlib.import_module("umap")
        near = min(NEIGHBOURS, len(rows) - 1)
        made = umap.UMAP(n_components=2, n_neighbors=near, metric="cosine", random_state=seed, n_jobs=1)
        centred = rows - rows.mean(axis=0)
        found: NDArray[np.float64] = made.fit_transform(centred).astype("float64")
    return found
