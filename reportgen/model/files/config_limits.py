"""Sizes that a config.json may name: what is beyond them would be built for ever, or is not a number at all.

A configuration is a stranger's. The largest models that are published have some 130 blocks, 18,000 numbers a token,
512 experts a block (or, of a table of vectors, 16,384) and 262,144 tokens; what may be built here is well above that.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reportgen.errors import Mistake, ModelError

DEEPEST = 40
"""Mappings and lists within each other."""
LARGEST = 10**15
"""Any whole number."""
MOST_EXPERTS_IN_ALL = 600_000
"""Blocks times experts a block."""
_SIZES: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(names), most)
    for names, most in (
        (r"(num|n)_(.*_)?layers?|(en|de)coder_layers|depth|num_stages|num_codebooks", 1_000),
        (r"(.*_)?heads?|n_head_kv|multi_query_group_num", 10_000),
        (r"(.*_)?(experts|experts_per_tok)", 20_000),
        (r"vocab_size|vocab_size_.*|(.*_)?num_embeddings", 10_000_000),
        (r"num_labels|num_classes", 100_000),
        (r"hidden_size|n_embd|d_model|(.*_)?head_dim|word_embed_proj_dim|.*_rank|(state|embedding)_size", 1_000_000),
        (r".*intermediate_size|n_inner|ffn_dim|d_ff|ffn_hidden_size", 10_000_000),
        (r"max_position_embeddings|n_positions|n_ctx|max_seq_len|max_sequence_length|seq_length", 1_000_000_000),
    )
)  # fmt: skip
"""Names of sizes, and the most that each may be; none may be below 0."""
_LAYERS = re.compile(r"num_hidden_layers|n_layers?|num_layers")
_EXPERTS = re.compile(r"num_local_experts|num_experts|n_routed_experts|moe_num_experts")


def check_sizes(config: Mapping[str, Any], path: Path) -> None:
    """Passes where every size of a configuration, in all of its parts, is one that can be built.

    Raises:
        ModelError: one is not; it says which.
    """
    for name, value, depth in _numbers(config):
        if depth > DEEPEST:
            raise _make_error(f"it is nested more than {DEEPEST} deep", path)
        if isinstance(value, int) and abs(value) > LARGEST:
            raise _make_error(f"{_shorten_value(name)} is a number beyond {LARGEST:,}", path)
        most = next((most for names, most in _SIZES if names.fullmatch(name)), None)
        if most is not None and isinstance(value, int | float) and not (value == int_of(value) and 0 <= value <= most):
            raise _make_error(
                f"{name} is {_shorten_value(value)}, where a model has a whole number up to {most:,}", path
            )
    for part in _parts(config):
        blocks, experts = (_find_largest(part, names) for names in (_LAYERS, _EXPERTS))
        if blocks * experts > MOST_EXPERTS_IN_ALL:
            raise _make_error(f"it has {blocks:,} blocks of {experts:,} experts each", path)


def int_of(value: float) -> int | None:
    """A number as a whole one; None where it is none: infinite, or not a number."""
    try:
        return int(value)
    except (OverflowError, ValueError):
        return None


def _make_error(message: str, path: Path) -> ModelError:
    return ModelError(Mistake(f"no model can be built from it: {message}", "Take the model's own config.json.", path))


def _shorten_value(value: float | str) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _numbers(config: Any) -> Iterator[tuple[str, Any, int]]:
    """Each value with the name that it, or the list around it, stands under; and how deep."""
    found: list[tuple[str, Any, int]] = [("", config, 0)]
    while found:
        name, value, depth = found.pop()
        yield name, value, depth
        if depth > DEEPEST:
            continue
        if isinstance(value, dict):
            found.extend((str(inner), one, depth + 1) for inner, one in value.items())
        elif isinstance(value, list):
            found.extend((name, one, depth + 1) for one in value)


def _parts(config: Any) -> Iterator[Mapping[str, Any]]:
    return (value for _, value, _ in _numbers(config) if isinstance(value, dict))


def _find_largest(part: Mapping[str, Any], names: re.Pattern[str]) -> int:
    sizes = [value for name, value in part.items() if names.fullmatch(name) and isinstance(value, int)]
    return max(sizes, default=0)
