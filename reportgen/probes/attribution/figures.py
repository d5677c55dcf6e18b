"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import list_items, say, unit_of
from reportgen.numerals import write_signed
from reportgen.probes.attribution.view import name_answer, tell_largest_parts
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_head_map
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Curves of attention and MLPs a prompt, and a heat map of heads; a scale a prompt, for all models if it can be."""
    views = SubjectView.each(section)
    for prompt in range(max((len(view.values("logit")) for view in views), default=0)):
        shown = [view for view in views if prompt < len(view.values("logit"))]
        most = max(float(abs(view.values("heads")[prompt]).max()) for view in shown)
        blocks = [_sum_by_kind(view, prompt) for view in shown]
        every = [np.array(list(kinds.values())) for kinds in blocks]
        axes = fit_axes(every, [range(values.shape[1]) for values in every], including=0.0)
        for view, axis in zip(shown, axes, strict=True):
            yield _curves(view, prompt, axis)
        for view in shown:
            yield _map(view, prompt, most)


def _map(view: SubjectView, prompt: int, most: float) -> HeatMap:
    return describe_head_map(
        view,
        name=f"heads-{prompt}",
        title=say(
            "attribution.map.title", "{model}: head by head, {what}", model=view.name, what=name_answer(view, prompt)
        ),
        alt=say(
            "attribution.map.alt",
            "What each head of {model} adds to the logit of {answer}. The largest contributions of all: {parts}",
            model=view.name,
            answer=name_answer(view, prompt),
            parts=list_items(tell_largest_parts(view, prompt)),
        ),
        values=view.values("heads")[prompt],
        value_label=unit_of("logit"),
        scale="diverging",
        value_range=(-most, most),
    )


def _sum_by_kind(view: SubjectView, prompt: int) -> dict[str, list[float]]:
    """Attention and MLP -> (block) their parts."""
    return {
        say("attribution.attention", "attention"): view.values("heads")[prompt].sum(-1).tolist(),
        say("attribution.mlp", "MLP"): view.values("mlp")[prompt].tolist(),
    }


def _curves(view: SubjectView, prompt: int, axis: Axis) -> Curves:
    kinds = _sum_by_kind(view, prompt)
    curves = [Curve(label=kind, x=list(range(len(y))), y=y, group=kind) for kind, y in kinds.items()]
    ends = [
        say(
            "attribution.curve",
            "{curve}: largest in block {block}, {value}",
            curve=curve.label,
            block=max(enumerate(curve.y), key=lambda place: abs(place[1]))[0],
            value=write_signed(max(curve.y, key=abs), 2),
        )
        for curve in curves
    ]
    return Curves(
        name=f"blocks-{prompt}",
        subject=(view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=name_answer(view, prompt)),
        alt=say(
            "attribution.curves.alt",
            "What attention and MLP of each block of {model} add to the logit: {curves}",
            model=view.name,
            curves=list_items(ends),
        ),
        x_label=say("figure.block", "block"),
        y_label=axis.name(say("attribution.logit", "contribution to the logit")),
        curves=curves,
        references={say("attribution.nothing", "nothing"): 0.0},
        y_range=axis.ends,
    )
