"""What the layers hand on: the shape and the norms of the residual stream, and that nothing in it looks ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import TYPE_CHECKING, Any

from reportgen.figures.describe import Figure, TokenGrid
from reportgen.language import digits, say, say_count, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.probe import Case, Layers, Probe, ProbeOptions, Prompts, axis_label, prompt_labels
from reportgen.results.quantities import Findings, Outcome, Rows, array, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

ROUNDING = 1e-5
"""Share of a row's norm up to which another order of sums can move it."""
LONG = 10.0
"""Times the median norm of a layer from which one position's row is said to be long."""
FEWEST = 3
"""Positions below which none can be said to stand out."""
WIDEST = 14
"""Columns of a grid."""
MOST_PARTS = 3
"""Grids that one prompt or pair is drawn in; the arrays have all of it."""
MOST_PROMPTS = 2
"""Prompts whose norms are drawn."""
MOST_PAIRS = 4
"""Pairs that are drawn."""


class Options(ProbeOptions):
    """Which prompts, at which layers."""

    prompts: Prompts
    """What the model reads. Prompts that begin with the same token are compared: those of one `pair`, or all of them
    where no prompt names a pair."""
    layers: Layers = "all"
    """Layers kept, counted from 0 = embedding."""


@dataclass(frozen=True, kw_only=True)
class States(Findings):
    """What hidden states gives."""

    prefix_difference: float | str = metric("difference", "lower")
    """Largest difference of any number of the residual stream before the first token that differs, over all pairs,
    layers and positions: exactly 0 in a model that does not look ahead."""
    last_norm: float = metric("norm")
    """Median over all positions of all prompts of the norm of the stream after the last layer kept."""
    norms: list[NDArray[np.float32]] = arrays("layer", "position", unit="norm")
    """(layer x position) Euclidean norm of the residual stream, a prompt an array. The embedding is taken as it enters
    the first block: Gemma's is multiplied by the root of the width there."""
    differences: list[NDArray[np.float32]] = arrays("layer", "position", unit="difference")
    """(layer x position) largest absolute difference of any number of the two streams, a pair an array, as far as the
    shorter prompt goes."""
    prefix: NDArray[np.int64] = array("pair", unit="tokens")
    """(pair) tokens that both prompts begin with, BOS included."""
    pairs: Rows = table("pair", "prompt_a", "prompt_b", "prefix", "prefix_difference", "prefix_share", "difference")
    """What the pairs have in common: tokens; the largest difference within those, and the same as a share of the norm
    at its place; the largest difference at the first token that is not the same (empty where there is none)."""
    shapes: Rows = table("prompt", "layer", "shape", "dtype", "median_norm", "largest_norm", "largest_at")
    """What each layer hands on: positions x width, its number format, its median norm, and its largest with where."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens of each prompt."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class HiddenStates(Probe[Options, States]):
    """Shows: the vectors that each layer hands to the next, how long they are at every position, and that what comes
    later in a text changes nothing before it.

    Read: in the first grids, darker is longer; the first token of many models grows to an enormous length, which all
    heads then rest on. In the grids of two prompts, 0 in an outlined cell is exact: both prompts have the same vector
    there, number by number. From the first different token on, everything differs, in the layers above even where
    the words are the same again: the same word in another context is another vector.

    Computed: the residual stream before the final norm; its Euclidean norm in float32. Two prompts that begin alike:
    the largest absolute difference over the width, at every layer and position. Kernels round differently for
    another number of tokens, so the shorter prompt is filled at its end with its own last token, which a causal model
    cannot see from before, and both pass in one shape. Routed experts receive another number of tokens all the same:
    there the difference may be that of rounding, up to 10⁻⁵ of the norm.
    """

    name = "hidden_states"
    version = 1
    question = "What do the layers hand on, and does any of it look ahead?"
    options = Options
    findings = States
    drawn = ("prompts", MOST_PROMPTS)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, those that are compared in one shape."""
        need = _need(case)
        return [Pass(tokens, (need,)) for tokens in _filled(_read(case))]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> States:
        """Norms a prompt, differences a pair."""
        import numpy as np
        import torch

        need, read = _need(case), _read(case)
        streams = [
            torch.stack(single.kept(need, 0))[:, : len(one.tokens)].float()
            for single, one in zip(captured, read, strict=True)
        ]
        layers = _layers(case) or tuple(range(len(streams[0])))
        norms = [_numpy(torch.linalg.vector_norm(stream, dim=-1)) for stream in streams]
        compared = [_Compared(a, b, prefix, _apart(streams[a], streams[b])) for a, b, prefix in _pairs(read)]
        rows = [[i, *pair.row(norms)] for i, pair in enumerate(compared)]
        shown = [case.tokenizer.show_sequence(one.tokens) for one in read]
        return States(
            coordinates={"layer": layers},
            prefix_difference=max((pair.before for pair in compared), default="no two prompts begin with one token"),
            last_norm=float(np.median(np.concatenate([of_prompt[-1] for of_prompt in norms]))),
            norms=norms,
            differences=[pair.differences for pair in compared],
            prefix=np.array([pair.prefix for pair in compared], np.int64),
            pairs=rows,
            shapes=[
                row
                for prompt, single in enumerate(captured)
                for row in _shapes(prompt, layers, single.kept(need, 0), norms[prompt], shown[prompt])
            ],
            tokens=[
                [prompt, at, token] for prompt, of_prompt in enumerate(shown) for at, token in enumerate(of_prompt)
            ],
            prompts=case.prompt_rows(case.options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """Norms of the first prompts, then the differences of the first pairs, models side by side."""
        ok = section.ok()
        for number in range(MOST_PROMPTS):
            for subject, outcome in ok.items():
                if number < len(outcome.tables["prompts"].rows):
                    yield from _norm_grids(section.name(subject), subject, outcome, number)
        for number in range(MOST_PAIRS):
            for subject, outcome in ok.items():
                if number < len(outcome.tables["pairs"].rows):
                    yield from _difference_grids(section.name(subject), subject, outcome, number)

    def statement(self, section: Section) -> str:
        """Whether anything looks ahead, and which position's vector is much longer than the others."""
        return sentences(
            sentence
            for subject, outcome in section.ok().items()
            for sentence in (
                _causality(section.name(subject), outcome),
                _longest(section.name(subject), outcome, section.models[subject].layers),
            )
        )


@dataclass(frozen=True)
class _Prompt:
    """A prompt as a model reads it, and the name of the pair that it is compared in."""

    tokens: tuple[int, ...]
    pair: str


@dataclass(frozen=True)
class _Compared:
    """Two prompts that begin with the same tokens."""

    a: int
    b: int
    prefix: int
    differences: NDArray[np.float32]
    """(layer x position)"""

    @property
    def before(self) -> float:
        """The largest difference before the prompts part."""
        return float(self.differences[:, : self.prefix].max())

    def row(self, norms: Sequence[NDArray[np.float32]]) -> list[Any]:
        """A row of `pairs`, less its number."""
        import numpy as np

        before = self.differences[:, : self.prefix]
        place = np.unravel_index(int(before.argmax()), before.shape)
        norm = float(norms[self.a][place])
        after = self.differences[:, self.prefix : self.prefix + 1]
        parted = float(after.max()) if after.size else None
        return [self.a, self.b, self.prefix, self.before, self.before / norm if norm else 0.0, parted]


def _layers(case: Case[Options]) -> tuple[int, ...] | None:
    """The layers asked for; None for all of them."""
    return None if case.options.layers == "all" else case.named_layers(case.options.layers)


def _need(case: Case[Options]) -> Need:
    return Need(Site.RESIDUAL, "all", _layers(case))


def _read(case: Case[Options]) -> list[_Prompt]:
    """The prompts; one that names no pair beside others that do is compared with none."""
    prompts = case.options.prompts
    named = any(prompt.pair for prompt in prompts)
    return [
        _Prompt(case.tokens(prompt), prompt.pair or (f"alone {at}" if named else ""))
        for at, prompt in enumerate(prompts)
    ]


def _filled(read: Sequence[_Prompt]) -> list[tuple[int, ...]]:
    """The tokens that pass: prompts that are compared with each other are as long as the longest of them."""
    longest: dict[tuple[str, int], int] = {}
    for one in read:
        group = one.pair, one.tokens[0]
        longest[group] = max(longest.get(group, 0), len(one.tokens))
    return [one.tokens + one.tokens[-1:] * (longest[one.pair, one.tokens[0]] - len(one.tokens)) for one in read]


def _pairs(read: Sequence[_Prompt]) -> Iterator[tuple[int, int, int]]:
    """Every two that are compared and begin alike, with the number of tokens that they share."""
    for a, b in combinations(range(len(read)), 2):
        both = zip(read[a].tokens, read[b].tokens, strict=False)
        prefix = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
        if prefix and read[a].pair == read[b].pair:
            yield a, b, prefix


def _apart(one: Tensor, other: Tensor) -> NDArray[np.float32]:
    """(layer x position) largest absolute difference of (layer x position x width), as far as the shorter goes."""
    both = min(one.shape[1], other.shape[1])
    return _numpy((one[:, :both] - other[:, :both]).abs().amax(-1))


def _numpy(values: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = values.cpu().numpy()
    return result


def _shapes(
    prompt: int, layers: Sequence[int], stream: Sequence[Tensor], norms: NDArray[np.float32], tokens: Sequence[str]
) -> Rows:
    """Rows of `shapes` of one prompt, whose fillings do not count."""
    import numpy as np

    rows: Rows = []
    for layer, values, of_layer in zip(layers, stream, norms, strict=True):
        shape = f"{len(tokens)} x {values.shape[-1]}"
        dtype = str(values.dtype).removeprefix("torch.")
        largest = int(of_layer.argmax())
        rows.append(
            [prompt, layer, shape, dtype, float(np.median(of_layer)), float(of_layer[largest]), tokens[largest]]
        )
    return rows


def _tokens(outcome: Outcome, prompt: int) -> list[str]:
    return [str(record["token"]) for record in outcome.tables["tokens"].records() if record["prompt"] == prompt]


def _parts(count: int) -> list[slice]:
    """The columns of each grid of so many positions."""
    return [slice(at, min(at + WIDEST, count)) for at in range(0, count, WIDEST)][:MOST_PARTS]


def _part_title(what: str, part: slice, count: int) -> str:
    if count <= WIDEST:
        return what
    return say(
        "hidden_states.part",
        "{what} (positions {first}–{last})",
        what=what,
        first=part.start,
        last=part.stop - 1,
    )


def _norm_grids(name: str, subject: str, outcome: Outcome, prompt: int) -> Iterator[TokenGrid]:
    """Layers from the last at the top; colours on a logarithmic scale, or the longest alone would be seen."""
    import numpy as np

    array = outcome.arrays[f"norms/{prompt}"]
    norms, tokens = np.asarray(array.values, np.float64)[::-1], _tokens(outcome, prompt)
    positive = norms[norms > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1.0, 1.0)
    logs = np.log(np.clip(norms, low, None) / low)
    shades = logs / (float(logs.max()) or 1.0)
    label = prompt_labels(outcome)[prompt]
    for number, part in enumerate(_parts(len(tokens))):
        yield TokenGrid(
            name=f"norms-{prompt}-{number}",
            subject=(subject,),
            title=_part_title(
                say("hidden_states.norms.title", "{model}: norms in “{prompt}”", model=name, prompt=label),
                part,
                len(tokens),
            ),
            alt=say(
                "hidden_states.norms.alt",
                "Norm of the residual stream of {model} at every layer and position of “{prompt}”, from {low} to "
                "{high}; the longest is that of “{token}”",
                model=name,
                prompt=label,
                low=_short(low),
                high=_short(high),
                token=mark_space(tokens[int(norms.max(0).argmax())]),
            ),
            row_label=axis_label(relative=False),
            sampleable=True,
            rows=[str(layer) for layer in reversed(array.along("layer"))],
            column_label=say("hidden_states.position", "position"),
            columns=tokens[part],
            texts=[[_short(float(value)) for value in row[part]] for row in norms],
            values=shades[:, part],
            value_label=say(
                "hidden_states.norms.value",
                "norm on a logarithmic scale (0 = {low}, 1 = {high})",
                low=_short(low),
                high=_short(high),
            ),
            outlined=np.zeros(shades[:, part].shape, bool),
        )


def _difference_grids(name: str, subject: str, outcome: Outcome, pair: int) -> Iterator[TokenGrid]:
    """Layers from the last at the top, each on a scale of its own; exact zeros are outlined."""
    import numpy as np

    array, record = outcome.arrays[f"differences/{pair}"], outcome.tables["pairs"].records()[pair]
    values = np.asarray(array.values, np.float64)[::-1]
    largest = values.max(axis=1, keepdims=True)
    shades = values / np.where(largest > 0, largest, 1.0)
    a, b = (_tokens(outcome, record[which]) for which in ("prompt_a", "prompt_b"))
    columns = [one if one == two else f"{one}/{two}" for one, two in zip(a, b, strict=False)]
    labels = prompt_labels(outcome)
    both = {"a": labels[record["prompt_a"]], "b": labels[record["prompt_b"]]}
    for number, part in enumerate(_parts(len(columns))):
        yield TokenGrid(
            name=f"differences-{pair}-{number}",
            subject=(subject,),
            title=_part_title(
                say("hidden_states.differences.title", "{model}: “{a}” against “{b}”", model=name, **both),
                part,
                len(columns),
            ),
            alt=say_count(
                "hidden_states.differences.alt",
                "Largest difference of the streams of {model} on “{a}” and “{b}”: {before} on the {count} token that "
                "they share, {after} at the next",
                "Largest difference of the streams of {model} on “{a}” and “{b}”: {before} on the {count} tokens that "
                "they share, {after} at the next",
                record["prefix"],
                model=name,
                before=_short(record["prefix_difference"]),
                after=_short(record["difference"] or 0.0),
                **both,
            ),
            row_label=axis_label(relative=False),
            sampleable=True,
            rows=[str(layer) for layer in reversed(array.along("layer"))],
            column_label=say("hidden_states.position", "position"),
            columns=columns[part],
            texts=[[_short(float(value)) for value in row[part]] for row in values],
            values=shades[:, part],
            value_label=say("hidden_states.differences.value", "difference, as a share of the layer's largest"),
            outlined=values[:, part] == 0,
            outline_label=say("hidden_states.exact", "exactly 0"),
        )


def _short(value: float) -> str:
    """A number in a cell; 0 is exact."""
    if value == 0:
        return "0"
    return digits(f"{value:,.0f}" if value >= 99.5 else f"{value:.2g}")


def _causality(name: str, outcome: Outcome) -> str:
    """Whether the prompts are the same until they part; nothing where none are compared."""
    records: Sequence[Mapping[str, Any]] = outcome.tables["pairs"].records()
    if not records:
        return ""
    worst = max(records, key=lambda record: float(record["prefix_difference"]))
    values = {"model": name, "difference": _short(worst["prefix_difference"])}
    if worst["prefix_difference"] == 0:
        return say_count(
            "hidden_states.causal",
            "{model} does not look ahead: in {count} pair of prompts, every number of every layer is the same until "
            "the first token that differs.",
            "{model} does not look ahead: in {count} pairs of prompts, every number of every layer is the same until "
            "the first token that differs.",
            len(records),
            **values,
        )
    if float(worst["prefix_share"]) <= ROUNDING:
        return say(
            "hidden_states.no_clear_statement",
            "No clear statement about {model}: before the first token that differs, its prompts are {difference} apart "
            "at most, which rounding may do.",
            **values,
        )
    return say(
        "hidden_states.looks_ahead",
        "In {model}, prompts differ by {difference} before the first token that differs: something looks ahead.",
        **values,
    )


def _longest(name: str, outcome: Outcome, layers: int) -> str:
    """The position whose vector stands out most in the longest prompt."""
    import numpy as np

    prompt = int(np.argmax(outcome.tables["prompts"].column("token_count")))
    array = outcome.arrays[f"norms/{prompt}"]
    norms = array.values
    medians = np.median(norms, axis=1, keepdims=True)
    if norms.shape[1] < FEWEST or not (medians > 0).all():
        return say("hidden_states.too_short", "No clear statement about the norms of {model}: too few.", model=name)
    times = norms / medians
    layer, position = np.unravel_index(int(times.argmax()), times.shape)
    most = float(times[layer, position])
    values = {
        "model": name,
        "token": mark_space(_tokens(outcome, prompt)[int(position)]),
        "position": int(position),
        "layer": array.along("layer")[int(layer)],
        "times": digits(f"{most:,.0f}" if most >= LONG else f"{most:.1f}"),
        "last": layers,
    }
    if most >= LONG:
        return say(
            "hidden_states.long",
            "At layer {layer} of {last}, the vector of {model} at “{token}” (position {position}) is {times} times as "
            "long as the median.",
            **values,
        )
    return say(
        "hidden_states.even",
        "In {model} no position stands out: the longest vector has {times} times the median norm of its layer.",
        **values,
    )


probe = HiddenStates()
