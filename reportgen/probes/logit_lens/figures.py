"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import list_items, say, say_count, unit_of
from reportgen.probes.logit_lens.view import after_prompt, list_asked, quote_answer
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.followed import draw_followed, followed_at
from reportgen.probing.parts import describe_curves, describe_layer_grid
from reportgen.probing.probe import axis_label, place_layers, prompt_labels, quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space, name_joined

NAMED = 90
"""Characters of prompts that the title of their common grid holds; where there are more, it numbers them."""
WIDEST = 14
"""Columns of a grid."""
DRAWN = 6
"""Prompts whose followed words are drawn."""
MOST_CURVES = 8
"""Prompts up to which each has a curve of its own."""


@dataclass(frozen=True)
class _Column:
    """A column of a grid: where its tokens were read, and what stands above it."""

    prompt: int
    step: int
    position: int
    head: str


@dataclass(frozen=True)
class _Cells:
    """The likeliest tokens of an outcome by place: tables are long, and looked through once."""

    at: Mapping[tuple[int, int, int, int], Mapping[str, Any]]
    """(prompt, step, position, layer) -> the row of rank 1."""
    others: Mapping[tuple[int, int, int, int], Sequence[tuple[str, float]]]
    """The same -> the tokens of the further ranks, with their probabilities."""
    places: Mapping[int, Sequence[tuple[int, int]]]
    """Prompt -> its (step, position), in order."""
    tokens: Mapping[int, Sequence[str]]
    """Prompt -> its tokens."""
    answers: Mapping[tuple[int, int], str]
    """(prompt, step) -> the token that follows."""
    labels: Sequence[str]
    """(prompt) what heads a column."""
    texts: Sequence[str]
    """(prompt) what stands between quotation marks."""
    last: int
    """The last layer."""
    every_position: bool


def figures(section: Section) -> Iterable[Figure]:
    """Grids side by side; curves of entropy, KL and the answer's probability."""
    views = SubjectView.each(section)
    cells = {view.subject: _cells(view) for view in views}
    columns = {view.subject: _columns(view, cells[view.subject]) for view in views}
    for number in range(max((len(grids) for grids in columns.values()), default=0)):
        for view in views:
            if number < len(columns[view.subject]):
                yield _draw_grid(view, cells[view.subject], number, columns[view.subject][number])
    for view in views:
        if _records(view, "sublayers"):
            inside, parts = _collect_sublayers(view, cells[view.subject]), _inside_rows(view)
            for number, grid in enumerate(columns[view.subject]):
                yield _draw_grid(view, inside, number, grid, parts)
    for view in views:
        if _records(view, "pairs"):
            yield _draw_kl_between(view)
    yield from _draw_followed(views)
    for name, label in _curve_labels().items():
        values = [view.values(name)[:, 0] for view in views]
        axes = fit_axes(values, [range(of_one.shape[1]) for of_one in values], cut=name == "kl", from_zero=True)
        for view, axis in zip(views, axes, strict=True):
            yield _curves(view, name, label, axis)
    yield from _draw_right_answers(views)


def _draw_right_answers(views: Sequence[SubjectView]) -> Iterable[Curves]:
    """The way of the right answers, of the prompts that each model was asked."""
    asked = [(view, list_asked(view)) for view in views]
    for name, label in _right_labels().items():
        values = [_right_values(view, name, prompts) for view, prompts in asked if prompts]
        axes = iter(fit_axes(values, [range(of_one.shape[1]) for of_one in values], from_zero=True) if values else [])
        for view, prompts in asked:
            if prompts:
                yield _curves(view, name, label, next(axes), _right_values(view, name, prompts), prompts)


def _right_labels() -> dict[str, str]:
    return {
        "right_probability": say("logit_lens.right_probability", "probability of the right answer"),
        "right_rank": say("logit_lens.right_rank", "rank of the right answer, powers of ten (0 = first)"),
    }


def _right_values(view: SubjectView, name: str, prompts: Sequence[int]) -> NDArray[Any]:
    """(prompt x layer) what is drawn: ranks as powers of ten, since only the first few are near the answer."""
    values: NDArray[Any] = view.values(name)[prompts, 0]
    return np.log10(values) if name == "right_rank" else values


def _draw_followed(views: Sequence[SubjectView]) -> Iterable[Figure]:
    """The way of the followed words to the end of each prompt."""
    for prompt in range(min(DRAWN, max((len(view.rows("prompts")) for view in views), default=0))):
        # a model has fewer where a prompt holds a token that it has no row for
        having = [view for view in views if prompt < len(view.rows("prompts"))]
        shown = [(view, after_prompt(view, prompt), followed_at(view, prompt)) for view in having]
        relative = any(view.options["axis"] == "relative" for view in views)
        yield from draw_followed(shown, str(prompt), relative=relative)


def _cells(view: SubjectView) -> _Cells:
    heads = []
    others: dict[tuple[int, int, int, int], list[tuple[str, float]]] = {}
    for record in view.rows("top"):
        if record["rank"] == 1:
            heads.append(record)
        else:
            place = (record["prompt"], record["step"], record["position"], record["layer"])
            others.setdefault(place, []).append((str(record["token"]), record["probability"]))
    places: dict[int, dict[tuple[int, int], None]] = {}
    for record in heads:
        places.setdefault(record["prompt"], {})[record["step"], record["position"]] = None
    tokens: dict[int, list[str]] = {}
    for record in view.rows("tokens"):
        tokens.setdefault(record["prompt"], []).append(record["token"])
    return _Cells(
        at={(r["prompt"], r["step"], r["position"], r["layer"]): r for r in heads},
        others=others,
        places={prompt: sorted(found) for prompt, found in places.items()},
        tokens=tokens,
        answers={(r["prompt"], r["step"]): str(r["next_token"]) for r in view.rows("steps")},
        labels=prompt_labels(view.outcome),
        texts=quote_prompts(view.outcome),
        last=max((record["layer"] for record in heads), default=0),
        every_position=view.options["positions"] == "all",
    )


def _columns(view: SubjectView, cells: _Cells) -> list[list[_Column]]:
    """The columns of each grid: a grid a prompt, or, where each prompt has but one column, of many prompts."""
    by_prompt = [_columns_of(cells, prompt) for prompt in range(len(view.rows("prompts")))]
    together = [[column for columns in by_prompt for column in columns]] if len(by_prompt) > 1 else by_prompt
    grids = together if all(len(columns) == 1 for columns in by_prompt) else by_prompt
    # A wider grid would have to be scrolled on a screen and be too small to read on paper.
    return [grid[at : at + WIDEST] for grid in grids for at in range(0, len(grid), WIDEST)]


def _columns_of(cells: _Cells, prompt: int) -> list[_Column]:
    columns = []
    places = cells.places.get(prompt, ())
    last = max((step for step, _ in places), default=0)
    written = name_joined([cells.answers[prompt, step] for step in range(last)])
    read = name_joined(cells.tokens[prompt]) if cells.every_position else []
    for step, position in places:
        if step > 0:
            head = f"+ {mark_space(written[step - 1])}"
        else:
            head = mark_space(read[position]) if cells.every_position else cells.labels[prompt]
        columns.append(_Column(prompt, step, position, head))
    return columns


def _records(view: SubjectView, name: str) -> list[dict[str, Any]]:
    """The rows of a table that bundles of an earlier version do not have."""
    return view.rows(name) if name in view.outcome.tables else []


def _inside_rows(view: SubjectView) -> list[str]:
    """What the rows of a grid of the parts of blocks are called, from the bottom."""
    names = {"attention": say("logit_lens.attention", "attention"), "mlp": say("logit_lens.mlp", "MLP")}
    known = dict.fromkeys((r["block"], r["part"]) for r in view.rows("sublayers"))
    parts = [say("logit_lens.part_of_block", "{block} {part}", block=block, part=names[part]) for block, part in known]
    return parts if "mlp" in view.options["rows"] else [*parts, say("logit_lens.own", "answer")]


def _collect_sublayers(view: SubjectView, cells: _Cells) -> _Cells:
    """The likeliest tokens after each part of each block, the model's own answer above them."""
    records = view.rows("sublayers")
    rows = {key: row for row, key in enumerate(dict.fromkeys((r["block"], r["part"]) for r in records))}
    at: dict[tuple[int, int, int, int], Mapping[str, Any]] = {}
    others: dict[tuple[int, int, int, int], list[tuple[str, float]]] = {}
    for record in records:
        place = (record["prompt"], record["step"], record["position"], rows[record["block"], record["part"]])
        if record["rank"] == 1:
            at[place] = record
        else:
            others.setdefault(place, []).append((str(record["token"]), record["probability"]))
    if "mlp" in view.options["rows"]:  # the last MLP's row is the model's own answer
        return replace(cells, at=at, others=others, last=len(rows) - 1)
    own = {(*place[:3], len(rows)): record for place, record in cells.at.items() if place[3] == cells.last}
    own_others = {(*place[:3], len(rows)): tokens for place, tokens in cells.others.items() if place[3] == cells.last}
    return replace(cells, at={**at, **own}, others={**others, **own_others}, last=len(rows))


def _draw_kl_between(view: SubjectView) -> Curves:
    """How far the layers of two prompts are from each other, a curve a pair."""
    labels, curves = prompt_labels(view.outcome), []
    relative = view.options["axis"] == "relative"
    for record in view.rows("pairs"):
        y = view.values(f"between/{record['pair']}").tolist()
        text = say("logit_lens.pair", "{one} · {other}", one=labels[record["one"]], other=labels[record["other"]])
        x = place_layers(len(y), relative=relative)
        curves.append(Curve(label=text, x=x, y=y, model=view.subject if len(view.rows("pairs")) == 1 else None,
                            group=text))  # fmt: skip
    label = say("logit_lens.between", "KL(one || other) (nat)")
    return describe_curves(
        view,
        name="between",
        title=say("logit_lens.between.title", "{model}: how far apart two prompts are", model=view.name),
        what=label,
        x_label=axis_label(relative=relative),
        curves=curves,
        y_range=_range([view.values(f"between/{pair}") for pair in range(len(curves))]),
        x_range=(0.0, 1.0) if relative else None,
    )


def _draw_grid(
    view: SubjectView,
    cells: _Cells,
    number: int,
    columns: Sequence[_Column],
    parts: Sequence[str] = (),
) -> TokenGrid:
    """Layers from the last at the top to the embedding at the bottom; or parts of blocks, so called from the bottom."""
    layers = range(cells.last, -1, -1)
    shown = [[cells.at[c.prompt, c.step, c.position, layer] for c in columns] for layer in layers]
    answers = [quote_answer(str(cell["token"]), c.head) for cell, c in zip(shown[0], columns, strict=True)]
    followed = {one.token_id for one in followed_at(view, columns[0].prompt)}
    return describe_layer_grid(
        view,
        name=f"inside-{number}" if parts else f"grid-{number}",
        title=_grid_title(view.name, cells, columns, of_parts=bool(parts)),
        alt=say(
            "logit_lens.grid.alt",
            "Most likely token of every layer of {model}. The last layer says {answers}",
            model=view.name,
            answers=list_items(answers),
        ),
        row_label=say("logit_lens.parts", "block, after its part") if parts else axis_label(relative=False),
        rows=[parts[layer] if parts else str(layer) for layer in layers],
        column_label=_column_label(cells),
        columns=[c.head for c in columns],
        texts=[[str(cell["token"]) for cell in row] for row in shown],
        values=np.array([[cell["probability"] for cell in row] for row in shown]),
        value_label=unit_of("probability"),
        outlined=np.array([[cell["token_id"] in {*followed, last["token_id"]}
                            for cell, last in zip(row, shown[0], strict=True)] for row in shown]),
        outline_label=say("logit_lens.outline_followed", "the final answer, or a followed word") if followed
        else say("logit_lens.outline", "the final answer"),
        alternatives=[[cells.others.get((c.prompt, c.step, c.position, layer), ()) for c in columns]
                      for layer in layers],
    )  # fmt: skip


def _grid_title(name: str, cells: _Cells, columns: Sequence[_Column], *, of_parts: bool) -> str:
    shown = _name_shown(cells, columns)
    if of_parts:
        return say(
            "logit_lens.inside.title",
            "{model}: what the parts of each block expect in {prompt}",
            model=name,
            prompt=shown,
        )
    if cells.every_position:
        return say("logit_lens.all.title", "{model}: what each layer expects in {prompt}", model=name, prompt=shown)
    return say("logit_lens.grid.title", "{model}: what each layer expects after {prompt}", model=name, prompt=shown)


def _name_shown(cells: _Cells, columns: Sequence[_Column]) -> str:
    """What a grid is about: a prompt, a part of one, or several."""
    first, last = columns[0], columns[-1]
    if first.prompt != last.prompt:
        # By the heads of their columns, several texts being too long for a title.
        quotes = {text: say("text.quoted", "“{text}”", text=text) for text in cells.texts}
        labels = dict.fromkeys(cells.labels[column.prompt] for column in columns)
        if sum(map(len, labels)) <= NAMED:
            return list_items([quotes.get(label, label) for label in labels])
        return say("logit_lens.prompts", "prompts {first}–{last}", first=first.prompt, last=last.prompt)
    if cells.every_position and len(cells.places[first.prompt]) > len(columns):
        return say(
            "logit_lens.positions",
            "“{prompt}” (positions {first}–{last})",
            prompt=cells.texts[first.prompt],
            first=first.position,
            last=last.position,
        )
    return say("text.quoted", "“{text}”", text=cells.texts[first.prompt])


def _column_label(cells: _Cells) -> str:
    if cells.every_position:
        return say("logit_lens.after_token", "after the token")
    return say("logit_lens.after_text", "after the text")


def _curve_labels() -> dict[str, str]:
    """Array -> the quantity on the vertical axis of its curves."""
    return {
        "answer_probability": say("logit_lens.answer_probability", "probability of the final answer"),
        "entropy": say("logit_lens.entropy", "entropy (nat)"),
        "kl": say("logit_lens.kl", "KL(final || layer) (nat)"),
    }


def _curve_titles() -> dict[str, str]:
    """Array -> what its curves show, in a few words."""
    return {
        "answer_probability": say(
            "logit_lens.answer_probability.title", "how likely the final answer is to each layer"
        ),
        "entropy": say("logit_lens.entropy.title", "how unsure each layer is (entropy)"),
        "kl": say("logit_lens.kl.title", "how far each layer is from the last (KL)"),
        "right_probability": say("logit_lens.right_probability.title", "how likely the right answer is to each layer"),
        "right_rank": say("logit_lens.right_rank.title", "rank of the right answer in each layer"),
    }


def _range(values: Sequence[NDArray[Any]]) -> tuple[float, float] | None:
    """From 0 to what the curves of one figure reach."""
    finite = [v[np.isfinite(v)] for v in values]
    top = max((float(v.max()) for v in finite if v.size), default=1.0)
    return 0.0, top * 1.05 or 1.0


def _curves(
    view: SubjectView,
    array: str,
    label: str,
    axis: Axis,
    of_prompts: NDArray[Any] | None = None,
    prompts: Sequence[int] | None = None,
) -> Curves:
    """One curve a prompt, at step 0: those of an array, or other (prompt x layer) values of some prompts."""
    relative = view.options["axis"] == "relative"
    values = view.values(array)[:, 0] if of_prompts is None else of_prompts
    x = place_layers(values.shape[1], relative=relative)
    every = prompt_labels(view.outcome)
    labels = every if prompts is None else [every[prompt] for prompt in prompts]
    if len(labels) > MOST_CURVES:
        low, middle, high = np.nanquantile(values, (0.1, 0.5, 0.9), axis=0).tolist()
        label_of_all = say_count(
            "logit_lens.median",
            "median of {count} prompt (band: 10 to 90 %)",
            "median of {count} prompts (band: 10 to 90 %)",
            len(labels),
        )
        curves = [Curve(label=label_of_all, x=x, y=middle, model=view.subject, band=(low, high))]
    else:
        only = view.subject if len(labels) == 1 else None
        named = zip(labels, values, strict=True)
        curves = [Curve(label=text, x=x, y=row.tolist(), model=only, group=text) for text, row in named]
    banded, at_last = len(labels) > MOST_CURVES, view.options["positions"] == "all"
    return describe_curves(
        view,
        name=array.replace("_", "-"),
        title=_curves_title(view.name, _curve_titles()[array], banded=banded, at_last=at_last),
        what=label,
        x_label=axis_label(relative=relative),
        curves=curves,
        y_label=axis.name(label),
        y_range=axis.ends,
        x_range=(0.0, 1.0) if relative else None,
    )


def _curves_title(name: str, label: str, *, banded: bool, at_last: bool) -> str:
    if banded and at_last:
        return say(
            "logit_lens.curves.banded_at_last",
            "{model}: {what}, band from the 10th to the 90th percentile, at the last position",
            model=name,
            what=label,
        )
    if banded:
        return say(
            "logit_lens.curves.banded",
            "{model}: {what}, band from the 10th to the 90th percentile",
            model=name,
            what=label,
        )
    if at_last:
        return say("logit_lens.curves.at_last", "{model}: {what}, at the last position", model=name, what=label)
    return say("figure.of_model", "{model}: {what}", model=name, what=label)
