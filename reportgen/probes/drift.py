"""What a fine-tune, a quantisation or another number format changed inside a model: two checkpoints, layer by layer."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import digits, listed, name_of, say, say_count, sentences, unit_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.cka import FEWEST, alignment, centred_kernel, relative_change
from reportgen.numerics.similarity import cosine
from reportgen.probes.parameter_census import COMPONENTS, component_label, component_of
from reportgen.probing.probe import (
    Case,
    Measured,
    PairOptions,
    PairProbe,
    Prompts,
    SpecialTokens,
    Unusable,
    axis_label,
    curves_read_out,
)
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.measures.difference import Changed, Expected

CLEAR = 1e-4
"""Share of the stream's norm that a change must exceed to be one: another kernel moves float32 by a tenth of it."""
_STREAM = Need(Site.RESIDUAL, "all")
_FINAL = Need(Site.FINAL, "all")


class Options(PairOptions):
    """Which two models, on which prompts."""

    prompts: Prompts
    """What both models read."""
    special_tokens: SpecialTokens = "exclude"
    """Whether positions of BOS and its like count: their enormous vectors would decide the CKA alone."""


@dataclass(frozen=True, kw_only=True)
class Drift(Findings):
    """What differs between base and other."""

    positions: int = metric("positions")
    """n: positions of all prompts that are compared."""
    first_changed_layer: int | str = metric("layer")
    """The first layer after which the relative change exceeds 10⁻⁴."""
    kl: float = metric("nat", "lower")
    """KL(base || other) of the next-token distributions, mean over the positions."""
    agreement: float = metric("share", "higher")
    """Share of the positions at which both models have the same likeliest next token."""
    weight_change: float = metric("share")
    """‖W_other − W_base‖ / ‖W_base‖ over all tensors as one vector."""
    changed_tensors: int = metric("tensors")
    """Tensors that are not equal number by number."""
    cka: NDArray[np.float32] = array("layer", unit="CKA")
    """(layer) debiased linear CKA of base's and other's residual stream over all positions: 1 where one is the other
    turned or scaled. Undefined where the positions of a model do not differ."""
    cka_shuffled: NDArray[np.float32] = array("layer", unit="CKA")
    """(layer) the control: the same with other's positions in a random order, which no two places keep."""
    cosine: NDArray[np.float32] = array("layer", unit="cosine")
    """(layer) cosine of base's and other's residual stream at the same position, mean over the positions."""
    relative_change: NDArray[np.float32] = array("layer", unit="share of the norm")
    """(layer) ‖h_other − h_base‖ / ‖h_base‖ of the residual stream at the same position, mean over the positions."""
    kl_by_prompt: NDArray[np.float32] = array("prompt", unit="nat")
    """(prompt) KL(base || other) of the next-token distributions, mean over the prompt's positions."""
    agreement_by_prompt: NDArray[np.float32] = array("prompt", unit="share")
    """(prompt) share of the prompt's positions at which the likeliest next tokens are the same."""
    weights: Rows = table("tensor", "component", "block", "shape", "norm", "change")
    """Every tensor that both models have, tied ones once: ‖W_base‖ and ‖W_other − W_base‖ / ‖W_base‖."""
    partings: Rows = table("prompt", "position", "token", "base_token", "other_token", "kl")
    """Positions after which the models expect different tokens."""
    skipped: Rows = table("tensor", "reason")
    """Tensors that cannot be compared."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as both models read them."""


class DriftProbe(PairProbe[Options, Drift]):
    """Shows: which layers and which weights differ between two checkpoints of one architecture, and how much of the
    difference reaches the next token.

    Read: the relative change says from which layer on the two are not the same and how far apart they are; a change
    that stays at 0 up to a layer was made above it. CKA near 1 beside it means that the positions still lie to each
    other as they did. CKA weighs positions by their size: a first token of enormous norm can hold it at 1, and cosine
    and relative change, which count every position alike, then tell more. The grid shows the weights
    themselves: a fine-tune touches some blocks, a number format all of them alike.

    Computed: both models read the same tokens, in the same process. At every layer, in float64: debiased linear CKA
    (Kornblith et al. 2019; unbiased HSIC of Song et al. 2012) over all positions of all prompts, and the same with
    positions shuffled; cosine and ‖Δh‖/‖h‖ of matched positions, averaged. KL(base || other) in nats and the agreement
    of the likeliest tokens from the models' own logits. ‖ΔW‖/‖W‖ a tensor in float32, tied tensors once.
    """

    name = "drift"
    version = 1
    question = "What changed between the two checkpoints?"
    options = Options
    findings = Drift

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, all positions."""
        passes = [Pass(case.tokens(prompt), (_STREAM, _FINAL)) for prompt in case.options.prompts]
        count = sum(len(_counted(case, single.tokens)) for single in passes)
        if count < FEWEST:
            raise Unusable(f"the prompts have {count} positions together: debiased CKA needs {FEWEST} at least")
        return passes

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses models of other sizes, or that read the prompts as other tokens."""
        for what in ("layers", "hidden_size", "vocabulary"):
            one, two = getattr(base.facts, what), getattr(other.facts, what)
            if one != two:
                raise Unusable(f"they cannot be compared: {what.replace('_', ' ')} {one} and {two}")
        ours, theirs = base.tokenizer, other.tokenizer
        # A fine-tune may name a special token anew; the prompts show whether they have it.
        text = (id for id in range(min(ours.size, theirs.size)) if id not in ours.special_ids | theirs.special_ids)
        parted = next((id for id in text if ours.piece(id) != theirs.piece(id)), None)
        if parted is not None:
            told = f"token {parted} is {ours.show(parted)!r} and {theirs.show(parted)!r}"
            raise Unusable(f"they cannot be compared: their tokenizers differ, {told}")
        for index, prompt in enumerate(base.options.prompts):
            if base.tokens(prompt) != other.tokens(prompt):
                raise Unusable(f"they cannot be compared: they read prompt {index} as other tokens")

    def compare(self, base: Measured[Options], other: Measured[Options]) -> Drift:
        """The stream layer by layer, the next tokens, the weights."""
        import numpy as np

        from reportgen.model.measures.difference import compare_weights

        case = base.case
        counted = [_counted(case, single.tokens) for single in base.captured]
        layers = _layers(base, other, counted, case.options.seed)
        predictions = list(_predictions(base, other, counted))
        compared = compare_weights(base.model, other.model)
        beyond = np.flatnonzero(layers["relative_change"] > CLEAR)
        return Drift(
            positions=len(predictions),
            first_changed_layer=int(beyond[0]) if len(beyond) else "no layer changed",
            kl=_mean(predictions, "kl"),
            agreement=_mean(predictions, "agree"),
            weight_change=_share(
                math.hypot(*(tensor.apart for tensor in compared.tensors)),
                math.hypot(*(tensor.norm for tensor in compared.tensors)),
            ),
            changed_tensors=sum(tensor.apart > 0 for tensor in compared.tensors),
            cka=layers["cka"],
            cka_shuffled=layers["cka_shuffled"],
            cosine=layers["cosine"],
            relative_change=layers["relative_change"],
            kl_by_prompt=_by_prompt(predictions, "kl", len(counted)),
            agreement_by_prompt=_by_prompt(predictions, "agree", len(counted)),
            weights=[_row(tensor) for tensor in compared.tensors],
            partings=[one.row(case) for one in predictions if not one.expected.agree],
            skipped=[[name, reason] for name, reason in compared.left_out],
            prompts=case.prompt_rows(case.options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """Relative change and cosine, CKA with its control, the weights block by block."""
        import numpy as np

        for subject, outcome in section.ok().items():
            name = section.name(subject)
            highest = float(np.nanmax(outcome.arrays["relative_change"].values, initial=0.0)) * 1.05 or 1.0
            change = {"relative_change": say("drift.relative_change", "relative change")}
            yield replace(_curves(name, subject, outcome, "relative-change", change), y_range=(0.0, highest))
            yield _curves(name, subject, outcome, "cosine", {"cosine": say("drift.cosine", "mean cosine")})
            cka = {"cka": say("drift.cka", "CKA"), "cka_shuffled": say("drift.shuffled", "shuffled")}
            yield _curves(name, subject, outcome, "cka", cka)
            yield from _weight_grid(name, subject, outcome)

    def statement(self, section: Section) -> str:
        """Where the change begins, where it is largest, and what reaches the next token."""
        return sentences(
            sentence
            for subject, outcome in section.ok().items()
            for sentence in (
                _stream_told(section.name(subject), outcome),
                _weights_told(outcome),
                _tokens_told(outcome),
            )
        )


def _counted(case: Case[Options], tokens: Sequence[int]) -> list[int]:
    """Positions of a prompt that are compared."""
    special = case.tokenizer.special_ids if case.options.special_tokens == "exclude" else frozenset()
    return [position for position, token in enumerate(tokens) if token not in special]


def _layers(
    base: Measured[Options], other: Measured[Options], counted: Sequence[Sequence[int]], seed: int
) -> dict[str, NDArray[np.float32]]:
    """(layer) what is said of the residual stream, by the name of its array."""
    import numpy as np

    order = _shuffled(sum(map(len, counted)), seed)
    found: dict[str, list[Any]] = {"cka": [], "cka_shuffled": [], "cosine": [], "relative_change": []}
    for one, two in zip(_stream(base, counted), _stream(other, counted), strict=True):
        kernel, its = centred_kernel(one), centred_kernel(two)
        found["cka"].append(alignment(kernel, its))
        found["cka_shuffled"].append(alignment(kernel, its[order][:, order]))
        found["cosine"].append(cosine(one, two).mean())
        found["relative_change"].append(relative_change(one, two).mean())
    return {name: np.array([float(value) for value in values], np.float32) for name, values in found.items()}


def _stream(measured: Measured[Options], counted: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(n x width) the residual stream at all counted positions of all prompts, layer by layer, in float64."""
    import torch

    by_prompt = [single.kept(_STREAM, 0) for single in measured.captured]
    for rows in zip(*by_prompt, strict=True):
        together = torch.cat([some[list(positions)] for some, positions in zip(rows, counted, strict=True)])
        yield together.cpu().double()  # not every accelerator has float64


def _shuffled(count: int, seed: int) -> list[int]:
    """A random order in which nothing keeps its place (Sattolo 1986)."""
    generator, order = random.Random(seed), list(range(count))
    for last in range(count - 1, 0, -1):
        place = generator.randrange(last)
        order[last], order[place] = order[place], order[last]
    return order


@dataclass(frozen=True)
class _Prediction:
    """What both models expect after one position."""

    prompt: int
    position: int
    token: int
    expected: Expected

    def row(self, case: Case[Options]) -> list[str | int | float | bool | None]:
        """A row of `partings`."""
        shown = [case.tokenizer.show(token) for token in (self.token, self.expected.base, self.expected.other)]
        return [self.prompt, self.position, *shown, self.expected.kl]


def _predictions(
    base: Measured[Options], other: Measured[Options], counted: Sequence[Sequence[int]]
) -> Iterator[_Prediction]:
    """Every counted position of every prompt."""
    from reportgen.model.measures.difference import expected_next

    for prompt, positions in enumerate(counted):
        tokens = base.captured[prompt].tokens
        (ours,), (theirs,) = (one.captured[prompt].kept(_FINAL, 0) for one in (base, other))
        some = list(positions)
        found = expected_next(base.model, other.model, ours[some], theirs[some])
        for position, expected in zip(some, found, strict=True):
            yield _Prediction(prompt, position, tokens[position], expected)


def _mean(predictions: Iterable[_Prediction], what: str) -> float:
    import numpy as np

    return float(np.mean([getattr(one.expected, what) for one in predictions]))


def _by_prompt(predictions: Sequence[_Prediction], what: str, prompts: int) -> NDArray[np.float32]:
    """(prompt) mean over its positions; NaN for a prompt of special tokens alone."""
    import numpy as np

    found = np.full(prompts, np.nan, np.float32)
    for prompt, some in groupby(predictions, key=lambda one: one.prompt):
        found[prompt] = _mean(some, what)
    return found


def _share(apart: float, norm: float) -> float:
    return apart / norm if norm else 0.0 if apart == 0 else math.nan


def _row(tensor: Changed) -> list[str | int | float | bool | None]:
    """A row of `weights`."""
    shape = " x ".join(str(size) for size in tensor.shape)
    change = _share(tensor.apart, tensor.norm)
    return [tensor.name, component_of(tensor.name), tensor.block, shape, tensor.norm, change]


def _curves(name: str, subject: str, outcome: Outcome, figure: str, labels: Mapping[str, str]) -> Curves:
    """Curves over the layers, the first of which gives the figure its title and unit."""
    first, *_ = labels
    positions = int(outcome.metrics["positions"].value or 0)
    layers = list(range(len(outcome.arrays[first].values)))
    curves = [
        Curve(label=label, x=layers, y=outcome.arrays[of].values.tolist(), group=label) for of, label in labels.items()
    ]
    return Curves(
        name=figure,
        subject=(subject,),
        title=say_count(
            "drift.curves.title",
            "{model}: {what} over {count} position",
            "{model}: {what} over {count} positions",
            positions,
            model=name,
            what=_asked(first),
        ),
        alt=curves_read_out(name, labels[first], curves),
        x_label=axis_label(relative=False),
        y_label=unit_of(outcome.arrays[first].unit),
        curves=curves,
    )


def _asked(array: str) -> str:
    """What the curves of an array show, in a few words."""
    return {
        "relative_change": say("drift.relative_change.title", "how much each layer changed, beside its norm"),
        "cosine": say("drift.cosine.title", "how far each layer turned (cosine)"),
        "cka": say("drift.cka.title", "how alike each layer is as a whole (CKA)"),
    }[array]


@dataclass(frozen=True)
class _Cell:
    """The change of all tensors of one component in one block."""

    block: int
    component: str
    change: float


def _cells(outcome: Outcome) -> list[_Cell]:
    """Every block and component, as one vector each."""
    import numpy as np

    squares: dict[tuple[int, str], NDArray[np.float64]] = {}
    for row in outcome.tables["weights"].records():
        if row["block"] is not None and math.isfinite(row["change"]):
            sizes = np.array([row["norm"], row["norm"] * row["change"]]) ** 2
            place = (row["block"], row["component"])
            squares[place] = squares.get(place, np.zeros(2)) + sizes
    return [_Cell(*place, _share(math.sqrt(apart), math.sqrt(norm))) for place, (norm, apart) in squares.items()]


def _weight_grid(name: str, subject: str, outcome: Outcome) -> Iterator[TokenGrid]:
    """Blocks from the last at the top, as the lens has them; nothing where the weights are equal."""
    import numpy as np

    cells = _cells(outcome)
    largest = max((cell.change for cell in cells), default=0.0)
    if not largest:
        return
    blocks = sorted({cell.block for cell in cells}, reverse=True)
    columns = [component for component in COMPONENTS if any(cell.component == component for cell in cells)]
    values = np.full((len(blocks), len(columns)), np.nan)
    for cell in cells:
        values[blocks.index(cell.block), columns.index(cell.component)] = cell.change
    yield TokenGrid(
        name="weights",
        subject=(subject,),
        title=say("drift.weights.title", "{model}: change of the weights", model=name),
        alt=say(
            "drift.weights.alt",
            "Relative change of the weights of every block of {model}, largest in {place}",
            model=name,
            place=_largest(cells),
        ),
        row_label=name_of("block"),
        rows=[str(block) for block in blocks],
        column_label=say("drift.part_of_block", "part of the block"),
        columns=[_short_label(component) for component in columns],
        texts=[["" if math.isnan(value) else _percent(value) for value in row] for row in values],
        values=values / largest,
        value_label=say(
            "drift.weights.value", "‖ΔW‖/‖W‖, as a share of the largest ({largest})", largest=_percent(largest)
        ),
        outlined=values == largest,
        outline_label=say("drift.largest", "the largest"),
    )


def _short_label(component: str) -> str:
    """What stands above a column: of an attention or MLP tensor its letter or its own word."""
    short = component.removeprefix("attention ").removeprefix("MLP ")
    return component_label(component) if short == component else short


def _largest(cells: Sequence[_Cell]) -> str:
    top = max(cells, key=lambda cell: cell.change)
    return say(
        "drift.place",
        "block {block} ({component}, {change})",
        block=top.block,
        component=component_label(top.component),
        change=_percent(top.change),
    )


def _stream_told(name: str, outcome: Outcome) -> str:
    """From which layer on the two differ, and where most."""
    import numpy as np

    change = outcome.arrays["relative_change"].values
    first = outcome.metrics["first_changed_layer"].value
    if np.isnan(change).all():
        return say("drift.no_clear_statement", "No clear statement about {model}: no layer has a norm.", model=name)
    if first is None:
        return say(
            "drift.no_layer_changed",
            "{model}: no layer changed by more than {threshold} of its norm.",
            model=name,
            threshold=_percent(CLEAR),
        )
    top = int(np.nanargmax(change))
    return say(
        "drift.begins",
        "{model}: the change begins at layer {first} of {last} and is largest at layer {layer} ({change} of the norm).",
        model=name,
        first=first,
        last=len(change) - 1,
        layer=top,
        change=_percent(float(change[top])),
    )


def _tokens_told(outcome: Outcome) -> str:
    """How much of the difference reaches the next token; nothing where that is undefined."""
    agreement, kl = outcome.metrics["agreement"].value, outcome.metrics["kl"].value
    if agreement is None or kl is None:
        return ""
    return say_count(
        "drift.tokens",
        "The likeliest next token stays the same at {agreement} of {count} position (KL {kl} nat).",
        "The likeliest next token stays the same at {agreement} of {count} positions (KL {kl} nat).",
        int(outcome.metrics["positions"].value or 0),
        agreement=digits(f"{agreement:.0%}"),
        kl=digits(f"{kl:.2g}"),
    )


def _weights_told(outcome: Outcome) -> str:
    """Which blocks' weights differ, and where most."""
    cells = _cells(outcome)
    changed = sorted({cell.block for cell in cells if cell.change})
    if not changed and outcome.metrics["changed_tensors"].value:
        return say("drift.outside_blocks", "Only weights outside the blocks differ.")
    if not changed:
        return say("drift.weights_equal", "The weights are equal.")
    if len(changed) == len({cell.block for cell in cells}):
        return say("drift.every_block", "The weights of every block differ, most in {place}.", place=_largest(cells))
    return say_count(
        "drift.some_blocks",
        "Only the weights of block {blocks} differ, most in {place}.",
        "Only the weights of blocks {blocks} differ, most in {place}.",
        len(changed),
        blocks=listed(_runs(changed)),
        place=_largest(cells),
    )


def _runs(blocks: Sequence[int]) -> list[str]:
    """Numbers that follow each other as one: 3, 20–22."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(blocks), key=lambda pair: pair[1] - pair[0])]
    return [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]


def _percent(share: float) -> str:
    return digits(f"{100 * share:.2g} %") if share else "0"


probe = DriftProbe()
