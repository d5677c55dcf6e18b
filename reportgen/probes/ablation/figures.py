"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import list_items, say
from reportgen.numerals import write_signed
from reportgen.numerics.resampling import FEWEST, ratio_interval_95
from reportgen.probes.ablation.parts import WRITES
from reportgen.probes.ablation.view import is_unmeasured
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_head_map
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

_WHOLE = ("attention", "mlp", "blocks")


@dataclass(frozen=True)
class _Changes:
    """What is drawn of one model: changes of the loss, or of one answer's probability."""

    view: SubjectView
    name: str
    what: str
    unit: str
    heads: NDArray[Any]
    kinds: Mapping[str, NDArray[Any]]
    """Attention, MLP or block -> (block)."""
    bands: Mapping[str, NDArray[Any]]
    """The same -> (2 x block) ends of the 95 % interval, where there are enough texts for one."""

    @classmethod
    def of_loss(cls, view: SubjectView) -> _Changes:
        values = {kind: view.values(kind) for kind in WRITES}
        bands = _find_bands(view)
        unit = say("ablation.nats", "change of the loss (nats per token)")
        return cls._of_values(view, "loss", _title(view), unit, values, bands)

    @classmethod
    def of_answer(cls, view: SubjectView, prompt: int) -> _Changes | None:
        records = view.rows("texts")
        if prompt >= len(records) or records[prompt]["answer"] is None:
            return None
        record, texts = records[prompt], view.column("prompts", "text")
        title = say(
            "ablation.answer.title",
            "“{answer}” after “{prompt}”, one part removed",
            answer=mark_space(str(record["answer"])),
            prompt=texts[prompt],
        )
        values = {kind: view.values(f"answer_{kind}")[prompt] for kind in WRITES}
        unit = say("ablation.probability", "change of the answer's probability")
        return cls._of_values(view, f"answer-{prompt}", title, unit, values)

    @classmethod
    def _of_values(
        cls,
        view: SubjectView,
        name: str,
        what: str,
        unit: str,
        values: Mapping[str, NDArray[Any]],
        bands: Mapping[str, NDArray[Any]] | None = None,
    ) -> _Changes:
        kinds = {_kind(kind): values[kind] for kind in _WHOLE if not is_unmeasured(values[kind])}
        return cls(view, name, what, unit, values["heads"], kinds, bands or {})

    @property
    def blocks(self) -> list[int]:
        """Those without which the model was measured."""
        return list(self.view.along("heads", "block"))


def figures(section: Section) -> Iterable[Figure]:
    """Heads as a map, attention, MLPs and blocks as curves, of the loss; the same of each answer."""
    views = SubjectView.each(section)
    yield from _draw_changes([_Changes.of_loss(view) for view in views])
    for prompt in range(max((len(view.rows("texts")) for view in views), default=0)):
        yield from _draw_changes([found for view in views if (found := _Changes.of_answer(view, prompt)) is not None])


def _find_bands(view: SubjectView) -> dict[str, NDArray[Any]]:
    """Attention, MLP or block -> (2 x block) ends of the 95 % interval over texts; none of too few texts, nor in
    bundles that hold only the texts' mean.
    """
    predicted = np.array(view.column("texts", "predicted"))
    if len(predicted) < FEWEST or "text_mlp" not in view.outcome.arrays:
        return {}
    changes = {kind: view.values(f"text_{kind}") for kind in _WHOLE}
    return {
        _kind(kind): ratio_interval_95(change * predicted[:, None], predicted)
        for kind, change in changes.items()
        if not is_unmeasured(change)
    }


def _title(view: SubjectView) -> str:
    if view.options["method"] == "mean":
        return say("ablation.mean.title", "one part at a time replaced by its mean")
    return say("ablation.zero.title", "one part at a time set to zero")


def _kind(kind: str) -> str:
    if kind == "attention":
        return say("ablation.attention", "attention")
    if kind == "mlp":
        return say("ablation.mlp", "MLP")
    return say("ablation.block", "whole block")


def _draw_changes(changes: Sequence[_Changes]) -> Iterator[Figure]:
    """Maps and curves of all models on shared scales."""
    with_heads = [one for one in changes if not is_unmeasured(one.heads)]
    most = max((float(abs(one.heads).max()) for one in with_heads), default=0.0)
    for one in with_heads:
        yield _map(one, most)
    with_kinds = [one for one in changes if one.kinds]
    if not with_kinds:
        return
    every = [
        np.concatenate([np.ravel(some) for some in (*one.kinds.values(), *one.bands.values())])[None]
        for one in with_kinds
    ]
    axes = fit_axes(every, [range(of_one.shape[1]) for of_one in every], including=0.0)
    for one, axis in zip(with_kinds, axes, strict=True):
        yield _curves(one, axis)


def _map(changes: _Changes, most: float) -> HeatMap:
    row, head = np.unravel_index(abs(changes.heads).argmax(), changes.heads.shape)
    rows = changes.blocks
    every = rows == list(range(len(rows)))
    return describe_head_map(
        changes.view,
        name=f"{changes.name}-heads",
        title=say("figure.of_model", "{model}: {what}", model=changes.view.name, what=changes.what),
        alt=say(
            "ablation.map.alt",
            "{what} for each head of {model}; largest: head {block}.{head}, {value}",
            what=changes.unit,
            model=changes.view.name,
            block=rows[row],
            head=head,
            value=write_signed(changes.heads[row, head]),
        ),
        values=changes.heads,
        # Rows of a heat map count from 0: where only some blocks were asked for, the axis names them.
        row_label=say("figure.block", "block")
        if every
        else say("ablation.some_blocks", "blocks {blocks}", blocks=list_items([str(block) for block in rows])),
        value_label=changes.unit,
        scale="diverging",
        value_range=(-most, most),
    )


def _label_curves(changes: _Changes) -> str:
    """What is on the vertical axis, and what the bands are."""
    if not changes.bands:
        return changes.unit
    count = len(changes.view.rows("texts"))
    return say("ablation.nats_banded", "change of the loss, nats per token (95 % band over {count} texts)", count=count)


def _band_of(changes: _Changes, kind: str) -> tuple[list[float], list[float]] | None:
    if kind not in changes.bands:
        return None
    low, high = changes.bands[kind].tolist()
    return low, high


def _curves(changes: _Changes, axis: Axis) -> Curves:
    curves = [
        Curve(label=kind, x=changes.blocks, y=values.tolist(), group=kind, band=_band_of(changes, kind))
        for kind, values in changes.kinds.items()
    ]
    ends = [
        say(
            "ablation.curve",
            "{curve}: largest in block {block}, {value}",
            curve=curve.label,
            block=curve.x[max(range(len(curve.y)), key=lambda at: abs(curve.y[at]))],
            value=write_signed(max(curve.y, key=abs)),
        )
        for curve in curves
    ]
    return Curves(
        name=f"{changes.name}-blocks",
        subject=(changes.view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=changes.view.name, what=changes.what),
        alt=say(
            "ablation.curves.alt",
            "{what} for each block of {model}: {curves}",
            what=changes.unit,
            model=changes.view.name,
            curves=list_items(ends),
        ),
        x_label=say("figure.block", "block"),
        y_label=axis.name(_label_curves(changes)),
        curves=curves,
        references={say("ablation.nothing", "no change"): 0.0},
        y_range=axis.ends,
    )
