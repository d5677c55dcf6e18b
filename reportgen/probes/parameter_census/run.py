"""How it is measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import prod

from reportgen.model.needs import PassResult
from reportgen.model.network.attention_shapes import attention_shapes
from reportgen.model.network.loaded import LoadedModel, Parameter
from reportgen.probes.parameter_census import Census, Options
from reportgen.probing.case import Case

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


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Census:
    """Sizes from the model in memory (or on the meta device)."""
    rows = [_row(parameter) for parameter in _drop_repeated(model.parameters())]
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
        reserved_vocabulary=_count_reserved(case, vocabulary),
        tied_head=int(model.anatomy.unembedding.weight is model.anatomy.embedding.weight),
        tensors=rows,
        attention=[
            [one.block, one.heads, one.query_width, one.value_width, one.window]
            for one in attention_shapes(model)
            if one is not None
        ],
    )


def component_of(name: str) -> str:
    """The component that a tensor belongs to, by its name."""
    return next((component for component, pattern in _PATTERNS if re.search(pattern, name)), "other")


def _drop_repeated(parameters: Iterable[Parameter]) -> list[Parameter]:
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


def _count_reserved(case: Case[Options], vocabulary: int) -> int | str:
    tokenizer = case.tokenizer_if_any
    if tokenizer is None:
        return "a configuration alone has no tokenizer"
    return vocabulary - tokenizer.size + tokenizer.reserved
