"""The residual stream of texts, to disk and back; what the model loses where a dictionary takes its place."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

TEXTS = 32
"""Texts that pass the model at once."""
PRECISION = torch.bfloat16
"""Of the model's matrix products. Its residual stream and everything about dictionaries stay in float32."""
AT_ONCE = 16
"""Texts whose next tokens are scored at once."""
Edit = Callable[[Tensor], Tensor]
"""(row x width) to the same: what becomes of a layer's rows, the beginning-of-sequence token left out."""


def batches(texts: Sequence[np.ndarray], size: int = TEXTS) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens (text x position), filled up with 0 on the right, and where there are any. Texts of a length together."""
    ordered = sorted(texts, key=len)
    for start in range(0, len(ordered), size):
        some = ordered[start : start + size]
        tokens = torch.zeros(len(some), max(map(len, some)), dtype=torch.long)
        there = torch.zeros_like(tokens, dtype=torch.bool)
        for row, text in enumerate(some):
            tokens[row, : len(text)] = torch.from_numpy(text.astype(np.int64))
            there[row, : len(text)] = True
        yield tokens, there


def loaded(folder: Path) -> PreTrainedModel:
    """The model, to be run under autocast: matrices in PRECISION, embeddings, norms and the stream in float32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight = torch.nn.Parameter(module.weight.to(PRECISION), requires_grad=False)
    return model


@contextmanager
def at_layer(model: PreTrainedModel, layer: int, edit: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Shows `edit` the output of block layer − 1 (text x position x width); what it returns replaces it."""

    def hook(_: torch.nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> object:
        hidden = output[0] if isinstance(output, tuple) else output
        edited = edit(hidden)
        if edited is None:
            return None
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    handle = model.model.layers[layer - 1].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def rows_of(model: PreTrainedModel, texts: Sequence[np.ndarray], layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """A batch of texts at a time: layer -> its rows (row x width) at every position but the first."""
    for tokens, there in batches(texts):
        there[:, 0] = False
        seen: dict[int, Tensor] = {}
        with ExitStack() as hooks:
            for layer in layers:
                hooks.enter_context(at_layer(model, layer, partial(_keep, seen, layer, there)))
            hooks.enter_context(torch.inference_mode())
            hooks.enter_context(torch.autocast("cpu", PRECISION))
            model.model(input_ids=tokens, use_cache=False)
        yield seen


def _keep(seen: dict[int, Tensor], layer: int, there: Tensor, hidden: Tensor) -> None:
    seen[layer] = hidden[there].float()


@dataclass(frozen=True)
class Moments:
    """Of each dimension of a layer."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> "Moments":
        """Of (row x width)."""
        return cls(rows.mean(0), rows.std(0))


@dataclass(frozen=True)
class Record:
    """The standardised rows of one layer on disk, as float16 (row x width)."""

    rows: Tensor
    moments: Moments


def record(
    model: PreTrainedModel,
    texts: Sequence[np.ndarray],
    layers: Sequence[int],
    folder: Path,
    notify: Callable[[str], None],
) -> dict[int, Record]:
    """What texts leave at layers, kept in a folder of these texts (row x width a layer): as float16 once centred and
    divided by each dimension's standard deviation, both from every sixteenth text, because a few dimensions are far
    from 0 and far larger than the rest. Layers that are there already are read.
    """
    tokens = hashlib.sha256(b"".join(text.astype("<i4").tobytes() + b"\xff" * 4 for text in texts)).hexdigest()
    folder = folder / f"rows-{tokens[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    _record(model, texts, [layer for layer in layers if not _files(folder, layer)[0].exists()], folder, notify)
    return {layer: _read(folder, layer) for layer in layers}


def _files(folder: Path, layer: int) -> tuple[Path, Path]:
    """Of a layer's rows and of its moments."""
    return folder / f"layer_{layer}.npy", folder / f"layer_{layer}.moments.npy"


def _read(folder: Path, layer: int) -> Record:
    rows, moments = (np.load(file, mmap_mode="r+", allow_pickle=False) for file in _files(folder, layer))
    return Record(torch.from_numpy(rows), Moments(*torch.from_numpy(moments)))


def _record(
    model: PreTrainedModel,
    texts: Sequence[np.ndarray],
    layers: Sequence[int],
    folder: Path,
    notify: Callable[[str], None],
) -> None:
    if not layers:
        return
    count, width = sum(len(text) - 1 for text in texts), model.config.hidden_size
    sample = list(rows_of(model, texts[::16], layers))
    moments = {layer: Moments.of(torch.cat([seen[layer] for seen in sample])) for layer in layers}
    del sample
    parts = {layer: folder / f"layer_{layer}.part" for layer in layers}
    files = {
        layer: np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=(count, width))
        for layer, part in parts.items()
    }
    at = 0
    for seen in rows_of(model, texts, layers):
        for layer, rows in seen.items():
            standard = (rows - moments[layer].mean) / moments[layer].deviation
            files[layer][at : at + len(rows)] = standard.half().numpy()
        at += len(rows)
        notify(f"recorded {at:,} of {count:,} positions")
    for layer, part in parts.items():
        files[layer].flush()
        rows_file, moments_file = _files(folder, layer)
        np.save(moments_file, torch.stack([moments[layer].mean, moments[layer].deviation]).numpy())
        part.replace(rows_file)


@torch.inference_mode()
def cross_entropy(
    model: PreTrainedModel, texts: Sequence[np.ndarray], layer: int = 1, edit: Edit | None = None
) -> float:
    """Nats a token of what is predicted from every position but the first, with a layer's rows there edited."""
    total, count = 0.0, 0
    for tokens, there in batches(texts, AT_ONCE):
        edited = there.clone()
        edited[:, 0] = False
        asked = edited[:, :-1] & there[:, 1:]
        with at_layer(model, layer, partial(_edit, edited, edit)), torch.autocast("cpu", PRECISION):
            hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
            logits = model.lm_head(hidden[:, :-1][asked])
        total += float(torch.nn.functional.cross_entropy(logits.float(), tokens[:, 1:][asked], reduction="sum"))
        count += int(asked.sum())
    return total / count


def _edit(where: Tensor, edit: Edit | None, hidden: Tensor) -> Tensor | None:
    if edit is None:
        return None
    edited = hidden.clone()
    with torch.autocast("cpu", enabled=False):
        edited[where] = edit(hidden[where].float()).to(hidden.dtype)
    return edited
