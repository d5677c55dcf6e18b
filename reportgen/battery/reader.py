"""Batteries: which models, which probes with which options, which outputs. Read from YAML, checked without torch."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from reportgen import language
from reportgen.baseline.tolerance import ToleranceEntry, may_match
from reportgen.battery.broken_probe import AnyOptions, BrokenProbe
from reportgen.battery.checkpoints import has_wildcard, is_glob
from reportgen.battery.deprecations import find_deprecated
from reportgen.battery.matrix import KEY as MATRIX
from reportgen.battery.matrix import Matrix, expand_matrix, select_models
from reportgen.battery.model_entry import STRICT, ModelEntry
from reportgen.battery.probe_keys import ProbeKeys
from reportgen.documents.beside import HERE, locate_path
from reportgen.documents.plain_words import explain_errors
from reportgen.documents.problem import Problem, Where, describe_value
from reportgen.documents.yaml_source import Source, read_source, read_text
from reportgen.errors import BatteryError, Mistake, ReportgenError, reason_of
from reportgen.look.presentation import PAGE_BYTES, Presentation
from reportgen.look.slide_choice import DEFAULT, SlideChoice
from reportgen.look.theme import BUILT_IN, PAPER, Theme, read_theme
from reportgen.probes import registry
from reportgen.probing.options import PAIR, ProbeOptions
from reportgen.probing.probe import PairProbe, Probe
from reportgen.processes.supervision import find_earlier_end, track_piece
from reportgen.results.schema import ID
from reportgen.results.section import subject_of
from reportgen.suggest import suggestion
from reportgen.text.prompts import PromptsError, PromptSet, PromptSets

Output = Literal["html", "pdf", "figures", "slides", "pptx"]

NO_KEYS = ProbeKeys()

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


Language = Annotated[str, AfterValidator(language.resolve_language)]


@dataclass(frozen=True)
class ProbeEntry:
    """One probe of a battery with its options, and the models it runs on."""

    id: str
    probe: Probe[Any, Any]
    models: tuple[str, ...]
    """Ids, in the battery's order; of a pair: base and other."""
    options: ProbeOptions
    prompt_sets: Mapping[str, PromptSet]
    """FILE/SET -> the set, for those that the options name."""
    keys: ProbeKeys = NO_KEYS
    """Its time limit, its title and its note."""
    broken: str = ""
    """Why it cannot be used, where another distribution brings it: its cards fail, and the others run."""

    @property
    def subjects(self) -> tuple[tuple[str, ...], ...]:
        """The models of each of its results: one, or the two of a pair."""
        return (self.models,) if isinstance(self.probe, PairProbe) else tuple((id,) for id in self.models)


@dataclass(frozen=True)
class Battery:
    """A checked battery."""

    title: str
    models: Mapping[str, ModelEntry]
    probes: Mapping[str, ProbeEntry]
    outputs: tuple[str, ...]
    path: Path | None
    tolerances: Mapping[str, ToleranceEntry] = field(default_factory=dict)
    """Glob over PROBE_ID.MODEL_ID.NAME -> how far it may move from a baseline."""
    presentation: Presentation = field(default_factory=Presentation)
    """How the report is shown."""
    batch: int | Literal["auto"] | None = None
    """Prompts of a probe that pass together; None where the battery leaves it to the device."""
    theme_file: Path | None = None
    """Where its theme lies, if that is one of its own."""
    axes: tuple[str, ...] = ()
    """Keys of a model that its matrix lists values of: ids are made of them, so that nothing may change them."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """`models.ID`, `probes.ID` or `probes.ID.prompts[N]` -> the line on which it stands; prompts of a set have none,
    and the models of a matrix that of their key."""
    commits: Mapping[str, str] = field(default_factory=dict)
    """Model id -> the commits that its hub ids were resolved to before; where one is missing, it is resolved."""
    warnings: tuple[Mistake, ...] = ()
    """What a coming version will not take, each with its line; nothing is wrong yet."""

    @property
    def folder(self) -> Path:
        """Where it stands: what it names lies there."""
        return self.path.parent if self.path is not None else HERE


class BatteryFile(BaseModel):
    """The top level of a battery, as it is written."""

    model_config = STRICT

    title: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    """Title of the report; by default the file's name."""
    models: Annotated[dict[str, Any], Field(min_length=1)] = {}
    """The models to compare, each under an id of letters, digits, - and _."""
    matrix: Any = None
    """Models, dtypes and revisions of which every combination is a model, and checkpoints by glob."""
    probes: Annotated[dict[str, Any], Field(min_length=1)]
    """What to measure, each under an id of letters, digits, - and _."""
    outputs: list[Output] = ["html", "pdf", "figures"]
    """What to make of the numbers, in addition to the bundle, which is always written."""
    language: Language = language.ENGLISH
    """Language of the report's own words: en, zh-TW, zh-CN, hu or ar."""
    theme: Annotated[str, Field(min_length=1)] = PAPER.name
    """Look of the figures: paper, slides, dark, hall, hall-dark, or a YAML file of colours, sizes, font and logo."""
    page_megabytes: Annotated[float, Field(gt=0, le=1000, strict=False)] = PAGE_BYTES / 1e6
    """Size limit of report.html; the page says what was left out to stay below it."""
    batch: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] | None = None
    """Prompts of a probe that pass a model together, at most; auto: 64. Which ones is fixed by the probe alone. Others
    than 1 are faster on an accelerator, where auto is what holds if nothing is said, and move the last bits of numbers
    (float32: by up to 5e-4); on a CPU each prompt passes alone then."""
    slides: SlideChoice = DEFAULT
    """Which figures are main slides of a deck, and which go into its appendix."""
    tolerances: dict[str, ToleranceEntry] = {}
    """How far numbers may move from a baseline, by glob over PROBE_ID.MODEL_ID.NAME; the last one that matches wins."""


class _Subset(BaseModel):
    model_config = STRICT

    models: Annotated[list[str], Field(min_length=1)]


def load_battery(path: Path, only: Sequence[str] = ()) -> Battery:
    """The battery in a file; `only` keeps the probes with these ids.

    Raises:
        BatteryError: with every mistake in it.
    """
    return read_battery(read_text(path, "battery"), path, only)


def read_battery(text: str, path: Path | None = None, only: Sequence[str] = ()) -> Battery:
    """The battery in `text`; `path` is where it stands: prompt sets are looked for next to it.

    Raises:
        BatteryError: with every mistake in it.
    """
    source = read_source(text, path or "battery")
    reading = _Reading(PromptSets.for_battery(path), path.parent if path is not None else None)
    battery = reading.battery(source.value, path, only)
    mistakes = [*source.mistakes(reading.problems), *dict.fromkeys(reading.elsewhere)]
    if battery is None or mistakes:
        raise BatteryError(*mistakes)
    places = {f"models.{id}": reading.places[id] for id in battery.models}
    places |= {f"probes.{id}": ("probes", id) for id in battery.probes}
    lines = {name: line for name, place in places.items() if (line := source.lines.get(place)) is not None}
    warnings = tuple(source.mistakes(find_deprecated(source.value)))
    return replace(battery, lines={**lines, **_find_prompt_lines(battery, source)}, warnings=warnings)


def _find_prompt_lines(battery: Battery, source: Source) -> dict[str, int]:
    """Lines of prompts that are written out one by one: a list that names sets holds more prompts than items."""
    found: dict[str, int] = {}
    for id, entry in battery.probes.items():
        for name in ("prompts", "texts"):
            count = len(getattr(entry.options, name, None) or ())
            written = [source.lines.get(("probes", id, name, at)) for at in range(count + 1)]
            if None not in written[:count] and written[count] is None:
                found |= {f"probes.{id}.{name}[{at}]": line for at, line in enumerate(written) if line is not None}
    return found


class _Reading:
    """Collects everything that is wrong while a battery is put together."""

    def __init__(self, sets: PromptSets, folder: Path | None) -> None:
        self.sets = sets
        self.folder = folder
        """Where the battery stands: the files that it names lie there."""
        self.problems: list[Problem] = []
        self.elsewhere: list[Mistake] = []
        """What is wrong in the files of prompt sets, or on the command line."""
        self.places: dict[str, Where] = {}
        """Id of a model -> where it is written; models of a matrix stand together in one place."""
        self.axes: tuple[str, ...] = ()
        self.knows_models = True
        """False where some could not be read, so that ids which nobody has may be theirs."""

    def add_problems(self, *found: Problem) -> None:
        self.problems += found

    def battery(self, written: Any, path: Path | None, only: Sequence[str]) -> Battery | None:
        """The battery, or None where anything was wrong."""
        if not isinstance(written, dict):
            self.add_problems(
                Problem((), f"expected a mapping with models and probes, found {describe_value(written)}")
            )
            return None
        top = self.validate(BatteryFile, written, ())
        models = self.models(written)
        probes = self.probes(written.get("probes"), models)
        for unknown in [one for one in only if one not in probes]:
            remedy = suggestion(unknown, probes)
            self.elsewhere.append(Mistake(f"no probe has the id {describe_value(unknown)}", remedy, path))
        if top is not None and not self.problems:
            self.tolerances(top.tolerances, _drop_missing(probes).values())
            self.slides(top.slides, probes)
        if self.problems or self.elsewhere or top is None:
            return None
        kept = {one: entry for one, entry in probes.items() if not only or one in only}
        outputs = tuple(dict.fromkeys(top.outputs))
        title = top.title or _make_title(path)
        theme = self.theme(top.theme, path)
        if theme is None:
            return None
        shown_as = Presentation(top.language, theme, round(top.page_megabytes * 1e6), slides=top.slides)
        asked = _drop_missing(models), _drop_missing(kept)
        own = None if top.theme in BUILT_IN else locate_path(top.theme, path.parent if path is not None else HERE)
        return Battery(title, *asked, outputs, path, top.tolerances, shown_as, top.batch, own, self.axes)

    def tolerances(self, written: Iterable[str], entries: Iterable[ProbeEntry]) -> None:
        """Refuses those that can match nothing: a comparison would go by others, and nobody would know."""
        known = [f"{entry.id}.{subject_of(models)}." for entry in entries for models in entry.subjects]
        for glob in written:
            if not any(may_match(glob, before) for before in known):
                meant = f"{glob.rpartition('.')[0] or glob}.*"
                remedy = suggestion(meant, [f"{before}*" for before in known])
                told = "matches nothing that this battery measures"
                self.add_problems(Problem(("tolerances", glob), told, remedy))

    def slides(self, chosen: SlideChoice, probes: Iterable[str]) -> None:
        """Refuses probes that are none; which figures there are is known once they are described."""
        known = list(probes)
        for key, places in (("main", chosen.main), ("appendix", chosen.appendix), ("order", chosen.order)):
            for at, place in enumerate(places):
                probe = place if key == "order" else place.partition("/")[0]
                if probe not in known:
                    told = f"no probe has the id {describe_value(probe)}"
                    self.add_problems(Problem(("slides", key, at), told, suggestion(probe, known)))

    def theme(self, written: str, path: Path | None) -> Theme | None:
        """The theme of that name, or in the file of that name next to the battery."""
        try:
            return read_theme(written, path.parent if path is not None else None)
        except BatteryError as error:
            for mistake in error.mistakes:
                if mistake.file is None:
                    self.add_problems(Problem(("theme",), mistake.message, mistake.remedy))
                else:
                    self.elsewhere.append(mistake)
            return None

    def models(self, written: Mapping[str, Any]) -> dict[str, ModelEntry | None]:
        """Every model id with its entry, or None where that has mistakes: those of `models`, then of the matrix."""
        if "models" not in written and MATRIX not in written:
            self.add_problems(Problem(("models",), "missing"))
        found: dict[str, ModelEntry | None] = {}
        for one, value in self.entries(("models",), written.get("models")):
            self.places[one] = ("models", one)
            found[one] = self.model(value, self.places[one])
            self.refuse_glob(found[one], self.places[one])
        return found | self.matrix(written[MATRIX]) if MATRIX in written else found

    def model(self, value: Any, where: Where) -> ModelEntry | None:
        """One model; a text is short for its source."""
        return self.validate(ModelEntry, {"source": value} if isinstance(value, str) else value, where)

    def refuse_glob(self, entry: ModelEntry | None, where: Where) -> None:
        """An id of its own is no name for several models."""
        if entry is not None and is_glob(entry.source, self.folder or HERE):
            told = f"{describe_value(entry.source)} stands for several models"
            self.add_problems(Problem(where, told, f"Write it under {MATRIX}: {{models: {{{where[-1]}: …}}}}."))

    def matrix(self, written: Any) -> dict[str, ModelEntry | None]:
        """Id -> model of every combination of a matrix; none where anything in it is wrong."""
        before = len(self.problems)
        read = self.validate(Matrix, written, (MATRIX,))
        where = (MATRIX, "models")
        named = self.entries(where, read.models if read is not None else None)
        entries = _drop_missing({one: self.model(value, (*where, one)) for one, value in named})
        if read is not None and len(self.problems) == before:
            expansion = expand_matrix(read, entries, self.places, self.folder or HERE)
            self.add_problems(*expansion.problems)
            self.places |= expansion.places
            self.axes = read.axes
            if not expansion.problems:
                return dict(expansion.models)
        self.knows_models = False
        return {}

    def probes(self, written: Any, models: Mapping[str, Any]) -> dict[str, ProbeEntry | None]:
        """Every probe id with its entry, or None where that has mistakes."""
        return {one: self.probe(one, value, models) for one, value in self.entries(("probes",), written)}

    def entries(self, where: Where, written: Any) -> list[tuple[str, Any]]:
        if not isinstance(written, dict):
            return []
        folded: dict[str, str] = {}
        for one in written:
            first = folded.setdefault(one.casefold(), one)
            if not re.fullmatch(ID, one):
                self.add_problems(Problem((*where, one), "not usable as an id", "Use 1 to 64 of A-Z a-z 0-9 _ and -."))
            elif first != one:
                told = f"differs from {describe_value(first)} only in capitals, and many disks take such names for one"
                self.add_problems(Problem((*where, one), told, "Give it another id."))
        return list(written.items())

    def probe(self, one: str, written: Any, models: Mapping[str, Any]) -> ProbeEntry | None:
        where = ("probes", one)
        if not isinstance(written, dict):
            self.add_problems(
                Problem(where, f"expected a mapping, found {describe_value(written)}", "Write {probe: NAME}.")
            )
            return None
        probe = self.find_probe(written, where)
        if probe is None:
            self.subset(written, where, models)
            return None
        reserved = ("probe", "models", *ProbeKeys.model_fields)
        values = {key: value for key, value in written.items() if key not in reserved}
        sets = replace(self.sets, used={})
        options, broken = self.options(probe, values, where, sets, models)
        said = {key: value for key, value in written.items() if key in ProbeKeys.model_fields}
        keys = self.validate(ProbeKeys, said, where)
        pair = isinstance(probe, PairProbe)
        subset = self.pair(written, where, models) if pair else self.subset(written, where, models)
        if options is None or subset is None or keys is None:
            return None
        return ProbeEntry(one, probe, subset, options, sets.used, keys, broken)

    def options(
        self, probe: Probe[Any, Any], values: dict[str, Any], where: Where, sets: PromptSets, models: Iterable[str]
    ) -> tuple[ProbeOptions | None, str]:
        """The options of a probe, None where they have mistakes; and why it cannot be used, where it broke on them."""
        piece = ("options", str(where[-1]))
        told = probe.reason if isinstance(probe, BrokenProbe) else find_earlier_end(*piece)
        if not told:
            try:
                with track_piece(*piece):
                    return self.validate(probe.options, values, where, sets, models), ""
            except (ReportgenError, KeyboardInterrupt):
                raise
            except BaseException as error:  # a third party's validators may raise anything, or end the program
                told = reason_of(error)
        return self.validate(AnyOptions, values, where, sets), told

    def find_probe(self, written: dict[str, Any], where: Where) -> Probe[Any, Any] | None:
        name = written.get("probe")
        at = (*where, "probe")
        if "probe" not in written:
            self.add_problems(Problem(at, "missing", suggestion(str(where[-1]), registry.names())))
        elif not isinstance(name, str):
            self.add_problems(Problem(at, f"expected the name of a probe, found {describe_value(name)}"))
        else:
            try:
                return registry.find(name)
            except registry.Unloadable as error:
                return BrokenProbe(name, error.in_one_line)
            except BatteryError as error:
                self.add_problems(*(Problem(at, mistake.message, mistake.remedy) for mistake in error.mistakes))
        return None

    def subset(self, written: dict[str, Any], where: Where, models: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The models of one probe: all of them, or those that its `models` names."""
        if "models" not in written:
            return tuple(models)
        chosen = self.validate(_Subset, {"models": written["models"]}, where)
        if chosen is None:
            return None
        named = [select_models(pattern, models) for pattern in chosen.models]
        for index, (pattern, found) in enumerate(zip(chosen.models, named, strict=True)):
            if not found:
                self.refuse_model(pattern, (*where, "models", index), models)
        return tuple(one for one in models if any(one in found for found in named))

    def refuse_model(self, name: str, where: Where, models: Iterable[str]) -> None:
        """Tells that no model has this id, where all of them are known."""
        if self.knows_models:
            told = f"no model's id matches {describe_value(name)}" if has_wildcard(name) else None
            self.add_problems(Problem(where, told or f"unknown model {describe_value(name)}", suggestion(name, models)))

    def pair(self, written: dict[str, Any], where: Where, models: Mapping[str, Any]) -> tuple[str, ...]:
        """The two models of a pair's probe."""
        if "models" in written:
            remedy = "Name its two models as base and other, and leave models out."
            self.add_problems(Problem((*where, "models"), "this probe is about a pair of models", remedy))
        named = [written.get(key) for key in PAIR]
        for key, name in zip(PAIR, named, strict=True):
            if isinstance(name, str) and name and name not in models:
                self.refuse_model(name, (*where, key), models)
        if named[0] == named[1] and named[0] in models:
            remedy = "Name two models; the same source may stand under two ids."
            self.add_problems(
                Problem(
                    (*where, PAIR[1]), f"a model cannot be compared with itself: {describe_value(named[0])}", remedy
                )
            )
        return tuple(str(name) for name in named)

    def validate(
        self,
        model: type[M],
        value: Any,
        where: Where,
        sets: PromptSets | None = None,
        models: Iterable[str] | None = None,
    ) -> M | None:
        """`value` as a `model`, or None and its mistakes."""
        known = None if models is None or not self.knows_models else tuple(models)
        context = {"prompt_sets": sets, "folder": self.folder, "models": known}
        try:
            # a document is JSON-like: in JSON mode a list also fills a tuple where everything else is strict
            return model.model_validate_json(json.dumps(value), context=context)
        except ValidationError as error:
            self.add_problems(*(problem.nest_under(*where) for problem in explain_errors(error, value, model)))
            for detail in error.errors(include_url=False):
                cause = detail.get("ctx", {}).get("error")
                if isinstance(cause, PromptsError):
                    self.elsewhere += cause.elsewhere
        return None


def _drop_missing(entries: Mapping[str, T | None]) -> dict[str, T]:
    return {one: entry for one, entry in entries.items() if entry is not None}


def _make_title(path: Path | None) -> str:
    words = "" if path is None else re.sub(r"[-_\s]+", " ", path.stem).strip()
    return words[:1].upper() + words[1:] or "Report"
