"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, sentences
from reportgen.numerals import write_count, write_number, write_share
from reportgen.probes.cost import COMPONENTS
from reportgen.probes.cost.view import lengths_of
from reportgen.probing.view import SubjectView

GROWS = 0.05
"""Share by which a token at the longest length costs more than one at the shortest before it is said to."""


def tell(view: SubjectView) -> str:
    """What a token costs at the shortest and the longest length, and when scores take over."""
    costs, lengths = view.values("token").sum(0), lengths_of(view)
    values = {
        "model": view.name,
        "short": write_count(lengths[0]),
        "long": write_count(lengths[-1]),
        "first": write_number(float(costs[0]) / 1e6),
        "last": write_number(float(costs[-1]) / 1e6),
    }
    if costs[-1] < (1 + GROWS) * costs[0]:
        return say(
            "cost.level",
            "In {model}, a token takes {first} million multiplications however long the text is, from {short} to "
            "{long} tokens.",
            **values,
        )
    grows = say(
        "cost.grows",
        "In {model}, token number {short} takes {first} million multiplications and token number {long} takes {last} "
        "million; a prompt of {long} tokens takes {growth} times as many as one of half that length.",
        growth=write_number(view.metric("growth")),
        **values,
    )
    return sentences([grows, _tell_half(view), _tell_beyond(view)])


def _tell_beyond(view: SubjectView) -> str:
    """That the longest text is longer than the model was made for; empty where it is not, or nobody says."""
    context, longest = view.models[0].facts.get("context_length"), lengths_of(view)[-1]
    if not isinstance(context, int) or context >= longest:
        return ""
    return say(
        "cost.beyond",
        "{model} was made for {context} tokens: what is told of longer texts is only counted.",
        model=view.name,
        context=write_count(context),
    )


def _tell_half(view: SubjectView) -> str:
    """From which length scores take more than all else."""
    half = view.metric("half_at")
    scores = view.values("token")[COMPONENTS.index("attention scores"), -1] / view.values("token")[:, -1].sum()
    if half is None:
        return ""
    return say(
        "cost.half",
        "Attention's scores take more than half of that from {half} tokens on; at {long} tokens they take {share}.",
        half=write_count(int(half)),
        long=write_count(lengths_of(view)[-1]),
        share=write_share(float(scores)),
    )


def tell_briefly(view: SubjectView) -> str:
    """What a token costs, and how a prompt's cost grows."""
    return say(
        "cost.brief",
        "{count} million multiplications per token; twice the text, {growth} times the cost",
        count=write_number((view.metric("per_token") or 0) / 1e6),
        growth=write_number(view.metric("growth")),
    )
