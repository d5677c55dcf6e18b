"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.intrinsic_dimension import FEWEST, IntrinsicDimension, estimate_intrinsic_dimension
from reportgen.numerics.neighbour_map import map_neighbours
from reportgen.numerics.principal import principal_points
from reportgen.numerics.separation import (
    find_highest_by_chance,
    find_p_of_largest,
    measure_distances,
    measure_plain_distances,
    measure_silhouettes,
    shuffle_labels,
)
from reportgen.probes.clusters import COMPONENTS, Clusters, Options, choose_layers
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.text.prompts import Prompt
from reportgen.training.places import find_places
from reportgen.training.representations import read_rows


@dataclass(frozen=True)
class _Layer:
    """What is measured at one layer."""

    silhouettes: NDArray[np.float64]
    """(order) that of the true groups first."""
    dimension: IntrinsicDimension
    points: NDArray[np.float64]
    explained: NDArray[np.float64]


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Clusters]:
    """The model's rows, then the twin's."""
    texts, positions = zip(*find_places(case, case.options.prompts), strict=True)
    names = [str(prompt.group) for prompt in case.options.prompts]
    labels = np.array([list(dict.fromkeys(names)).index(name) for name in names], dtype=np.intp)
    rows = yield from read_rows(texts, positions)
    orders = shuffle_labels(labels, case.options.shuffles, case.options.seed)
    layers = [_measure_layer(one, orders) for one in rows]
    random = None
    if case.options.twin:
        twins = yield from read_rows(texts, positions, twin_seed=case.options.seed)
        random = np.array([measure_silhouettes(measure_distances(one), labels[None])[0] for one in twins])
    best = int(np.argmax([layer.silhouettes[0] for layer in layers]))
    drawn = choose_layers(best, len(rows) - 1) if case.options.umap else []
    return _build(case, layers, random, [map_neighbours(rows[layer], case.options.seed) for layer in drawn])


def _measure_layer(rows: NDArray[np.float32], orders: NDArray[np.intp]) -> _Layer:
    points, explained = principal_points(rows, COMPONENTS)
    return _Layer(
        measure_silhouettes(measure_distances(rows), orders),
        estimate_intrinsic_dimension(measure_plain_distances(rows)),
        points[:, :2],
        explained,
    )


def _build(
    case: Case[Options],
    layers: Sequence[_Layer],
    random: NDArray[np.float64] | None,
    maps: Sequence[NDArray[np.float64]],
) -> Clusters:
    silhouettes = np.stack([layer.silhouettes for layer in layers], axis=1)
    best = int(silhouettes[0].argmax())
    dimension = layers[best].dimension.value
    prompts = case.options.prompts
    return Clusters(
        silhouette=float(silhouettes[0, best]),
        best_layer=best,
        chance=float(find_p_of_largest(silhouettes)[best]),
        intrinsic_dimension=f"of fewer than {FEWEST} different words no dimension can be told"
        if np.isnan(dimension)
        else dimension,
        silhouettes=silhouettes[0],
        silhouettes_shuffled=np.full(len(layers), find_highest_by_chance(silhouettes)),
        silhouettes_random=random,
        dimensions=_gather([layer.dimension.value for layer in layers]),
        dimensions_low=_gather([layer.dimension.low for layer in layers]),
        dimensions_high=_gather([layer.dimension.high for layer in layers]),
        points=np.stack([layer.points for layer in layers]),
        neighbour_points=maps,
        explained_variance=np.stack([layer.explained for layer in layers]),
        items=[[at, _name_item(case, prompt), prompt.group] for at, prompt in enumerate(prompts)],
        prompts=case.prompt_rows(prompts),
        words=case.word_rows((at, prompt, prompt.word) for at, prompt in enumerate(prompts)),
    )


def _gather(values: Sequence[float]) -> NDArray[np.float64] | None:
    """(layer) the values; None where there is none at any layer."""
    found = np.array(values)
    return found if np.isfinite(found).any() else None


def _name_item(case: Case[Options], prompt: Prompt) -> str:
    return prompt.label or prompt.word or case.tokenizer.prompt_text(prompt)
