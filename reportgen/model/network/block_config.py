"""What a configuration says of one block: in some families sizes differ from block to block."""

from typing import Any


def config_of_block(config: Any, block: int) -> Any:
    """The configuration of a block; the model's own where all blocks are alike."""
    return config.per_layer_config[block] if getattr(config, "is_heterogeneous", False) else config


def count_heads(config: Any) -> int | None:
    """Attention heads, where a configuration names one number; None where it names none, or one for each block."""
    if "num_attention_heads" in (getattr(config, "per_layer_attributes", None) or ()):
        return None
    heads = getattr(config, "num_attention_heads", None)
    return heads if isinstance(heads, int) else None  # some families give a list with one number a block
