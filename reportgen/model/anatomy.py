"""The parts of a causal LM that probes read: found by structure here, proven by behaviour in `check`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from reportgen.errors import Mistake, ModelError

_NORM_NAMES = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f", "final_norm")
_ATTENTION_NAMES = ("self_attn", "attn", "attention", "self_attention")


Network = Any
"""A causal LM of transformers, which has no types of its own."""


@dataclass(frozen=True)
class Anatomy:
    """Where a model keeps what its residual stream passes through."""

    decoder: nn.Module
    """Runs tokens through the blocks and the final norm."""
    blocks: Sequence[nn.Module]
    """(block) each adds to the residual stream."""
    attentions: Sequence[nn.Module | None]
    """(block) the module whose second output is the attention pattern; None for a block without attention."""
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
    return Anatomy(
        decoder=decoder,
        blocks=tuple(blocks),
        attentions=tuple(_child(block, _ATTENTION_NAMES) for block in blocks),
        final_norm=_required(_child(decoder, _NORM_NAMES), network, f"a final norm named one of {_NORM_NAMES}"),
        embedding=network.get_input_embeddings(),
        unembedding=_required(network.get_output_embeddings(), network, "an output embedding"),
        logit_scale=_logit_scale(config),
        softcap=getattr(config, "final_logit_softcapping", None),
    )


def _decoder_and_blocks(network: nn.Module, count: int) -> tuple[nn.Module, nn.ModuleList]:
    for name, module in network.named_modules():
        if "vision" in name or "visual" in name:
            continue
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child) == count and any(True for _ in child.parameters()):
                return module, child
    raise _missing(network, f"a list of {count} blocks")


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


def _logit_scale(config: Any) -> float:
    """Cohere multiplies its logits by logit_scale, Granite divides them by logits_scaling."""
    factor = getattr(config, "logit_scale", None)
    divisor = getattr(config, "logits_scaling", None)
    return float(1.0 if factor is None else factor) / float(1.0 if divisor is None else divisor)
