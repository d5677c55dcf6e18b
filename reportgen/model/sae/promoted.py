"""Which tokens a feature makes likelier, and which less likely: its direction, read by the unembedding."""

from collections.abc import Sequence

import torch

from reportgen.model.measures.frozen_norm import freeze_norm
from reportgen.model.measures.memories import Reading, readings
from reportgen.model.needs import Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.matrices import matrix_of
from reportgen.model.sae.dictionary import Dictionary


@torch.inference_mode()
def find_promoted_tokens(model: LoadedModel, dictionary: Dictionary, features: Sequence[int], k: int) -> list[Reading]:
    """(feature) the k tokens at either end of W_U · norm(direction), the final norm's gain in it and its scale, which
    is positive, left out. Directions in what heads found pass the output projection, and a norm after it, first.
    """
    rows = dictionary.directions[list(features)].to(model.device)
    if not len(rows):
        return []
    place = dictionary.files.place
    if place.site is Site.HEADS:
        writer = model.anatomy.attention_writers[place.index]
        assert writer is not None
        assert writer.projection is not None
        rows = rows @ matrix_of(writer.projection, model.device)
        if writer.norm is not None:
            rows = freeze_norm(writer.norm, rows.shape[1], rows.device).linear(rows)
    gained = freeze_norm(model.final_norm, rows.shape[1], rows.device).linear(rows)
    return readings(model, gained, k)
