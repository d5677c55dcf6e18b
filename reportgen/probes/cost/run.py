"""How it is counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.model.measures.multiplications import Multiplications, count_multiplications
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.cost import COMPONENTS, Costs, Options
from reportgen.probes.parameter_census.run import component_of
from reportgen.probing.case import Case


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Costs:
    """From the shapes of the matrices."""
    counted = count_multiplications(model)
    constants = _constants(counted)
    lengths = sorted(set(case.options.lengths))
    token = _tabulate(constants, [counted.of_scores(length - 1) for length in lengths])
    own = np.array([constants[part] for part in COMPONENTS], np.float64)
    prompt = own[:, None] * np.array(lengths, np.float64)
    prompt[COMPONENTS.index("unembedding")] = constants["unembedding"]
    prompt[COMPONENTS.index("attention scores")] = [counted.of_all_scores(length) for length in lengths]
    half = lengths[-1] // 2
    return Costs(
        coordinates={"position": lengths},
        per_token=sum(constants.values()),
        growth=_cost_of_prompt(counted, constants, 2 * half) / _cost_of_prompt(counted, constants, half),
        half_at=_find_half(counted, sum(constants.values())),
        token=token,
        prompt=prompt,
        parts=[
            [at, part, counted.of_scores(0) if part == "attention scores" else constants[part]]
            for at, part in enumerate(COMPONENTS)
        ],
    )


def part_of(name: str) -> str:
    """The part that a matrix of a block belongs to, by its name."""
    component = component_of(name)
    if component in ("experts", "router", "state space"):
        return component
    if component.startswith("attention"):
        return "attention projections"
    return "MLP" if component.startswith("MLP") else "other"


def _constants(counted: Multiplications) -> dict[str, int]:
    """Part -> multiplications per token, whatever came before it."""
    found = dict.fromkeys(COMPONENTS, 0)
    for name, count in counted.matrices.items():
        found[part_of(name)] += count
    found["state space"] += counted.state
    found["unembedding"] = counted.unembedding
    return found


def _tabulate(constants: dict[str, int], scores: Sequence[int]) -> NDArray[np.float64]:
    """(part x length) of the last token."""
    return np.array(
        [scores if part == "attention scores" else [constants[part]] * len(scores) for part in COMPONENTS], np.float64
    )


def _cost_of_prompt(counted: Multiplications, constants: dict[str, int], length: int) -> int:
    inside = sum(constants.values()) - constants["unembedding"]
    return inside * length + counted.of_all_scores(length) + constants["unembedding"]


def _find_half(counted: Multiplications, rest: int) -> int | str:
    """The first length at which scores cost more than all else."""
    if not counted.attention:
        return "no block has attention"
    low, high = 0, 1
    most = 2**40
    while high < most and counted.of_scores(high - 1) <= rest:
        low, high = high, high * 2
    if high >= most:
        return "at no length: every block sees a window alone"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if counted.of_scores(middle - 1) > rest else (middle, high)
    return high
