"""Single neurons by hand: a Llama-like MLP written out, one neuron and token at a time."""

import math

import torch


@torch.no_grad()
def mlp_inputs(network, ids, block):
    """(position x width) what enters the MLP of a block."""
    seen = {}
    handle = network.model.layers[block].mlp.register_forward_pre_hook(lambda module, args: seen.update(x=args[0][0]))
    network(torch.tensor([ids]), use_cache=False)
    handle.remove()
    return seen["x"]


@torch.no_grad()
def neuron(network, ids, block, index):
    """(position) silu(w·x)(u·x)."""
    mlp, found = network.model.layers[block].mlp, []
    for x in mlp_inputs(network, ids, block):
        gate = float(mlp.gate_proj.weight[index] @ x)
        found.append(gate / (1 + math.exp(-gate)) * float(mlp.up_proj.weight[index] @ x))
    return found


@torch.no_grad()
def off(network, ids, block, positions):
    """(closed, silent) shares of (token, neuron) pairs."""
    mlp, closed, silent, pairs = network.model.layers[block].mlp, 0, 0, 0
    rows = mlp_inputs(network, ids, block)
    for at in positions:
        gates = [float(weight @ rows[at]) for weight in mlp.gate_proj.weight]
        given = [gate / (1 + math.exp(-gate)) for gate in gates]
        largest = max(map(abs, given))
        closed += sum(one <= 0 for one in given)
        silent += sum(abs(one) <= 0.01 * largest for one in given)
        pairs += len(given)
    return closed / pairs, silent / pairs


def kinds(masses):
    """Effective number of kinds, by name."""
    whole = sum(masses.values())
    product = 1.0
    for mass in masses.values():
        product *= (mass / whole) ** (-mass / whole)
    return product
