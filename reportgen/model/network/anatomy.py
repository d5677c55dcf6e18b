"""The parts of a causal LM that probes read: found here by structure (attention, and where the stream ends, by what
modules give), proven by behaviour in `check`.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from reportgen.errors import Mistake, ModelError
from reportgen.model.network.attention import Modules, attentions_of, few_tokens
from reportgen.model.network.block_config import count_heads
from reportgen.model.network.ends import Ends, ends_of, named_ends_of
from reportgen.model.network.held import device_of_ids
from reportgen.model.network.routers import Router
from reportgen.model.network.writers import Writer, named_attention_writer, named_mlp_writer

Network = Any
"""A causal LM of transformers, which has no types of its own."""


@dataclass(frozen=True)
class Anatomy:
    """Where a model keeps what its residual stream passes through."""

    decoder: nn.Module
    """Runs tokens through the blocks and the final norm."""
    blocks: Sequence[nn.Module]
    """(block) each adds to the residual stream."""
    attentions: Modules
    attention_writers: Sequence[Writer | None]
    """(block) None where none is found: proven by `check_writes` before anything is read there."""
    mlp_writers: Sequence[Writer | None]
    """(block) None where none is found."""
    heads: int | None
    """Heads of every block, from the configuration; None where it names none."""
    final_norm: nn.Module | None
    """From the last block's output to what the unembedding reads: mostly a norm; None where no modules lead there."""
    embedding: nn.Embedding
    unembedding: nn.Linear
    logit_scale: float
    """Factor of the logits; 1 for most architectures."""
    softcap: float | None
    """c of c * tanh(logits / c)."""
    carries: Sequence[float] = ()
    """(block) by what it multiplies the stream before it adds: Gemma 4 does; of none where no block does."""
    activation_functions: Sequence[nn.Module | None] = ()
    """(block) that of its MLP, None where none is found; empty where nobody has asked."""
    routers: Sequence[Router | None] = ()
    """(block) where it routes tokens to experts, None where it does not; empty where nobody has asked."""
    several_streams: bool = False
    """Whether the blocks hand on more than one row of numbers a token."""

    def carry_factor(self, block: int) -> float:
        """By what a block multiplies the stream that enters it."""
        return self.carries[block] if self.carries else 1.0


def anatomy_of(network: Network) -> Anatomy:
    """The anatomy of a transformers causal LM.

    Raises:
        ModelError: a part is not where any known architecture has it.
    """
    config = network.config.get_text_config()
    _, holder, blocks = _holder_and_blocks(network, _count(config))
    decoder = _decoder(network, holder)
    tokens = few_tokens(config, network.get_input_embeddings().weight.shape[0])
    ends = _require_part(_ends(network, decoder, blocks, tokens), network, "a matrix that gives its logits")
    return Anatomy(
        decoder=ends.decoder,
        blocks=tuple(blocks),
        attention_writers=tuple(named_attention_writer(block) for block in blocks),
        mlp_writers=tuple(named_mlp_writer(block) for block in blocks),
        heads=count_heads(config),
        final_norm=ends.final_norm,
        embedding=network.get_input_embeddings(),
        unembedding=ends.unembedding,
        logit_scale=ends.logit_scale,
        softcap=ends.softcap,
        several_streams=ends.several_streams,
        attentions=attentions_of(ends.decoder, blocks, tokens),  # the model runs: only where all else was found
    )


def _ends(network: Network, decoder: nn.Module, blocks: Sequence[nn.Module], tokens: Sequence[int]) -> Ends | None:
    if device_of_ids(network).type != "meta":
        return ends_of(network, decoder, blocks, tokens)
    return named_ends_of(network, decoder)


def _count(config: Any) -> int | None:
    """Blocks that a configuration counts: BART's kin have others in an encoder, which is not there."""
    return getattr(config, "decoder_layers", None) or getattr(config, "num_hidden_layers", None)


def find_blocks(network: Network) -> tuple[str, nn.ModuleList]:
    """The list of a network's blocks, with its name; true without weights too.

    Raises:
        ModelError: there is none.
    """
    name, holder, _ = _holder_and_blocks(network, _count(network.config.get_text_config()))
    blocks: Any = holder.get_submodule(name.rpartition(".")[2])
    return name, blocks


def _holder_and_blocks(network: nn.Module, count: int | None) -> tuple[str, nn.Module, list[nn.Module]]:
    """The name of the list of blocks, the module around it, and the blocks."""
    for name, module in network.named_modules():
        if "vision" in name or "visual" in name:
            continue
        for own, held in module.named_children():
            if isinstance(held, nn.ModuleList) and len(held) == count and any(True for _ in held.parameters()):
                return f"{name}.{own}".removeprefix("."), module, list(held)
    raise _missing_part_error(network, "a list of its blocks" if count is None else f"a list of {count} blocks")


def _decoder(network: nn.Module, holder: nn.Module) -> nn.Module:
    """The innermost module around the blocks that takes tokens: BERT keeps its blocks in one that does not."""
    around = [module for module in network.modules() if any(holder is inside for inside in module.modules())]
    return next(module for module in reversed(around) if "input_ids" in inspect.signature(module.forward).parameters)


def _require_part(part: Any, network: nn.Module, what: str) -> Any:
    if part is None:
        raise _missing_part_error(network, what)
    return part


def _missing_part_error(network: nn.Module, what: str) -> ModelError:
    return ModelError(
        Mistake(
            f"{type(network).__name__} has no part that is {what}",
            "this architecture is not supported yet: please report its name",
        )
    )
