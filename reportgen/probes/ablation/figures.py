"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import listed, say
from reportgen.numerals import write_signed
from reportgen.probes.ablation import WRITES
from reportgen.probes.ablation.view import is_unmeasured
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

_WHOLE = ("attention", "mlp", "blocks")


@dataclass(frozen=True)
class _View:
    """What is drawn of one model: changes of the loss, or of one answer's probability."""

    name: str
    what: str
    unit: str
    heads: NDArray[Any]
    kinds: Mapping[str, NDArray[Any]]
    """Attention, MLP or block -> (block)."""
    blocks: Sequence[int]

    @classmethod
    def of_loss(cls, outcome: Outcome) -> _View:
        values = {kind: outcome.arrays[kind].values for kind in WRITES}
        return cls._of(
            outcome, "loss", _title(outcome), say("ablation.nats", "change of the loss (nats a token)"), values
        )

    @classmethod
    def of_answer(cls, outcome: Outcome, prompt: int) -> _View | None:
        records = outcome.tables["texts"].records()
        if prompt >= len(records) or records[prompt]["answer_id"] is None:
            return None
        record, texts = records[prompt], outcome.tables["prompts"].column("text")
        title = say(
            "ablation.answer.title",
            "“{answer}” after “{prompt}”, one part less",
            answer=mark_space(str(record["answer"])),
            prompt=texts[prompt],
        )
        values = {kind: outcome.arrays[f"answer_{kind}"].values[prompt] for kind in WRITES}
        unit = say("ablation.probability", "change of the answer's probability")
        return cls._of(outcome, f"answer-{prompt}", title, unit, values)

    @classmethod
    def _of(cls, outcome: Outcome, name: str, what: str, unit: str, values: Mapping[str, NDArray[Any]]) -> _View:
        kinds = {_kind(kind): values[kind] for kind in _WHOLE if not is_unmeasured(values[kind])}
        return cls(name, what, unit, values["heads"], kinds, outcome.arrays["heads"].along("block"))


def figures(section: Section) -> Iterable[Figure]:
    """Heads as a map, attention, MLPs and blocks as curves, of the loss; the same of each answer."""
    ok = section.ok()
    yield from _drawn(section, {subject: _View.of_loss(outcome) for subject, outcome in ok.items()})
    for prompt in range(max((len(outcome.tables["texts"].rows) for outcome in ok.values()), default=0)):
        views = {subject: _View.of_answer(outcome, prompt) for subject, outcome in ok.items()}
        yield from _drawn(section, {subject: view for subject, view in views.items() if view is not None})


def _title(outcome: Outcome) -> str:
    if outcome.options["method"] == "mean":
        return say("ablation.mean.title", "one part at a time replaced by its mean")
    return say("ablation.zero.title", "one part at a time set to zero")


def _kind(kind: str) -> str:
    if kind == "attention":
        return say("ablation.attention", "attention")
    if kind == "mlp":
        return say("ablation.mlp", "MLP")
    return say("ablation.block", "whole block")


def _drawn(section: Section, views: Mapping[str, _View]) -> Iterator[Figure]:
    """Maps and curves of all models on shared scales."""
    with_heads = {subject: view for subject, view in views.items() if not is_unmeasured(view.heads)}
    most = max((float(abs(view.heads).max()) for view in with_heads.values()), default=0.0)
    for subject, view in with_heads.items():
        yield _map(section.name(subject), subject, view, most)
    with_kinds = {subject: view for subject, view in views.items() if view.kinds}
    every = [float(value) for view in with_kinds.values() for values in view.kinds.values() for value in values]
    room = 0.05 * ((max(every) - min(every)) or 1.0) if every else 0.0
    for subject, view in with_kinds.items():
        yield _curves(section.name(subject), subject, view, (min(0.0, *every) - room, max(0.0, *every) + room))


def _map(name: str, subject: str, view: _View, most: float) -> HeatMap:
    row, head = np.unravel_index(abs(view.heads).argmax(), view.heads.shape)
    rows = list(view.blocks)
    every = rows == list(range(len(rows)))
    return HeatMap(
        name=f"{view.name}-heads",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=view.what),
        alt=say(
            "ablation.map.alt",
            "{what} for each head of {model}; most: head {block}.{head}, {value}",
            what=view.unit,
            model=name,
            block=rows[row],
            head=head,
            value=write_signed(view.heads[row, head]),
        ),
        values=view.heads,
        # Rows of a heat map count from 0: where only some blocks were asked for, the axis names them.
        row_label=say("figure.block", "block")
        if every
        else say("ablation.some_blocks", "blocks {blocks}", blocks=listed([str(block) for block in rows])),
        column_label=say("figure.head", "head"),
        value_label=view.unit,
        scale="diverging",
        value_range=(-most, most),
    )


def _curves(name: str, subject: str, view: _View, shared: tuple[float, float]) -> Curves:
    curves = [
        Curve(label=kind, x=list(view.blocks), y=values.tolist(), group=kind) for kind, values in view.kinds.items()
    ]
    ends = [
        say(
            "ablation.curve",
            "{curve}: most in block {block}, {value}",
            curve=curve.label,
            block=curve.x[max(range(len(curve.y)), key=lambda at: abs(curve.y[at]))],
            value=write_signed(max(curve.y, key=abs)),
        )
        for curve in curves
    ]
    return Curves(
        name=f"{view.name}-blocks",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=view.what),
        alt=say(
            "ablation.curves.alt",
            "{what} for each block of {model}: {curves}",
            what=view.unit,
            model=name,
            curves=listed(ends),
        ),
        x_label=say("figure.block", "block"),
        y_label=view.unit,
        curves=curves,
        references={say("ablation.nothing", "no change"): 0.0},
        y_range=shared,
    )
