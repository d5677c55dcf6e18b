"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

DENSE = 0.1
"""A feature that fires on more than this share of the tokens is dense (as in Gemma Scope)."""
PREDICTS = 0.75
"""Area under the curve from which a label is said to predict where its feature fires."""
