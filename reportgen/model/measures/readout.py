"""What the unembedding says of rows of the residual stream, a few at a time, on the model's device.

The logit lens: the model's own final norm and unembedding at every layer, nothing trained. What a layer holds in
another basis than the last one's it does not see; `tuned_lens` corrects for that where a trained lens is given. KL is
taken from the final row, KL(final || layer), in nats over the whole vocabulary: what the model will say and the layer
does not yet counts most.

Rows of all layers, steps and prompts go through together; nothing of vocabulary size is kept but the final
distributions that the rows are compared with. Cost: one unembedding a row, in a small model more than the pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.numerics.distributions import entropy, kl_divergence, log_softmax, rank_of

_COMPARED = 64
"""Final distributions held at a time."""


@dataclass(frozen=True)
class Readout:
    """What is read at each row; one row a (place, layer)."""

    token_ids: torch.Tensor
    """(place x layer x k) the most likely tokens."""
    probabilities: torch.Tensor
    """(place x layer x k)"""
    entropy: torch.Tensor
    """(place x layer) in nats."""
    kl: torch.Tensor
    """(place x layer) KL(final || layer) in nats; 0 in the last layer. NaN where it was not asked for."""
    answer_rank: torch.Tensor
    """(place x layer) rank, from 1, of the final row's likeliest token."""
    answer_probability: torch.Tensor
    """(place x layer)"""
    asked_rank: torch.Tensor
    """(place x layer x asked) rank, from 1, of the tokens that were asked about."""
    asked_probability: torch.Tensor
    """(place x layer x asked)"""


def fetch_readout(read: Readout) -> Readout:
    """The same on the host, in two transfers instead of one a field."""
    k = read.token_ids.shape[-1]
    single = [one[..., None] for one in (read.entropy, read.kl, read.answer_probability)]
    counts = torch.cat([read.token_ids, read.answer_rank[..., None], read.asked_rank], dim=-1).cpu()
    values = torch.cat([read.probabilities, *single, read.asked_probability], dim=-1).cpu()
    return Readout(
        token_ids=counts[..., :k],
        probabilities=values[..., :k],
        entropy=values[..., k],
        kl=values[..., k + 1],
        answer_rank=counts[..., k],
        answer_probability=values[..., k + 2],
        asked_rank=counts[..., k + 1 :],
        asked_probability=values[..., k + 3 :],
    )


@torch.inference_mode()
def read_out(
    model: LoadedModel,
    residual: torch.Tensor,
    normed: torch.Tensor,
    *,
    k: int,
    norm: bool = True,
    answers: torch.Tensor | None = None,
    asked: torch.Tensor | None = None,
    kl: bool = True,
) -> Readout:
    """Lens of every layer at some places of the stream.

    Args:
        model: whose unembedding reads.
        residual: (place x layer x width) layers 0 to L−1.
        normed: (place x width) what the model's own unembedding reads there: the last layer's row.
        k: tokens kept a row.
        norm: whether the final norm stands before the unembedding.
        answers: (place) the tokens whose rank and probability are read; the final row's likeliest where not given.
        asked: (place x asked) further tokens whose rank and probability are read; none where not given.
        kl: whether the layers are compared with the final row, one more exponential of all tokens a row.
    """
    parts = []
    further = torch.empty(len(normed), 0, dtype=torch.int64, device=normed.device) if asked is None else asked
    for start in range(0, len(normed), _COMPARED):
        some = slice(start, start + _COMPARED)
        given = None if answers is None else answers[some]
        parts.append(_read_some(model, residual[some], normed[some], k, norm, given, further[some], kl))
    names = Readout.__dataclass_fields__
    return Readout(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


@torch.inference_mode()
def kl_between(
    model: LoadedModel, one: torch.Tensor, other: torch.Tensor, normed: torch.Tensor, *, norm: bool = True
) -> torch.Tensor:
    """(layer) KL(one || other), in nats, of what the layers of two places say.

    Args:
        model: whose unembedding reads.
        one: (layer x width) layers 0 to L−1 of the first place.
        other: the same of the second.
        normed: (2 x width) what the model's own unembedding reads at both: the last layer's row.
        norm: whether the final norm stands before the unembedding.
    """
    pairs = torch.stack([one, other], dim=1).reshape(-1, one.shape[-1])  # those of a layer stand next to each other
    found = []
    for read in (model.lens_logits(pairs, norm=norm), model.final_logits(normed)):
        for rows, logits in read:
            log_p = log_softmax(logits[: _count(rows)])
            found.append(kl_divergence(log_p[::2], log_p[1::2]))
    return torch.cat(found)


def _read_some(
    model: LoadedModel,
    residual: torch.Tensor,
    normed: torch.Tensor,
    k: int,
    norm: bool,
    given: torch.Tensor | None,
    asked: torch.Tensor,
    kl: bool,
) -> Readout:
    places, layers, width = residual.shape
    k = min(k, model.anatomy.unembedding.weight.shape[0])
    last, lower = (_room(rows, k, asked.shape[1], normed.device) for rows in (places, places * layers))
    final = torch.empty(places if kl else 0, model.anatomy.unembedding.weight.shape[0], device=normed.device)
    for rows, logits in model.final_logits(normed):
        log_p = log_softmax(logits)
        if kl:
            final[rows] = log_p[: _count(rows)]
        answer = select_likeliest(log_p, 1)[1][:, 0] if given is None else _pad_indices(given[rows], len(logits))
        further = _pad_indices(asked[rows], len(logits))
        _store_rows(last, rows, _read_rows(log_p, log_p if kl else None, answer, further, k, _count(rows)))
    answers = last.token_ids[:, 0] if given is None else given
    place_of_row = torch.arange(places, device=final.device).repeat_interleave(layers)
    for rows, logits in model.lens_logits(residual.reshape(-1, width), norm=norm):
        place = _pad_indices(place_of_row[rows], len(logits))
        compared = final[place] if kl else None
        read = _read_rows(log_softmax(logits), compared, answers[place], asked[place], k, _count(rows))
        _store_rows(lower, rows, read)
    stacked = {}
    for name in Readout.__dataclass_fields__:
        below, above = getattr(lower, name), getattr(last, name)
        stacked[name] = torch.cat([below.reshape(places, layers, *below.shape[1:]), above[:, None]], dim=1)
    return Readout(**stacked)


def _room(rows: int, k: int, asked: int, device: torch.device) -> Readout:
    """Room for what is read at so many rows. Kept piece by piece between the large tensors that come and go, small
    ones would leave holes that those do not fit.
    """
    return Readout(
        token_ids=torch.empty(rows, k, dtype=torch.int64, device=device),
        probabilities=torch.empty(rows, k, device=device),
        entropy=torch.empty(rows, device=device),
        kl=torch.empty(rows, device=device),
        answer_rank=torch.empty(rows, dtype=torch.int64, device=device),
        answer_probability=torch.empty(rows, device=device),
        asked_rank=torch.empty(rows, asked, dtype=torch.int64, device=device),
        asked_probability=torch.empty(rows, asked, device=device),
    )


def _store_rows(into: Readout, rows: slice, read: Readout) -> None:
    for name in Readout.__dataclass_fields__:
        getattr(into, name)[rows] = getattr(read, name)


def _read_rows(
    log_p: torch.Tensor,
    final: torch.Tensor | None,
    answer: torch.Tensor,
    asked: torch.Tensor,
    k: int,
    count: int,
) -> Readout:
    """Padding is read too, and dropped after: shapes decide about bits."""
    values, ids = select_likeliest(log_p, k)
    chosen = log_p.take_along_dim(answer[:, None], dim=1)[:, 0]
    return Readout(
        token_ids=ids[:count],
        probabilities=values.exp()[:count],
        entropy=entropy(log_p)[:count],
        kl=_measure_kl(log_p, final)[:count],
        answer_rank=rank_of(log_p, answer)[:count],
        answer_probability=chosen.exp()[:count],
        asked_rank=torch.stack([rank_of(log_p, token) for token in asked.T], dim=1)[:count]
        if asked.numel()
        else asked[:count],
        asked_probability=log_p.take_along_dim(asked, dim=1).exp()[:count],
    )


def _measure_kl(log_p: torch.Tensor, final: torch.Tensor | None) -> torch.Tensor:
    """(row) KL(final || row); NaN where there is nothing to compare with."""
    if final is None:
        return torch.full_like(log_p[:, 0], torch.nan)
    return torch.zeros_like(log_p[:, 0]) if final is log_p else kl_divergence(final, log_p)


def _count(rows: slice) -> int:
    return int(rows.stop - rows.start)


def _pad_indices(places: torch.Tensor, length: int) -> torch.Tensor:
    """Indices padded to a length."""
    if len(places) == length:
        return places
    return torch.cat([places, places[-1:].expand(length - len(places), *places.shape[1:])])


def stack_layers(layers: Sequence[torch.Tensor]) -> torch.Tensor:
    """(place x layer x width) from one (place x width) tensor a layer."""
    return torch.stack(list(layers), dim=1)
