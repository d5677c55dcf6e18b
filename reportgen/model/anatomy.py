"""The parts of a causal LM that probes read: found by structure here, proven by behaviour in `check`."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reportgen.errors import Mistake, ModelError
from reportgen.model.ends import Ends, ends_of

_TRIED = 7
"""Tokens on which the ends of the stream are looked for."""
_ATTENTION_NAMES = ("self_attn", "attn", "attention", "self_attention")
_MLP_NAMES = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "moe")
_OUT_NAMES = ("o_proj", "out_proj", "dense", "c_proj", "wo")
_DOWN_NAMES = ("down_proj", "dense_4h_to_h", "c_proj", "fc2", "fc_out", "w2")
_NORMS_AFTER = (
    ("post_attention_layernorm", "post_feedforward_layernorm"),
    ("post_self_attn_layernorm", "post_mlp_layernorm"),
)
"""Norms between attention, or the MLP, and the residual stream: where a block has both of a pair. The first name
alone is that of a norm before the MLP."""


Network = Any
"""A causal LM of transformers, which has no types of its own."""


@dataclass(frozen=True)
class Writer:
    """What adds to the residual stream: the attention of a block, or its MLP."""

    source: nn.Module
    """Its output, normed and scaled, is what is added."""
    projection: nn.Module | None
    """The matrix that it ends with; None for experts, who have one each."""
    norm: nn.Module | None
    """The norm between it and the stream, where an architecture has one."""
    scale: float
    """Factor of what is added; 1 for most architectures."""


@dataclass(frozen=True)
class Anatomy:
    """Where a model keeps what its residual stream passes through."""

    decoder: nn.Module
    """Runs tokens through the blocks and the final norm."""
    blocks: Sequence[nn.Module]
    """(block) each adds to the residual stream."""
    attentions: Sequence[nn.Module | None]
    """(block) the module whose second output is the attention pattern; None for a block without attention."""
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
    several_streams: bool = False
    """Whether the blocks hand on more than one row of numbers a token."""


def anatomy_of(network: Network) -> Anatomy:
    """The anatomy of a transformers causal LM.

    Raises:
        ModelError: a part is not where any known architecture has it.
    """
    config = network.config.get_text_config()
    holder, blocks = _holder_and_blocks(network, config.num_hidden_layers)
    decoder = _decoder(network, holder)
    ends = _required(_ends(network, decoder, blocks), network, "a matrix that gives its logits")
    return Anatomy(
        decoder=ends.decoder,
        blocks=tuple(blocks),
        attentions=tuple(_child(block, _ATTENTION_NAMES) for block in blocks),
        attention_writers=tuple(_attention_writer(block) for block in blocks),
        mlp_writers=tuple(_mlp_writer(block) for block in blocks),
        heads=_heads(config),
        final_norm=ends.final_norm,
        embedding=network.get_input_embeddings(),
        unembedding=ends.unembedding,
        logit_scale=ends.logit_scale,
        softcap=ends.softcap,
        several_streams=ends.several_streams,
    )


def _ends(network: Network, decoder: nn.Module, blocks: Sequence[nn.Module]) -> Ends | None:
    if next(network.parameters()).device.type != "meta":
        return ends_of(network, decoder, blocks, _few_tokens(network))
    head = network.get_output_embeddings()  # without weights nothing can be followed
    return None if head is None else Ends(None, decoder, head)


def _holder_and_blocks(network: nn.Module, count: int) -> tuple[nn.Module, nn.ModuleList]:
    for name, module in network.named_modules():
        if "vision" in name or "visual" in name:
            continue
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child) == count and any(True for _ in child.parameters()):
                return module, child
    raise _missing(network, f"a list of {count} blocks")


def _decoder(network: nn.Module, holder: nn.Module) -> nn.Module:
    """The innermost module around the blocks that takes tokens: BERT keeps its blocks in one that does not."""
    around = [module for module in network.modules() if any(holder is inside for inside in module.modules())]
    return next(module for module in reversed(around) if "input_ids" in inspect.signature(module.forward).parameters)


def _few_tokens(network: Network) -> list[int]:
    rows = network.get_input_embeddings().weight.shape[0]
    return [int(token) for token in torch.linspace(rows // 7, rows - rows // 5, _TRIED)]


def _attention_writer(block: nn.Module) -> Writer | None:
    attention = _child(block, _ATTENTION_NAMES)
    projection = _child(attention, _OUT_NAMES) if attention is not None else None
    if projection is None:
        return None
    # Not the module around it: BLOOM's gives what it adds together with the stream that it is added to.
    return Writer(projection, projection, _norms_after(block)[0], _residual_scale(block))


def _mlp_writer(block: nn.Module) -> Writer | None:
    mlp = _child(block, _MLP_NAMES)
    projection = _child(block if mlp is None else mlp, _DOWN_NAMES)  # OPT's matrices are children of the block
    source = mlp if projection is None else projection
    if source is None:
        return None
    return Writer(source, projection, _norms_after(block)[1], _residual_scale(block))


def _norms_after(block: nn.Module) -> tuple[nn.Module | None, nn.Module | None]:
    children = dict(block.named_children())
    for names in _NORMS_AFTER:
        if all(name in children for name in names):
            return children[names[0]], children[names[1]]
    return None, None


def _residual_scale(block: nn.Module) -> float:
    """Granite multiplies what is added by residual_multiplier."""
    return float(getattr(block, "residual_multiplier", 1.0))


def _child(module: nn.Module, names: Sequence[str]) -> nn.Module | None:
    children = dict(module.named_children())
    return next((children[name] for name in names if name in children), None)


def _required(part: Any, network: nn.Module, what: str) -> Any:
    if part is None:
        raise _missing(network, what)
    return part


def _missing(network: nn.Module, what: str) -> ModelError:
    return ModelError(
        Mistake(
            f"{type(network).__name__} has no part that is {what}",
            "this architecture is not supported yet: please report its name",
        )
    )


def _heads(config: Any) -> int | None:
    heads = getattr(config, "num_attention_heads", None)
    return heads if isinstance(heads, int) else None  # some families give a list with one number a block
