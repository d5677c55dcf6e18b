"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import list_items, say
from reportgen.numerals import write_count
from reportgen.numerics.resampling import band_95
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
    means = [_draw_mean(view) for view in views]
    banded = any(mean.band is not None for mean in means)
    yield Curves(
        name="loss",
        subject=tuple(view.subject for view in views),
        title=say("loss_by_position.title", "Loss of the next token at each place of a text"),
        alt=list_items([tell_ends(curve) for curve in means]),
        x_label=say("loss_by_position.position", "position in the window (0 = first token)"),
        y_label=say("loss_by_position.loss_banded", "−ln p of the token that stands there, nats per token (95 % band)")
        if banded
        else say("loss_by_position.loss", "−ln p of the token that stands there, in nats per token"),
        curves=[*means, *(curve for view in views for curve in _windows(view)), *_ends_of_contexts(views)],
    )


def _draw_mean(view: SubjectView) -> Curve:
    """The mean over the windows, with its interval if they are enough for one."""
    y, windows = _numbers(view), view.values("loss_by_window")
    known = np.isfinite(windows).all(0)
    band = band_95(windows[:, known])
    if band is None:
        return Curve(label=_label(view), x=bin_middles(view), y=y, model=view.subject)
    low, high = (np.full(len(known), np.nan) for _ in range(2))
    low[known], high[known] = band
    return Curve(label=_label(view), x=bin_middles(view), y=y, model=view.subject, band=(low.tolist(), high.tolist()))


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
