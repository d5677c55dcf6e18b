"""What its figures and its sentence both read."""

from __future__ import annotations

from reportgen.results.quantities import Outcome


def names_of_sets(outcome: Outcome) -> tuple[str, str]:
    """What the two sets of the contrast are called; a and b in bundles that hold no names."""
    a, b = (outcome.options.get("contrast") or {}).get("names", ("a", "b"))
    return str(a), str(b)
