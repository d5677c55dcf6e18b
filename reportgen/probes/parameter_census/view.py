"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


def sum_by_component(records: Iterable[dict[str, str | int]]) -> dict[str, int]:
    """Component -> its parameters."""
    sizes: dict[str, int] = defaultdict(int)
    for record in records:
        sizes[str(record["component"])] += int(record["parameters"])
    return dict(sizes)
