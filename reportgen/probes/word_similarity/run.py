"""How it is measured."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.similarity import cosine, divide_mean, mean_cosine
from reportgen.probes.word_similarity import STREAM, Options, Similarity, position_of, word_of
from reportgen.probing.case import Case
from reportgen.text.prompts import Prompt


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Similarity:
    """Cosines of all pairs at every layer."""
    options = case.options
    streams = [_stream(single) for single in captured]
    kept = [_counted_positions(case, prompt) for prompt in options.prompts]
    words = [stream[:, position_of(case, p)] for stream, p in zip(streams, options.prompts, strict=False)]
    pairs = list(combinations(range(len(options.prompts)), 2))
    raw = [cosine(words[a], words[b]) for a, b in pairs]
    if options.normalise == "divide_mean":
        means = [mean_cosine(streams[a][:, kept[a]], streams[b][:, kept[b]]) for a, b in pairs]
        normalised = [divide_mean(r, m) for r, m in zip(raw, means, strict=True)]
    else:
        baseline = _baseline(case, streams[len(options.prompts) :])
        normalised = [r - baseline for r in raw]
    senses = [prompt.sense for prompt in options.prompts]
    cosines, without_mean = _fetch(torch.stack([torch.stack(raw), torch.stack(normalised)]))
    return Similarity(
        last_similarity=float(cosines[:, -1].mean()),
        raw=cosines,
        normalised=without_mean,
        pairs=[[i, a, b, _is_same_sense(senses[a], senses[b])] for i, (a, b) in enumerate(pairs)],
        prompts=case.prompt_rows(options.prompts),
        words=case.word_rows((i, prompt, word_of(case, prompt)) for i, prompt in enumerate(options.prompts)),
    )


def _stream(captured: PassResult) -> Tensor:
    """(layer x position x width) in float32."""
    return torch.stack(captured.tensors_of(STREAM, 0)).float()


def _counted_positions(case: Case[Options], prompt: Prompt) -> list[int]:
    """Positions that count in the mean."""
    encoded = case.tokenizer.encode_prompt(prompt)
    special = case.tokenizer.special_ids if case.options.special_tokens == "exclude" else frozenset()
    return [position for position, token in enumerate(encoded.ids) if token not in special]


def _baseline(case: Case[Options], streams: Sequence[Tensor]) -> Tensor:
    """(layer) mean cosine of one random token a sentence, over all pairs of sentences."""
    assert case.options.baseline is not None
    generator = random.Random(case.options.seed)
    chosen = [
        stream[:, generator.choice(_counted_positions(case, prompt))]
        for stream, prompt in zip(streams, case.options.baseline, strict=True)
    ]
    return torch.stack([cosine(a, b) for a, b in combinations(chosen, 2)]).mean(0)


def _fetch(values: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = values.cpu().numpy()
    return result


def _is_same_sense(a: str | None, b: str | None) -> bool | None:
    return None if a is None or b is None else a == b
