"""How large the attention of each block is: heads, their width, and how far they see. True without weights too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from reportgen.model.network.block_config import config_of_block, count_heads
from reportgen.model.network.held import device_of_ids
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.windows import window_of

_KINDS = ("layer_types", "layers_block_type")
"""Lists of a configuration that say what each block is."""
_OTHER = ("linear", "lightning", "mamba", "conv")
"""Kinds that keep a state in the place of attention."""
_QUERY_WIDTHS = ("qk_head_dim", "head_dim", "head_size", "attention_head_size")
_VALUE_WIDTHS = ("v_head_dim", *_QUERY_WIDTHS)


@dataclass(frozen=True)
class AttentionShape:
    """The attention of one block."""

    block: int
    heads: int
    query_width: int
    """Numbers of a query, and of a key."""
    value_width: int
    window: int | None
    """Tokens that a query sees, itself included; None where it sees all before it."""

    def count_seen(self, position: int) -> int:
        """Keys that the query at a position, counted from 0, sees."""
        return position + 1 if self.window is None else min(position + 1, self.window)


def attention_shapes(model: LoadedModel) -> list[AttentionShape | None]:
    """(block) None where a block has no attention, or none whose sizes are known."""
    config = model.network.config.get_text_config()
    return [
        _shape_of(config_of_block(config, block), block) if _has_attention(model, config, block) else None
        for block in range(model.layers)
    ]


def _shape_of(config: Any, block: int) -> AttentionShape | None:
    heads = count_heads(config)
    if heads is None:
        return None
    whole = getattr(config, "hidden_size", 0) // heads
    query = _read_width(config, _QUERY_WIDTHS[:1]) or _add_latent_widths(config) or _read_width(config, _QUERY_WIDTHS)
    value = _read_width(config, _VALUE_WIDTHS)
    return AttentionShape(block, heads, query or whole, value or whole, window_of(config, block))


def _read_width(config: Any, names: Sequence[str]) -> int | None:
    return next((width for name in names if isinstance(width := getattr(config, name, None), int)), None)


def _add_latent_widths(config: Any) -> int | None:
    """A query of latent attention: what is turned by its position, and what is not."""
    parts = [_read_width(config, (name,)) for name in ("qk_nope_head_dim", "qk_rope_head_dim")]
    return None if None in parts else sum(part for part in parts if part is not None)


def _has_attention(model: LoadedModel, config: Any, block: int) -> bool:
    kinds = next((kinds for name in _KINDS if (kinds := getattr(config, name, None))), None)
    if kinds is not None and any(other in str(kinds[block]) for other in _OTHER):
        return False
    if device_of_ids(model.network).type != "meta":
        return model.anatomy.attentions[block] is not None
    return model.anatomy.attention_writers[block] is not None or _is_named_attention(kinds, block)


def _is_named_attention(kinds: Any, block: int) -> bool:
    return kinds is not None and str(kinds[block]) in ("attention", "full_attention", "sliding_attention", "hybrid")


def state_size(block: nn.Module) -> int | None:
    """Numbers in the selective state space of a block (Gu and Dao 2023, Mamba); None where none is known."""
    known = (module for module in block.modules() if hasattr(module, "A_log") and hasattr(module, "x_proj"))
    return next((decay.numel() for module in known if isinstance(decay := module.A_log, nn.Parameter)), None)
