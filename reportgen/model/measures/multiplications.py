"""How many multiplications a model needs for a token, and for a prompt, by the length of the text.

Counted are those of products of matrices and convolutions, as torch's own counter does (two operations each): each
number of a matrix is multiplied once per token (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", 2.1),
of routed experts those that are taken; q·k and weight·v once per head, number and key that is seen. Of a selective
state space (Gu and Dao 2023, "Mamba") its projections, its convolution and the reading of its state. Left out is what
is done number by number: norms, activation functions, softmax, gates, the decay of a state.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from reportgen.model.needs import Unmeasurable
from reportgen.model.network.attention_shapes import AttentionShape, attention_shapes, state_size
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.quantise import reason_without_floats

_TAKEN = ("num_experts_per_tok", "num_experts_per_token", "top_k", "moe_topk", "num_selected_experts")
_EXPERT = re.compile(r"\bexperts\b")


@dataclass(frozen=True)
class Multiplications:
    """What a token costs."""

    matrices: dict[str, int]
    """Name of a matrix in a block, without its number -> multiplications per token, over all blocks."""
    state: int
    """Of reading states, per token."""
    attention: Sequence[AttentionShape]
    """Of the blocks that have attention."""
    unembedding: int
    """Per token that is predicted."""

    def of_scores(self, position: int) -> int:
        """q·k and weight·v of the query at a position, counted from 0, in all blocks."""
        return sum(one.heads * (one.query_width + one.value_width) * one.count_seen(position) for one in self.attention)

    def of_all_scores(self, length: int) -> int:
        """The same of all queries of a prompt: keys that a mask hides are not counted."""
        found = 0
        for one in self.attention:
            window = length if one.window is None else min(one.window, length)
            seen = window * (window + 1) // 2 + (length - window) * window
            found += one.heads * (one.query_width + one.value_width) * seen
        return found


def count_multiplications(model: LoadedModel) -> Multiplications:
    """The counts of a model, from the shapes of its matrices: without weights too.

    Raises:
        Unmeasurable: a block mixes tokens in a way that is not counted here.
    """
    shapes = attention_shapes(model)
    states = [state_size(block) for block in model.anatomy.blocks]
    unknown = [at for at, both in enumerate(zip(shapes, states, strict=True)) if both == (None, None)]
    if unknown:
        told = f"block {unknown[0]} mixes tokens neither by attention nor by a state space that is known"
        raise Unmeasurable(model.say_not_measurable(told))
    packed = (module for block in model.anatomy.blocks for module in block.modules())
    if reason := next((reason for module in packed if (reason := reason_without_floats(module))), ""):
        raise Unmeasurable(model.say_not_measurable(reason))
    matrices: dict[str, int] = {}
    for block in model.anatomy.blocks:
        for name, count in _count_matrices(block, model.network.config.get_text_config()):
            matrices[name] = matrices.get(name, 0) + count
    return Multiplications(
        matrices=matrices,
        state=sum(state for state in states if state is not None),
        attention=[shape for shape in shapes if shape is not None],
        unembedding=model.anatomy.unembedding.weight.numel(),
    )


def _count_matrices(block: nn.Module, config: Any) -> Iterator[tuple[str, int]]:
    """(name, multiplications per token) of each matrix in a block."""
    for name, parameter in block.named_parameters(remove_duplicate=False):
        around, _, own = name.rpartition(".")
        module = block.get_submodule(around)
        if parameter.ndim == 3 and _EXPERT.search(name):
            yield name, parameter.numel() * _taken(config) // len(parameter)
        elif own == "weight" and parameter.ndim >= 2 and not isinstance(module, nn.Embedding):
            several = _EXPERT.search(name) and re.search(r"experts\.\d+\.", name)
            share = _taken(config) / _experts(block, around) if several else 1
            yield name, round(parameter.numel() * share)


def _taken(config: Any) -> int:
    taken = next((count for name in _TAKEN if isinstance(count := getattr(config, name, None), int)), None)
    if taken is None:
        raise Unmeasurable("its configuration does not say how many experts take a token")
    return taken


def _experts(block: nn.Module, around: str) -> int:
    """How many experts stand beside the one in which a matrix is."""
    return len(list(block.get_submodule(around[: around.index("experts") + len("experts")]).children()))
