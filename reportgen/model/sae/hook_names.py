"""What the training programs call the places of a model, and which of ours they are."""

import re

from reportgen.model.needs import Site
from reportgen.model.sae.config import Config
from reportgen.model.sae.files import Place

SUPPORTED = (
    "blocks.N.hook_resid_pre, blocks.N.hook_resid_post, blocks.N.hook_attn_out, blocks.N.hook_mlp_out, "
    "blocks.N.attn.hook_z, model.layers.N.output, model.layers.N.self_attn.o_proj.input, "
    "model.layers.N.post_feedforward_layernorm.output"
)

# TransformerLens' hook_attn_out and hook_mlp_out stand after a norm that follows the sub-layer (Gemma 2 and 3): both
# are what is added to the residual stream. hook_z is the heads' values before the output projection.
_HOOK = re.compile(r"blocks\.(\d{1,4})\.(hook_resid_pre|hook_resid_post|hook_attn_out|hook_mlp_out|attn\.hook_z)")
_MODULE = re.compile(
    r"(?:model\.)?(?:language_model\.)?(?:model\.)?layers\.(\d{1,4})"
    r"(|\.output|\.self_attn\.o_proj\.input|\.post_feedforward_layernorm\.output)"
)
_OUTPUT_OF_A_BLOCK = ("hook_resid_post", "", ".output")
_SITES = {
    "hook_resid_pre": Site.RESIDUAL,
    "hook_resid_post": Site.RESIDUAL,
    "hook_attn_out": Site.ATTENTION_WRITE,
    "hook_mlp_out": Site.MLP_WRITE,
    "attn.hook_z": Site.HEADS,
    "": Site.RESIDUAL,
    ".output": Site.RESIDUAL,
    ".self_attn.o_proj.input": Site.HEADS,
    ".post_feedforward_layernorm.output": Site.MLP_WRITE,
}


def place_of(hook: str) -> Place:
    """The place that a hook of TransformerLens, or a module of transformers, names.

    Raises:
        LookupError: it is none of ours.
    """
    found = _HOOK.fullmatch(hook) or _MODULE.fullmatch(hook)
    if found is None:
        raise LookupError(hook)
    number, what = int(found[1]), found[2]
    return Place(_SITES[what], number + 1 if what in _OUTPUT_OF_A_BLOCK else number)


def place_in(config: Config, field: str) -> Place:
    """The place that a field of a configuration names.

    Raises:
        DictionaryError: it is missing, or none of ours.
    """
    try:
        return place_of(config.text(field))
    except LookupError as error:
        raise config.refusal(field, SUPPORTED) from error
