"""Another implementation of attention than the eager one, which alone shows its patterns: proven to give the same."""

import torch

from reportgen.errors import Mistake, ModelError
from reportgen.model.capture.check_writes import reason_against
from reportgen.model.capture.trial import choose_trial_tokens, tolerance_of
from reportgen.model.needs import Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.own_code import describe_error


@torch.inference_mode()
def exchange_attention(model: LoadedModel, implementation: str) -> None:
    """Lets a proven model compute its attention in another way; where heads stand is settled before, by the patterns.

    Raises:
        ModelError: the family has no such implementation, or what it gives differs by more than rounding.
    """
    reason_against(model, Site.HEADS)
    expected = _read_rows(model)
    try:
        model.network.set_attn_implementation(implementation)
        found = _read_rows(model)
    except Exception as error:  # a family may say in any way that it has none
        raise _refuse(model, implementation, describe_error(error)) from error
    if model.network.config.get_text_config()._attn_implementation != implementation:
        raise _refuse(model, implementation, "it has none")
    apart, largest = float((found - expected).abs().max()), float(expected.abs().max())
    if not apart <= tolerance_of(model) * max(1.0, largest):
        told = f"the last rows of its stream differ by {apart:.3g} where values reach {largest:.3g}"
        raise _refuse(model, implementation, told)
    model.attention = implementation


def _read_rows(model: LoadedModel) -> torch.Tensor:
    """(position x width) what the unembedding reads of a few tokens."""
    ids = torch.tensor([choose_trial_tokens(model)], device=model.device)
    rows: torch.Tensor = model.anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
    return rows.float()


def _refuse(model: LoadedModel, implementation: str, told: str) -> ModelError:
    name = type(model.network).__name__
    return ModelError(Mistake(f"{name} with attention: {implementation} is refused: {told}", "leave the key out"))
