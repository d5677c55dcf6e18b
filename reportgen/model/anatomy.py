"""The parts of a causal LM that probes read: found here by structure (attention by what it returns), proven by
behaviour in `check`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from reportgen.errors import Mistake, ModelError
from reportgen.model.attention import Modules, attentions_of, few_tokens

_NORM_NAMES = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f", "final_norm")
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
    attentions: Modules
    attention_writers: Sequence[Writer | None]
    """(block) None where none is found: proven by `check_writes` before anything is read there."""
    mlp_writers: Sequence[Writer | None]
    """(block) None where none is found."""
    heads: int | None
    """Heads of every block, from the configuration; None where it names none."""
    final_norm: nn.Module
    embedding: nn.Embedding
    unembedding: nn.Linear
    logit_scale: float
    """Factor of the logits, from the configuration; 1 for most architectures."""
    softcap: float | None
    """c of c * tanh(logits / c), from the configuration."""


def anatomy_of(network: Network) -> Anatomy:
    """The anatomy of a transformers causal LM.

    Raises:
        ModelError: a part is not where any known architecture has it.
    """
    config = network.config.get_text_config()
    decoder, blocks = _decoder_and_blocks(network, config.num_hidden_layers)
    tokens = few_tokens(config, network.get_input_embeddings().weight.shape[0])
    return Anatomy(
        decoder=decoder,
        blocks=tuple(blocks),
        attention_writers=tuple(_attention_writer(block) for block in blocks),
        mlp_writers=tuple(_mlp_writer(block) for block in blocks),
        heads=_heads(config),
        final_norm=_required(_child(decoder, _NORM_NAMES), network, f"a final norm named one of {_NORM_NAMES}"),
        embedding=network.get_input_embeddings(),
        unembedding=_required(network.get_output_embeddings(), network, "an output embedding"),
        logit_scale=_logit_scale(config),
        softcap=getattr(config, "final_logit_softcapping", None),
        attentions=attentions_of(decoder, tuple(blocks), tokens),  # the model runs: only where all else was found
    )


def _decoder_and_blocks(network: nn.Module, count: int) -> tuple[nn.Module, nn.ModuleList]:
    for name, module in network.named_modules():
        if "vision" in name or "visual" in name:
            continue
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child) == count and any(True for _ in child.parameters()):
                return module, child
    raise _missing(network, f"a list of {count} blocks")


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


def _logit_scale(config: Any) -> float:
    """Cohere multiplies its logits by logit_scale, Granite divides them by logits_scaling."""
    factor = getattr(config, "logit_scale", None)
    divisor = getattr(config, "logits_scaling", None)
    return float(1.0 if factor is None else factor) / float(1.0 if divisor is None else divisor)
