"""The words that are followed through the layers, as its figures and its sentence read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves
from reportgen.language import list_items, say, say_count
from reportgen.numerals import write_count
from reportgen.probing.axes import fit_axes
from reportgen.probing.parts import describe_curves
from reportgen.probing.probe import axis_label, prompt_labels
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

DRAWN = 6
"""Prompts whose followed words are drawn."""
TOLD = 3
"""Prompts whose followed words a statement tells of."""


@dataclass(frozen=True)
class Followed:
    """A word that is followed, after one prompt."""

    label: str
    """Its token, and the word where it has several."""
    token_id: int
    ranks: NDArray[np.float32]
    """(layer) from 1."""
    probabilities: NDArray[np.float32]
    """(layer)"""


def followed_after(view: SubjectView, prompt: int) -> list[Followed]:
    """The followed words at the end of a prompt; none in bundles that hold none."""
    rows = view.rows("followed") if "followed" in view.outcome.tables else []
    if not rows:
        return []
    ranks, probabilities = (view.values(f"follow_{what}/{prompt}")[0] for what in ("rank", "probability"))
    return [
        Followed(
            _label(str(row["text"]), str(row["token"]), row["pieces"]), row["token_id"], ranks[at], probabilities[at]
        )
        for at, row in enumerate(rows)
    ]


def _label(text: str, token: str, pieces: int) -> str:
    if pieces == 1:
        return mark_space(token)
    return say("logit_lens.first_of", "{token} (first of “{text}”)", token=mark_space(token), text=mark_space(text))


def draw_followed(views: Sequence[SubjectView]) -> Iterable[Curves]:
    """Probability and rank of the followed words over the layers, prompt by prompt, all models on one scale."""
    for prompt in range(min(DRAWN, max((len(view.rows("prompts")) for view in views), default=0))):
        found = {view.subject: followed_after(view, prompt) for view in views}
        shown = [view for view in views if found[view.subject]]
        for name, label in _labels().items():
            values = [_drawn_values(found[view.subject], name) for view in shown]
            axes = fit_axes(values, [range(of_one.shape[1]) for of_one in values], from_zero=True) if shown else []
            for view, drawn, axis in zip(shown, values, axes, strict=True):
                relative = view.options["axis"] == "relative"
                last = drawn.shape[1] - 1
                x = [layer / last if relative else layer for layer in range(last + 1)]
                yield describe_curves(
                    view,
                    name=f"follow-{name}-{prompt}",
                    title=say(
                        "logit_lens.follow.title",
                        "{model}: {what} after “{prompt}”",
                        model=view.name,
                        what=label,
                        prompt=prompt_labels(view.outcome)[prompt],
                    ),
                    what=label,
                    x_label=axis_label(relative=relative),
                    curves=[
                        Curve(label=one.label, x=x, y=row.tolist(), group=one.label)
                        for one, row in zip(found[view.subject], drawn, strict=True)
                    ],
                    y_label=axis.name(label),
                    y_range=axis.ends,
                    x_range=(0.0, 1.0) if relative else None,
                )


def _labels() -> dict[str, str]:
    return {
        "probability": say("logit_lens.follow.probability", "probability of the followed words"),
        "rank": say("logit_lens.follow.rank", "rank of the followed words, powers of ten (0 = first)"),
    }


def _drawn_values(found: Sequence[Followed], name: str) -> NDArray[np.float32]:
    """(word x layer) what is drawn: ranks as powers of ten, since only the first few are near the answer."""
    if name == "probability":
        return np.stack([one.probabilities for one in found])
    return np.log10(np.stack([one.ranks for one in found]))


def tell_followed(view: SubjectView) -> list[str]:
    """Which of the followed words lead, in which layers; of those that never do, how near they come."""
    told = []
    for prompt, label in enumerate(prompt_labels(view.outcome)[:TOLD]):
        found = followed_after(view, prompt)
        if found:
            told.append(
                say(
                    "logit_lens.followed",
                    "After “{prompt}” in {model}, {words}.",
                    model=view.name,
                    prompt=label,
                    words=list_items([_tell_word(one) for one in found]),
                )
            )
    return told


def _tell_word(word: Followed) -> str:
    leads = [int(layer) for layer in np.flatnonzero(word.ranks == 1)]
    last = len(word.ranks) - 1
    if leads:
        return say_count(
            "logit_lens.word_leads",
            "“{word}” leads at layer {layers} of {last}",
            "“{word}” leads at layers {layers} of {last}",
            len(leads),
            word=word.label,
            layers=_list_runs(leads),
            last=last,
        )
    best = int(np.argmin(word.ranks))
    return say(
        "logit_lens.word_never_leads",
        "“{word}” never leads (rank {rank} at layer {layer} at best)",
        word=word.label,
        rank=write_count(int(word.ranks[best])),
        layer=best,
    )


def _list_runs(layers: Sequence[int]) -> str:
    """13–16 and 18 of 13, 14, 15, 16, 18."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return list_items([str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs])
