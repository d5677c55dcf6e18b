"""What a comparison found, on the terminal."""

from collections.abc import Iterable
from pathlib import Path

from reportgen.baseline.compare import Comparison, Judgement
from reportgen.baseline.judgements import (
    advise,
    conclusion,
    count_verdicts,
    describe_beginning,
    describe_causes,
    describe_unmatched,
    find_beginnings,
    shorten_text,
)
from reportgen.cli.terminal import tell, tell_place

TOLD = 5
"""Models of which is told where they are first beyond tolerance."""


def tell_comparison(comparison: Comparison, files: Iterable[Path]) -> None:
    """The verdict, where each model is first beyond tolerance, and where the pages lie."""
    causes = describe_causes(comparison)
    changed = f"; changed: {shorten_text(causes)}" if causes and comparison.exit_code else ""
    tell(f"{conclusion(comparison)}: {count_verdicts(comparison.judgements)}{changed}")
    for one in find_beginnings(comparison.judgements)[:TOLD]:
        tell(f"  from {shorten_text(describe_beginning(one, comparison))}")
    for judgement in _list_apart(comparison)[:TOLD]:
        tell(f"  {shorten_text(judgement.path)}: {judgement.verdict}: {shorten_text(judgement.told)}")
    if advice := advise(comparison):
        tell(shorten_text(advice))
    for line in describe_unmatched(comparison):
        tell(line, err=True)
    for file in files:
        tell_place(file)


def _list_apart(comparison: Comparison) -> list[Judgement]:
    """What has no layer to begin at: what failed, what is gone, and what something else was asked of."""
    return [one for one in comparison.judgements if one.decides and one.change is None]
