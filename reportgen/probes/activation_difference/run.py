"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import torch
from torch import Tensor

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.measures.difference import sum_logit_changes
from reportgen.model.measures.next_token import Cut, distributions
from reportgen.model.measures.steered import add_direction
from reportgen.model.needs import Edit, Need, Pass, Site
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.numerics.distributions import log_softmax
from reportgen.numerics.mean_difference import draw_relabellings, mean_difference, share_of_mean_norm
from reportgen.numerics.steering import scale_to_length
from reportgen.probes.activation_difference import (
    DRAWS,
    MOVED,
    ActivationDifference,
    Options,
    needs_of,
    patched_layers,
    patched_place,
    steered_layer,
)
from reportgen.probes.patchscope.run import put_representation
from reportgen.probing.case import Case
from reportgen.probing.probe import MeasuredModel
from reportgen.results.quantities import Rows


def compare(base: MeasuredModel[Options], other: MeasuredModel[Options]) -> ActivationDifference:
    """The mean difference and its control: their norms, what they say, what the logits do, and what base writes."""
    case, k = base.case, base.case.options.top_k
    ours, theirs = _stream(base), _stream(other)
    signs = draw_relabellings(len(ours), DRAWS, case.options.seed)
    difference, relabelled = mean_difference(ours, theirs), mean_difference(ours, theirs, signs[0])
    norm = share_of_mean_norm(difference, ours)
    norms = [share_of_mean_norm(mean_difference(ours, theirs, drawn), ours) for drawn in signs]
    control = torch.stack(norms).amax(dim=0)
    by_layer, by_chance = norm.mean(dim=1), torch.stack([one.mean(dim=1) for one in norms]).amax(dim=0)
    strongest = int(by_layer.argmax())
    changes, changes_by_chance = _change_logits(base, other, signs[0])
    differs, any_left = bool(by_layer[strongest] > 0), bool(by_chance[strongest] > 0)
    ways = {"difference": difference, "relabelled": relabelled, "mirrored": -relabelled}
    patched, patched_text = _read_by_patchscope(other, theirs, ways)
    return ActivationDifference(
        texts=len(ours),
        strongest_layer=strongest if differs else "the streams are equal",
        strongest_norm=float(by_layer[strongest]),
        times_relabelled=float(by_layer[strongest] / by_chance[strongest])
        if any_left
        else "no relabelling leaves anything",
        norm=norm.numpy(),
        relabelled_norm=control.numpy(),
        top=_read_words(other.model, case, difference, k),
        top_relabelled=[
            [draw, *row]
            for draw, turned in enumerate((relabelled, -relabelled))
            for row in _read_words(other.model, case, turned, k)
        ],
        gains=_rank_changes(case, changes),
        gains_relabelled=_rank_changes(case, changes_by_chance),
        patched=patched,
        patched_text=patched_text,
        written=_write_steered(base, ours, difference, relabelled),
        prompts=case.prompt_rows(case.options.prompts),
    )


def _stream(measured: MeasuredModel[Options]) -> Tensor:
    """(text x layer x position x width) the residual stream at the first tokens, in float64 on the host."""
    texts = []
    for index, single in enumerate(measured.captured):
        stream, _ = needs_of(measured.case, index)
        texts.append(torch.stack(single.tensors_of(stream, 0)).cpu().double())  # not every accelerator has float64
    return torch.stack(texts)


def _change_logits(base: MeasuredModel[Options], other: MeasuredModel[Options], signs: list[int]) -> Tensor:
    """(2 x vocabulary) mean over texts and positions of other's logits less base's, less its mean over the vocabulary;
    then the same relabelled.
    """
    ours, theirs = _normed(base), _normed(other)
    of_text = torch.tensor([[1] * len(signs), signs], dtype=torch.float64)
    weights = of_text.repeat_interleave(base.case.options.positions, dim=1) / len(ours)
    changes = sum_logit_changes(base.model, other.model, ours, theirs, weights)
    return changes - changes.mean(dim=1, keepdim=True)


def _normed(measured: MeasuredModel[Options]) -> Tensor:
    """(text · position x width) what the unembedding reads at the first tokens, text after text."""
    finals = [needs_of(measured.case, index)[1] for index in range(len(measured.captured))]
    return torch.cat([single.tensors_of(final, 0)[0] for single, final in zip(measured.captured, finals, strict=True)])


@torch.inference_mode()
def _read_words(model: LoadedModel, case: Case[Options], difference: Tensor, k: int) -> Rows:
    """Rows of `top`: the likeliest tokens of each (layer x position x width) vector through the logit lens."""
    places = [divmod(at, difference.shape[1]) for at in range(difference.shape[0] * difference.shape[1])]
    vectors = difference.flatten(0, 1).float().to(model.device)
    found: Rows = []
    for rows, logits in model.lens_logits(vectors):
        count = rows.stop - rows.start
        scores, ids = select_likeliest(log_softmax(logits)[:count], k)
        for at, (values, tokens) in enumerate(zip(scores.exp().tolist(), ids.tolist(), strict=True), rows.start):
            if not vectors[at].any():  # nothing to read
                continue
            for rank, (token, probability) in enumerate(zip(tokens, values, strict=True), 1):
                found.append([*places[at], rank, token, case.tokenizer.show(token), probability])
    return found


def _rank_changes(case: Case[Options], changes: Tensor) -> Rows:
    """Rows of `gains`: (vocabulary) changes, the largest of either sign; a token that does not move is none."""
    found: Rows = []
    for direction, sign in (("up", 1), ("down", -1)):
        values, ids = select_likeliest(sign * changes[None], MOVED)
        moved = [(token, value) for token, value in zip(ids[0].tolist(), values[0].tolist(), strict=True) if value > 0]
        for rank, (token, value) in enumerate(moved, 1):
            found.append([direction, rank, token, case.tokenizer.show(token), sign * value])
    return found


def _mean_norm(stream: Tensor, layer: int) -> float:
    """Mean over texts of the norm of a (text x layer x position x width) stream at the last of the looked-at tokens: at
    the first there may be an attention sink, many times as long as any other.
    """
    return float(torch.linalg.vector_norm(stream[:, layer, -1], dim=-1).mean())


def _read_by_patchscope(other: MeasuredModel[Options], theirs: Tensor, ways: Mapping[str, Tensor]) -> tuple[Rows, Rows]:
    """Rows of `patched` and of `patched_text`.

    Args:
        other: the model that reads.
        theirs: (text x layer x position x width) its stream at the first tokens.
        ways: (layer x position x width) vectors, by what they are called.
    """
    case, options = other.case, other.case.options
    if not options.patchscope_scale:
        return [], []
    into, final = patched_place(case), Need(Site.FINAL, "last")
    places: list[tuple[str, int | None, int | None, float]] = [("none", None, None, 0.0)]
    passes = [Pass(into.ids, (final,), options.patchscope_tokens + 1)]
    for layer in patched_layers(case):
        norm = _mean_norm(theirs, layer)
        for position, scale, name in product(range(options.positions), options.patchscope_scale, ways):
            direction = ways[name][layer, position]
            if not bool(direction.any()):  # nothing to read
                continue
            row = torch.from_numpy(scale_to_length(np.asarray(direction), scale * norm)).float().to(other.model.device)
            places.append((name, layer, position, scale))
            passes.append(Pass(into.ids, (final,), passes[0].steps, edits=(put_representation(into, layer, row),)))
    captured = run_all(other.model, passes)
    normed = torch.cat([single.tensors_of(final, 0)[0] for single in captured])
    likeliest = distributions(other.model, normed, [1.0], [Cut("all")], options.top_k)
    read = [
        [*place, rank, token, case.tokenizer.show(token), probability]
        for place, one in zip(places, likeliest, strict=True)
        for rank, (token, probability) in enumerate(zip(one.token_ids, one.probabilities, strict=True), 1)
    ]
    texts = [case.tokenizer.decode(single.tokens[single.prompt_length :]) for single in captured]
    return read, [[*place, text] for place, text in zip(places, texts, strict=True)]


def _write_steered(base: MeasuredModel[Options], ours: Tensor, difference: Tensor, relabelled: Tensor) -> Rows:
    """Rows of `written`: every opening as base goes on by itself, with δ added, and with the control's.

    Args:
        base: the model that writes.
        ours: (text x layer x position x width) its stream at the first tokens.
        difference: (layer x position x width) δ.
        relabelled: the same of the control.
    """
    case, options = base.case, base.case.options
    if not options.scale:
        return []
    layer = steered_layer(case)
    norm = _mean_norm(ours, layer)
    added = {"difference": difference[layer, -1], "relabelled": relabelled[layer, -1]}
    # Without a length there is no direction, and nothing to add.
    ways: list[tuple[str, float, tuple[Edit, ...]]] = [("none", 0.0, ())]
    for scale in options.scale:
        for name, direction in added.items():
            if bool(direction.any()):
                vector = torch.from_numpy(scale_to_length(np.asarray(direction), norm)).to(base.model.device)
                ways.append((name, scale, add_direction(layer, vector, scale, "all")))
    tokens = [case.tokens(opening, options.continue_ + 1) for opening in options.openings]
    passes = [Pass(ids, (), options.continue_ + 1, edits=edits) for ids in tokens for *_, edits in ways]
    places = [(opening, name, scale) for opening in options.openings for name, scale, _ in ways]
    return [
        [
            case.tokenizer.prompt_text(opening),
            name,
            scale,
            case.tokenizer.decode(single.tokens[single.prompt_length :]),
        ]
        for (opening, name, scale), single in zip(places, run_all(base.model, passes), strict=True)
    ]
