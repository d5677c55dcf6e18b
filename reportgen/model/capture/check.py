"""A model is proven on load by what it does, not by its name.

Class names and configurations promise what a family once did; a lens that reads the wrong norm gives plausible tokens.
So a few tokens pass, and what was captured has to agree with what the model itself gives. Cost: four passes of some
tokens, against seconds of loading.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from reportgen.errors import Mistake, ModelError
from reportgen.model.capture.check_cache import Beginning, begin, try_cache
from reportgen.model.capture.hooks import NotFiniteError, replace_stream, stream_of
from reportgen.model.capture.shared_passes import run_all
from reportgen.model.capture.trial import TOLERANCE, choose_trial_tokens, tolerance_of
from reportgen.model.needs import Need, Pass, PassResult, Site
from reportgen.model.network.loaded import LoadedModel

_LOOKED_INSIDE = "reportgen looks inside causal language models; BERT-like models are causal only with is_decoder: true"

_RESIDUAL = Need(Site.RESIDUAL)
_FINAL = Need(Site.FINAL)
_ATTENTION = Need(Site.ATTENTION)


@torch.inference_mode()
def prove(model: LoadedModel) -> None:
    """Checks, on a few tokens, that the parts found are the parts that matter.

    The lens' last row equals the model's logits; the last residual, normed, is what the unembedding reads;
    attention is causal, and of rows that sum to at most 1 (what is not is left out, block by block); overwriting the
    stream changes the logits; a step that reads the cache gives what the whole text gives (else none is read).

    Raises:
        ModelError: names what differed, by how much.
    """
    tokens = choose_trial_tokens(model)
    begun = begin(model, tokens[:-1])
    try:
        (captured,) = run_all(model, [Pass(tokens, _list_needs(model))])
    except NotFiniteError as error:
        remedy = "the weights are damaged, or need a wider dtype: try dtype: float32"
        raise ModelError(Mistake(f"{type(model.network).__name__} is refused: {error}", remedy)) from error
    _check_lens(model, tokens, captured, begun)
    if _ATTENTION in captured.values:
        _check_attention(model, captured)
    _check_overwriting(model, tokens[:-1], begun)
    try_cache(model, begun, tokens[-1], captured.tensors_of(_FINAL, 0)[0][-1])


def _list_needs(model: LoadedModel) -> tuple[Need, ...]:
    stream = () if model.anatomy.several_streams else (_RESIDUAL,)
    if all(attention is None for attention in model.anatomy.attentions):
        return (*stream, _FINAL)
    return (*stream, _FINAL, _ATTENTION)


def _logits(model: LoadedModel, tokens: tuple[int, ...], begun: Beginning) -> torch.Tensor:
    """(position x vocabulary) in float32, run as the beginning was."""
    ids = torch.tensor([tokens], device=model.device)
    logits: torch.Tensor = model.network(ids, use_cache=begun.use_cache).logits[0]
    return logits.float().to(model.device)


def _check_lens(model: LoadedModel, tokens: tuple[int, ...], captured: PassResult, begun: Beginning) -> None:
    (normed,), logits = captured.tensors_of(_FINAL, 0), begun.logits
    own = torch.cat([chunk[: rows.stop - rows.start] for rows, chunk in model.final_logits(normed)])
    if not _are_alike(model, own[: len(logits)], logits) and _are_alike(model, own, _logits(model, tokens, begun)):
        raise _refusal(model, "later text changes earlier logits: it is not causal", _LOOKED_INSIDE)
    _check_equal(model, own[: len(logits)], logits, "the unembedding's logits differ from the model's own")
    if model.anatomy.final_norm is None:
        return
    stream = captured.tensors_of(_RESIDUAL, 0)
    if len(stream) != model.layers + 1:
        raise _refusal(model, f"{len(stream)} residual rows, expected {model.layers + 1}")
    _check_equal(
        model,
        model.anatomy.final_norm(stream[-1]).float().to(normed.device),
        normed.float(),
        "the last block's output, normed, is not what the unembedding reads",
    )


def _check_equal(model: LoadedModel, found: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    if found.shape != expected.shape:
        raise _refusal(model, f"{what}: shape {tuple(found.shape)}, expected {tuple(expected.shape)}")
    if not _are_alike(model, found, expected):
        difference, scale = float((found - expected).abs().max()), float(expected.abs().max())
        raise _refusal(model, f"{what}, by {difference:.3g} where values reach {scale:.3g}")


def _are_alike(model: LoadedModel, found: torch.Tensor, expected: torch.Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    difference = float((found - expected).abs().max())
    return difference <= tolerance_of(model) * max(1.0, float(expected.abs().max()))


def _check_attention(model: LoadedModel, captured: PassResult) -> None:
    """Leaves out what only looks like attention: linear attention has numbers a query and key, too."""
    for (block, _), pattern in sorted(captured.values[_ATTENTION].items()):
        sums = pattern.float().sum(-1)
        if float(sums.max()) > 1 + TOLERANCE[model.dtype] or float(pattern.min()) < 0:
            _leave_out(model, block, f"{float(sums.min()):.3g} to {float(sums.max()):.3g}")
        elif float(pattern.triu(1).abs().max()) != 0.0:
            raise _refusal(model, f"attention of block {block} looks ahead: it is not causal")
        else:
            model.head_counts[block] = len(pattern)


def _leave_out(model: LoadedModel, block: int, sums: str) -> None:
    model.no_pattern[block] = f"block {block} has no attention whose weights sum to 1: a query's sum to {sums}"
    others = tuple(None if at == block else found for at, found in enumerate(model.anatomy.attentions))
    model.anatomy = replace(model.anatomy, attentions=others)


def _check_overwriting(model: LoadedModel, tokens: tuple[int, ...], begun: Beginning) -> None:
    with _overwrite_stream(model.anatomy.blocks[model.layers // 2]):
        changed = _logits(model, tokens, begun)
    if torch.equal(changed, begun.logits):
        raise _refusal(model, "overwriting the residual stream does not change the logits")


@contextmanager
def _overwrite_stream(block: nn.Module) -> Iterator[None]:
    def overwrite(_module: nn.Module, _args: Any, output: Any) -> Any:
        stream = stream_of(output)
        noise = torch.linspace(-1, 1, stream.numel(), device=stream.device, dtype=stream.dtype).reshape(stream.shape)
        return replace_stream(output, noise * stream.abs().max())

    handle = block.register_forward_hook(overwrite)
    try:
        yield
    finally:
        handle.remove()


def _refusal(
    model: LoadedModel, what: str, remedy: str = "its parts are not where reportgen looks for them"
) -> ModelError:
    return ModelError(Mistake(f"{type(model.network).__name__} is refused: {what}", remedy))
