"""How an architecture is built, read off its tiny network and its configuration: the groups of the support table."""

import re
from typing import Any

from torch import nn

GROUPS = {
    "attention": "every block has attention",
    "attention and state space": "some blocks, or parts of them, keep a state (a state space, a recurrence, linear "
    "attention, a short convolution) where others have attention",
    "state space": "no block has attention: a state space or a recurrence",
    "not built": "transformers builds no network from its configuration alone",
    "latent attention": "keys and values come out of one small vector (MLA)",
    "routed experts": "a router chooses among several MLPs for each token",
    "shared layers": "several blocks use the same weights, or the same keys and values",
    "heads differ by layer": "the number or the width of heads is not the same in all blocks",
    "attention sinks": "each head has a logit of its own in the softmax, so that a query's weights sum to less than 1",
    "sliding window": "some blocks see a window of the latest tokens alone",
    "several streams": "blocks hand on more than one vector per token",
    "inside a larger model": "the language model of one that also reads images or sound",
}
"""Group -> what it means; the first four say what blocks are made of, and each architecture is in one of them."""

_STATE = re.compile(
    r"Mamba|BambaMixer|RecurrentBlock|Rglru|Rwkv|[xms]LSTM|Delta(Net|Attention)|Lightning|ShortConv|LinearAttention"
)
_ATTENTION = re.compile(r"Attention|Attn|MLA")
_EXPERTS = re.compile(r"Experts?$|Sparse(Moe|MoE)|TopK?Router|TopkRouter|MoE$|Moe$")
_HEADS = ("num_attention_heads", "num_key_value_heads", "head_dim", "num_global_key_value_heads", "global_head_dim")


def groups_of(network: Any, blocks: list[nn.Module], config: Any, several_streams: bool) -> list[str]:
    """The groups of a network, in the order of `GROUPS`."""
    text = config.get_text_config()
    there = {
        _kind(blocks),
        *(["latent attention"] if getattr(text, "kv_lora_rank", None) else []),
        *(["routed experts"] if any(_EXPERTS.search(type(one).__name__) for one in network.modules()) else []),
        *(["shared layers"] if _share(blocks) or getattr(text, "num_kv_shared_layers", 0) else []),
        *(["heads differ by layer"] if _heads_differ(blocks, text) else []),
        *(["attention sinks"] if any("sink" in name for name, _ in network.named_parameters()) else []),
        *(["sliding window"] if _has_window(text) else []),
        *(["several streams"] if several_streams else []),
        *(["inside a larger model"] if text is not config else []),
    }
    return [group for group in GROUPS if group in there]


def _kind(blocks: list[nn.Module]) -> str:
    names = [{type(module).__name__ for module in block.modules() if module is not block} for block in blocks]
    state = any(_STATE.search(name) for inside in names for name in inside)
    attention = any(_ATTENTION.search(name) and not _STATE.search(name) for inside in names for name in inside)
    if state:
        return "attention and state space" if attention else "state space"
    return "attention"


def _share(blocks: list[nn.Module]) -> bool:
    """Whether a matrix is in two blocks."""
    seen: set[int] = set()
    for block in blocks:
        own = {id(parameter) for parameter in block.parameters() if parameter.ndim > 1}
        if own & seen:
            return True
        seen |= own
    return False


def _heads_differ(blocks: list[nn.Module], text: Any) -> bool:
    """Whether the matrices that make queries and keys differ in shape between blocks that have them."""
    if set(getattr(text, "per_layer_attributes", None) or ()) & set(_HEADS):
        return True
    shapes = {
        frozenset((name.rpartition("self_attn")[2], tuple(one.shape)) for name, one in block.named_parameters()
                  if re.search(r"\b[qk]_proj\.weight$", name) and "indexer" not in name)
        for block in blocks
    }  # fmt: skip
    return len(shapes - {frozenset()}) > 1


def _has_window(text: Any) -> bool:
    kinds = {str(kind) for name in ("layer_types", "attention_layers") for kind in (getattr(text, name, None) or ())}
    if kinds:
        return bool(kinds & {"sliding_attention", "chunked_attention", "local"})
    size = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
    return isinstance(size, int) and size > 0
