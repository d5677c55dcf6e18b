"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import list_items, say
from reportgen.numerals import write_count
from reportgen.probes.loss_by_position.view import bin_middles, read_context, reason_beyond
from reportgen.probing.probe import tell_ends
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

MOST_WINDOWS = 8
"""Windows of a model that are drawn one by one."""


def figures(section: Section) -> Iterable[Figure]:
    """All models in one figure."""
    views = SubjectView.each(section)
    if not views:
        return
    means = [Curve(label=_label(view), x=bin_middles(view), y=_numbers(view), model=view.subject) for view in views]
    yield Curves(
        name="loss",
        subject=tuple(view.subject for view in views),
        title=say("loss_by_position.title", "Loss of the next token at each place of a text"),
        alt=list_items([tell_ends(curve) for curve in means]),
        x_label=say("loss_by_position.position", "position in the window (0 = first token)"),
        y_label=say("loss_by_position.loss", "−ln p of the token that stands there, in nats per token"),
        curves=[*means, *(curve for view in views for curve in _windows(view)), *_ends_of_contexts(views)],
    )


def _numbers(view: SubjectView) -> list[float]:
    numbers: list[float] = view.values("loss").tolist()
    return numbers


def _label(view: SubjectView) -> str:
    reason = reason_beyond(view)
    return say("loss_by_position.ends", "{model} (no position beyond)", model=view.name) if reason else view.name


def _windows(view: SubjectView) -> Iterator[Curve]:
    windows = view.values("loss_by_window")[:MOST_WINDOWS]
    if len(windows) > 1:
        for row in windows.tolist():
            yield Curve(label=view.name, x=bin_middles(view), y=row, model=view.subject, faint=True)


def _ends_of_contexts(views: Sequence[SubjectView]) -> Iterator[Curve]:
    """An upright where the trained context of some models ends, where the windows reach so far."""
    ends: dict[int, list[str]] = {}
    for view in views:
        context = read_context(view)
        if context is not None and context < view.options["length"]:
            ends.setdefault(context, []).append(view.name)
    known = [value for view in views for value in view.values("loss_by_window").ravel().tolist() if value == value]
    for context, names in ends.items():
        label = say(
            "loss_by_position.context",
            "trained context of {models} ({count})",
            models=list_items(names),
            count=write_count(context),
        )
        yield Curve(label=label, x=[context, context], y=[min(known), max(known)], group=label, faint=True)
