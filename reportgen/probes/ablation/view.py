"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


def is_unmeasured(change: NDArray[Any]) -> bool:
    """Whether a change was measured nowhere."""
    return bool((change != change).all())
