"""Distances on the globe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RADIUS = 6371.0088
"""Kilometres: the Earth's mean radius (IUGG)."""


def wrap_places(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(… x 2) latitudes and longitudes that are on the globe: latitude no further than the poles, longitude from −180
    up to, not including, 180. Degrees.
    """
    import numpy as np

    latitude = np.clip(places[..., 0], -90.0, 90.0)
    longitude = (places[..., 1] + 180.0) % 360.0 - 180.0
    return np.stack([latitude, longitude], axis=-1)


def great_circle(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(…) kilometres along the globe between (… x 2) places, latitude before longitude in degrees, by the haversine
    formula. Places that are off the globe are wrapped first.
    """
    import numpy as np

    (lat, lon), (lat_2, lon_2) = (np.moveaxis(np.radians(wrap_places(places)), -1, 0) for places in (one, other))
    half = np.sin((lat_2 - lat) / 2) ** 2 + np.cos(lat) * np.cos(lat_2) * np.sin((lon_2 - lon) / 2) ** 2
    apart: NDArray[np.float64] = 2 * RADIUS * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return apart
