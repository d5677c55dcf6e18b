"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import Need, PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.principal import principal_points
from reportgen.probes.pca_map import Map, Options, need_of
from reportgen.probing.case import Case
from reportgen.text.prompts import Prompt

COMPONENTS = 2


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Map:
    """One PCA a layer."""
    rows = [_rows(single, need_of(case, p)) for single, p in zip(captured, case.options.prompts, strict=True)]
    by_layer: NDArray[np.float32] = torch.stack(rows, dim=1).float().cpu().numpy()
    maps = [principal_points(layer, COMPONENTS) for layer in by_layer]
    prompts = case.options.prompts
    explained = np.stack([explained for _, explained in maps])
    return Map(
        plane_variance=float(explained[-1].sum()),
        coordinates={"layer": case.needed_layers(case.options.layers) or range(len(by_layer))},
        points=np.stack([points for points, _ in maps]),
        explained_variance=explained,
        items=[[i, _label(case, prompt), prompt.group or ""] for i, prompt in enumerate(prompts)],
        prompts=case.prompt_rows(prompts),
        words=case.word_rows((i, prompt, prompt.word) for i, prompt in enumerate(prompts)),
    )


def _rows(captured: PassResult, need: Need) -> Tensor:
    """(layer x width)"""
    return torch.cat(captured.tensors_of(need, 0))


def _label(case: Case[Options], prompt: Prompt) -> str:
    return prompt.label or prompt.word or case.tokenizer.prompt_text(prompt)
