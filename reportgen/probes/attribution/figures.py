"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import listed, say, unit_of
from reportgen.numerals import write_signed
from reportgen.probes.attribution.view import name_answer, tell_largest_parts
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Curves of attention and MLPs a prompt, and a heat map of heads; one scale a prompt for all models."""
    ok = section.ok()
    for prompt in range(max((len(outcome.arrays["logit"].values) for outcome in ok.values()), default=0)):
        shown = {subject: found for subject, found in ok.items() if prompt < len(found.arrays["logit"].values)}
        most = max(float(abs(o.arrays["heads"].values[prompt]).max()) for o in shown.values())
        blocks = [_by_kind(outcome, prompt) for outcome in shown.values()]
        low = min(min(min(values) for values in kinds.values()) for kinds in blocks)
        high = max(max(max(values) for values in kinds.values()) for kinds in blocks)
        room = 0.05 * (high - low or 1.0)
        for subject, outcome in shown.items():
            yield _curves(section.name(subject), subject, outcome, prompt, (low - room, high + room))
        for subject, outcome in shown.items():
            yield _map(section.name(subject), subject, outcome, prompt, most)


def _map(name: str, subject: str, outcome: Outcome, prompt: int, most: float) -> HeatMap:
    return HeatMap(
        name=f"heads-{prompt}",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=name_answer(outcome, prompt)),
        alt=say(
            "attribution.map.alt",
            "What each head of {model} adds to the logit of {answer}. The largest parts of all: {parts}",
            model=name,
            answer=name_answer(outcome, prompt),
            parts=listed(tell_largest_parts(outcome, prompt)),
        ),
        values=outcome.arrays["heads"].values[prompt],
        row_label=say("figure.block", "block"),
        column_label=say("figure.head", "head"),
        value_label=unit_of("logit"),
        scale="diverging",
        value_range=(-most, most),
    )


def _by_kind(outcome: Outcome, prompt: int) -> dict[str, list[float]]:
    """Attention and MLP -> (block) their parts."""
    return {
        say("attribution.attention", "attention"): outcome.arrays["heads"].values[prompt].sum(-1).tolist(),
        say("attribution.mlp", "MLP"): outcome.arrays["mlp"].values[prompt].tolist(),
    }


def _curves(name: str, subject: str, outcome: Outcome, prompt: int, shared: tuple[float, float]) -> Curves:
    kinds = _by_kind(outcome, prompt)
    curves = [Curve(label=kind, x=list(range(len(y))), y=y, group=kind) for kind, y in kinds.items()]
    ends = [
        say(
            "attribution.curve",
            "{curve}: most in block {block}, {value}",
            curve=curve.label,
            block=max(enumerate(curve.y), key=lambda place: abs(place[1]))[0],
            value=write_signed(max(curve.y, key=abs), 2),
        )
        for curve in curves
    ]
    return Curves(
        name=f"blocks-{prompt}",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=name_answer(outcome, prompt)),
        alt=say(
            "attribution.curves.alt",
            "What attention and MLP of each block of {model} add to the logit: {curves}",
            model=name,
            curves=listed(ends),
        ),
        x_label=say("figure.block", "block"),
        y_label=say("attribution.logit", "part of the logit"),
        curves=curves,
        references={say("attribution.nothing", "nothing"): 0.0},
        y_range=shared,
    )
