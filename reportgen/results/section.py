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
    shared_name: str = ""
    """The name that it has of itself, where other models of the bundle have the same."""


def tell_apart(cards: Iterable[ModelCard]) -> dict[str, ModelCard]:
    """Id -> card, each of a name of its own: models of one name (a checkpoint and its quantisation, the same step of
    two runs) carry their ids behind it. The one place where this is decided.
    """
    known = list(cards)
    alike = Counter(card.name for card in known)
    return {
        card.id: replace(card, name=f"{card.name} ({card.id})", shared_name=card.name) if alike[card.name] > 1 else card
        for card in known
    }


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
        """The model's name, or those of a pair."""
        return " → ".join(self.models[id].name for id in subject.split(SUBJECT))
