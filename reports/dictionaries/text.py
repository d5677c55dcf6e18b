"""Text that a model itself writes, for training its dictionaries on: at temperature 1, the same every time."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from ruamel.yaml import YAML
from transformers import (
    AttentionInterface,
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

ROWS = 256
"""Texts written at once."""
LENGTH = 128
"""Tokens of a text, its opening counted and the beginning-of-sequence token not."""
FROM_NOTHING = 0.35
"""The share of texts with no opening."""
DRAWN = 32
"""Rows whose next tokens are drawn at once: what all 262,144 probabilities of each take stays small."""
PIECE = 512
"""Neighbouring entries of the vocabulary whose probabilities are summed before one is drawn."""


@dataclass(frozen=True)
class Writer:
    """A model with what it needs to write."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, folder: Path) -> "Writer":
        """From a folder of safetensors with a tokenizer."""
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, attn_implementation="one_query"
        ).eval()
        return cls(model, AutoTokenizer.from_pretrained(folder))

    def openings(self, file: Path) -> list[list[int]]:
        """The tokens of every opening in a YAML file of lists, each after the beginning-of-sequence token."""
        groups = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        bos = [self.model.config.bos_token_id]
        return [bos + self.tokenizer.encode(text, add_special_tokens=False) for text in chain(*groups.values())]


def written(
    writer: Writer, openings: list[list[int]], batches: int, seed: int, folder: Path, notify: Callable[[str], None]
) -> list[np.ndarray]:
    """`batches` times ROWS texts: the tokens of each, the beginning-of-sequence token first and the end token left out.

    A batch is kept in the folder and read from there the next time; its numbers follow from its own seed alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts: list[np.ndarray] = []
    for batch in range(batches):
        file = folder / f"text-{seed}-{batch:04d}.npy"
        if not file.exists():
            part = file.with_suffix(".part")
            with part.open("wb") as target:
                np.save(target, _batch(writer, openings, np.random.default_rng([seed, batch])))
            part.replace(file)
            notify(f"wrote batch {batch + 1} of {batches}")
        texts += [_until_end(row, writer.model.config.eos_token_id) for row in np.load(file, allow_pickle=False)]
    return texts


def _until_end(row: np.ndarray, end: int) -> np.ndarray:
    at = np.flatnonzero(row == end)
    return row[: at[0]] if at.size else row


@torch.inference_mode()
def _batch(writer: Writer, openings: list[list[int]], rng: np.random.Generator) -> np.ndarray:
    """(ROWS x LENGTH + 1) tokens. A row follows its opening as far as that goes, and the model from there."""
    dice = torch.Generator().manual_seed(int(rng.integers(2**62)))
    bos = writer.model.config.bos_token_id
    starts = [[bos] if rng.random() < FROM_NOTHING else openings[int(rng.integers(len(openings)))] for _ in range(ROWS)]
    tokens = torch.full((ROWS, LENGTH + 1), -1)
    for row, start in enumerate(starts):
        tokens[row, : len(start)] = torch.tensor(start[: LENGTH + 1])
    cache = DynamicCache(config=writer.model.config)
    for at in range(LENGTH):
        logits = writer.model(input_ids=tokens[:, at : at + 1], past_key_values=cache, use_cache=True).logits[:, -1]
        said = torch.cat([drawn(some, dice) for some in logits.split(DRAWN)])
        tokens[:, at + 1] = torch.where(tokens[:, at + 1] < 0, said, tokens[:, at + 1])
    return tokens.numpy().astype(np.int32)


def drawn(logits: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
    """One entry of each row of logits (row x vocabulary), with the probability that the softmax gives it.

    First a piece of the vocabulary, then an entry of the piece: one pass over all entries, no sorting and no long sums.
    """
    rows, entries = logits.shape
    weights = torch.zeros(rows, entries + -entries % PIECE)
    weights[:, :entries] = logits
    weights[:, :entries].sub_(logits.amax(1, keepdim=True)).exp_()
    pieces = weights.view(rows, -1, PIECE)
    piece = torch.multinomial(pieces.sum(2), 1, generator=dice)[:, 0]
    inside = torch.multinomial(pieces[torch.arange(rows), piece], 1, generator=dice)[:, 0]
    return piece * PIECE + inside


def _one_query(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Attention of one new position of each row, whose heads share one key and value head: two small products."""
    if query.shape[2] != 1 or key.shape[1] != 1 or attention_mask is not None:
        raise ValueError("this attention writes one token a row, all rows of one length, with one key and value head")
    scores = (query[:, :, 0] * scaling) @ key[:, 0].transpose(1, 2)
    return (scores.float().softmax(2).to(query.dtype) @ value[:, 0])[:, None], None


AttentionInterface.register("one_query", _one_query)
