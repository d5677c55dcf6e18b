"""What a comparison found, on the terminal."""

from collections.abc import Iterable
from pathlib import Path

from reportgen.baseline.compare import Comparison
from reportgen.baseline.judgements import describe_morning, describe_unmatched
from reportgen.cli.progress import Progress
from reportgen.cli.terminal import tell, tell_place


def tell_comparison(progress: Progress, comparison: Comparison, files: Iterable[Path]) -> None:
    """The verdict, where each model is first beyond tolerance, and where the pages lie."""
    with progress.aside():
        for line in describe_morning(comparison):
            tell(line)
        for line in describe_unmatched(comparison):
            tell(line, err=True)
        for file in files:
            tell_place(file)
