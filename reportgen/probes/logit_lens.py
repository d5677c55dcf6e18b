"""What each layer would say if it were the last (the logit lens, nostalgebraist 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, computed_field, model_validator

from reportgen.documents.beside import Beside, missing, path_of
from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import digits, listed, say, say_count, sentences, unit_of
from reportgen.model.measures.tuned_lens import check_tuned_lens, sha256_of, tuned
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.probe import (
    Case,
    Probe,
    ProbeOptions,
    Prompts,
    Unusable,
    axis_label,
    curves_read_out,
    prompt_labels,
)
from reportgen.results.quantities import Findings, Outcome, Rows, array, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space
from reportgen.text.scripts import BYTES, script_names, script_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.measures.readout import Readout
    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel


_ANSWER = "final answer"
TOLD = 4
"""Prompts that a statement names."""
SURE = 0.1
"""Probability from which a final answer is one that a statement is made of."""
OVERTURNED = 0.25
"""Probability from which what led a layer earlier, but is not the answer, is worth saying."""
BEFORE = 3
"""Layers below a turn to another script, most of which must agree on one."""
LATE = 0.5
"""Share of the depth below which scripts change without meaning: the lens reads little there."""
LONGEST_LABEL = 48
"""Characters of a prompt that a statement quotes."""
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
    rows: Annotated[list[Literal["block", "attention", "mlp"]], Field(min_length=1)] = Field(default=["block"])
    """What is read beside the stream after each block, which always is: the stream between a block's attention and its
    MLP (`attention`: what enters the block and what its attention adds), and after its MLP (`mlp`)."""
    tuned_lens: Beside | None = None
    """A safetensors file with `N.weight` (width x width) and `N.bias` (width) for every layer N but the last: layer N
    is then read as h + W h + b. Its path starts from the battery's folder."""
    compare: list[Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]] = Field(default=[])
    """Pairs of prompts, each as [one, other] counted from 0, whose distributions are compared layer by layer."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""

    # mypy knows no decorator on a property; pydantic's own documentation writes it so.
    @computed_field  # type: ignore[prop-decorator]
    @property
    def tuned_lens_sha256(self) -> str | None:
        """Numbers depend on what the file holds, not on what it is called."""
        return None if self.tuned_lens is None else sha256_of(path_of(self.tuned_lens))

    @model_validator(mode="after")
    def _prompts_are_there(self) -> Self:
        for pair in self.compare:
            for prompt in pair:
                if prompt >= len(self.prompts):
                    raise ValueError(f"compare: there is no prompt {prompt}; they go from 0 to {len(self.prompts) - 1}")
        return self


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
    sublayers: Rows = table("prompt", "step", "position", "block", "part", "rank", "token_id", "token", "probability")
    """The k likeliest tokens inside the blocks: after attention (what enters the block and what its attention adds)
    and after the MLP, where `rows` asks for them."""
    between: list[NDArray[np.float32]] = arrays("layer", unit="nat")
    """(layer) KL(one || other) of the lens distributions at the last positions of two prompts, one array a pair."""
    pairs: Rows = table("pair", "one", "other")
    """The pairs of prompts that are compared."""
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
    layer) in nats. Steps append the likeliest token. A tuned lens (Belrose et al. 2023) reads h + W h + b.
    """

    name = "logit_lens"
    version = 1
    question = "What does each layer expect next?"
    options = Options
    findings = Lens

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, with its steps."""
        _check_tuned_lens(case)
        needs = _needs(case)
        return [
            Pass(case.tokens(prompt, case.options.continue_), needs, case.options.continue_)
            for prompt in case.options.prompts
        ]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Lens:
        """All rows of all prompts through the unembedding together."""
        import torch

        from reportgen.model.measures.readout import kl_between, read_out, stacked_layers

        stream, final, *inside = _needs(case)
        places: list[_Place] = []
        residual: list[Tensor] = []
        written: list[Tensor] = []
        normed: list[Tensor] = []
        for prompt, single in enumerate(captured):
            for step in range(single.steps):
                layers = single.kept(stream, step)
                residual.append(stacked_layers(layers))
                normed.append(single.kept(final, step)[0])
                written += [stacked_layers(single.kept(need, step)) for need in inside]
                places += _places(single, prompt, step, len(layers[0]))
        blocks, after, norm = torch.cat(residual), torch.cat(normed), case.options.norm == "final"
        # Behind the rows of the layers, so that all of them pass the unembedding together.
        sublayers = [blocks + torch.cat(written)] if written else []
        if case.options.tuned_lens is not None:
            blocks = tuned(path_of(case.options.tuned_lens), blocks)
        read = read_out(model, torch.cat([blocks, *sublayers], dim=1), after, k=case.options.top_k, norm=norm)
        between = [
            kl_between(model, blocks[one], blocks[other], after[[one, other]], norm=norm).cpu().numpy()
            for one, other in (_ends(places, pair) for pair in case.options.compare)
        ]
        return _lens(case, places, read, captured, between)

    def figures(self, section: Section) -> Iterable[Figure]:
        """Grids side by side; curves of entropy, KL and the answer's probability."""
        ok = section.ok()
        cells = {subject: _cells(outcome) for subject, outcome in ok.items()}
        columns = {subject: _columns(outcome, cells[subject]) for subject, outcome in ok.items()}
        for number in range(max((len(grids) for grids in columns.values()), default=0)):
            for subject in ok:
                if number < len(columns[subject]):
                    yield _grid(section.name(subject), subject, cells[subject], number, columns[subject][number])
        for subject, outcome in ok.items():
            if _records(outcome, "sublayers"):
                inside, parts = _inside(outcome, cells[subject]), _inside_rows(outcome)
                for number, grid in enumerate(columns[subject]):
                    yield _grid(section.name(subject), subject, inside, number, grid, parts)
        for subject, outcome in ok.items():
            if _records(outcome, "pairs"):
                yield _between(section.name(subject), subject, outcome)
        for name, label in _curve_labels().items():
            shared = _range([outcome.arrays[name].values[:, 0] for outcome in ok.values()])
            for subject, outcome in ok.items():
                yield _curves(section.name(subject), subject, outcome, name, label, shared)

    def statement(self, section: Section) -> str:
        """The answers and the layers at which they settle; turns to another script; what the last layer overturns."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Place:
    """Where a row of the lens was read."""

    prompt: int
    step: int
    position: int
    last: bool


def _needs(case: Case[Options]) -> tuple[Need, ...]:
    positions = case.options.positions
    if case.facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    inside = (Need(Site.ATTENTION_WRITE, positions),) if "attention" in case.options.rows else ()
    return Need(Site.RESIDUAL, positions, tuple(range(case.facts.layers))), Need(Site.FINAL, positions), *inside


def _check_tuned_lens(case: Case[Options]) -> None:
    path, facts = case.options.tuned_lens, case.facts
    if path is not None and missing(path):
        raise Unusable(f"there is no tuned lens: {missing(path)}")
    if path is not None and facts.layers is not None and facts.hidden_size is not None:
        try:
            check_tuned_lens(path_of(path), facts.layers, facts.hidden_size)
        except ValueError as error:
            raise Unusable(str(error)) from error


def _ends(places: Sequence[_Place], prompts: Sequence[int]) -> tuple[int, int]:
    """Where the last positions of two prompts stand among the places."""
    one, other = (
        next(at for at, place in enumerate(places) if place.prompt == prompt and place.step == 0 and place.last)
        for prompt in prompts
    )
    return one, other


def _places(single: Captured, prompt: int, step: int, count: int) -> list[_Place]:
    end = single.prompt_length + step
    return [_Place(prompt, step, position, position == end - 1) for position in range(end - count, end)]


def _lens(
    case: Case[Options],
    places: Sequence[_Place],
    everything: Readout,
    captured: Sequence[Captured],
    between: list[NDArray[np.float32]],
) -> Lens:
    import numpy as np

    from reportgen.numerics.settling import leads_from

    read = _of_layers(everything, case.facts.layers or 0)
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
        sublayers=_sublayers(case, places, everything),
        between=between,
        pairs=[[at, one, other] for at, (one, other) in enumerate(case.options.compare)],
        tokens=tokens,
        prompts=case.prompt_rows(case.options.prompts),
    )


def _of_layers(read: Readout, layers: int) -> Readout:
    """Without the rows inside the blocks, which stand between those of the layers and the last."""
    from reportgen.model.measures.readout import Readout

    names = Readout.__dataclass_fields__
    rows = [*range(layers), -1]
    return Readout(**{name: getattr(read, name)[:, rows] for name in names})


def _sublayers(case: Case[Options], places: Sequence[_Place], read: Readout) -> Rows:
    """Block by block: after its attention, and after its MLP, which is the stream that leaves it."""
    blocks, found = case.facts.layers or 0, []
    ids, probabilities = read.token_ids.tolist(), read.probabilities.tolist()
    at = {"attention": [blocks + block for block in range(blocks)], "mlp": [*range(1, blocks), -1]}
    for number, place in enumerate(places):
        for block in range(blocks):
            for part in (part for part in at if part in case.options.rows):
                row = at[part][block]
                chosen = zip(ids[number][row], probabilities[number][row], strict=True)
                found += [
                    [place.prompt, place.step, place.position, block, part, rank, i, case.tokenizer.show(i), p]
                    for rank, (i, p) in enumerate(chosen, 1)
                ]
    return found


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
    others: Mapping[tuple[int, int, int, int], Sequence[tuple[str, float]]]
    """The same -> the tokens of the further ranks, with their probabilities."""
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
    heads = []
    others: dict[tuple[int, int, int, int], list[tuple[str, float]]] = {}
    for record in outcome.tables["top"].records():
        if record["rank"] == 1:
            heads.append(record)
        else:
            place = (record["prompt"], record["step"], record["position"], record["layer"])
            others.setdefault(place, []).append((str(record["token"]), record["probability"]))
    places: dict[int, dict[tuple[int, int], None]] = {}
    for record in heads:
        places.setdefault(record["prompt"], {})[record["step"], record["position"]] = None
    tokens: dict[int, list[str]] = {}
    for record in outcome.tables["tokens"].records():
        tokens.setdefault(record["prompt"], []).append(record["token"])
    return _Cells(
        at={(r["prompt"], r["step"], r["position"], r["layer"]): r for r in heads},
        others=others,
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


def _records(outcome: Outcome, name: str) -> list[dict[str, Any]]:
    """The rows of a table that bundles of an earlier version do not have."""
    return outcome.tables[name].records() if name in outcome.tables else []


def _inside_rows(outcome: Outcome) -> list[str]:
    """What the rows of a grid of the parts of blocks are called, from the bottom."""
    names = {"attention": say("logit_lens.attention", "attention"), "mlp": say("logit_lens.mlp", "MLP")}
    known = dict.fromkeys((r["block"], r["part"]) for r in outcome.tables["sublayers"].records())
    parts = [say("logit_lens.part_of_block", "{block} {part}", block=block, part=names[part]) for block, part in known]
    return parts if "mlp" in outcome.options["rows"] else [*parts, say("logit_lens.own", "answer")]


def _inside(outcome: Outcome, cells: _Cells) -> _Cells:
    """The likeliest tokens after each part of each block, the model's own answer above them."""
    records = outcome.tables["sublayers"].records()
    rows = {key: row for row, key in enumerate(dict.fromkeys((r["block"], r["part"]) for r in records))}
    at: dict[tuple[int, int, int, int], Mapping[str, Any]] = {}
    others: dict[tuple[int, int, int, int], list[tuple[str, float]]] = {}
    for record in records:
        place = (record["prompt"], record["step"], record["position"], rows[record["block"], record["part"]])
        if record["rank"] == 1:
            at[place] = record
        else:
            others.setdefault(place, []).append((str(record["token"]), record["probability"]))
    if "mlp" in outcome.options["rows"]:  # the last MLP's row is the model's own answer
        return replace(cells, at=at, others=others, last=len(rows) - 1)
    own = {(*place[:3], len(rows)): record for place, record in cells.at.items() if place[3] == cells.last}
    own_others = {(*place[:3], len(rows)): tokens for place, tokens in cells.others.items() if place[3] == cells.last}
    return replace(cells, at={**at, **own}, others={**others, **own_others}, last=len(rows))


def _between(name: str, subject: str, outcome: Outcome) -> Curves:
    """How far the layers of two prompts are from each other, a curve a pair."""
    labels, curves = prompt_labels(outcome), []
    relative = outcome.options["axis"] == "relative"
    for record in outcome.tables["pairs"].records():
        y = outcome.arrays[f"between/{record['pair']}"].values.tolist()
        text = say("logit_lens.pair", "{one} · {other}", one=labels[record["one"]], other=labels[record["other"]])
        x = [layer / (len(y) - 1) if relative else layer for layer in range(len(y))]
        curves.append(Curve(label=text, x=x, y=y, model=subject if len(outcome.tables["pairs"].rows) == 1 else None,
                            group=text))  # fmt: skip
    label = say("logit_lens.between", "KL(one || other) (nat)")
    return Curves(
        name="between",
        subject=(subject,),
        title=say("logit_lens.between.title", "{model}: how far two prompts are apart", model=name),
        alt=curves_read_out(name, label, curves),
        x_label=axis_label(relative=relative),
        y_label=label,
        curves=curves,
        y_range=_range([outcome.arrays[f"between/{pair}"].values for pair in range(len(curves))]),
        x_range=(0.0, 1.0) if relative else None,
    )


def _grid(
    name: str,
    subject: str,
    cells: _Cells,
    number: int,
    columns: Sequence[_Column],
    parts: Sequence[str] = (),
) -> TokenGrid:
    """Layers from the last at the top to the embedding at the bottom; or parts of blocks, so called from the bottom."""
    import numpy as np

    layers = range(cells.last, -1, -1)
    shown = [[cells.at[c.prompt, c.step, c.position, layer] for c in columns] for layer in layers]
    answers = [_answer(str(cell["token"]), c.head) for cell, c in zip(shown[0], columns, strict=True)]
    return TokenGrid(
        name=f"inside-{number}" if parts else f"grid-{number}",
        subject=(subject,),
        title=_grid_title(name, cells, columns, of_parts=bool(parts)),
        alt=say(
            "logit_lens.grid.alt",
            "Likeliest token of every layer of {model}. The last layer says {answers}",
            model=name,
            answers=listed(answers),
        ),
        row_label=say("logit_lens.parts", "block, after its part") if parts else axis_label(relative=False),
        rows=[parts[layer] if parts else str(layer) for layer in layers],
        column_label=_column_label(cells),
        columns=[c.head for c in columns],
        texts=[[str(cell["token"]) for cell in row] for row in shown],
        values=np.array([[cell["probability"] for cell in row] for row in shown]),
        value_label=unit_of("probability"),
        outlined=np.array([[cell["token_id"] == last["token_id"] for cell, last in zip(row, shown[0], strict=True)]
                           for row in shown]),
        outline_label=say("logit_lens.outline", "the final answer"),
        alternatives=[[cells.others.get((c.prompt, c.step, c.position, layer), ()) for c in columns]
                      for layer in layers],
        sampleable=True,
    )  # fmt: skip


def _grid_title(name: str, cells: _Cells, columns: Sequence[_Column], *, of_parts: bool) -> str:
    shown = _shown_of(cells, columns)
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


def _shown_of(cells: _Cells, columns: Sequence[_Column]) -> str:
    """What a grid is about: a prompt, a part of one, or several."""
    first, last = columns[0], columns[-1]
    if first.prompt != last.prompt:
        return say("logit_lens.prompts", "prompts {first}–{last}", first=first.prompt, last=last.prompt)
    if cells.every_position and len(cells.places[first.prompt]) > len(columns):
        return say(
            "logit_lens.positions",
            "“{prompt}” (positions {first}–{last})",
            prompt=cells.labels[first.prompt],
            first=first.position,
            last=last.position,
        )
    return say("text.quoted", "“{text}”", text=cells.labels[first.prompt])


def _column_label(cells: _Cells) -> str:
    if cells.every_position:
        return say("logit_lens.after_token", "after the token")
    return say("logit_lens.after_text", "after the text")


def _answer(token: str, text: str) -> str:
    return say("logit_lens.answer", "“{token}” after “{text}”", token=mark_space(token), text=text)


@dataclass(frozen=True)
class _Trace:
    """What the layers say after one prompt."""

    label: str
    tops: Sequence[Mapping[str, Any]]
    """(layer) the row of rank 1 of `top` at the last position."""
    settled: int

    @property
    def told(self) -> str:
        """The answer, with the start of its prompt."""
        text = self.label if len(self.label) <= LONGEST_LABEL else f"{self.label[:LONGEST_LABEL]}…"
        return _answer(str(self.tops[-1]["token"]), text)


def _seen(name: str, outcome: Outcome) -> str:
    """What one model's layers say."""
    traces = _traces(outcome)
    sure = [trace for trace in traces if float(trace.tops[-1]["probability"]) >= SURE]
    if not sure:
        return say(
            "logit_lens.no_clear_statement",
            "No clear statement about {model}: after no prompt has any token a probability of {threshold} or more.",
            model=name,
            threshold=digits(f"{SURE:.0%}"),
        )
    return sentences([_settling(name, sure), _turning(name, sure), _overturning(name, traces), _fragments(name, sure)])


def _traces(outcome: Outcome) -> list[_Trace]:
    """The first trace of every prompt."""
    from reportgen.numerics.settling import leads_from

    labels, ranks = prompt_labels(outcome), outcome.arrays["answer_rank"].values[:, 0]
    tops: dict[int, dict[int, dict[int, Mapping[str, Any]]]] = {}
    for record in outcome.tables["top"].records():
        if record["rank"] == 1 and record["step"] == 0:
            at = tops.setdefault(record["prompt"], {}).setdefault(record["position"], {})
            at[record["layer"]] = record
    last = {prompt: by_position[max(by_position)] for prompt, by_position in sorted(tops.items())}
    return [
        _Trace(labels[prompt], [by_layer[layer] for layer in sorted(by_layer)], leads_from(ranks[prompt]))
        for prompt, by_layer in last.items()
    ]


def _settling(name: str, sure: Sequence[_Trace]) -> str:
    """From which layer on the answers lead."""
    last = len(sure[0].tops) - 1
    first, final = min(trace.settled for trace in sure), max(trace.settled for trace in sure)
    told = [trace.told for trace in sure[:TOLD]]
    if len(sure) > TOLD:
        told.append(say_count("logit_lens.more", "{count} more", "{count} more", len(sure) - TOLD))
    values = {"model": name, "first": first, "final": final, "last": last, "answers": listed(told)}
    if first == last:
        return say("logit_lens.settles_last", "{model} settles only in its last layer, {last}: {answers}.", **values)
    if first == final:
        return say("logit_lens.settles_at", "{model} settles at layer {first} of {last}: {answers}.", **values)
    return say(
        "logit_lens.settles_between",
        "{model} settles between layers {first} and {final} of {last}: {answers}.",
        **values,
    )


def _turning(name: str, sure: Sequence[_Trace]) -> str:
    """The turn to another script that most prompts make; nothing where none makes one."""
    turns = [turn for trace in sure if (turn := turn_of([str(top["token"]) for top in trace.tops])) is not None]
    if not turns:
        return ""
    scripts = [(turn.before, turn.after) for turn in turns]
    before, after = max(dict.fromkeys(scripts), key=scripts.count)
    layers = [turn.layer for turn in turns if (turn.before, turn.after) == (before, after)]
    names = script_names()
    values = {"model": name, "before": names[before], "after": names[after], "first": min(layers), "final": max(layers)}
    values["last"] = len(sure[0].tops) - 1
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


@dataclass(frozen=True)
class Turn:
    """Where the likeliest tokens change from one script to another."""

    layer: int
    """The first in the new script."""
    before: str
    after: str


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


def _overturning(name: str, traces: Sequence[_Trace]) -> str:
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
        "In {model}, the last layer overturns “{token}” ({probability} one layer before), which gives way to {answer}.",
        model=name,
        token=mark_space(str(before["token"])),
        probability=digits(f"{float(before['probability']):.0%}"),
        answer=most.told,
    )


def _fragments(name: str, sure: Sequence[_Trace]) -> str:
    """How many answers are bytes of a character; nothing where none is."""
    count = sum(BYTES.fullmatch(str(trace.tops[-1]["token"])) is not None for trace in sure)
    if not count:
        return ""
    return say_count(
        "logit_lens.fragments",
        "{count} answer of {model} is only a fragment of a character.",
        "{count} answers of {model} are only fragments of characters.",
        count,
        model=name,
    )


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
    }


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
        label_of_all = say_count(
            "logit_lens.median", "median of {count} prompt", "median of {count} prompts", len(labels)
        )
        curves = [Curve(label=label_of_all, x=x, y=middle, model=subject, band=(low, high))]
    else:
        only = subject if len(labels) == 1 else None
        named = zip(labels, values, strict=True)
        curves = [Curve(label=text, x=x, y=row.tolist(), model=only, group=text) for text, row in named]
    banded, at_last = len(labels) > MOST_CURVES, outcome.options["positions"] == "all"
    return Curves(
        name=array.replace("_", "-"),
        subject=(subject,),
        title=_curves_title(name, _curve_titles()[array], banded=banded, at_last=at_last),
        alt=curves_read_out(name, label, curves),
        x_label=axis_label(relative=relative),
        y_label=label,
        curves=curves,
        y_range=shared,
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


probe = LogitLens()
