"""What every probe of sparse dictionaries is told about them, and how they are found before any pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, computed_field

from reportgen.documents.beside import PathOption, explain_search, folder_of, is_file, path_of
from reportgen.documents.problem import Problem, describe_value
from reportgen.errors import BatteryError, ReportgenError
from reportgen.features.labels import Label, labels_for, read_labels
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.model.needs import Need
from reportgen.model.sae.files import DictionaryError, DictionaryFiles, Note
from reportgen.model.sae.fit import check_fit
from reportgen.model.sae.sources import fingerprint, locate_dictionaries
from reportgen.probing.case import Case, Unusable
from reportgen.probing.options import Layers, ProbeOptions
from reportgen.text.prompts import PromptsError


class DictionaryOptions(ProbeOptions):
    """Which dictionaries."""

    dictionaries: PathOption | Annotated[list[PathOption], Field(min_length=1)]
    """Where they come from: `demo:NAME`, a folder (a relative one starts from the battery's, as of `models:`), or a hub
    id with a path; or several of these."""
    layers: Layers = "all"
    """Only those that read these layers (residual stream) or blocks."""
    features: Annotated[int, Field(ge=1)] | None = None
    """Only those with exactly this many features."""
    l0: Annotated[float, Field(gt=0, strict=False)] | None = None
    """If a source has several for one site, the one whose stated L0 is nearest."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def dictionaries_sha256(self) -> str:
        """Numbers depend on what the files hold, not on what they are called; empty where there are none."""
        try:
            return fingerprint(dictionary_files_of(self))
        except (ReportgenError, OSError):
            return ""


def _check_labels(written: str) -> str:
    """Labels are read once while the battery is checked: what is wrong with them is told with the battery."""
    if not is_file(path_of(written)):
        remedy = explain_search(written, folder_of(written))
        raise PromptsError(Problem((), f"there is no file {describe_value(written)}", remedy))
    try:
        read_labels(path_of(written))
    except BatteryError as error:
        raise PromptsError(elsewhere=error.mistakes) from error
    return written


class LabelledOptions(DictionaryOptions):
    """Which dictionaries, and what their features are called."""

    labels: Annotated[PathOption, AfterValidator(_check_labels)] | None = None
    """A file of labels, next to the battery: YAML or CSV by hand, or a Neuronpedia export (JSONL)."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def labels_sha256(self) -> str | None:
        """What the report says depends on what the file holds, not on what it is called."""
        return None if self.labels is None else sha256_of(path_of(self.labels))


@dataclass(frozen=True)
class CaseDictionaries:
    """The dictionaries of a case."""

    files: tuple[DictionaryFiles, ...]
    """(item) by source, then by place."""
    notes: tuple[Note, ...]
    """What a reader should know of them."""


def dictionary_files_of(options: DictionaryOptions) -> tuple[DictionaryFiles, ...]:
    """The files of the dictionaries that are meant.

    Raises:
        BatteryError: a source has no known form, or several dictionaries at one place are left.
        DictionaryError: missing, damaged, or not supported.
    """
    named = options.dictionaries
    sources = (named,) if isinstance(named, str) else tuple(dict.fromkeys(named))
    layers = None if options.layers == "all" else tuple(sorted(set(options.layers)))
    found = (_locate_cached(one, folder_of(one), layers, options.features, options.l0) for one in sources)
    return tuple(files for of_source in found for files in of_source)


@lru_cache(maxsize=32)
def _locate_cached(
    source: str, folder: Path, layers: tuple[int, ...] | None, features: int | None, l0: float | None
) -> tuple[DictionaryFiles, ...]:
    return locate_dictionaries(source, folder=folder, layers=layers, features=features, l0=l0)


def dictionaries_of(case: Case[Any]) -> CaseDictionaries:
    """The dictionaries of a case, found to fit its model.

    Raises:
        Unusable: there are none, or they do not fit; says the file and what was expected.
    """
    try:
        files = dictionary_files_of(case.options)
        notes = check_fit(files, case.facts, case.located.name)
    except (BatteryError, DictionaryError) as error:
        raise Unusable(error.in_one_line) from error
    return CaseDictionaries(files, tuple(dict.fromkeys((*notes, *(note for one in files for note in one.card.notes)))))


def need_of(one: DictionaryFiles) -> Need:
    """What a dictionary reads, at all positions."""
    return Need(one.place.site, "all", (one.place.index,))


def first_counted(case: Case[Any], tokens: Sequence[int]) -> int:
    """The first position of a prompt that counts: 1 where it begins with BOS, else 0.

    Dictionaries are trained without BOS, whose vectors are enormous: their activations there mean nothing.
    """
    return int(bool(tokens) and tokens[0] in case.tokenizer.special_ids)


def labels_of(case: Case[Any], found: CaseDictionaries) -> dict[tuple[int, int], Label]:
    """(item, feature) -> the label that the battery's file has for it.

    Raises:
        Unusable: the file speaks of a dictionary or a feature that is not there.
    """
    written = case.options.labels
    if written is None:
        return {}
    known = () if case.options.layers == "all" else range((case.facts.layers or 0) + 1)
    try:
        return labels_for(read_labels(path_of(written)), found.files, written, known)
    except BatteryError as error:
        raise Unusable(error.in_one_line) from error
