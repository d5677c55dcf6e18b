"""Principal components with a fixed sign, so that two runs draw the same map.

scikit-learn's full solver; the randomised one is faster for many rows and draws another map a seed. Maps that keep
neighbours (t-SNE, UMAP) are not taken: their distances mean nothing between groups, and the axes hold no share of the
variance that could be printed. Cost: one SVD of (item x width) a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reportgen.numerics.one_thread import hold_one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def principal_points(rows: NDArray[np.floating], components: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(item x component) coordinates of centred rows, and (component) explained variance ratios.

    scikit-learn's PCA with the full solver; each component's largest loading (by absolute value) is positive.
    Components that the rows do not have (fewer items than components) are NaN.
    """
    import numpy as np
    from sklearn.decomposition import PCA

    kept = min(components, rows.shape[0] - 1, rows.shape[1])
    points = np.full((rows.shape[0], components), np.nan)
    explained = np.full(components, np.nan)
    wide = rows.astype(np.float64)
    if kept < 1 or np.ptp(wide, axis=0).max() == 0:
        return points, explained
    pca = PCA(n_components=kept, svd_solver="full")
    with hold_one_thread():
        scores = pca.fit_transform(wide)
    largest = pca.components_[np.arange(kept), np.abs(pca.components_).argmax(axis=1)]
    points[:, :kept] = scores * np.where(largest < 0, -1.0, 1.0)
    explained[:kept] = pca.explained_variance_ratio_
    return points, explained
