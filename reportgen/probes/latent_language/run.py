"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.measures.readout import stack_layers
from reportgen.model.measures.token_mass import token_mass
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.confidence import margin_95
from reportgen.probes.latent_language import LatentLanguages, Options, SenseChoice, choose_senses, needs_of
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> LatentLanguages:
    """All layers of all prompts through the unembedding together; only the counted tokens are kept."""
    chosen, (stream, final) = choose_senses(case), needs_of(case)
    senses = [word.sense for word in chosen.words]
    read = token_mass(
        model,
        torch.cat([stack_layers(single.tensors_of(stream, 0)) for single in captured]),
        torch.cat([single.tensors_of(final, 0)[0] for single in captured]),
        [word.tokens for word in chosen.words],
        named=senses.index(case.options.example) if case.options.example in senses else 0,
        k=case.options.k,
    )
    shown = case.options.example if case.options.example in senses else senses[0]
    rows = enumerate(zip(read.token_ids.tolist(), read.probabilities.tolist(), strict=True))
    example: Rows = [
        [shown, layer, rank, i, case.tokenizer.show(i), p]
        for layer, (ids, probabilities) in rows
        for rank, (i, p) in enumerate(zip(ids, probabilities, strict=True), 1)
    ]
    return _latent(case, chosen, read.mass.cpu().numpy(), read.entropy.cpu().numpy(), example)


def _latent(
    case: Case[Options], chosen: SenseChoice, mass: NDArray[np.float32], entropy: NDArray[np.float32], example: Rows
) -> LatentLanguages:
    options = case.options
    by_sense, languages = options.by_sense, options.languages
    mean = mass.mean(axis=0, dtype=np.float64)
    peak = int(mean[0, :-1].argmax())
    roles = {role: getattr(options, role) for role in ("pivot", "target", "source")}
    return LatentLanguages(
        pivot_peak=float(mean[0, peak]),
        pivot_peak_layer=peak,
        target_final=float(mean[languages.index(options.target), -1]),
        probability=mass,
        mean=mean,
        margin=margin_95(mass.astype(np.float64)),
        entropy=entropy,
        mean_entropy=entropy.mean(axis=0, dtype=np.float64),
        entropy_margin=margin_95(entropy.astype(np.float64)),
        items=[
            [
                item,
                word.sense,
                *(by_sense[word.sense][one][0] for one in (options.source, options.target, options.pivot)),
            ]
            for item, word in enumerate(chosen.words)
        ],
        languages=[
            [component, language, ", ".join(role for role, one in roles.items() if one == language)]
            for component, language in enumerate(languages)
        ],
        tokens=[
            [item, component, token_id, case.tokenizer.show(token_id)]
            for item, word in enumerate(chosen.words)
            for component, ids in enumerate(word.tokens)
            for token_id in ids
        ],
        skipped=chosen.skipped,
        example=example,
        prompts=case.prompt_rows([word.prompt for word in chosen.words]),
    )
