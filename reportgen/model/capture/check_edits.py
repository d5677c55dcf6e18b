"""Whether rows of a batch can join it between two blocks: tried once, on the model itself."""

import torch

from reportgen.model.capture.edit import Scale, apply_edits
from reportgen.model.capture.hooks import Layout
from reportgen.model.capture.trial import choose_trial_tokens, tolerance_of
from reportgen.model.needs import Edit, Site
from reportgen.model.network.loaded import LoadedModel


@torch.inference_mode()
def joins_midway(model: LoadedModel) -> bool:
    """Whether copies of the clean row that join here and there end where the clean row does.

    Most families make masks and positions of a batch of one, which serve any number of rows; some (BLOOM) bind them
    to the number of rows that entered, some (Gemma 4) read keys again that an earlier block made of fewer rows.
    """
    if model.joins_midway is None:
        model.joins_midway = _ends_alike(model)
    return model.joins_midway


def _ends_alike(model: LoadedModel) -> bool:
    tokens, layers = choose_trial_tokens(model), sorted({0, model.layers // 2, model.layers - 1})
    edits = [(Edit(Site.RESIDUAL, layer, Scale(1.0)),) for layer in layers]
    ids = torch.tensor([tokens] * model.batch, device=model.device)
    try:
        with apply_edits(model.anatomy, edits, Layout(model.batch, tuple(layers)), prompt=len(tokens)):
            normed = model.anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state.float()
    except (RuntimeError, ValueError, TypeError, IndexError):  # whatever a family says to a row too many
        return False
    if len(normed) != model.batch + len(layers):
        return False
    apart = float((normed[model.batch :] - normed[0]).abs().max())
    return apart <= tolerance_of(model) * max(1.0, float(normed[0].abs().max()))
