"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

FULL, SLIDING = "full", "sliding window"
