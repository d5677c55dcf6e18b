"""A model of a plan made ready to be measured: loaded, and its weights hashed."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.model.files.weights_hash import weights_sha256
from reportgen.running.outcome_key import Conditions, threads_of
from reportgen.running.planned import PlannedCase, PlannedModel, PreparedModel

if TYPE_CHECKING:
    from reportgen.model.network.loaded import LoadedModel


@dataclass(frozen=True)
class ReadyModel:
    """A model whose conditions are known, in memory only where there is something to measure."""

    planned: PlannedModel
    known: Conditions
    facts: Mapping[str, Any]
    """How it ran."""
    model: "LoadedModel | None"


def import_libraries(cases: Iterable[PlannedCase]) -> None:
    """What probes need in addition to torch: loaded once, and in nobody's measured time."""
    for case in cases:
        if not case.settled:
            for module in case.entry.probe.libraries:
                importlib.import_module(module)


def load_network(planned: PlannedModel, readied: PreparedModel) -> "LoadedModel":
    """The network in memory, proven; without weights, its shape alone."""
    from reportgen.model.load import load, load_shape
    from reportgen.model.place import Held

    if not readied.located.weights:
        return load_shape(readied.located.config)
    entry = planned.entry
    return load(
        readied.located,
        dtype=entry.dtype,
        device=entry.device,
        threads=threads_of(entry),
        batch=entry.batch,
        held=Held(entry.device_map == "auto", entry.offload, entry.stream),
        attention=entry.attention,
    )


def hash_weights(readied: PreparedModel) -> str:
    """The hash of a model's weights; empty where it has none."""
    located = readied.located
    return weights_sha256(located.folder, located.adapter) if located.weights else ""
