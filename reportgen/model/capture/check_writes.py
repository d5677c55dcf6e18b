"""What components write to the stream, and what attention is made of, proven when somebody first asks for it.

A model that lacks one of these sites, or behaves otherwise, is not refused: what asks for the site is told why. Names
of modules are not trusted: what they give has to add up. Cost: a few short passes, once a model.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from reportgen.model.capture.activation_functions import activation_functions_of
from reportgen.model.capture.batches import join
from reportgen.model.capture.check_routes import reason_against_routing
from reportgen.model.capture.passes import run
from reportgen.model.capture.position_table import count_position_rows
from reportgen.model.capture.rotations import rotations_of
from reportgen.model.capture.trial import TOLERANCE, choose_trial_tokens, tolerance_of
from reportgen.model.needs import Need, Pass, PassResult, Site
from reportgen.model.network.loaded import SEVERAL_STREAMS, LoadedModel
from reportgen.model.network.matrices import bias_of, matrix_of
from reportgen.model.network.quantise import reason_without_floats
from reportgen.model.network.routers import ROUTING
from reportgen.model.network.scores import can_be_seen, scale_scores
from reportgen.model.network.writers import Writer, writers_of

_WRITES = (Site.ATTENTION_WRITE, Site.MLP_WRITE)
_INSIDE = {Site.HEADS: Site.ATTENTION_WRITE, Site.MEMORIES: Site.MLP_WRITE}
_BEFORE_SOFTMAX = (Site.SCORES, Site.VALUES)
_BEFORE_ROTATION = (Site.QUERIES, Site.KEYS)
_FOUND_WITH_WRITERS = frozenset({*_WRITES, *_INSIDE, *_BEFORE_SOFTMAX, *_BEFORE_ROTATION, Site.ACTIVATIONS})
PROVEN_LATER = _FOUND_WITH_WRITERS | ROUTING


def reason_against(model: LoadedModel, site: Site, blocks: Sequence[int] | None = None) -> str:
    """Why a site cannot be measured in this model, or in some of its blocks where not in all; empty where it can.

    Found by a short pass, once.
    """
    if site in ROUTING:
        return reason_against_routing(model, site, blocks)
    whole = _known_reason(model, site, None)
    return whole if not whole or blocks is None else _known_reason(model, site, tuple(blocks))


@torch.inference_mode()
def _known_reason(model: LoadedModel, site: Site, blocks: tuple[int, ...] | None) -> str:
    settle_writers(model)
    if (site, blocks) not in model.reasons_against:
        against = (
            _reason_against_writes
            if site in _WRITES
            else _reason_against_projections
            if site in _INSIDE
            else _reason_against_content
            if site in _BEFORE_ROTATION
            else _reason_against_activations
            if site is Site.ACTIVATIONS
            else _reason_against_scores
        )
        reason = against(model, site, tuple(range(model.layers)) if blocks is None else blocks)
        model.reasons_against[site, blocks] = model.say_not_measurable(reason) if reason else ""
    return model.reasons_against[site, blocks]


@torch.inference_mode()
def settle_writers(model: LoadedModel) -> None:
    """Finds what writes in blocks whose named parts do not add up to what the block adds: once, by what they do."""
    if model.anatomy.several_streams or model.no_sum is not None:
        return
    model.no_sum = {}
    off = _find_blocks_off(model)
    if not off:
        return
    found = writers_of(model.anatomy.decoder, model.anatomy.blocks, choose_trial_tokens(model))
    attention, mlp = list(model.anatomy.attention_writers), list(model.anatomy.mlp_writers)
    for block in off:
        attention[block], mlp[block] = found[block].attention, found[block].mlp
        if found[block].reason:
            model.no_sum[block] = f"block {block} {found[block].reason}"
    carries = tuple(found[block].carries if block in off else 1.0 for block in range(model.layers))
    model.anatomy = replace(
        model.anatomy,
        attention_writers=tuple(attention),
        mlp_writers=tuple(mlp),
        carries=() if set(carries) == {1.0} else carries,
    )


def _find_blocks_off(model: LoadedModel) -> list[int]:
    """The blocks whose named parts do not write what they add."""
    needs = [Need(site) for site in (Site.RESIDUAL, *_WRITES)]
    captured = _run_trial(model, needs)
    stream, attention, mlp = (captured.values[need] for need in needs)
    off = []
    for block in range(model.layers):
        before, after = stream[block, 0].float(), stream[block + 1, 0].float()
        written = [one.float() for part in (attention, mlp) if (one := part.get((block, 0))) is not None]
        alike = len(written) == len(_WRITES) and all(one.shape == before.shape for one in written)
        if not (alike and _measure_gap(before + written[0] + written[1], after) <= TOLERANCE[model.dtype]):
            off.append(block)
    return off


def _reason_against_writes(model: LoadedModel, site: Site, blocks: tuple[int, ...]) -> str:
    """resid[l + 1] - resid[l] is what attention writes and what the MLP writes."""
    if model.anatomy.several_streams:
        return SEVERAL_STREAMS
    if told := [model.no_sum[block] for block in blocks if model.no_sum and block in model.no_sum]:
        return told[0]
    for what, writers in (("attention", model.anatomy.attention_writers), ("MLP", model.anatomy.mlp_writers)):
        missing = [str(block) for block in blocks if writers[block] is None]
        if missing:
            return f"no {what} writes in block {', '.join(missing)}"
    stream_need, *needs = Need(Site.RESIDUAL), *(Need(write, "all", blocks) for write in _WRITES)
    captured = _run_trial(model, [stream_need, *needs])
    stream = captured.tensors_of(stream_need, 0)
    for block, attention, mlp in zip(blocks, *(captured.tensors_of(need, 0) for need in needs), strict=True):
        added = stream[block].float() * model.anatomy.carry_factor(block) + attention.float() + mlp.float()
        apart = _measure_gap(added, stream[block + 1].float())
        if not apart <= TOLERANCE[model.dtype]:
            return f"block {block} adds more to the stream than its attention and MLP write, by {apart:.2g} of it"
    return ""


def _reason_against_projections(model: LoadedModel, site: Site, blocks: tuple[int, ...]) -> str:
    """What enters the last matrix, through it, is what it gives."""
    reason = reason_against(model, _INSIDE[site], blocks).partition(": ")[2]
    if reason:
        return reason
    writers = _writers(model, site, blocks)
    without = [str(block) for block, writer in zip(blocks, writers, strict=True) if writer.projection is None]
    if without:
        return f"the MLP of block {without[0]} has no down projection of its own: it is a mixture of experts"
    aside = [str(block) for block, writer in zip(blocks, writers, strict=True) if writer.side_modules]
    if aside:
        return f"block {aside[0]} has several modules that write side by side"
    matrices = [writer.projection for writer in writers if writer.projection is not None]
    if packed := next((told for matrix in matrices if (told := reason_without_floats(matrix))), ""):
        return packed
    needs = [Need(site, "all", blocks), Need(_INSIDE[site], "all", blocks)]
    captured = _run_trial(model, needs)
    tolerance = tolerance_of(model)
    for block, writer, entering, written in zip(
        blocks, writers, *(captured.tensors_of(need, 0) for need in needs), strict=True
    ):
        assert writer.projection is not None
        bias = bias_of(writer.projection, model.device)
        found = entering.float() @ matrix_of(writer.projection, model.device) + (0.0 if bias is None else bias)
        if writer.norm is not None:
            found = writer.norm(found.to(model.dtype)).float().to(model.device)
        apart = _measure_gap(found * writer.scale, written.float())
        if not apart <= tolerance:
            return f"what enters the projection of block {block} does not give what it writes, by {apart:.2g} of it"
    if site is Site.HEADS:
        return _reason_against_heads(model, blocks)
    return ""


def _reason_against_heads(model: LoadedModel, blocks: tuple[int, ...]) -> str:
    """What enters the output projection is a piece of one length a head, in order: pattern times values, where both
    are seen.
    """
    missing = [told for block in blocks if (told := model.reason_without_attention(block))]
    if missing:
        return missing[0]
    needs = [Need(site, "all", blocks) for site in (Site.ATTENTION, Site.HEADS, Site.VALUES)]
    captured = _run_trial(model, needs if _can_see_all_attention(model) else needs[:2])
    patterns, together = (captured.tensors_of(need, 0) for need in needs[:2])
    values = captured.tensors_of(needs[2], 0) if _can_see_all_attention(model) else [None] * len(blocks)
    for block, pattern, rows, value in zip(blocks, patterns, together, values, strict=True):
        if len(pattern) != model.anatomy.heads:
            return f"block {block} has {len(pattern)} heads, where the configuration has {model.anatomy.heads}"
        if rows.shape[-1] % len(pattern):
            return f"{rows.shape[-1]} numbers of block {block} cannot be shared by {len(pattern)} heads"
        if value is not None:
            read = pattern.float() @ value.float()
            apart = _measure_gap(read.transpose(0, 1).flatten(1), rows.float())
            if not apart <= TOLERANCE[model.dtype]:
                return f"the heads of block {block} are not where they are looked for, by {apart:.2g} of what they find"
    return ""


def _reason_against_scores(model: LoadedModel, site: Site, blocks: tuple[int, ...]) -> str:
    """The softmax of the scores is the pattern; heads with a sink logit leave it a share."""
    missing = [told for block in blocks if (told := model.reason_without_attention(block))]
    if missing:
        return missing[0]
    if not _can_see_all_attention(model):
        return "its attention computes scores where nobody can look"
    needs = [Need(Site.SCORES, "all", blocks), Need(Site.ATTENTION, "all", blocks)]
    captured = _run_trial(model, needs)
    if len(captured.tensors_of(needs[0], 0)) != len(blocks):
        return "its attention does not compute scores where they are looked for"
    for block, scores, pattern in zip(blocks, *(captured.tensors_of(need, 0) for need in needs), strict=True):
        share = pattern.float().sum(-1, keepdim=True)
        apart = float((scores.softmax(-1) * share - pattern.float()).abs().max())
        if not apart <= TOLERANCE[model.dtype]:
            return f"the softmax of block {block}'s scores is not its attention pattern, by {apart:.2g}"
    return ""


def _reason_against_activations(model: LoadedModel, site: Site, blocks: tuple[int, ...]) -> str:
    """What enters the down projection is what a module without weights gives, or that times what a matrix gives."""
    reason = reason_against(model, Site.MEMORIES, blocks).partition(": ")[2]
    if reason:
        return reason
    if not model.anatomy.activation_functions:
        model.anatomy = replace(model.anatomy, activation_functions=activation_functions_of(model))
    without = [str(block) for block in blocks if model.anatomy.activation_functions[block] is None]
    return f"the activation function of the MLP of block {without[0]} is not found" if without else ""


def _reason_against_content(model: LoadedModel, site: Site, blocks: tuple[int, ...]) -> str:
    """Queries and keys before rotary embedding, turned to where they stand, have the scores of the block."""
    reason = reason_against(model, Site.SCORES, blocks).partition(": ")[2]
    if reason:
        return reason
    rotations = rotations_of(model)
    without = [block for block in blocks if block not in rotations]
    if without:
        rows = count_position_rows(model)
        told = f"positions do not enter the queries and keys of block {without[0]} by a rotary embedding"
        return told if rows is None else f"{told}: a table of {rows:,} positions is added to the embedding"
    needs = [Need(site, "all", blocks) for site in (Site.QUERIES, Site.KEYS, Site.SCORES)]
    captured = _run_trial(model, needs)
    for block, query, key, scores in zip(blocks, *(captured.tensors_of(need, 0) for need in needs), strict=True):
        rotation, places = rotations[block], range(query.shape[1])
        turned = [rotation.turn(one, places).float() for one in (query, key)]
        found = scale_scores(turned[0] @ turned[1].transpose(1, 2), rotation.scaling, rotation.softcap)
        seen = torch.isfinite(scores)
        apart = float((found - scores)[seen].abs().max() / scores[seen].abs().max().clamp_min(1e-6))
        if not apart <= TOLERANCE[model.dtype]:
            return f"turned queries and keys of block {block} do not give its scores, by {apart:.2g} of the largest"
    return ""


def _can_see_all_attention(model: LoadedModel) -> bool:
    return all(can_be_seen(attention) for attention in model.anatomy.attentions if attention is not None)


def _writers(model: LoadedModel, site: Site, blocks: Sequence[int]) -> list[Writer]:
    """(block) those that were found to be there."""
    found = model.anatomy.attention_writers if site is Site.HEADS else model.anatomy.mlp_writers
    return [writer for block in blocks if (writer := found[block]) is not None]


def _run_trial(model: LoadedModel, needs: Sequence[Need]) -> PassResult:
    single = Pass(choose_trial_tokens(model), tuple(needs))
    (taken,) = run(model, join([single]))
    return taken.part(single)


def _measure_gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference in (position x width) rows, as a share of the row's own largest number: the stream of the
    first token may be a thousand times as large as the others.
    """
    return float(((found - expected).abs().amax(-1) / expected.abs().amax(-1).clamp_min(1e-6)).max())
