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
from reportgen.probes.latent_language import LatentLanguages, needs_of
from reportgen.probes.latent_language.options import Options
from reportgen.probes.latent_language.senses import SenseChoice, TranslatedWord, choose_senses
from reportgen.probing.case import Case
from reportgen.results.quantities import Cell, Rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> LatentLanguages:
    """All layers of all prompts through the unembedding together; only the counted tokens are kept."""
    chosen, (stream, final) = choose_senses(case), needs_of(case)
    words = [*chosen.words, *chosen.alone]
    shown = _choose_example(case.options, chosen)
    read = token_mass(
        model,
        torch.cat([stack_layers(single.tensors_of(stream, 0)) for single in captured]),
        torch.cat([single.tensors_of(final, 0)[0] for single in captured]),
        [word.tokens for word in words],
        named=[word.sense for word in words].index(shown),
        k=case.options.k,
    )
    rows = enumerate(zip(read.token_ids.tolist(), read.probabilities.tolist(), strict=True))
    example: Rows = [
        [shown, layer, rank, i, case.tokenizer.show(i), p]
        for layer, (ids, probabilities) in rows
        for rank, (i, p) in enumerate(zip(ids, probabilities, strict=True), 1)
    ]
    return _latent(case, chosen, read.mass.cpu().numpy(), read.entropy.cpu().numpy(), example)


def _choose_example(options: Options, chosen: SenseChoice) -> str:
    """The sense whose prompt is shown layer by layer: the one asked for, else the first of `show`, else the first."""
    measured = [word.sense for word in (*chosen.words, *chosen.alone)]
    if options.example in measured:
        return str(options.example)
    return next((sense for sense in options.shown_senses if sense in measured), measured[0])


def _latent(
    case: Case[Options], chosen: SenseChoice, mass: NDArray[np.float32], entropy: NDArray[np.float32], example: Rows
) -> LatentLanguages:
    options = case.options
    languages, shown = options.languages, chosen.shown(options)
    senses = [word.sense for word in (*chosen.words, *chosen.alone)]
    of_shown = [mass[senses.index(word.sense)] for word in shown]
    mass, entropy = mass[: len(chosen.words)], entropy[: len(chosen.words)]
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
        items=[_word_cells(item, word, options) for item, word in enumerate(chosen.words)],
        languages=[
            [component, language, ", ".join(role for role, one in roles.items() if one == language)]
            for component, language in enumerate(languages)
        ],
        tokens=_token_rows(case, chosen.words),
        shown=[
            [*_word_cells(item, word, options), word in chosen.words, word.shared] for item, word in enumerate(shown)
        ],
        shown_probability=of_shown,
        shown_tokens=_token_rows(case, shown),
        skipped=chosen.skipped,
        example=example,
        prompts=case.prompt_rows([word.prompt for word in (*chosen.words, *chosen.alone)]),
    )


def _word_cells(item: int, word: TranslatedWord, options: Options) -> list[Cell]:
    """(item, sense, source, target, pivot)"""
    words = options.by_sense[word.sense]
    return [item, word.sense, *(words[one][0] for one in (options.source, options.target, options.pivot))]


def _token_rows(case: Case[Options], words: Sequence[TranslatedWord]) -> Rows:
    return [
        [item, component, token_id, case.tokenizer.show(token_id)]
        for item, word in enumerate(words)
        for component, ids in enumerate(word.tokens)
        for token_id in ids
    ]
