"""How many neurons of each block are off on the texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.model.capture.check_writes import reason_against
from reportgen.model.needs import PassResult, Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.neurons.options import Options
from reportgen.probes.neurons.units import counted_positions, off_need
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows

_FUNCTIONS = ("hidden_activation", "hidden_act", "activation_function", "activation", "afn", "ffn_act_fn")
"""What configurations call the activation function."""


@dataclass(frozen=True)
class OffShares:
    """Shares of neurons that are off; the reason in their place where the model has no such MLPs."""

    closed: float | str
    silent: float | str
    closed_by_block: NDArray[np.float32]
    silent_by_block: NDArray[np.float32]
    functions: Rows


def count_off(case: Case[Options], model: LoadedModel, passed: Sequence[PassResult]) -> OffShares:
    """Of all tokens that count."""
    counts = [single.values.get(off_need(case, single.tokens)) for single in passed]
    if any(one is None for one in counts):
        reason = reason_against(model, Site.ACTIVATIONS).partition(": ")[2]
        return OffShares(reason, reason, np.zeros(0, np.float32), np.zeros(0, np.float32), [])
    totals = np.array(counts, np.int64).sum(0)
    tokens = sum(len(counted_positions(case, single.tokens)) for single in passed)
    closed, silent = totals[:, 0] / totals[:, 2], totals[:, 1] / totals[:, 2]
    return OffShares(
        closed=float(closed.mean()),
        silent=float(silent.mean()),
        closed_by_block=closed.astype(np.float32),
        silent_by_block=silent.astype(np.float32),
        functions=[[block, _name_of(model), int(pairs // tokens)] for block, pairs in enumerate(totals[:, 2])],
    )


def _name_of(model: LoadedModel) -> str | None:
    """The activation function, as the configuration names it."""
    config = model.network.config.get_text_config()
    return next((str(name) for key in _FUNCTIONS if (name := getattr(config, key, None))), None)
