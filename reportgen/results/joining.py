"""Bundles of parts of one battery joined into the bundle that one run of all of it would have given."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reportgen.errors import BundleError, Mistake, ModelError
from reportgen.results.bundle import Bundle
from reportgen.results.part import KEY, Part, require_part
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard

_AS_RUN = "device"
"""What a card says of a model that ran, and of no other."""


class PartsMissing(BundleError):
    """Not all of the parts are there."""

    exit_code = 3


@dataclass(frozen=True)
class _StoredPart:
    """A bundle, and which part of its battery it holds."""

    bundle: Bundle
    part: Part

    def refuse(self, told: str, remedy: str) -> BundleError:
        return BundleError(Mistake(told, remedy, file=self.bundle.path))


class Parts:
    """Parts of one battery, each once; some may be missing."""

    def __init__(self, bundles: Sequence[Bundle]) -> None:
        """Raises BundleError: they are no parts, not of one battery, or one is there twice."""
        found = [_StoredPart(one, require_part(one.run, _place(one))) for one in bundles]
        self._parts = sorted(found, key=lambda one: one.part.this)
        self._first = self._parts[0]
        _check_split(self._first)
        for one in self._parts:
            self._check_same(one)
        for one, other in zip(self._parts, self._parts[1:], strict=False):
            if one.part.this == other.part.this:
                told = f"it is part {one.part.this} of {one.part.of}, and so is {one.bundle.path}"
                raise other.refuse(told, "name each part once")

    @property
    def outputs(self) -> tuple[str, ...]:
        """What their battery wants to be made of the whole."""
        return self._first.part.outputs

    @property
    def missing(self) -> dict[int, tuple[str, ...]]:
        """The number of each part that is not there -> what it measures."""
        there = {one.part.this for one in self._parts}
        return {number: held for number, held in enumerate(self._first.part.split, 1) if number not in there}

    def refuse_missing(self) -> None:
        """Raises PartsMissing: with a line for each part that is not there."""
        told = [f"part {at} of {self._first.part.of} is missing ({', '.join(s)})" for at, s in self.missing.items()]
        if told:
            remedy = "run it (reportgen run --part), or join the others with --allow-missing"
            raise PartsMissing(*(Mistake(one, remedy if one == told[-1] else "") for one in told))

    def join(self, reasons: Mapping[int, str]) -> Bundle:
        """The whole, in which what a missing part measures has failed.

        Args:
            reasons: the number of each missing part -> why it is not there.

        Raises:
            BundleError: a model, or a library, is not the same in all parts.
            ModelError: no model could be used.
        """
        lost = {subject: reasons[number] for number, held in self.missing.items() for subject in held}
        first = self._first.bundle
        cards = {id: self._join_card(id, lost) for id in first.models}
        if all(card.facts.get("failed") for card in cards.values()):
            raise ModelError(*(Mistake(f"model {id}: {card.facts['failed']}") for id, card in cards.items()))
        outcomes = {
            id: {subject: self._find_outcome(id, subject, lost) for subject in by_subject}
            for id, by_subject in first.outcomes.items()
        }
        return Bundle(None, first.title, cards, outcomes, self._join_runs())

    def _check_same(self, one: _StoredPart) -> None:
        first = self._first
        if one.part.battery != first.part.battery:
            told = f"it is of another battery than {first.bundle.path}, or of the same with other options"
            raise one.refuse(told, "run all parts of one battery with the same options")
        if one.part.split != first.part.split:
            told = f"its battery was divided in another way than for {first.bundle.path}"
            remedy = "run all parts with the same --part K/N, where each of the models can be read"
            raise one.refuse(told, remedy)
        if _list_cases(one.bundle) != _list_cases(first.bundle):
            raise one.refuse(f"it is about other cases than {first.bundle.path}", "run it again")
        versions, others = one.bundle.run.get("versions", {}), first.bundle.run.get("versions", {})
        apart = [name for name in {**others, **versions} if others.get(name) != versions.get(name)]
        if apart:
            name = apart[0]
            told = f"it was measured with {name} {versions.get(name)}, and {first.bundle.path} with {others.get(name)}"
            raise one.refuse(told, "run all parts with the same versions")

    def _find_outcome(self, id: str, subject: str, lost: Mapping[str, str]) -> Outcome:
        if subject in lost:
            return replace(self._first.bundle.outcomes[id][subject], status="failed", reason=lost[subject])
        owner = next(one for one in self._parts if subject in one.part.subjects)
        return owner.bundle.outcomes[id][subject]

    def _join_card(self, id: str, lost: Mapping[str, str]) -> ModelCard:
        """What the parts say of a model: all in which it ran say the same; else why it did not run in one of them."""
        ran = [one for one in self._parts if _AS_RUN in one.bundle.models[id].facts]
        failed = [one for one in self._parts if one.bundle.models[id].facts.get("failed")]
        for one in ran[1:]:
            self._check_card(id, ran[0], one)
        card = next(iter([*ran, *failed]), self._first).bundle.models[id]
        reason = "" if ran or failed else lost.get(id, "")
        return replace(card, facts={**card.facts, "failed": reason}) if reason else card

    def _check_card(self, id: str, first: _StoredPart, other: _StoredPart) -> None:
        one, two = first.bundle.models[id].facts, other.bundle.models[id].facts
        apart = [name for name in {**one, **two} if one.get(name) != two.get(name)]
        if apart:
            name = apart[0]
            told = f"model {id} is not the same as in {first.bundle.path}: {name} {two.get(name)}, not {one.get(name)}"
            raise other.refuse(told, "run both with the same files and options, or on one machine")

    def _join_runs(self) -> dict[str, Any]:
        """run.json of the whole: begun when the first part was, on all of their machines."""
        runs = [one.bundle.run for one in self._parts]
        whole = {key: value for key, value in runs[0].items() if key not in (KEY, "files")}
        durations: dict[str, float] = {}
        for step, seconds in ((step, s) for run in runs for step, s in run.get("durations", {}).items()):
            durations[step] = round(durations.get(step, 0.0) + seconds, 3)
        return {
            **whole,
            "started": min(run.get("started", "") for run in runs),
            "machine": _join_machines([run.get("machine", {}) for run in runs]),
            "durations": durations,
            "from_cache": [step for run in runs for step in run.get("from_cache", [])],
        }


def _place(bundle: Bundle) -> Any:
    assert bundle.path is not None
    return bundle.path


def _list_cases(bundle: Bundle) -> list[tuple[str, list[str]]]:
    return [(id, list(by_subject)) for id, by_subject in bundle.outcomes.items()]


def _join_machines(machines: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What the machines have in common, and where they differ what each of them says."""
    names = dict.fromkeys(name for machine in machines for name in machine)
    return {name: ", ".join(_list_values(machines, name)) for name in names}


def _list_values(machines: Sequence[Mapping[str, str]], name: str) -> Iterator[str]:
    yield from dict.fromkeys(machine[name] for machine in machines if name in machine)


def _check_split(one: _StoredPart) -> None:
    """Refuses a part whose division is not of what it lists, which only an edited one can be."""
    divided = sorted(subject for subjects in one.part.split for subject in subjects)
    if divided != sorted({subject for by_subject in one.bundle.outcomes.values() for subject in by_subject}):
        raise one.refuse("its run.json divides other subjects than results.json has", "run this part again")
