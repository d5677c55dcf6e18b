"""What a comparison found, on the terminal."""

from collections.abc import Iterable
from pathlib import Path

from reportgen.baseline.compare import Comparison
from reportgen.baseline.judgements import (
    conclusion,
    count_verdicts,
    describe_beginning,
    find_beginnings,
    shorten_text,
)
from reportgen.cli.terminal import tell, tell_place

TOLD = 5
"""Models of which is told where they are first beyond tolerance."""


def tell_comparison(comparison: Comparison, files: Iterable[Path]) -> None:
    """The verdict, where each model is first beyond tolerance, and where the pages lie."""
    tell(f"{conclusion(comparison)}: {count_verdicts(comparison.judgements)}")
    for one in find_beginnings(comparison.judgements)[:TOLD]:
        tell(f"  from {shorten_text(describe_beginning(one, comparison))}")
    for glob in comparison.unmatched:
        tell(f"the tolerance {shorten_text(glob)} matches no number of the two bundles", err=True)
    for file in files:
        tell_place(file)
