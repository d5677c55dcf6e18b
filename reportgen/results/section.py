"""What was found about one question in all models, and what the models are called: the one place that decides that."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reportgen.results.quantities import Outcome

SUBJECT = ".."
"""Between the ids of a pair's models: no id holds a dot."""


def subject_of(models: Sequence[str]) -> str:
    """What results call a model, or an ordered pair of models: ID, or BASE..OTHER."""
    return SUBJECT.join(models)


@dataclass(frozen=True)
class ModelCard:
    """What a report says of a model."""

    id: str
    name: str
    """What every output calls it; no other model of its bundle is called so."""
    architecture: str
    layers: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    own_name: str = ""
    """The name that it has of itself, where it is called by its id instead."""


def tell_apart(cards: Iterable[ModelCard]) -> dict[str, ModelCard]:
    """Id -> card, each of a name of its own: models of one name (a checkpoint and its quantisation, two folders that
    are both called `model`) are called by their ids, and so is one whose name is the id of another. The one place
    where this is decided.
    """
    known = list(cards)
    alike = Counter(card.name for card in known)
    ids = {card.id for card in known}
    return {
        card.id: replace(card, name=card.id, own_name=card.name)
        if alike[card.name] > 1 or card.name in ids - {card.id}
        else card
        for card in known
    }


def name_subject(subject: str, models: Mapping[str, ModelCard]) -> str:
    """A subject by its id and the true names of its models: "gemma (Gemma-3-270M)"."""
    names = [models[id].name for id in subject.split(SUBJECT) if id in models]
    return f"{subject} ({', '.join(names)})" if names else subject


@dataclass(frozen=True)
class Section:
    """All outcomes of one battery entry, as read back from a bundle."""

    id: str
    outcomes: Mapping[str, Outcome]
    """Subject -> outcome, in the battery's order of models; a pair's subject is BASE..OTHER."""
    models: Mapping[str, ModelCard]

    @property
    def title(self) -> str:
        """What its author calls it; empty where that is what its probe asks."""
        return next(iter(self.outcomes.values())).titles.get("", "")

    def ok(self) -> dict[str, Outcome]:
        """The outcomes that hold numbers."""
        return {subject: outcome for subject, outcome in self.outcomes.items() if outcome.status == "ok"}

    def name(self, subject: str) -> str:
        """The model's name, or those of a pair; of a base and the same with an adapter, the base's name once."""
        first, *others = (self.models[id].name for id in subject.split(SUBJECT))
        return " → ".join([first, *(one.removeprefix(f"{first} ") if f"{first} + " in one else one for one in others)])


@dataclass(frozen=True)
class SubjectWords:
    """What a probe says of one subject."""

    told: str = ""
    """Its part of the statement; empty where that cannot be parted."""
    brief: str = ""
    """The same in a few words, without its name; empty where the probe has none."""
