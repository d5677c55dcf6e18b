"""A model's twin: the same architecture with random weights, the control of whatever is learnt from representations.

What a probe finds in the twin it finds in the tokens and the architecture, not in what training brought about (Conneau
et al. 2018; Zhang and Bowman 2018: random encoders keep much of a sentence).
"""

from __future__ import annotations

import copy
import warnings

import torch

from reportgen.model.needs import Unmeasurable
from reportgen.model.network.anatomy import Network, anatomy_of
from reportgen.model.network.held import is_read_in_passing
from reportgen.model.network.loaded import LoadedModel


def build_random_twin(model: LoadedModel, seed: int) -> LoadedModel:
    """The same architecture with weights as its own code draws them before any training, from a seed.

    It takes as much memory as the model, twice as much while it is drawn if the dtype is half of float32's. What else
    is random goes on as if nothing had been drawn.
    """
    if is_read_in_passing(model.network):
        raise Unmeasurable("its control, a twin with random weights, would not fit into memory: the model does not")
    network = _draw_weights(model.network, model.dtype, seed).to(model.device)
    return LoadedModel(network, anatomy_of(network), model.batch)


def _draw_weights(network: Network, dtype: torch.dtype, seed: int) -> Network:
    config = copy.deepcopy(network.config)
    # Drawn in float32 on the CPU: the same weights whatever the model's dtype and device.
    with torch.random.fork_rng(devices=[]), torch.inference_mode(mode=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some initialisers warn
        torch.manual_seed(seed)
        drawn = type(network)._from_config(config, dtype=torch.float32, attn_implementation="eager")
    # Not `to`: what the code itself keeps in float32, such as the turns of its positions, stays so in every model.
    kept = {id(tensor) for tensor in drawn.state_dict(keep_vars=True).values()}
    for tensor in (*drawn.parameters(), *drawn.buffers()):
        if id(tensor) in kept and tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)
    return drawn.eval().requires_grad_(False)
