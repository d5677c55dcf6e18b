"""Which heads park their attention on the first token, and the huge activations that go with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.figures.numbered_rows import at_their_numbers
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.model.needs import ByIndex, Need, Pass, Site
from reportgen.numerics.attention import SINK_THRESHOLD, sink_importance
from reportgen.numerics.outliers import TIMES_THE_MEDIAN, massive, median_magnitude
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts, Unusable, axis_label, curves_read_out
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

LARGEST = 3
"""Activations kept a layer."""
MANY = 0.5
"""Share of all heads from which most of them are said to have their sink on the first token."""
FEW = 0.1
"""Share of all heads below which hardly any is said to."""
APART = 0.2
"""Difference of the shares of sink heads from which two kinds of attention are said to differ."""
FULL, SLIDING = "full", "sliding window"
_KINDS = {
    "full_attention": FULL, "attention": FULL, "hybrid": FULL, "global": FULL, "sliding_attention": SLIDING,
    "local": SLIDING,
}  # fmt: skip
"""What configurations call the two."""


class Options(ProbeOptions):
    """Which prompts."""

    prompts: Prompts
    """What the model reads; a sink can be told from a prompt of a dozen tokens or more."""


@dataclass(frozen=True)
class FirstKey(ByIndex):
    """A reducer that keeps of each block's patterns how important position 0 is to each head."""

    def update(self, state: dict[int, Tensor], value: Tensor, *, index: int, step: int) -> dict[int, Tensor]:
        """One block's (head x query x key) patterns, of which one column is read."""
        state[index] = sink_importance(value[..., :1].float())
        return state


@dataclass(frozen=True)
class Extremes:
    """The largest activations of one layer, and what is usual there."""

    values: Tensor
    """(rank) with their sign, by falling magnitude."""
    places: Tensor
    """(rank) position x width + dimension."""
    median: Tensor
    """() the median magnitude."""
    width: int


@dataclass(frozen=True)
class LargestActivations(ByIndex):
    """A reducer that keeps of each layer's stream the largest activations and the median magnitude."""

    count: int = LARGEST

    def update(self, state: dict[int, Extremes], value: Tensor, *, index: int, step: int) -> dict[int, Extremes]:
        """One layer's (position x width) stream."""
        flat = value.float().flatten()
        places = flat.abs().topk(self.count).indices
        state[index] = Extremes(flat[places], places, median_magnitude(flat), value.shape[-1])
        return state


_ATTENTION = Need(Site.ATTENTION, "all", reducer=FirstKey())
_STREAM = Need(Site.RESIDUAL, "all", reducer=LargestActivations())


@dataclass(frozen=True, kw_only=True)
class Sinks(Findings):
    """What the attention sink gives."""

    sink_share: float = metric("share")
    """Share of heads whose importance of position 0 exceeds 0.3, over all prompts."""
    mean_importance: float = metric("weight")
    """Mean of `importance` over all heads and prompts."""
    massive_share: float = metric("share")
    """Share of layers, over all prompts, that hold a massive activation."""
    importance: NDArray[np.float32] = array("prompt", "block", "head", unit="weight")
    """(prompt x block x head) mean over all queries of the weight on position 0 (Gu et al. 2024)."""
    largest: NDArray[np.float32] = array("prompt", "layer", "rank")
    """(prompt x layer x rank) the three activations of the residual stream that are largest in magnitude."""
    median: NDArray[np.float32] = array("prompt", "layer")
    """(prompt x layer) median magnitude of all activations of the layer."""
    blocks: Rows = table("block", "attention", "window", "sees_first", "importance", "sink_share")
    """Each block's kind of attention; the share of queries that can see position 0 at all (fewer than all where the
    prompt is longer than a sliding window), importance and share of sink heads, as means over prompts."""
    sinks: Rows = table("prompt", "token", "special", "token_count", "uniform", "sink_heads", "heads")
    """What stands at position 0 of each prompt, and the importance that it would have if all attention were spread
    evenly: H(T) / T."""
    activations: Rows = table(
        "prompt", "layer", "rank", "position", "token", "dimension", "value", "times_median", "massive"
    )
    """Where the three largest activations of each layer are. Massive: |h| > 100 and more than 1,000 times the median
    (Sun et al. 2024)."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class AttentionSink(Probe[Options, Sinks]):
    """Shows: how much of each head's attention rests on the first token whatever it is, and the few huge activations
    that come with it.

    Read: one cell a head, blocks downwards; dark is a head that gives most of its weight to the first token, a sink:
    a place to look when there is nothing to look for. Attention spread evenly over all tokens before would give the
    value named in the table (0.07 for 64 tokens). Blocks of full attention and of a sliding window are told apart:
    behind its window a query cannot see the first token at all. Of the curves over the layers the thin ones are the
    second and third largest activation. Massive activations stand at the sink's position, in
    a few dimensions, and are the same in nearly all layers between.

    Computed: importance of position 0 = mean over all queries, the first included, of the weight on it after the
    softmax; a head is a sink head above 0.3 (Gu et al. 2024). A massive activation exceeds 100 and 1,000 times the
    median magnitude of all activations of its layer (Sun et al. 2024), in the residual stream before the final norm.
    Which block sees how far is what the configuration says.
    """

    name = "attention_sink"
    version = 1
    question = "Where does attention go that has nowhere to go?"
    options = Options
    findings = Sinks

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, reduced while it passes."""
        if case.facts.heads is None:
            raise Unusable(f"the architecture {case.facts.architecture} has no attention")
        return [Pass(case.tokens(prompt), (_ATTENTION, _STREAM)) for prompt in case.options.prompts]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Sinks:
        """Stacks what the reducers kept."""
        import numpy as np

        importance = np.stack([_numpy(single.values[_ATTENTION]) for single in captured])
        layers: list[list[Extremes]] = [single.values[_STREAM] for single in captured]
        largest = np.stack([_numpy([layer.values for layer in of_prompt]) for of_prompt in layers])
        median = np.stack([_numpy([layer.median for layer in of_prompt]) for of_prompt in layers])
        is_massive = massive(largest, median[..., None])
        return Sinks(
            coordinates={"rank": range(1, largest.shape[-1] + 1), **model.attention_coordinates},
            sink_share=float((importance > SINK_THRESHOLD).mean()),
            mean_importance=float(importance.mean()),
            massive_share=float(is_massive.any(-1).mean()),
            importance=importance,
            largest=largest,
            median=median,
            blocks=_block_rows(importance, _windows(model), [len(single.tokens) for single in captured]),
            sinks=[_sink_row(case, prompt, single, importance[prompt]) for prompt, single in enumerate(captured)],
            activations=[
                row
                for prompt, single in enumerate(captured)
                for row in _activation_rows(case, prompt, single, layers[prompt], is_massive[prompt])
            ],
            prompts=case.prompt_rows(case.options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """Every head's importance; sink heads by block and kind of attention; the largest activation by layer."""
        ok = section.ok()
        for subject, outcome in ok.items():
            yield _heads(section.name(subject), subject, outcome)
        for subject, outcome in ok.items():
            yield _by_block(section.name(subject), subject, outcome)
        heights = {subject: _heights(outcome) for subject, outcome in ok.items()}
        top = max([float(height.max()) for height in heights.values()], default=0.0)
        for subject, height in heights.items():
            yield _by_layer(section.name(subject), subject, height, top)

    def statement(self, section: Section) -> str:
        """How many heads rest on the first token of the longest prompt, of which kind, and what is massive there."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Window:
    """How far the attention of one block sees."""

    kind: str
    size: int | None
    """Tokens, the query's own included; None where nothing limits it."""

    def sees_first(self, length: int) -> float:
        """Share of the queries of so many tokens that can see position 0."""
        return 1.0 if self.size is None else min(self.size, length) / length


def _windows(model: LoadedModel) -> dict[int, _Window]:
    """Block with attention -> what the configuration says."""
    config = model.network.config.get_text_config()
    size = getattr(config, "sliding_window", None) or getattr(config, "window_size", None)
    if getattr(config, "use_sliding_window", True) is False:
        size = None
    named = getattr(config, "layer_types", None) or getattr(config, "attention_layers", None)
    every = SLIDING if size is not None else FULL
    if named is None or len(named) != model.layers:
        named = [every] * model.layers
    kinds = [_KINDS.get(kind, str(kind)) for kind in named]
    return {block: _Window(kinds[block], size if kinds[block] == SLIDING else None) for block in model.attention_blocks}


def _numpy(values: Sequence[Tensor]) -> NDArray[np.float32]:
    import torch

    stacked: NDArray[np.float32] = torch.stack(list(values)).cpu().numpy()
    return stacked


def _block_rows(importance: NDArray[np.float32], windows: Mapping[int, _Window], lengths: Sequence[int]) -> Rows:
    """Rows of the `blocks` table, from (prompt x block x head) importances."""
    rows: Rows = []
    for at, (block, window) in enumerate(windows.items()):
        of_block = importance[:, at]
        sees = sum(window.sees_first(length) for length in lengths) / len(lengths)
        share = float((of_block > SINK_THRESHOLD).mean())
        rows.append([block, window.kind, window.size, sees, float(of_block.mean()), share])
    return rows


def uniform_importance(length: int) -> float:
    """The importance of position 0 where every query spreads its attention evenly over what it may see."""
    return sum(1 / seen for seen in range(1, length + 1)) / length


def _sink_row(case: Case[Options], prompt: int, single: Captured, importance: NDArray[np.float32]) -> list[Any]:
    """A row of the `sinks` table, from (block x head) importances."""
    first, length = single.tokens[0], len(single.tokens)
    special = first in case.tokenizer.special_ids
    sinks = int((importance > SINK_THRESHOLD).sum())
    return [prompt, case.tokenizer.show(first), special, length, uniform_importance(length), sinks, importance.size]


def _activation_rows(
    case: Case[Options], prompt: int, single: Captured, layers: Sequence[Extremes], is_massive: NDArray[Any]
) -> Rows:
    """Rows of the `activations` table of one prompt."""
    shown = case.tokenizer.show_sequence(single.tokens)
    rows: Rows = []
    for layer, extremes in enumerate(layers):
        median = float(extremes.median)
        pairs = zip(extremes.places.tolist(), extremes.values.tolist(), strict=True)
        for rank, (place, value) in enumerate(pairs, 1):
            position, dimension = divmod(place, extremes.width)
            times = abs(value) / median if median else None
            told = bool(is_massive[layer, rank - 1])
            rows.append([prompt, layer, rank, position, shown[position], dimension, value, times, told])
    return rows


def _heads(name: str, subject: str, outcome: Outcome) -> HeatMap:
    found = outcome.arrays["importance"]
    importance = found.values.mean(0)
    return HeatMap(
        name="heads",
        subject=(subject,),
        title=say("attention_sink.heads.title", "{model}: importance of the first token", model=name),
        alt=say(
            "attention_sink.heads.alt",
            "Mean weight on the first token of {blocks} blocks × {heads} heads of {model}: {sinks} exceed {threshold}",
            blocks=importance.shape[0],
            heads=importance.shape[1],
            model=name,
            sinks=digits(f"{int((importance > SINK_THRESHOLD).sum()):,}"),
            threshold=digits(f"{SINK_THRESHOLD}"),
        ),
        values=at_their_numbers(importance, found.along("block")),
        row_label=say("attention_sink.block", "block"),
        column_label=say("attention_sink.head", "head"),
        value_label=say("attention_sink.importance", "mean weight on the first token"),
        value_range=(0.0, 1.0),
    )


def _kind_label(kind: str) -> str:
    if kind == FULL:
        return say("attention_sink.full", "full attention")
    if kind == SLIDING:
        return say("attention_sink.sliding", "sliding window")
    return kind.replace("_", " ")


def _by_block(name: str, subject: str, outcome: Outcome) -> Curves:
    """One curve a kind of attention, over the blocks that have it."""
    records = outcome.tables["blocks"].records()
    kinds = list(dict.fromkeys(record["attention"] for record in records))
    curves = []
    for kind in kinds:
        of_kind = [record for record in records if record["attention"] == kind]
        curves.append(
            Curve(
                label=_kind_label(kind),
                x=[record["block"] for record in of_kind],
                y=[record["importance"] for record in of_kind],
                model=subject if len(kinds) == 1 else None,
                group=kind,
            )
        )
    what = say("attention_sink.importance", "mean weight on the first token")
    return Curves(
        name="blocks",
        subject=(subject,),
        title=say("attention_sink.blocks.title", "{model}: the first token, block by block", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=say("attention_sink.block", "block"),
        y_label=what,
        curves=curves,
        references={say("attention_sink.threshold", "sink"): SINK_THRESHOLD},
        y_range=(0.0, 1.0),
    )


def _heights(outcome: Outcome) -> NDArray[Any]:
    """(layer x rank) powers of ten between the largest activations and their layer's median, at most of any prompt."""
    import numpy as np

    largest = np.abs(outcome.arrays["largest"].values.astype(np.float64))
    median = outcome.arrays["median"].values.astype(np.float64)[..., None]
    tiny = np.finfo(np.float32).tiny
    heights: NDArray[Any] = np.log10(np.maximum(largest, tiny) / np.maximum(median, tiny)).max(0)
    return heights


def _by_layer(name: str, subject: str, heights: NDArray[Any], top: float) -> Curves:
    """The three largest activations of each layer."""
    import math

    labels = (
        say("attention_sink.largest", "largest"),
        say("attention_sink.second", "second"),
        say("attention_sink.third", "third"),
    )
    layers = list(range(len(heights)))
    curves = [
        Curve(label=label, x=layers, y=heights[:, rank].tolist(), model=subject, faint=rank > 0)
        for rank, label in enumerate(labels[: heights.shape[1]])
    ]
    what = say("attention_sink.times_median", "|h| over the layer's median, powers of ten")
    limit = math.log10(TIMES_THE_MEDIAN)
    return Curves(
        name="activations",
        subject=(subject,),
        title=say("attention_sink.activations.title", "{model}: the largest activations of each layer", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
        references={say("attention_sink.massive", "massive: 1,000 times"): limit},
        y_range=(0.0, max(top, limit) * 1.08),
    )


def _seen(name: str, outcome: Outcome) -> str:
    """What one model does with the first token of its longest prompt."""
    records = outcome.tables["sinks"].records()
    longest = max(records, key=lambda record: (record["token_count"], -record["prompt"]))
    if longest["uniform"] > SINK_THRESHOLD:
        told = say_count(
            "attention_sink.no_clear_statement",
            "No clear statement about the heads of {model}: a prompt of {count} token is too short to tell a sink.",
            "No clear statement about the heads of {model}: a prompt of {count} tokens is too short to tell a sink.",
            longest["token_count"],
            model=name,
        )
    else:
        told = sentences([_heads_seen(name, longest), _kinds_seen(outcome, longest["prompt"])])
    return sentences([told, _massive_seen(name, outcome, longest["prompt"])])


def _heads_seen(name: str, longest: Mapping[str, Any]) -> str:
    """How many heads rest there."""
    share = longest["sink_heads"] / longest["heads"]
    values = {
        "model": name,
        "many": digits(f"{longest['sink_heads']:,}"),
        "all": digits(f"{longest['heads']:,}"),
        "token": mark_space(longest["token"]),
        "tokens": digits(f"{longest['token_count']:,}"),
    }
    if share >= MANY:
        return say(
            "attention_sink.most",
            "In {model}, {many} of {all} heads have their sink on the first of {tokens} tokens, “{token}”.",
            **values,
        )
    if share <= FEW:
        return say(
            "attention_sink.hardly_any",
            "In {model}, hardly any head has its sink on the first of {tokens} tokens, “{token}”: {many} of {all}.",
            **values,
        )
    return say(
        "attention_sink.some",
        "In {model}, some heads have their sink on the first of {tokens} tokens, “{token}”: {many} of {all}.",
        **values,
    )


def _kinds_seen(outcome: Outcome, prompt: int) -> str:
    """Whether full attention and sliding windows differ; nothing where a model has only one of them."""
    kinds = outcome.tables["blocks"].column("attention")
    sinks = outcome.arrays["importance"].values[prompt] > SINK_THRESHOLD  # its rows are those of the table
    share = {
        kind: float(sinks[[block for block, one in enumerate(kinds) if one == kind]].mean())
        for kind in (FULL, SLIDING)
        if kind in kinds
    }
    if len(share) < 2:
        return ""
    values = {"full": digits(f"{share[FULL]:.0%}"), "sliding": digits(f"{share[SLIDING]:.0%}")}
    if share[FULL] - share[SLIDING] >= APART:
        return say(
            "attention_sink.more_in_full",
            "It is a matter of full attention: {full} of its heads, {sliding} of those of a sliding window.",
            **values,
        )
    if share[SLIDING] - share[FULL] >= APART:
        return say(
            "attention_sink.more_in_sliding",
            "It is a matter of sliding windows: {sliding} of their heads, {full} of those of full attention.",
            **values,
        )
    return say(
        "attention_sink.alike",
        "Full attention and sliding windows hardly differ: {full} and {sliding} of their heads.",
        **values,
    )


def _massive_seen(name: str, outcome: Outcome, prompt: int) -> str:
    """In which layers activations are massive, and where the largest of them stands."""
    records = [r for r in outcome.tables["activations"].records() if r["prompt"] == prompt]
    found = [record for record in records if record["massive"]]
    if not found:
        most = max(records, key=lambda record: record["times_median"] or 0.0)
        return say(
            "attention_sink.none_massive",
            "No activation is massive; the largest is {times} times the median of its layer, {layer}.",
            times=digits(f"{most['times_median'] or 0.0:,.0f}"),
            layer=most["layer"],
        )
    layers = sorted({record["layer"] for record in found})
    largest = max(found, key=lambda record: abs(record["value"]))
    dimensions = sorted({record["dimension"] for record in found if record["position"] == largest["position"]})
    return say(
        "attention_sink.massive_seen",
        "Activations are massive in layers {layers} of {last}, in dimension {dimensions}: up to {value} at position "
        "{position} (“{token}”), {times} times the median.",
        model=name,
        layers=ranges(layers),
        last=max(record["layer"] for record in records),
        dimensions=listed([str(dimension) for dimension in dimensions]),
        value=digits(f"{abs(largest['value']):,.0f}"),
        position=largest["position"],
        token=mark_space(largest["token"]),
        times=digits(f"{largest['times_median']:,.0f}"),
    )


def ranges(numbers: Sequence[int]) -> str:
    """Ascending whole numbers, those that follow each other as a range: "3–28 and 30"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return listed([f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs])


probe = AttentionSink()
