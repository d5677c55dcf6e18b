"""What every probe is: options, findings, the passes it needs, what it computes, what it draws.

A probe is one module, or a folder of several: its face (`__init__`: options, findings, passes), and next to it `run`,
which measures, `figures`, which describes what is drawn, and `statement`, the rule of its sentence: `tell` of one
subject, or `statement` of all where it compares them, `tell_briefly` for a table of many models, and `tell_figure`
for slides of figures that show another quantity. `view` may hold `View`, what all of them read of a subject. Nothing
here or in a face imports torch or numpy: batteries are checked and planned without them, and a stored bundle is
rendered without `run`.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from reportgen.errors import ReportgenError
from reportgen.figures.describe import Curve, Figure
from reportgen.language import list_items, name_of, say, say_count, sentences
from reportgen.model.needs import Pass, PassResult, TwinPasses
from reportgen.numerals import write_change, write_count
from reportgen.probing.case import Case, O
from reportgen.probing.options import PairOptions, ProbeOptions
from reportgen.probing.source import Source
from reportgen.probing.view import SubjectView
from reportgen.results.prompt_names import text_of_prompt
from reportgen.results.quantities import Findings, Outcome, definitions, name_arrays
from reportgen.results.section import Section, SubjectWords
from reportgen.text.characters import shorten_quote

if TYPE_CHECKING:
    from reportgen.model.network.loaded import LoadedModel


P = TypeVar("P", bound=PairOptions)
R = TypeVar("R", bound=Findings)


def prompt_labels(outcome: Outcome) -> list[str]:
    """(prompt) what a figure calls each prompt: as its author does, else its id, its text, or the last message of a
    chat.
    """
    called = [str(prompt.get("id") or text_of_prompt(prompt)) for prompt in outcome.options["prompts"]]
    return [outcome.titles.get(one, one) for one in called]


def prompt_texts(outcome: Outcome) -> list[str]:
    """(prompt) the same where its text matters: as its author calls it, else its text, whatever its id."""
    texts = [(prompt, text_of_prompt(prompt)) for prompt in outcome.options["prompts"]]
    return [outcome.titles.get(str(prompt.get("id") or text), text) for prompt, text in texts]


def quote_prompts(outcome: Outcome) -> list[str]:
    """(prompt) what stands for each between quotation marks: its text, shortened; what figures call it where several
    would read alike.
    """
    quotes = [shorten_quote(text) for text in prompt_texts(outcome)]
    often = Counter(quotes)
    return [one if often[one] == 1 else label for one, label in zip(quotes, prompt_labels(outcome), strict=True)]


def statement_of(probe: Probe[Any, Any], section: Section) -> str:
    """The statement of a probe; where only some layers or blocks were asked for, or only some rows are drawn, it says
    so.

    Raises:
        ReportgenError: it is not text.
    """
    told = probe.statement(section)
    if not isinstance(told, str):
        raise ReportgenError("its statement is not text")
    return sentences([_add_scope(section, told), _tell_rows_drawn(probe, section)]) if told else ""


def words_of(probe: Probe[Any, Any], section: Section, statement: str) -> dict[str, SubjectWords]:
    """Subject -> its part of a statement of `statement_of`, and the same in a few words.

    Raises:
        ReportgenError: one of them is not text.
    """
    told, brief = probe.tell_each(section), probe.tell_each_briefly(section)
    if not all(isinstance(one, str) for one in (*told.values(), *brief.values())):
        raise ReportgenError("what it says of a subject is not text")
    parts = told if statement.startswith(sentences(told.values())) else {}
    return {subject: SubjectWords(parts.get(subject, ""), brief.get(subject, "")) for subject in section.ok()}


def _add_scope(section: Section, told: str) -> str:
    """What is told, with the layers or blocks that it holds for."""
    last = max(card.layers for card in section.models.values())
    asked = next(outcome.options for outcome in section.ok().values())
    layers, blocks = _list_partial(asked.get("layers"), last + 1), _list_partial(asked.get("blocks"), last)
    if layers:
        return say_count(
            "probe.some_layers",
            "Only layer {layers} considered: {told}",
            "Only layers {layers} considered: {told}",
            len(layers),
            layers=list_items([str(layer) for layer in layers]),
            told=told,
        )
    if blocks:
        return say_count(
            "probe.some_blocks",
            "Only block {blocks} considered: {told}",
            "Only blocks {blocks} considered: {told}",
            len(blocks),
            blocks=list_items([str(block) for block in blocks]),
            told=told,
        )
    return told


def _tell_rows_drawn(probe: Probe[Any, Any], section: Section) -> str:
    """How many rows figures show; empty where they show them all."""
    if probe.drawn is None:
        return ""
    table, most = probe.drawn
    count = max((len(outcome.tables[table].rows) for outcome in section.ok().values()), default=0)
    if count <= most:
        return ""
    return say(
        "probe.drawn",
        "Figures show the first {most} of {count}: {what}.",
        most=most,
        count=write_count(count),
        what=name_of(table),
    )


def _list_partial(asked: Any, all_of_them: int) -> list[int]:
    """The numbers that an option lists, each once, in order; empty where that is all there are."""
    numbers = sorted(set(asked)) if isinstance(asked, list) else []
    return [] if set(numbers).issuperset(range(all_of_them)) else numbers


def axis_label(*, relative: bool) -> str:
    """What stands below curves over the layers: shares of the depth, or the layers' numbers."""
    if relative:
        return say("figure.depth", "depth (0 = embedding, 1 = last block)")
    return say("figure.layer", "layer (0 = embedding)")


def place_layers(count: int, *, relative: bool) -> list[float]:
    """(layer) where each of so many layers stands on such an axis."""
    return [layer / (count - 1) if relative else float(layer) for layer in range(count)]


def tell_ends(curve: Curve) -> str:
    """Where a curve begins and ends, in words."""
    first, last = write_change(curve.y[0], curve.y[-1])
    return say("figure.curve_ends", "{curve} goes from {first} to {last}", curve=curve.label, first=first, last=last)


def read_curves_out(name: str, what: str, curves: Iterable[Curve]) -> str:
    """Where each curve over the layers of a model begins and ends, for who cannot see them."""
    ends = [tell_ends(curve) for curve in curves]
    return say(
        "figure.curves", "{what} over the layers of {model}: {ends}", what=what, model=name, ends=list_items(ends)
    )


Later = Generator[Sequence[Pass] | TwinPasses, Sequence[PassResult], R]
"""A probe that chooses further passes by the numbers of the first yields them and returns its findings; those through
the model's twin are its control.
"""


class Probe(Generic[O, R]):
    """A measurement. Subclasses state their name, version, question, options and findings, and have a docstring of
    three paragraphs: "Shows: …", "Read: …", "Computed: …".
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised whenever the definition of a number changes."""
    question: ClassVar[str]
    """The section's title in a report."""
    options: ClassVar[type[ProbeOptions]]
    findings: ClassVar[type[Findings]]
    sources: ClassVar[tuple[Source, ...]] = ()
    """The works that it is taken from."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules, in addition to torch, that `run` needs and that take long to import: loaded with the model."""
    drawn: ClassVar[tuple[str, int] | None] = None
    """A table, and of how many of its rows there are figures, where that may be fewer than all."""
    reads_answers: ClassVar[bool] = False
    """Whether what prompts say is right changes what it finds, which it once did not."""
    beside: ClassVar[tuple[str, Sequence[str]] | None] = None
    """A table with a row a prompt, and those of its columns that a page shows of all models side by side."""
    of_tokenizer: ClassVar[tuple[str, ...] | None] = None
    """Names of the findings that depend on the tokenizer; None where all may."""
    needs_weights: ClassVar[bool] = True
    """False where the architecture alone (`config:FILE`) is enough."""

    def passes(self, case: Case[O]) -> Sequence[Pass]:
        """The first passes. Imports no torch.

        Raises:
            Unusable: this subject cannot be measured, for a reason known from tokenizer and configuration.
        """
        return ()

    def further_passes(self, case: Case[O]) -> int:
        """How many passes `run` asks for after the first, counted before any model is loaded: the plan names them, and
        progress is told by them.
        """
        return 0

    def wants_twin(self, case: Case[O]) -> bool:
        """Whether `run` asks for passes through the model's twin, which takes as much memory as the model."""
        return False

    def held_bytes(self, case: Case[O]) -> int:
        """Bytes of what `run` has read and still holds while further passes go on, such as rows to train on."""
        return 0

    def skipped_rows(self, case: Case[O]) -> Mapping[str, str]:
        """Rows (texts, heads, …) that this subject cannot have, each with its reason; the rest is measured.

        A row that no model of the battery can have is a mistake in the battery.
        """
        return {}

    def run(self, case: Case[O], model: LoadedModel, captured: Sequence[PassResult]) -> R | Later[R]:
        """The findings, from what the first passes gave (in the order `passes` named them)."""
        # Not abstract: a pair's probe has `compare` in its place.
        found: R | Later[R] = _part(self, "run").run(case, model, captured)
        return found

    def figures(self, section: Section) -> Iterable[Figure]:
        """Descriptions of the figures of all subjects, on shared scales."""
        found: Iterable[Figure] = _part(self, "figures").figures(section) if _place_of(self, "figures") else ()
        return found

    def statement(self, section: Section) -> str:
        """What is seen here, computed from the numbers by a rule with stated thresholds: a sentence or two a subject.

        Where the rule has no clear answer it says that there is none; empty where nothing was measured.
        """
        if not _place_of(self, "statement"):
            return ""
        part = _part(self, "statement")
        if not hasattr(part, "statement"):
            return sentences(self.tell_each(section).values())
        told: str = part.statement(section)
        return told

    def holds_for_any_tokenizer(self, name: str) -> bool:
        """Whether a metric, array or table of its findings depends on no tokenizer."""
        return self.of_tokenizer is not None and name not in self.of_tokenizer

    def tell_each(self, section: Section) -> Mapping[str, str]:
        """Subject -> what `statement` says of it; empty where it is not told of each subject alone."""
        return _ask_each(self, section, "tell")

    def tell_each_briefly(self, section: Section) -> Mapping[str, str]:
        """Subject -> the same in a few words without its name; empty where the metrics are told instead."""
        return _ask_each(self, section, "tell_briefly")

    def tell_figure_each(self, section: Section, figure: Figure) -> Mapping[str, str]:
        """Subject -> what a figure shows of it, where that is something else than `statement` tells of; empty where it
        is the same.
        """
        return _ask_each(self, section, "tell_figure", figure)


@dataclass(frozen=True)
class MeasuredModel(Generic[P]):
    """One model of a pair, with what its passes gave."""

    case: Case[P]
    model: LoadedModel
    captured: Sequence[PassResult]
    """In the order in which `passes` named them."""


class PairProbe(Probe[P, R], Generic[P, R]):
    """A measurement of two models, `base` and `other`, that are in memory together.

    `passes` is asked once for each of them; `compare` stands where a probe of one model has `run`.
    """

    def comparable(self, base: Case[P], other: Case[P]) -> None:
        """Refuses two models whose numbers cannot be compared. Imports no torch.

        Raises:
            Unusable: says what differs; the pair is skipped, and the others run.
        """

    def compare(self, base: MeasuredModel[P], other: MeasuredModel[P]) -> R:
        """The findings, from what the passes of both gave."""
        found: R = _part(self, "run").compare(base, other)
        return found


def _ask_each(probe: Probe[Any, Any], section: Section, name: str, *asked: Figure) -> dict[str, str]:
    """Subject -> what a function of the probe's rule says of it; empty where the rule has no such function."""
    tell = getattr(_part(probe, "statement"), name, None) if _place_of(probe, "statement") else None
    if tell is None:
        return {}
    kind = getattr(_part(probe, "view"), "View", SubjectView) if _place_of(probe, "view") else SubjectView
    return {view.subject: tell(view, *asked) for view in kind.each(section)}


def _part(probe: Probe[Any, Any], name: str) -> ModuleType:
    """A module of a probe that is a folder: its face is read for every plan and every page, but what measures, what
    draws and what tells are imported when they are asked for.
    """
    place = _place_of(probe, name)
    if not place:
        # A third party's probe without it is a failed card that names it, next to the others' results.
        raise NotImplementedError(f"{type(probe).__name__} does not say how it is computed")
    return importlib.import_module(place)


def _place_of(probe: Probe[Any, Any], name: str) -> str:
    """Where that module is, next to the probe's own class or one that it was made of; empty where there is none."""
    for kind in type(probe).__mro__:
        module = sys.modules[kind.__module__]
        if hasattr(module, "__path__") and importlib.util.find_spec(f"{module.__name__}.{name}") is not None:
            return f"{module.__name__}.{name}"
    return ""


@dataclass(frozen=True)
class Explanation:
    """The three paragraphs of a probe's docstring."""

    shows: str
    read: str
    computed: str


def explanation(probe: Probe[Any, Any]) -> Explanation:
    """What a probe shows, how to read it and how it is computed: its docstring, in the spoken language."""
    text = inspect.getdoc(type(probe)) or ""
    parts = dict(re.findall(r"^(Shows|Read|Computed): (.*?)(?=\n\n|\Z)", text, re.DOTALL | re.MULTILINE))
    said = {name.lower(): _translate(probe, name.lower(), part) for name, part in parts.items()}
    return Explanation(said.get("shows", ""), said.get("read", ""), said.get("computed", ""))


def question(probe: Probe[Any, Any]) -> str:
    """The title of a probe's section, in the spoken language."""
    return _translate(probe, "question", probe.question)


def meanings(probe: Probe[Any, Any]) -> dict[str, str]:
    """The definition of each of a probe's numbers by its name, in the spoken language."""
    return {name: _translate(probe, f"definition.{name}", text) for name, text in definitions(probe.findings).items()}


def meaning_of_array(probe: Probe[Any, Any], name: str, texts: Mapping[str, str]) -> str:
    """The definition, among those of `meanings`, of what results call by this name; of one of many without its number;
    empty where it has none.
    """
    whole = name.split("/")[0]
    return texts.get(name_arrays(probe.findings).get(whole, whole), "")


def _translate(probe: Probe[Any, Any], what: str, text: str) -> str:
    """A text of the probe's source, without its line breaks."""
    return say(f"{probe.name}.{what}", " ".join(text.split()))
