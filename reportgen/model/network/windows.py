"""How far back a block sees: all that came before, or a sliding window."""

from typing import Any

from reportgen.model.network.block_config import config_of_block

_LOCAL = frozenset({"sliding_attention", "local", "chunked_attention"})
"""What configurations call a block that sees a window alone, in their lists of what each block is."""
_LISTS = ("layer_types", "attention_layers")
_SIZES = {"local": "window_size", "chunked_attention": "attention_chunk_size"}
"""What names the size of the window, where it is not `sliding_window`."""


def window_of(config: Any, block: int) -> int | None:
    """Tokens that a query of a block sees, itself included; None where it sees all before it.

    As the masks of transformers have it: a key is seen where it stands less than so many tokens before the query.
    """
    config = config_of_block(config, block)
    kinds = next((kinds for name in _LISTS if (kinds := getattr(config, name, None))), None)
    if kinds is None:
        # Families without a list (Mistral, Phi-3) have one window in all blocks.
        size = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    else:
        kind = kinds[block]
        size = getattr(config, _SIZES.get(kind, "sliding_window"), None) if kind in _LOCAL else None
    return size if isinstance(size, int) and size > 0 else None
