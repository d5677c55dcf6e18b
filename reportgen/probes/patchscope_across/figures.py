"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.figures.describe import Figure
from reportgen.probes.patchscope.figures import answer_grids
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """A prompt and a target at a time."""
    yield from answer_grids(SubjectView.each(section))
