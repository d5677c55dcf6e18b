"""Where a model's parameters are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from reportgen.figures.describe import Figure, StackedBars
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.probing.probe import Case, Probe, ProbeOptions
from reportgen.results.quantities import Findings, Outcome, Rows, metric, table
from reportgen.results.section import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel, Parameter

COMPONENTS = (
    "embedding", "position embedding", "attention q", "attention k", "attention v", "attention q/k/v", "attention o",
    "MLP gate", "MLP up", "MLP gate/up", "MLP down", "experts", "router", "state space", "norms", "head", "vision",
    "other",
)  # fmt: skip
"""In the order in which bars are stacked."""

_PATTERNS = (
    ("vision", r"vision|visual|multi_modal|image"),
    ("router", r"\brouter\b|\bgate\.weight$(?<=moe\.gate\.weight)|block_sparse_moe\.gate\.|mlp\.gate\.weight"),
    ("experts", r"\bexperts?\b|shared_expert"),
    ("state space", r"\bmixer\b|\bssm\b|\bmamba\b"),
    ("norms", r"norm|\bln_|\bln\d|layernorm"),
    ("attention q/k/v", r"c_attn|qkv_proj|query_key_value|Wqkv|in_proj"),
    ("attention q", r"q_proj|q_norm"),
    ("attention k", r"k_proj"),
    ("attention v", r"v_proj"),
    ("attention o", r"o_proj|attn\.c_proj|out_proj|attention\.dense|self_attention\.dense|sinks"),
    ("MLP gate/up", r"gate_up_proj"),
    ("MLP gate", r"gate_proj"),
    ("MLP up", r"up_proj|c_fc|fc1|fc_in|dense_h_to_4h"),
    ("MLP down", r"down_proj|mlp\.c_proj|fc2|fc_out|dense_4h_to_h"),
    ("position embedding", r"wpe|embed_positions|position_embeddings"),
    ("embedding", r"embed_tokens|\bwte\b|embed_in|word_embeddings|embeddings?\b"),
    ("head", r"lm_head|embed_out|output_layer"),
)
"""The first that matches a tensor's name names its component."""

MOST = 0.5
"""Share of all parameters from which a part is said to hold most of them."""
APART = 0.2
"""Difference between two models' shares from which it is worth saying."""


class Options(ProbeOptions):
    """The census has no options of its own."""


@dataclass(frozen=True, kw_only=True)
class Census(Findings):
    """What the census gives."""

    total_parameters: int = metric("parameters")
    """Sum of the sizes of all tensors; a tensor that two parts share (a tied head) counts once."""
    layers: int = metric("blocks")
    """Number of blocks."""
    heads: int | str = metric("heads")
    """Query heads a block."""
    kv_heads: int | str = metric("heads")
    """Key-value heads a block."""
    grouped_query_ratio: float | str = metric("query heads a key-value head")
    """Query heads that share one key-value head; 1 is plain multi-head attention."""
    hidden_size: int = metric("dimensions")
    """Width of the residual stream."""
    vocabulary: int = metric("tokens")
    """Rows of the embedding table."""
    reserved_vocabulary: int | str = metric("tokens")
    """Rows that no text uses: beyond the tokenizer's tokens, or kept for later by name (unused, reserved)."""
    tied_head: int = metric("1 = yes")
    """1 where the unembedding is the embedding table itself, else 0."""
    tensors: Rows = table("name", "component", "block", "shape", "dtype", "parameters")
    """Every tensor once; block is empty outside the blocks."""


class ParameterCensus(Probe[Options, Census]):
    """Shows: how many parameters each part of the model has, in total, by component and by block.

    Read: one bar a model, one colour a component. A small model with a large vocabulary spends most of its
    parameters on the embedding table. The second figure shows the blocks, those that are made alike as one bar.

    Computed: the sizes of all tensors are added up, a tensor shared by two parts once. Components are told by the
    names of the tensors. From `config:FILE` the model is built without weights, and the same sum is taken.
    """

    name = "parameter_census"
    version = 1
    question = "Where are the parameters?"
    options = Options
    findings = Census
    needs_weights = False

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Census:
        """Sizes from the model in memory (or on the meta device)."""
        rows = [_row(parameter) for parameter in _unique(model.parameters())]
        vocabulary, width = model.embedding_table.shape
        heads, kv_heads = case.facts.heads, case.facts.kv_heads
        none = "the architecture has no attention heads"
        return Census(
            total_parameters=sum(_size(row) for row in rows),
            layers=model.layers,
            heads=heads or none,
            kv_heads=kv_heads or none,
            grouped_query_ratio=heads / kv_heads if heads and kv_heads else none,
            hidden_size=width,
            vocabulary=vocabulary,
            reserved_vocabulary=_reserved(case, vocabulary),
            tied_head=int(model.anatomy.unembedding.weight is model.anatomy.embedding.weight),
            tensors=rows,
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """All models in one figure by component; one figure a model by block."""
        import numpy as np

        ok = section.ok()
        if not ok:
            return
        sizes = {subject: _by_component(outcome.tables["tensors"].records()) for subject, outcome in ok.items()}
        used = [component for component in COMPONENTS if any(component in size for size in sizes.values())]
        yield StackedBars(
            name="components",
            subject=tuple(ok),
            title=say("parameter_census.components.title", "Parameters by component"),
            alt=sentences(_told(section.name(subject), size) for subject, size in sizes.items()),
            bars=[section.name(subject) for subject in ok],
            segments=[component_label(component) for component in used],
            values=np.array([[size.get(component, 0) / 1e6 for component in used] for size in sizes.values()]),
            value_label=_millions(),
        )
        for subject, outcome in ok.items():
            yield _blocks(section.name(subject), subject, outcome.tables["tensors"].records())

    def statement(self, section: Section) -> str:
        """The part that holds at least half of a model's parameters, and where the vocabulary's share differs."""
        named = [(section.name(subject), outcome) for subject, outcome in section.ok().items()]
        return sentences([*(_most(*one) for one in named), _difference(named)])


def component_of(name: str) -> str:
    """The component that a tensor belongs to, by its name."""
    return next((component for component, pattern in _PATTERNS if re.search(pattern, name)), "other")


def component_label(component: str) -> str:
    """What a component is called in figures, in the spoken language."""
    return say(f"component.{component}", component)


def _part_of(component: str) -> str:
    """The large part of a model that a component belongs to."""
    if component in ("embedding", "position embedding", "head"):
        return "vocabulary"
    if component.startswith(("MLP", "expert", "router")):
        return "mlp"
    return "attention" if component.startswith("attention") else component


def _shares(outcome: Outcome) -> dict[str, float]:
    """Part -> its share of all parameters; empty of a model without any."""
    sizes: dict[str, int] = {"vocabulary": 0}
    for component, size in _by_component(outcome.tables["tensors"].records()).items():
        sizes[_part_of(component)] = sizes.get(_part_of(component), 0) + size
    total = sum(sizes.values())
    return {part: size / total for part, size in sizes.items()} if total else {}


def _most(name: str, outcome: Outcome) -> str:
    """The part with at least half of the parameters."""
    shares = _shares(outcome)
    part, share = max(shares.items(), key=lambda one: one[1], default=("", 0.0))
    values = {
        "model": name,
        "total": digits(f"{outcome.metrics['total_parameters'].value or 0:,}"),
        "share": digits(f"{share:.0%}"),
    }
    if share >= MOST and part == "vocabulary":
        return say(
            "parameter_census.most_in_vocabulary",
            "{model} keeps {share} of its {total} parameters in its vocabulary.",
            **values,
        )
    if share >= MOST and part == "mlp":
        return say(
            "parameter_census.most_in_mlp", "{model} keeps {share} of its {total} parameters in its MLPs.", **values
        )
    if share >= MOST and part == "attention":
        return say(
            "parameter_census.most_in_attention",
            "{model} keeps {share} of its {total} parameters in attention.",
            **values,
        )
    return say(
        "parameter_census.no_clear_statement",
        "No clear statement about {model}: no part holds half of its {total} parameters.",
        **values,
    )


def _difference(named: Iterable[tuple[str, Outcome]]) -> str:
    """The two models whose vocabularies take the most different shares; nothing where these are near."""
    shares = sorted((shares["vocabulary"], name) for name, outcome in named if (shares := _shares(outcome)))
    if not shares or shares[-1][0] - shares[0][0] < APART:
        return ""
    (small, low), (large, high) = shares[0], shares[-1]
    return say(
        "parameter_census.vocabulary_differs",
        "The vocabulary takes {large} of {high}, but {small} of {low}.",
        high=high,
        low=low,
        large=digits(f"{large:.0%}"),
        small=digits(f"{small:.0%}"),
    )


def _unique(parameters: Iterable[Parameter]) -> list[Parameter]:
    return list({parameter.identity: parameter for parameter in reversed(list(parameters))}.values())[::-1]


def _row(parameter: Parameter) -> list[str | int | float | bool | None]:
    block = re.search(r"\.(?:layers|h|blocks)\.(\d+)\.", parameter.name)
    shape = " x ".join(str(size) for size in parameter.shape)
    component = component_of(parameter.name)
    number = None if block is None or component == "vision" else int(block.group(1))
    return [parameter.name, component, number, shape, parameter.dtype, prod(parameter.shape)]


def _size(row: list[str | int | float | bool | None]) -> int:
    size = row[-1]
    assert isinstance(size, int)
    return size


def _reserved(case: Case[Options], vocabulary: int) -> int | str:
    tokenizer = case.tokenizer_if_any
    if tokenizer is None:
        return "a configuration alone has no tokenizer"
    return vocabulary - tokenizer.size + tokenizer.reserved


def _by_component(records: Iterable[dict[str, str | int]]) -> dict[str, int]:
    sizes: dict[str, int] = defaultdict(int)
    for record in records:
        sizes[str(record["component"])] += int(record["parameters"])
    return dict(sizes)


def _millions() -> str:
    return say("unit.million parameters", "million parameters")


def _told(name: str, sizes: Mapping[str, int]) -> str:
    """The parameters of all components, for who cannot see the bars."""
    parts = [f"{component_label(component)} {digits(f'{size:,}')}" for component, size in sizes.items()]
    return say("parameter_census.parts", "{model}: {parts}.", model=name, parts=listed(parts))


def _blocks(name: str, subject: str, records: list[dict[str, str | int]]) -> StackedBars:
    import numpy as np

    inside = [record for record in records if record["block"] is not None]
    blocks = sorted({int(record["block"]) for record in inside})
    sizes = [_by_component(record for record in inside if record["block"] == block) for block in blocks]
    runs = _runs(sizes)
    used = [component for component in COMPONENTS if any(component in size for size in sizes)]
    count = say_count(
        "parameter_census.blocks.alt",
        "{model} has {count} block.",
        "{model} has {count} blocks.",
        len(blocks),
        model=name,
    )
    first = _told(say("parameter_census.block", "block {block}", block=0), sizes[0]) if sizes else ""
    return StackedBars(
        name="blocks",
        subject=(subject,),
        title=say("parameter_census.blocks.title", "{model}: parameters by block", model=name),
        alt=sentences([count, first]),
        bars=[_run_label(first, last) for first, last in runs],
        segments=[component_label(component) for component in used],
        values=np.array([[sizes[a].get(component, 0) / 1e6 for component in used] for a, _ in runs]),
        value_label=_millions(),
    )


def _run_label(first: int, last: int) -> str:
    if first == last:
        return say("parameter_census.block", "block {block}", block=first)
    return say("parameter_census.blocks_each", "blocks {first}–{last}, each", first=first, last=last)


def _runs(sizes: Sequence[dict[str, int]]) -> list[tuple[int, int]]:
    """(first, last) of each run of blocks that are made alike."""
    runs: list[tuple[int, int]] = []
    for block, size in enumerate(sizes):
        if runs and sizes[runs[-1][0]] == size:
            runs[-1] = (runs[-1][0], block)
        else:
            runs.append((block, block))
    return runs


probe = ParameterCensus()
