"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import list_items, say, say_count
from reportgen.numerics.confidence import wilson_95
from reportgen.numerics.resampling import mean_interval_95
from reportgen.probes.right_answer import MOST_DRAWN
from reportgen.probing.parts import describe_curves
from reportgen.probing.probe import axis_label, place_layers, prompt_labels
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

HEAD = 9
"""Characters of a model's name above a column; one that is longer is called by its id."""
LONGEST = 28
"""Characters of a prompt at the edge of the grid; of a longer one its end, which is what is gone on from."""


def figures(section: Section) -> Iterable[Figure]:
    """Share and probability of right answers through the layers, and what each model says."""
    views = [view for view in SubjectView.each(section) if view.metric("accuracy") is not None]
    for view in views:
        yield _draw_shares(view)
    top = max((float(np.nanmax(_find_means(view)[2])) for view in views), default=1.0)
    for view in views:
        yield _draw_probabilities(view, top)
    if views:
        yield _draw_answers(views)


def _list_asked(view: SubjectView, array: str) -> NDArray[Any]:
    """(prompt x layer) the values of the prompts that the model was asked."""
    values = view.values(array)
    asked: NDArray[Any] = values[np.isfinite(values).all(1)]
    return asked


def _draw_shares(view: SubjectView) -> Curves:
    shares, count = view.values("right_share"), len(_list_asked(view, "rank"))
    bounds = [wilson_95(round(float(share) * count), count) for share in shares]
    return _draw(
        view,
        "right-share",
        say("right_answer.share", "prompts whose right answer leads"),
        _Band(shares.tolist(), [low for low, _ in bounds], [high for _, high in bounds]),
        say_count(
            "right_answer.share_axis",
            "share of {count} prompt (95 % band)",
            "share of {count} prompts (95 % band)",
            count,
        ),
        1.0,
    )


def _find_means(view: SubjectView) -> NDArray[np.float64]:
    """(3 x layer) the mean probability of the right answer, and the ends of its interval: the mean itself where there
    are too few prompts for one.
    """
    values = _list_asked(view, "probability")
    low, high = mean_interval_95(values)
    mean = values.mean(0)
    return np.stack([mean, np.where(np.isfinite(low), low, mean), np.where(np.isfinite(high), high, mean)])


def _draw_probabilities(view: SubjectView, top: float) -> Curves:
    band = _Band(*_find_means(view).tolist())
    return _draw(
        view,
        "probability",
        say("right_answer.probability", "how likely the right answer is to each layer"),
        band,
        _name_probability(len(_list_asked(view, "probability")), banded=band.has_width),
        top * 1.05,
    )


def _name_probability(count: int, *, banded: bool) -> str:
    if banded:
        return say_count(
            "right_answer.probability_banded",
            "probability after {count} prompt (95 % band)",
            "mean probability over {count} prompts (95 % band)",
            count,
        )
    return say_count(
        "right_answer.probability_axis",
        "probability after {count} prompt",
        "mean probability over {count} prompts",
        count,
    )


class _Band:
    """A curve with its interval."""

    def __init__(self, middle: Sequence[float], low: Sequence[float], high: Sequence[float]) -> None:
        self.middle, self.low, self.high = middle, low, high

    @property
    def has_width(self) -> bool:
        """Whether there is an interval anywhere."""
        return [*self.low, *self.high] != [*self.middle, *self.middle]


def _draw(view: SubjectView, name: str, what: str, band: _Band, y_label: str, top: float) -> Curves:
    relative = view.options["axis"] == "relative"
    x = place_layers(len(band.middle), relative=relative)
    ends = (band.low, band.high) if band.has_width else None
    curve = Curve(label=view.name, x=x, y=band.middle, model=view.subject, band=ends)
    return describe_curves(
        view,
        name=name,
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        what=what,
        x_label=axis_label(relative=relative),
        curves=[curve],
        y_label=y_label,
        y_range=(0.0, top),
        x_range=(0.0, 1.0) if relative else None,
    )


def _draw_answers(views: Sequence[SubjectView]) -> TokenGrid:
    """A row a prompt, a column a model."""
    labels = prompt_labels(views[0].outcome)[:MOST_DRAWN]
    cells = [{row["prompt"]: row for row in view.rows("answers")} for view in views]
    values = np.array([[of.get(at, {}).get("probability", np.nan) for of in cells] for at in range(len(labels))])
    right = np.array([[bool(of.get(at, {}).get("is_right")) for of in cells] for at in range(len(labels))])
    texts = [[mark_space(str(of[at]["says"])) if at in of else "" for of in cells] for at in range(len(labels))]
    counts = [
        say(
            "right_answer.answers_alt_model",
            "{model} is right after {right} of {count}",
            model=view.name,
            right=sum(row["is_right"] for row in of.values()),
            count=len(of),
        )
        for view, of in zip(views, cells, strict=True)
    ]
    return TokenGrid(
        name="answers",
        subject=tuple(view.subject for view in views),
        title=say("right_answer.answers", "What each model says, and whether it is right"),
        alt=say("right_answer.answers_alt", "The first token of each answer: {models}.", models=list_items(counts)),
        row_label=say("right_answer.prompt", "prompt"),
        rows=[mark_space(_shorten(label)) for label in labels],
        column_label=say("right_answer.model", "model"),
        columns=[view.name if len(view.name) <= HEAD else view.subject for view in views],
        texts=texts,
        values=values,
        value_label=say("right_answer.probability_of_right", "probability of the right answer"),
        outlined=right,
        outline_label=say("right_answer.is_right", "right"),
    )


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"
