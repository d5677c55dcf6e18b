"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.capture.position_table import count_position_rows
from reportgen.model.measures.token_loss import token_losses
from reportgen.model.needs import Pass, PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.loss_by_position import Losses, Options, edges_of, exceeds_context, need_of, windows_of
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Losses | Later[Losses]:
    """From the windows; those that exceed the trained context pass as far as there are positions for them."""
    return _run_beyond(case, model) if exceeds_context(case) else _find_losses(case, model, captured)


def _run_beyond(case: Case[Options], model: LoadedModel) -> Later[Losses]:
    rows = count_position_rows(model)
    passed = yield [Pass(window[:rows], (need_of(case),)) for window in windows_of(case)]
    return _find_losses(case, model, passed, rows)


def _find_losses(
    case: Case[Options], model: LoadedModel, passed: Sequence[PassResult], rows: int | None = None
) -> Losses:
    length, context = case.options.length, case.facts.context_length
    edges = edges_of(length, case.options.bin, context)
    by_position = np.full((len(passed), length), np.nan)
    for window, single in enumerate(passed):
        by_position[window, 1 : len(single.tokens)] = _losses(case, model, single)
    parts = [by_position[:, first:end] for first, end in pairwise(edges)]
    by_window = np.stack([_mean(part, axis=1) for part in parts], axis=1)
    loss = np.array([float(_mean(part)) for part in parts])
    within = [at for at, end in enumerate(edges[1:]) if np.isfinite(loss[at]) and end <= (context or length)]
    whole = [at for at in within if edges[at + 1] - edges[at] == case.options.bin]
    reason = "" if rows is None else f"not measurable beyond {rows:,}: there is no row in the position table"
    return Losses(
        coordinates={"position": edges[:-1]},
        loss_first=float(loss[0]),
        loss_last=float(loss[(whole or within)[-1]]),
        loss_beyond=_tell_beyond(length, context, reason) or float(_mean(by_position[:, context:])),
        context=context or "its configuration names no limit",
        windows=len(passed),
        loss=loss.astype(np.float32),
        loss_by_window=by_window.astype(np.float32),
        bins=_bin_rows(edges, parts, loss, reason),
    )


def _losses(case: Case[Options], model: LoadedModel, single: PassResult) -> NDArray[np.float64]:
    """(position, from 1) −ln p of the token that stands there."""
    residual = single.tensors_of(need_of(case), 0)[0]
    tokens = torch.tensor(single.tokens[1:], device=residual.device)
    found: NDArray[np.float64] = token_losses(model, residual[:-1], tokens).double().cpu().numpy()
    return found


def _mean(values: NDArray[np.float64], axis: int | None = None) -> NDArray[np.float64]:
    """The mean of what was measured; NaN where nothing was."""
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis)
    mean: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return mean


def _tell_beyond(length: int, context: int | None, reason: str) -> str:
    """Why there is no loss beyond the trained context; empty where there is one."""
    if context is None:
        return "its configuration names no limit"
    if length <= context:
        return f"windows of {length:,} tokens end within the trained context of {context:,}"
    return reason


def _bin_rows(
    edges: Sequence[int], parts: Sequence[NDArray[np.float64]], loss: NDArray[np.float64], reason: str
) -> Rows:
    rows: Rows = []
    for (first, end), part, mean in zip(pairwise(edges), parts, loss.tolist(), strict=True):
        there = bool(np.isfinite(mean))
        rows.append([first, end - 1, int(np.isfinite(part).sum()), mean if there else None, None if there else reason])
    return rows
