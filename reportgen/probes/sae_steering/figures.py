"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, unit_of
from reportgen.numerals import write_change, write_number
from reportgen.probes.sae_steering.view import View
from reportgen.probing.probe import quote_prompts
from reportgen.probing.steering_score import MOST_SHOWN, WIDEST
from reportgen.results.section import Section
from reportgen.text.word_pieces import pieces_of
from reportgen.text.wording import words_of


def figures(section: Section) -> Iterable[Figure]:
    """Before and after; score and price by strength; the texts."""
    views = View.each(section)
    ends = _ends(views)
    for view in views:
        yield _draw_before_and_after(view, ends)
    for view in views:
        if len(view.strengths) > 1:
            yield _draw_by_strength(view)
            yield _price(view)
    for view in views:
        if view.rows("texts"):
            yield _draw_side_by_side(view)


def _names() -> dict[str, str]:
    return {
        "unsteered": say("steering.unsteered", "unsteered"),
        "steered": say("sae_steering.by_feature", "feature"),
        "control": say("sae_steering.by_control", "another feature"),
    }


def _ends(views: Sequence[View]) -> tuple[float, float]:
    """The scale of bars that all models share."""
    values = [value for view in views for value in view.three.values() if isfinite(value)]
    return min([0.0, *values]), max([0.0, *values]) or 1.0


def _draw_before_and_after(view: View, ends: tuple[float, float]) -> Rankings:
    """The chosen strength next to the model as it is and the control."""
    known = {name: value for name, value in view.three.items() if isfinite(value)}
    labels = [_names()[name] for name in known]
    bars = [
        say("steering.bar", "{name} {value}", name=label, value=write_number(value, 2))
        for label, value in zip(labels, known.values(), strict=True)
    ]
    return Rankings(
        name="before-after",
        subject=(view.subject,),
        title=say(
            "sae_steering.before_after", "{model}, {feature}: before and after", model=view.name, feature=view.feature
        ),
        alt=say(
            "sae_steering.before_after.alt",
            "{score} of {model}, {feature} {done}: {bars}",
            score=view.score_label,
            model=view.name,
            feature=view.feature,
            done=view.tell_strength(view.chosen[0]),
            bars=list_items(bars),
        ),
        rankings=[Ranking(title=view.tell_strength(view.chosen[0]), labels=labels, values=list(known.values()))],
        value_label=view.score_label,
        value_range=ends,
        model=view.subject,
    )


def _tell_ends(curve: Curve) -> str:
    """The score at the weakest and at the strongest strength."""
    first, last = write_change(curve.y[0], curve.y[-1], significant=2)
    return say("sae_steering.curve.alt", "{curve} from {first} to {last}", curve=curve.label, first=first, last=last)


def _curves(
    view: View, name: str, title: str, y_label: str, arrays: tuple[str, str], references: Mapping[str, float]
) -> Curves:
    names = _names()
    curves = []
    for label, values in zip((names["steered"], names["control"]), arrays, strict=True):
        y = view.values(values)
        known = [at for at in range(len(y)) if isfinite(y[at])]
        if known:
            points = [view.strengths[at] for at in known], [float(y[at]) for at in known]
            curves.append(Curve(label=label, x=points[0], y=points[1], group=label))
    ends = [_tell_ends(curve) for curve in curves]
    return Curves(
        name=name,
        subject=(view.subject,),
        title=title,
        alt=say(
            "sae_steering.curves.alt",
            "{what} by strength in {model}: {ends}",
            what=y_label,
            model=view.name,
            ends=list_items(ends),
        ),
        x_label=view.strength_label,
        y_label=y_label,
        curves=curves,
        references=references,
    )


def _draw_by_strength(view: View) -> Curves:
    own = view.three["unsteered"]
    references = {_names()["unsteered"]: own} if isfinite(own) else {}
    title = say("sae_steering.strengths", "{model}, {feature}: the score", model=view.name, feature=view.feature)
    return _curves(view, "strengths", title, view.score_label, ("score", "control"), references)


def _price(view: View) -> Curves:
    label = say("steering.price", "KL to the unsteered model, next token, {unit}", unit=unit_of("nat"))
    title = say(
        "sae_steering.price",
        "{model}, {feature}: the cost (KL to the unsteered model)",
        model=view.name,
        feature=view.feature,
    )
    return _curves(view, "price", title, label, ("kl", "control_kl"), {})


def _draw_side_by_side(view: View) -> TokenGrid:
    """The first words of the texts after the first prompts, line by line; the table has them whole."""
    records, names, counted = view.rows("texts")[:MOST_SHOWN], _names(), view.counted
    rows, lines = [], []
    for record in records:
        for column, name in names.items():
            rows.append(f"{record['prompt']} {name}" if column == "unsteered" else name)
            lines.append(pieces_of(record[column])[:WIDEST])
    told = [[float(any(part in counted for part in words_of(word))) for word in words] for words in lines]
    width = max(map(len, lines), default=0) or 1
    quotes = quote_prompts(view.outcome)
    openings = [say("text.quoted", "“{text}”", text=quotes[int(record["prompt"])]) for record in records]
    return TokenGrid(
        name="texts",
        subject=(view.subject,),
        title=say(
            "sae_steering.texts.title",
            "{model}: what is written, {feature} {done}",
            model=view.name,
            feature=view.feature,
            done=view.tell_strength(view.chosen[0]),
        ),
        alt=say(
            "sae_steering.texts.alt",
            "The first words that {model} writes after {openings}: unsteered, with the feature, and with another one",
            model=view.name,
            openings=list_items(openings),
        ),
        row_label=say("sae_steering.texts.rows", "number of the prompt, and what is changed"),
        rows=rows,
        column_label=say("steering.texts.columns", "the first words of the text"),
        columns=[str(at + 1) for at in range(width)],
        texts=[[*words, *[""] * (width - len(words))] for words in lines],
        values=np.array([[*marks, *[0.0] * (width - len(marks))] for marks in told]),
        value_label=say("steering.texts.tokens", "1: one of the words of the score")
        if counted
        else say("steering.texts.nothing", "nothing in these texts is scored"),
        outlined=np.zeros((len(lines), width), bool),
    )
