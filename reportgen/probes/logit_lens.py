"""What each layer would say if it were the last (the logit lens, nostalgebraist 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.figures.fonts import mark_space
from reportgen.needs import Need, Pass, Site
from reportgen.probes.base import Case, Probe, ProbeOptions, Prompts, Section, Unusable, prompt_labels
from reportgen.result import Findings, Outcome, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.loaded import LoadedModel
    from reportgen.model.readout import Readout
    from reportgen.needs import Captured


_ANSWER = "final answer"
_CURVES = {
    "answer_probability": "probability of the final answer",
    "entropy": "entropy (nat)",
    "kl": "KL(final || layer) (nat)",
}
TOLD = 4
"""Prompts that a statement names."""
WIDEST = 14
"""Columns of a grid."""
MOST_CURVES = 8
"""Prompts up to which each has a curve of its own."""


class Options(ProbeOptions):
    """Which prompts, how far they continue, and what is kept."""

    prompts: Prompts
    """What the model reads."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 1
    """Traces: the first on the prompt itself, each next after one more greedy token."""
    top_k: Annotated[int, Field(ge=1, le=100)] = 5
    """Tokens kept a layer."""
    positions: Literal["last", "all"] = "last"
    """`all` reads every position of the prompt: a grid of layers x positions."""
    norm: Literal["final", "none"] = "final"
    """`none` leaves out the final norm, as the lecture's own variant does."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""


@dataclass(frozen=True, kw_only=True)
class Lens(Findings):
    """What the logit lens gives."""

    answer_entropy: float = metric("nat")
    """Mean over prompts of the entropy of the model's own distribution after the prompt: how sure it is."""
    settling_layer: float = metric("layer")
    """Mean over prompts of the first layer from which on the final answer leads to the end."""
    top: Rows = table("prompt", "step", "position", "layer", "rank", "token_id", "token", "probability")
    """The k likeliest tokens of softmax(scale(softcap(unembedding(final norm(residual stream))))) a layer; the last
    layer's row is the model's own distribution."""
    entropy: NDArray[np.float32] = array("prompt", "step", "layer", unit="nat")
    """(prompt x step x layer) -sum p ln p of the lens distribution at the last position."""
    kl: NDArray[np.float32] = array("prompt", "step", "layer", unit="nat", relative_to=_ANSWER)
    """(prompt x step x layer) KL(final || layer): how far the layer is from the model's own distribution."""
    answer_rank: NDArray[np.float32] = array("prompt", "step", "layer", unit="rank", relative_to=_ANSWER)
    """(prompt x step x layer) rank, from 1, of the model's final answer in the layer's distribution."""
    answer_probability: NDArray[np.float32] = array("prompt", "step", "layer", unit="probability", relative_to=_ANSWER)
    """(prompt x step x layer) probability of the model's final answer in the layer's distribution."""
    steps: Rows = table("prompt", "step", "length", "text", "next_token_id", "next_token")
    """The traces that took place: the text read (of `length` tokens) and the model's answer. A trace ends after
    the end token."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens of each prompt."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class LogitLens(Probe[Options, Lens]):
    """Shows: which token the model would write next if it stopped after each layer.

    Read: one column a step (or a position), one row a layer, from the embedding at the bottom to the model's own
    answer at the top; the darker a cell, the more probable its token. Outlined cells already hold the final answer.
    Entropy falls where a layer makes up its mind; KL says how far it still is from the final distribution.
    `<E9 A2>` is a token of bytes that are no whole character; ␣ marks a leading space.

    Computed: the residual stream after each layer goes through the model's own final norm, unembedding, softcap and
    output scaling, in float32; the last row is the model's own logits, in its own dtype. Entropy and KL(final ||
    layer) in nats. Steps append the likeliest token.
    """

    name = "logit_lens"
    version = 1
    question = "What does each layer expect next?"
    options = Options
    findings = Lens

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, with its steps."""
        needs = _needs(case)
        return [
            Pass(case.tokens(prompt, case.options.continue_), needs, case.options.continue_)
            for prompt in case.options.prompts
        ]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Lens:
        """All rows of all prompts through the unembedding together."""
        import torch

        from reportgen.model.readout import read_out, stacked_layers

        stream, final = _needs(case)
        places: list[_Place] = []
        residual: list[Tensor] = []
        normed: list[Tensor] = []
        for prompt, single in enumerate(captured):
            for step in range(single.steps):
                layers = single.kept(stream, step)
                residual.append(stacked_layers(layers))
                normed.append(single.kept(final, step)[0])
                places += _places(single, prompt, step, len(layers[0]))
        read = read_out(
            model, torch.cat(residual), torch.cat(normed), k=case.options.top_k, norm=case.options.norm == "final"
        )
        return _lens(case, places, read, captured)

    def figures(self, section: Section) -> Iterable[Figure]:
        """Grids side by side; curves of entropy, KL and the answer's probability."""
        ok = section.ok()
        cells = {subject: _cells(outcome) for subject, outcome in ok.items()}
        columns = {subject: _columns(outcome, cells[subject]) for subject, outcome in ok.items()}
        for number in range(max((len(grids) for grids in columns.values()), default=0)):
            for subject in ok:
                if number < len(columns[subject]):
                    yield _grid(section.name(subject), subject, cells[subject], number, columns[subject][number])
        for name, label in _CURVES.items():
            shared = _range([outcome.arrays[name].values[:, 0] for outcome in ok.values()])
            for subject, outcome in ok.items():
                yield _curves(section.name(subject), subject, outcome, name, label, shared)

    def statement(self, section: Section) -> str:
        """The answer to each prompt, and from which layer on it leads."""
        parts = []
        for subject, outcome in section.ok().items():
            last = outcome.arrays["answer_rank"].values.shape[-1] - 1
            answers = [r for r in outcome.tables["steps"].records() if r["step"] == 0]
            told = [_answer(outcome, record) for record in answers[:TOLD]]
            more = f" and {len(answers) - TOLD} more" if len(answers) > TOLD else ""
            parts.append(f"{section.name(subject)} ({last} layers) says {', '.join(told)}{more}")
        return "; ".join(parts) + "." if parts else ""


@dataclass(frozen=True)
class _Place:
    """Where a row of the lens was read."""

    prompt: int
    step: int
    position: int
    last: bool


def leads_from(ranks: NDArray[Any]) -> int:
    """The first layer from which on the final answer has rank 1 to the end."""
    import numpy as np

    behind = np.flatnonzero(ranks != 1)
    return int(behind[-1]) + 1 if len(behind) else 0


def _needs(case: Case[Options]) -> tuple[Need, Need]:
    positions = case.options.positions
    if case.facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    return Need(Site.RESIDUAL, positions, tuple(range(case.facts.layers))), Need(Site.FINAL, positions)


def _places(single: Captured, prompt: int, step: int, count: int) -> list[_Place]:
    end = single.prompt_length + step
    return [_Place(prompt, step, position, position == end - 1) for position in range(end - count, end)]


def _lens(case: Case[Options], places: Sequence[_Place], read: Readout, captured: Sequence[Captured]) -> Lens:
    import numpy as np

    ids, probabilities = read.token_ids.tolist(), read.probabilities.tolist()
    show = {i: case.tokenizer.show(i) for place in ids for layer in place for i in layer}
    top: Rows = []
    for place, by_layer, p_by_layer in zip(places, ids, probabilities, strict=True):
        for layer, (row, p_row) in enumerate(zip(by_layer, p_by_layer, strict=True)):
            for rank, (i, p) in enumerate(zip(row, p_row, strict=True), 1):
                top.append([place.prompt, place.step, place.position, layer, rank, i, show[i], p])
    tokens: Rows = []
    for prompt, single in enumerate(captured):
        shown = case.tokenizer.show_sequence(single.tokens[: single.prompt_length])
        tokens += [[prompt, position, token] for position, token in enumerate(shown)]
    steps: Rows = []
    for place, by_layer in zip(places, ids, strict=True):
        if place.last:
            text = case.tokenizer.decode(captured[place.prompt].tokens[: place.position + 1])
            answer = by_layer[-1][0]
            steps.append([place.prompt, place.step, place.position + 1, text, answer, show[answer]])
    entropy, ranks = _by_step(case, places, read.entropy), _by_step(case, places, read.answer_rank)
    return Lens(
        answer_entropy=float(entropy[:, 0, -1].mean()),
        settling_layer=float(np.mean([leads_from(of_prompt) for of_prompt in ranks[:, 0]])),
        top=top,
        entropy=entropy,
        kl=_by_step(case, places, read.kl),
        answer_rank=ranks,
        answer_probability=_by_step(case, places, read.answer_probability),
        steps=steps,
        tokens=tokens,
        prompts=case.prompt_rows(case.options.prompts),
    )


def _by_step(case: Case[Options], places: Sequence[_Place], values: Tensor) -> NDArray[np.float32]:
    """(prompt x step x layer) from (place x layer), NaN where a trace ended early."""
    import numpy as np

    read = values.float().cpu().numpy()
    by_step = np.full((len(case.options.prompts), case.options.continue_, read.shape[1]), np.nan, np.float32)
    for place, row in zip(places, read, strict=True):
        if place.last:
            by_step[place.prompt, place.step] = row
    return by_step


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
    places: Mapping[int, Sequence[tuple[int, int]]]
    """Prompt -> its (step, position), in order."""
    tokens: Mapping[int, Sequence[str]]
    """Prompt -> its tokens."""
    answers: Mapping[tuple[int, int], str]
    """(prompt, step) -> the token that follows."""
    labels: Sequence[str]
    last: int
    """The last layer."""
    every_position: bool


def _cells(outcome: Outcome) -> _Cells:
    heads = [record for record in outcome.tables["top"].records() if record["rank"] == 1]
    places: dict[int, dict[tuple[int, int], None]] = {}
    for record in heads:
        places.setdefault(record["prompt"], {})[record["step"], record["position"]] = None
    tokens: dict[int, list[str]] = {}
    for record in outcome.tables["tokens"].records():
        tokens.setdefault(record["prompt"], []).append(record["token"])
    return _Cells(
        at={(r["prompt"], r["step"], r["position"], r["layer"]): r for r in heads},
        places={prompt: sorted(found) for prompt, found in places.items()},
        tokens=tokens,
        answers={(r["prompt"], r["step"]): str(r["next_token"]) for r in outcome.tables["steps"].records()},
        labels=prompt_labels(outcome),
        last=max((record["layer"] for record in heads), default=0),
        every_position=outcome.options["positions"] == "all",
    )


def _columns(outcome: Outcome, cells: _Cells) -> list[list[_Column]]:
    """The columns of each grid: a grid a prompt, or, where each prompt has but one column, of many prompts."""
    by_prompt = [_columns_of(cells, prompt) for prompt in range(len(outcome.tables["prompts"].rows))]
    together = [[column for columns in by_prompt for column in columns]] if len(by_prompt) > 1 else by_prompt
    grids = together if all(len(columns) == 1 for columns in by_prompt) else by_prompt
    # A wider grid would have to be scrolled on a screen and be too small to read on paper.
    return [grid[at : at + WIDEST] for grid in grids for at in range(0, len(grid), WIDEST)]


def _columns_of(cells: _Cells, prompt: int) -> list[_Column]:
    columns = []
    for step, position in cells.places.get(prompt, ()):
        if step > 0:
            head = f"+ {mark_space(cells.answers[prompt, step - 1])}"
        else:
            head = mark_space(cells.tokens[prompt][position]) if cells.every_position else cells.labels[prompt]
        columns.append(_Column(prompt, step, position, head))
    return columns


def _grid(name: str, subject: str, cells: _Cells, number: int, columns: Sequence[_Column]) -> TokenGrid:
    """Layers from the last at the top to the embedding at the bottom."""
    import numpy as np

    layers = range(cells.last, -1, -1)
    shown = [[cells.at[c.prompt, c.step, c.position, layer] for c in columns] for layer in layers]
    answers = [f"{mark_space(str(cell['token']))} after {c.head}" for cell, c in zip(shown[0], columns, strict=True)]
    return TokenGrid(
        name=f"grid-{number}",
        subject=(subject,),
        title=f"{name}: {_shown_of(cells, columns)}",
        alt=f"Likeliest token of every layer of {name}. The last layer says {', '.join(answers)}",
        row_label="layer (0 = embedding)",
        rows=[str(layer) for layer in layers],
        column_label="after the token" if cells.every_position else "after the text",
        columns=[c.head for c in columns],
        texts=[[str(cell["token"]) for cell in row] for row in shown],
        values=np.array([[cell["probability"] for cell in row] for row in shown]),
        value_label="probability",
        outlined=np.array([[cell["token_id"] == last["token_id"] for cell, last in zip(row, shown[0], strict=True)]
                           for row in shown]),
        outline_label="the final answer",
    )  # fmt: skip


def _shown_of(cells: _Cells, columns: Sequence[_Column]) -> str:
    """What a grid is about: a prompt, a part of one, or several."""
    first, last = columns[0], columns[-1]
    if first.prompt != last.prompt:
        return f"prompts {first.prompt}–{last.prompt}"
    if cells.every_position and len(cells.places[first.prompt]) > len(columns):
        return f"{cells.labels[first.prompt]} (positions {first.position}–{last.position})"
    return cells.labels[first.prompt]


def _answer(outcome: Outcome, record: Mapping[str, Any]) -> str:
    ranks = outcome.arrays["answer_rank"].values[record["prompt"], 0]
    label = prompt_labels(outcome)[record["prompt"]]
    return f"“{mark_space(record['next_token'])}” after “{label}” from layer {leads_from(ranks)} on"


def _range(values: Sequence[NDArray[Any]]) -> tuple[float, float] | None:
    """A scale that all models share, from 0."""
    import numpy as np

    finite = [v[np.isfinite(v)] for v in values]
    top = max((float(v.max()) for v in finite if v.size), default=1.0)
    return 0.0, top * 1.05 or 1.0


def _curves(
    name: str, subject: str, outcome: Outcome, array: str, label: str, shared: tuple[float, float] | None
) -> Curves:
    """One curve a prompt, at step 0."""
    import numpy as np

    relative = outcome.options["axis"] == "relative"
    values = outcome.arrays[array].values[:, 0]
    last = values.shape[1] - 1
    x = [layer / last if relative else layer for layer in range(last + 1)]
    labels = prompt_labels(outcome)
    if len(labels) > MOST_CURVES:
        low, middle, high = np.nanquantile(values, (0.1, 0.5, 0.9), axis=0).tolist()
        label_of_all = f"median of {len(labels)} prompts"
        curves = [Curve(label=label_of_all, x=x, y=middle, model=subject, band=(low, high))]
    else:
        only = subject if len(labels) == 1 else None
        named = zip(labels, values, strict=True)
        curves = [Curve(label=text, x=x, y=row.tolist(), model=only, group=text) for text, row in named]
    told = ", band from the 10th to the 90th percentile" if len(labels) > MOST_CURVES else ""
    told += ", at the last position" if outcome.options["positions"] == "all" else ""
    return Curves(
        name=array.replace("_", "-"),
        subject=(subject,),
        title=f"{name}: {label}{told}",
        alt=f"{label} over the layers of {name}: "
        + "; ".join(f"{curve.label} goes from {curve.y[0]:.3g} to {curve.y[-1]:.3g}" for curve in curves),
        x_label="depth (0 = embedding, 1 = last block)" if relative else "layer (0 = embedding)",
        y_label=label,
        curves=curves,
        y_range=shared,
        x_range=(0.0, 1.0) if relative else None,
    )


probe = LogitLens()
