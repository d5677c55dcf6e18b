"""A battery made ready to run, as data: which prompts pass which model, for whom. Imports no torch."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reportgen.battery.model_entry import ModelEntry
from reportgen.battery.reader import Battery, ProbeEntry
from reportgen.documents.watched import WatchedFiles
from reportgen.model.files.facts import ModelFacts
from reportgen.model.files.sources import ModelFiles
from reportgen.model.needs import Pass
from reportgen.numerals import count_items
from reportgen.probing.case import Case
from reportgen.results.section import subject_of
from reportgen.running.outcome_cache import CachedOutcome
from reportgen.running.outcome_key import Conditions
from reportgen.text.tokens import TextTokenizer


@dataclass(frozen=True)
class PreparedModel:
    """A model that lies on disk, with all that is known of it without loading it."""

    located: ModelFiles
    facts: ModelFacts
    device: str
    """The kind of device that it will run on: cpu, cuda, mps, …"""
    conditions: Conditions | None
    """None where the hash of the weights is not known yet."""
    watched: WatchedFiles
    """Its files as they were before anything of them was read: they have to stay so until the last number is there."""
    tokenizer: TextTokenizer | None = None
    """None where there is none, or nobody asks it anything."""
    together: int = 1
    """Prompts of a probe that pass together, at most."""


@dataclass(frozen=True)
class Side:
    """What a probe asks of one model."""

    case: Case[Any]
    passes: tuple[Pass, ...]
    further: int = 0
    """Passes that are chosen by the numbers of the first."""


@dataclass(frozen=True)
class PlannedCase:
    """One probe on one subject: its first passes, or why there are none."""

    entry: ProbeEntry
    models: tuple[str, ...]
    """One id, or those of a pair."""
    sides: tuple[Side, ...] = ()
    """One a model; none where there is nothing to do."""
    skipped: str = ""
    impossible: bool = False
    """Whether what it is skipped for holds for each of its models."""
    skipped_rows: Mapping[str, str] = field(default_factory=dict)
    """Rows of it that the model cannot have, each with its reason."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Prompts that the model cannot read, each with its reason; `entry` holds the others alone."""
    kept: CachedOutcome | None = None
    """What an earlier run found; there is nothing left to do."""
    failed: str = ""
    """Why the probe could not say what it asks: a card of its own; the others run all the same."""
    named: Mapping[str, Any] = field(default_factory=dict)
    """`hash_named_files` before its passes were planned: files that its options name have to stay so."""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to measure."""
        return self.kept is not None or bool(self.skipped or self.failed)

    @property
    def subject(self) -> str:
        """What results call it."""
        return subject_of(self.models)

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The passes through all of its models."""
        return tuple(single for side in self.sides for single in side.passes)

    @property
    def further(self) -> int:
        """Passes through all of its models that are chosen by the numbers of the first."""
        return sum(side.further for side in self.sides)

    def narrow_to(self, which: int) -> "PlannedCase":
        """What it asks of one of its models alone."""
        return replace(self, models=self.models[which : which + 1], sides=self.sides[which : which + 1])


@dataclass(frozen=True)
class PlannedModel:
    """A model with all that is asked of it alone, or why it cannot be used."""

    id: str
    entry: ModelEntry
    readied: PreparedModel | None
    cases: tuple[PlannedCase, ...] = ()
    failed: str = ""

    @property
    def name(self) -> str:
        """What the battery or its source calls it; its id where it is not known what lies there."""
        return self.entry.name or (self.readied.located.name if self.readied is not None else self.id)

    @property
    def commit(self) -> str:
        """What its hub ids were resolved to; empty where it has none, or cannot be used."""
        return (self.readied.located.revision or "") if self.readied is not None else ""

    @property
    def all_kept(self) -> bool:
        """Whether the model has nothing left to do."""
        return self.readied is not None and all(case.settled for case in self.cases)

    @property
    def prompts(self) -> int:
        """Distinct prompts that pass the model."""
        return len({single.tokens for case in self.cases for single in case.passes})

    @property
    def further(self) -> int:
        """Passes that probes choose by the numbers of the first."""
        return sum(case.further for case in self.cases)

    @property
    def tokens(self) -> int:
        """Tokens that pass it, those of further steps included."""
        lengths: dict[Any, int] = {}
        for single in (single for case in self.cases for single in case.passes):
            length = len(single.tokens) + single.steps - 1
            lengths[single.path] = max(lengths.get(single.path, 0), length)
        return sum(lengths.values())


def describe_passes(models: Iterable[PlannedModel]) -> str:
    """What passes some models together, in the terminal's words."""
    together = list(models)
    prompts, tokens, further = (sum(getattr(one, of) for one in together) for of in ("prompts", "tokens", "further"))
    more = f", then {count_items(further, 'further pass', 'es')}" if further else ""
    return f"{count_items(prompts, 'prompt')}, {count_items(tokens, 'token')} to pass{more}"


@dataclass(frozen=True)
class PlannedPair:
    """Two models that are loaded together, with all that is asked of them together."""

    models: tuple[PlannedModel, PlannedModel]
    """Base and other, each with its half of the cases."""
    cases: tuple[PlannedCase, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that is known before the first model is loaded."""

    battery: Battery
    models: tuple[PlannedModel, ...]
    """Every model that a probe is about, alone or in a pair."""
    pairs: tuple[PlannedPair, ...] = ()
    """In the order in which the battery names them; they run after the models alone."""

    @property
    def cases(self) -> tuple[PlannedCase, ...]:
        """Every case, as it runs: of the models alone, then of the pairs."""
        alone = [case for model in self.models for case in model.cases]
        return (*alone, *(case for pair in self.pairs for case in pair.cases))

    @property
    def commits(self) -> dict[str, str]:
        """Model id -> what its hub ids were resolved to."""
        return {one.id: one.commit for one in self.models if one.commit}

    @property
    def subjects(self) -> tuple[str, ...]:
        """What there is a case about, in the same order."""
        return tuple(dict.fromkeys(case.subject for case in self.cases))

    def narrow_to(self, subjects: Collection[str]) -> "Plan":
        """The same with the cases about some subjects alone; its models stay, for what a report says of them."""
        models = tuple(one if one.id in subjects else replace(one, cases=()) for one in self.models)
        pairs = tuple(pair for pair in self.pairs if pair.cases[0].subject in subjects)
        return replace(self, models=models, pairs=pairs)


def let_tokenizers_rest(models: Iterable[PlannedModel]) -> None:
    """Has the models' tokenizers keep what they were asked, and give back the memory that only new texts need."""
    for planned in models:
        if planned.readied is not None and planned.readied.tokenizer is not None:
            planned.readied.tokenizer.rest()
