"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Figure
from reportgen.language import list_items, list_quotes, say, say_count, sentences
from reportgen.numerals import write_count, write_depth, write_number, write_ranges, write_setting, write_share
from reportgen.numerics.settling import leads_from
from reportgen.probes.logit_lens.view import after_prompt, list_asked, quote_answer
from reportgen.probing.followed import followed_at, tell_followed
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space
from reportgen.text.scripts import BYTES, script_names, script_of

TOLD = 4
"""Prompts that a statement names."""
FOLLOWED = 3
"""Prompts after which it tells of the followed words."""
SURE = 0.1
"""Probability from which a final answer is one that a statement is made of."""
OVERTURNED = 0.25
"""Probability from which what led a layer earlier, but is not the answer, is worth saying."""
BEFORE = 3
"""Layers below a turn to another script, most of which must agree on one."""
LATE = 0.5
"""Share of the depth below which scripts change without meaning: the lens reads little there."""
NEAR = 1.0
"""KL to the final distribution, nat, below which a layer's prediction counts as near it."""
FEWEST_RIGHT = 5
"""Right answers below which nothing is told of where half of them begin to lead."""


@dataclass(frozen=True)
class _Trace:
    """What the layers say after one prompt."""

    prompt: str
    tops: Sequence[Mapping[str, Any]]
    """(layer) the row of rank 1 of `top` at the last position."""
    settled: int

    @property
    def is_sure(self) -> bool:
        """Whether the answer is likely enough for a statement."""
        return float(self.tops[-1]["probability"]) >= SURE

    @property
    def told(self) -> str:
        """The answer, with the start of its prompt."""
        return quote_answer(str(self.tops[-1]["token"]), self.prompt)


@dataclass(frozen=True)
class Turn:
    """Where the most likely tokens change from one script to another."""

    layer: int
    """The first in the new script."""
    before: str
    after: str


def tell(view: SubjectView) -> str:
    """The answers and the layers at which they settle; turns to another script; what the last layer overturns."""
    traces = _traces(view)
    if not any(trace.is_sure for trace in traces):
        none = say(
            "logit_lens.no_clear_statement",
            "No clear statement about {model}: after no prompt has any token a probability of {threshold} or more.",
            model=view.name,
            threshold=write_share(SURE),
        )
        return sentences([none, _tell_right(view), *_tell_followed(view)])
    return sentences([*_tell_traces(view.name, traces), _tell_right(view), *_tell_followed(view)])


def _tell_traces(name: str, traces: Sequence[_Trace]) -> list[str]:
    """What is found after some prompts, a sure answer after one of them at least."""
    sure = [trace for trace in traces if trace.is_sure]
    return [
        _tell_settling(name, sure),
        _tell_turning(name, sure),
        _tell_overturning(name, traces),
        _tell_fragments(name, traces),
    ]


def _traces(view: SubjectView) -> list[_Trace]:
    """The first trace of every prompt."""
    texts, ranks = quote_prompts(view.outcome), view.values("answer_rank")[:, 0]
    tops: dict[int, dict[int, dict[int, Mapping[str, Any]]]] = {}
    for record in view.rows("top"):
        if record["rank"] == 1 and record["step"] == 0:
            at = tops.setdefault(record["prompt"], {}).setdefault(record["position"], {})
            at[record["layer"]] = record
    last = {prompt: by_position[max(by_position)] for prompt, by_position in sorted(tops.items())}
    return [
        _Trace(texts[prompt], [by_layer[layer] for layer in sorted(by_layer)], leads_from(ranks[prompt]))
        for prompt, by_layer in last.items()
    ]


def _tell_right(view: SubjectView) -> str:
    """After how many prompts the right answer leads in the end, and from which layer on; empty if none is known."""
    asked = list_asked(view)
    if not asked:
        return ""
    ranks = view.values("right_rank")[asked, 0]
    right = int((ranks[:, -1] == 1).sum())
    if len(asked) == 1:
        return _tell_only_right(view, asked[0], ranks[0])
    told = say(
        "logit_lens.right",
        "In {model}, the right answer leads after {right} of the {count} prompts whose answers it tells apart.",
        model=view.name,
        right=write_count(right),
        count=write_count(len(asked)),
    )
    layer = view.metric("right_layer")
    if layer is None or right < FEWEST_RIGHT:
        return told
    half = say(
        "logit_lens.right_from",
        "Half of these right answers lead from layer {layer} of {last} on.",
        layer=int(layer),
        last=view.last_layer,
    )
    return sentences([told, half])


def _tell_only_right(view: SubjectView, prompt: int, ranks: NDArray[Any]) -> str:
    """The same of the only prompt that was asked: `ranks` is (layer)."""
    values = {"model": view.name, "where": after_prompt(view, prompt), "last": view.last_layer}
    if ranks[-1] == 1:
        return say(
            "logit_lens.only_right",
            "In {model}, {where}, the right answer leads from layer {layer} of {last} on.",
            layer=leads_from(ranks),
            **values,
        )
    best = int(ranks.argmin())
    return say(
        "logit_lens.only_wrong",
        "In {model}, {where}, the right answer has rank {rank} in the end; at best {best}, at layer {layer} of {last}.",
        rank=write_count(int(ranks[-1])),
        best=write_count(int(ranks[best])),
        layer=best,
        **values,
    )


def _tell_followed(view: SubjectView) -> list[str]:
    prompts = range(min(FOLLOWED, len(quote_prompts(view.outcome)))) if "followed" in view.outcome.tables else ()
    return [tell_followed(view.name, after_prompt(view, prompt), followed_at(view, prompt)) for prompt in prompts]


def _tell_settling(name: str, sure: Sequence[_Trace]) -> str:
    """From which layer on the answers lead."""
    last = len(sure[0].tops) - 1
    first, final = min(trace.settled for trace in sure), max(trace.settled for trace in sure)
    told = [trace.told for trace in sure[:TOLD]]
    if len(sure) > TOLD:
        told.append(say_count("logit_lens.more", "{count} more", "{count} more", len(sure) - TOLD))
    values = {"model": name, "first": first, "final": final, "last": last, "answers": list_items(told)}
    if first == last:
        return say("logit_lens.settles_last", "{model} settles only in its last layer, {last}: {answers}.", **values)
    if first == final:
        return say("logit_lens.settles_at", "{model} settles at layer {first} of {last}: {answers}.", **values)
    return say(
        "logit_lens.settles_between",
        "{model} settles between layers {first} and {final} of {last}: {answers}.",
        **values,
    )


def _tell_turning(name: str, sure: Sequence[_Trace]) -> str:
    """The turn to another script that most prompts make; nothing where none makes one."""
    turns = [turn for trace in sure if (turn := turn_of([str(top["token"]) for top in trace.tops])) is not None]
    if not turns:
        return ""
    scripts = [(turn.before, turn.after) for turn in turns]
    before, after = max(dict.fromkeys(scripts), key=scripts.count)
    layers = [turn.layer for turn in turns if (turn.before, turn.after) == (before, after)]
    names = script_names()
    values = {"model": name, "before": names[before], "after": names[after], "first": min(layers), "final": max(layers)}
    values |= {"last": len(sure[0].tops) - 1, "some": write_count(len(layers)), "all": write_count(len(sure))}
    if len(layers) < len(sure):
        places = sorted(set(layers))
        return say_count(
            "logit_lens.turns_in_some",
            "After {some} of {all} prompts, {model} turns from {before} to {after}, at layer {layers} of {last}.",
            "After {some} of {all} prompts, {model} turns from {before} to {after}, at layers {layers} of {last}.",
            len(places),
            layers=write_ranges(places),
            **values,
        )
    if min(layers) == max(layers):
        return say(
            "logit_lens.turns",
            "{model} turns from {before} to {after} at layer {first} of {last}.",
            **values,
        )
    return say(
        "logit_lens.turns_between",
        "{model} turns from {before} to {after} between layers {first} and {final} of {last}.",
        **values,
    )


def turn_of(tokens: Sequence[str]) -> Turn | None:
    """The turn to the answer's script in the upper half of the depth, where most of the layers just below agree.

    `tokens` is (layer) the likeliest token.
    """
    scripts = [script_of(token) for token in tokens]
    after = scripts[-1]
    if after is None:
        return None
    layer = len(scripts) - 1
    while layer and scripts[layer - 1] == after:
        layer -= 1
    below = scripts[max(layer - BEFORE, 0) : layer]
    before = max(below, key=below.count, default=None)
    if before in (None, after) or 2 * below.count(before) <= BEFORE or layer < LATE * (len(scripts) - 1):
        return None
    return Turn(layer, str(before), after)


def _tell_overturning(name: str, traces: Sequence[_Trace]) -> str:
    """The likeliest token that led until the last layer chose another; nothing where it was not likely."""
    led = [trace for trace in traces if trace.tops[-2]["token_id"] != trace.tops[-1]["token_id"]]
    most = max(led, key=lambda trace: float(trace.tops[-2]["probability"]), default=None)
    if most is None or float(most.tops[-2]["probability"]) < OVERTURNED or BYTES.fullmatch(most.tops[-2]["token"]):
        return ""
    before = most.tops[-2]
    if not str(before["token"]).strip():  # a space that gives way says nothing
        return ""
    return say(
        "logit_lens.overturned",
        "In {model}, the last layer overturns “{token}” ({probability} one layer before) in favour of {answer}.",
        model=name,
        token=mark_space(str(before["token"])),
        probability=write_share(float(before["probability"])),
        answer=most.told,
    )


def _tell_fragments(name: str, traces: Sequence[_Trace]) -> str:
    """How many answers are bytes of a character; nothing where none is."""
    count = sum(BYTES.fullmatch(str(trace.tops[-1]["token"])) is not None for trace in traces)
    if not count:
        return ""
    return say_count(
        "logit_lens.fragments",
        "{count} answer of {model} is only a fragment of a character.",
        "{count} answers of {model} are only fragments of characters.",
        count,
        model=name,
    )


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """What the curves of entropy and KL show: the mean of the prompts by layer; a grid of one prompt, of several: what
    is found after that.
    """
    if figure.name.startswith("grid-"):
        traces, quoted = _traces(view), list_quotes(figure.title)
        shown = [trace for trace in traces if trace.prompt in quoted]
        return sentences(_tell_traces(view.name, shown)) if len(shown) == 1 < len(traces) and shown[0].is_sure else ""
    if figure.name not in ("entropy", "kl"):
        return ""
    means = view.values(figure.name)[:, 0].mean(0)
    if not np.isfinite(means).all():
        return ""
    return _tell_entropy(view, means) if figure.name == "entropy" else _tell_kl(view, means)


def _tell_entropy(view: SubjectView, means: NDArray[Any]) -> str:
    """Where the layers are least and most sure: `means` is (layer) entropy, nat.

    Not of layer 0: an embedding that is read names the token that it is of, often with certainty, and expects nothing.
    """
    means = means[1:]
    return say(
        "logit_lens.entropy_shown",
        "Behind the embedding, {model} is least sure at layer {unsure} of {last} (entropy {most} nat) and surest at "
        "layer {sure} ({least} nat), on average over the prompts.",
        model=view.name,
        unsure=1 + int(means.argmax()),
        sure=1 + int(means.argmin()),
        last=view.last_layer,
        most=write_number(means.max(), 2),
        least=write_number(means.min(), 2),
    )


def _tell_kl(view: SubjectView, means: NDArray[Any]) -> str:
    """From which layer on the prediction is near the final one: `means` is (layer) KL, nat."""
    near = leads_from(np.where(means < NEAR, 1, 2))
    return say(
        "logit_lens.kl_shown",
        "{model} is within {near} nat of its final distribution from layer {layer} of {last} on, on average over the "
        "prompts; furthest from it at layer {far} ({most} nat).",
        model=view.name,
        near=write_setting(NEAR),
        layer=near,
        last=view.last_layer,
        far=int(means.argmax()),
        most=write_number(means.max(), 2),
    )


def tell_briefly(view: SubjectView) -> str:
    """The layer at which half of the sure answers have settled, and how many are sure."""
    traces = _traces(view)
    sure = sorted(trace.settled for trace in traces if float(trace.tops[-1]["probability"]) >= SURE)
    if not sure:
        return say("logit_lens.brief_none", "no answer of {threshold} or more", threshold=write_share(SURE))
    values = {"depth": write_depth(sure[(len(sure) - 1) // 2], view.last_layer), "sure": write_count(len(sure))}
    if len(sure) == len(traces):
        return say_count(
            "logit_lens.brief",
            "settles at layer {depth}",
            "settles at layer {depth}, median of {count} prompts",
            len(traces),
            **values,
        )
    return say_count(
        "logit_lens.brief_some",
        "settles at layer {depth}, in the {sure} of {count} prompts with a clear answer",
        "settles at layer {depth}, median of the {sure} of {count} prompts with a clear answer",
        len(traces),
        **values,
    )
