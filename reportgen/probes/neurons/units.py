"""What is shown of a model: which neurons, dimensions and features, and where they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from reportgen.documents.places import Places
from reportgen.features.options import CaseDictionaries, dictionaries_of, need_of
from reportgen.model.needs import Need, Site
from reportgen.probes.neurons.options import Options
from reportgen.probes.neurons.reducers import OffCounts
from reportgen.probing.case import Case, Unusable

Kind = Literal["neuron", "dimension", "feature"]
KINDS: tuple[Kind, ...] = ("neuron", "dimension", "feature")


@dataclass(frozen=True)
class Unit:
    """One thing that has an activation on every token."""

    kind: Kind
    place: int
    """A neuron's block; a dimension's layer; of a feature the number of its dictionary."""
    index: int | None
    """None for the strongest, which is known once the texts have passed."""

    @property
    def told(self) -> str:
        """What rows of tables call it."""
        return f"{self.kind} {self.place}.{self.index}"


def dictionaries_beside(case: Case[Options]) -> CaseDictionaries | None:
    """The dictionaries that are shown beside; None where none is asked for.

    Raises:
        Unusable: they do not fit the model.
    """
    beside = case.options.beside
    return None if beside is None else dictionaries_of(_case_of_dictionaries(case, beside))


def _case_of_dictionaries(case: Case[Any], beside: Any) -> Case[Any]:
    return replace(case, options=beside)


def asked_units(case: Case[Options]) -> list[Unit]:
    """Neurons, dimensions, features, in this order; those that the model does not have are left out."""
    options = case.options
    missing = missing_units(case)
    named = _named_units(options)
    if not named:
        block = _strongest_block(case)
        named = [*[Unit("neuron", block, None)] * options.k, Unit("dimension", block + 1, None)]
    units = [unit for unit in named if unit.told not in missing]
    if options.beside is not None and BESIDE not in missing:
        found = dictionaries_beside(case)
        assert found is not None
        units += [Unit("feature", item, options.beside.feature) for item in range(len(found.files))]
    return units


BESIDE = "beside"
"""What a dictionary that cannot be used is called among what is left out."""


def _named_units(options: Options) -> list[Unit]:
    neurons = [Unit("neuron", block, index) for block, index in options.neurons]
    return list(dict.fromkeys([*neurons, *(Unit("dimension", layer, index) for layer, index in options.dimensions)]))


def _strongest_block(case: Case[Options]) -> int:
    """The block of which the strongest neurons are taken.

    Raises:
        Unusable: the model does not have it.
    """
    if case.options.block is not None:
        return case.named_blocks([case.options.block])[0]
    if case.options.beside is not None and BESIDE not in missing_units(case):
        found = dictionaries_beside(case)
        assert found is not None
        place = found.files[0].place
        return max(place.index - 1, 0) if place.site is Site.RESIDUAL else place.index
    return (case.last_layer - 1) // 2


def missing_units(case: Case[Options]) -> dict[str, str]:
    """What is out of range, each with the range; a dictionary that does not fit."""
    blocks, features, width = case.facts.layers, case.facts.features, case.facts.hidden_size
    found: dict[str, str] = {}
    for unit in _named_units(case.options):
        assert unit.index is not None
        last = None if blocks is None else blocks - (unit.kind == "neuron")
        size, what = (features, "neurons") if unit.kind == "neuron" else (width, "dimensions")
        if last is not None and unit.place > last:
            found[unit.told] = f"{'blocks' if unit.kind == 'neuron' else 'layers'} go from 0 to {last}"
        elif size is not None and unit.index >= size:
            found[unit.told] = f"{what} go from 0 to {size - 1}"
    if case.options.beside is not None and (reason := _reason_against_dictionary(case)):
        found[BESIDE] = reason
    return found


def _reason_against_dictionary(case: Case[Options]) -> str:
    try:
        found = dictionaries_beside(case)
    except Unusable as error:
        return Places({}).leave_out_of(str(error))  # it stands in a table, which tells nothing of this machine
    asked = None if case.options.beside is None else case.options.beside.feature
    small = [one.features for one in found.files if asked is not None and asked >= one.features] if found else []
    return f"there is no feature {asked}: features go from 0 to {small[0] - 1}" if small else ""


def need_of_unit(case: Case[Options], unit: Unit) -> Need:
    """Where a unit's activations are taken, at all positions."""
    if unit.kind == "feature":
        found = dictionaries_beside(case)
        assert found is not None
        return need_of(found.files[unit.place])
    return Need(Site.MEMORIES if unit.kind == "neuron" else Site.RESIDUAL, "all", (unit.place,))


def units_need(case: Case[Options]) -> tuple[Need, ...]:
    """Those of all units, each once."""
    return tuple(dict.fromkeys(need_of_unit(case, unit) for unit in asked_units(case)))


def counted_positions(case: Case[Options], tokens: Sequence[int]) -> list[int]:
    """Positions of a text that hold no special token; never position 0, whose stream is like no other."""
    special = case.tokenizer.special_ids
    return [position for position, token in enumerate(tokens) if position and token not in special]


def off_need(case: Case[Options], tokens: Sequence[int]) -> Need:
    """How many neurons of each block are off on the tokens of a text."""
    counted = set(counted_positions(case, tokens))
    left_out = tuple(position for position in range(len(tokens)) if position not in counted)
    return Need(Site.ACTIVATIONS, "all", None, OffCounts(left_out))
