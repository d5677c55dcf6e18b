"""What features of dictionaries are called: by hand (YAML, CSV) or in an export of Neuronpedia (JSONL).

By hand in YAML, the layer (or the name of the dictionary, or its block for one that reads what a block writes) above
the features: `12: {241: flattery, 1034: {label: sums, score: 0.8}}`. In CSV, a line a feature under a heading with the
columns `layer` or `name`, `feature`, `label`, and `score` and `origin` where they are known.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from reportgen.documents.problem import describe_value
from reportgen.errors import BatteryError, Mistake
from reportgen.language import say
from reportgen.suggest import suggestion

if TYPE_CHECKING:
    from reportgen.model.sae.files import DictionaryFiles

BY_HAND, NEURONPEDIA, PROMOTED, EXAMPLES, EXPLAINER = (
    "by hand",
    "Neuronpedia",
    "promoted tokens",
    "strongest examples",
    "explainer model",
)
"""Where labels come from. A file may name another origin of its own."""
LONGEST = 400
"""Characters of a label."""
MOST_BYTES = 500_000_000
_SAID = ("label", "score", "origin")
"""What is said of a feature."""
_COLUMNS = ("layer", "name", "feature", *_SAID)
_PAGES = "https://www.neuronpedia.org"
_PAGE = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Label:
    """What a feature is called."""

    text: str
    origin: str
    """One of the origins above, or what a file says."""
    score: float | None = None
    """How well it fits, as its origin measures that; None where nobody did."""


@dataclass(frozen=True)
class WrittenLabel:
    """A label as a file has it: its dictionary is not looked for yet."""

    place: str
    """A layer or block, the name of a dictionary, or `MODEL/SOURCE` of Neuronpedia."""
    feature: int
    label: Label
    line: int


def tell_origin(origin: str) -> str:
    """An origin in the spoken language; one that a file names as it is written."""
    known = {
        BY_HAND: say("label.by_hand", "by hand"),
        NEURONPEDIA: "Neuronpedia",
        PROMOTED: say("label.promoted", "promoted tokens"),
        EXAMPLES: say("label.examples", "strongest examples"),
        EXPLAINER: say("label.explainer", "explainer model"),
    }
    return known.get(origin, origin)


def page_of(one: "DictionaryFiles", feature: int) -> str:
    """The address of a feature's page at Neuronpedia; empty where its file names none."""
    pages = one.card.neuronpedia or ""
    return f"{_PAGES}/{pages}/{feature}" if _PAGE.fullmatch(pages) else ""


def read_labels(file: Path) -> tuple[WrittenLabel, ...]:
    """The labels in a file.

    Raises:
        BatteryError: with every mistake in it, each with its line.
    """
    readers = {".yaml": _read_yaml, ".yml": _read_yaml, ".csv": _read_csv, ".jsonl": _read_jsonl}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise BatteryError(Mistake("labels are read from .yaml, .csv and .jsonl", file=file))
    mistakes: list[Mistake] = []
    found = list(reader(_text(file), file, mistakes))
    seen: dict[tuple[str, int], WrittenLabel] = {}
    for one in found:
        first = seen.setdefault((one.place, one.feature), one)
        if first is not one and reader is not _read_jsonl:  # an export may hold several explanations of a feature
            told = f"feature {one.feature} of {one.place} has a label in line {first.line} already"
            mistakes.append(Mistake(told, file=file, line=one.line))
    if mistakes:
        raise BatteryError(*sorted(mistakes, key=lambda mistake: mistake.line or 0))
    return tuple(seen.values())


def labels_for(
    written: Sequence[WrittenLabel], found: Sequence["DictionaryFiles"], file: Path | str, known: Sequence[int] = ()
) -> dict[tuple[int, int], Label]:
    """(item of `found`, feature) -> its label. Labels of other layers of `known`, or of Neuronpedia's, are left out.

    Raises:
        BatteryError: a label of a layer or dictionary that there is none of, or of a feature beyond the last.
    """
    labels: dict[tuple[int, int], Label] = {}
    mistakes = []
    for one in written:
        items = [item for item, files in enumerate(found) if _is_meant(one, files)]
        if not items and "/" not in one.place and not (one.place.isdigit() and int(one.place) in known):
            names = [str(files.place.index) for files in found] + [files.name for files in found if files.name]
            told = f"no dictionary {describe_value(one.place)} is used"
            mistakes.append(Mistake(told, suggestion(one.place, dict.fromkeys(names)), file, one.line))
        for item in items:
            if one.feature >= found[item].features:
                told = f"there is no feature {one.feature}: those of {found[item].place} end with"
                mistakes.append(Mistake(f"{told} {found[item].features - 1}", "", file, one.line))
            labels.setdefault((item, one.feature), one.label)
    if not labels and not mistakes:
        held = ", ".join(sorted({one.place for one in written})[:4]) or "nothing"
        told = "none of the labels is about a dictionary that is used"
        mistakes.append(Mistake(told, f"They are about: {held}.", file))
    if mistakes:
        raise BatteryError(*mistakes)
    return labels


def _is_meant(one: WrittenLabel, files: "DictionaryFiles") -> bool:
    if "/" in one.place and files.card.neuronpedia:
        return one.place == files.card.neuronpedia
    return one.place in (str(files.place.index), files.name)


def _text(file: Path) -> str:
    try:
        if file.exists() and not file.is_file():
            raise BatteryError(Mistake("not a regular file", "Name a file of labels.", file))
        if file.stat().st_size > MOST_BYTES:
            raise BatteryError(Mistake(f"larger than {MOST_BYTES // 1_000_000} MB", "Keep the layers in use.", file))
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BatteryError(Mistake("not UTF-8 text", "Save the file with UTF-8 encoding.", file)) from error
    except OSError as error:
        raise BatteryError(Mistake(f"the labels cannot be read: {error.strerror}", "", file)) from error


def _read_yaml(text: str, file: Path, mistakes: list[Mistake]) -> Iterator[WrittenLabel]:
    from reportgen.documents.yaml_source import read_source

    source = read_source(text, file)
    mistakes += source.mistakes(())
    if not isinstance(source.value, dict):
        mistakes.append(
            Mistake(f"expected layers with their labels, found {describe_value(source.value)}", _FORM, file, 1)
        )
        return
    for place, labels in source.value.items():
        if not isinstance(labels, dict):
            told = f"{place}: expected features with their labels, found {describe_value(labels)}"
            mistakes.append(Mistake(told, _FORM, file, source.lines.get((place,))))
            continue
        for feature, value in labels.items():
            held = value if isinstance(value, dict) else {"label": value}
            line = source.lines.get((place, feature), 1)
            if unknown := [key for key in held if key not in _SAID]:
                mistakes.append(
                    Mistake(f"unknown key {describe_value(unknown[0])}", suggestion(unknown[0], _SAID), file, line)
                )
                continue
            yield from _row({"layer": place, "feature": feature, **held}, file, line, mistakes)


_FORM = "Write LAYER: {FEATURE: label}."


def _read_csv(text: str, file: Path, mistakes: list[Mistake]) -> Iterator[WrittenLabel]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = [column.strip() for column in reader.fieldnames or ()]
        if wrong := list(_check_heading(columns, file)):
            mistakes += wrong
            return
        reader.fieldnames = columns
        for row in reader:
            if row.pop(None, None) or None in row.values():
                told = f"expected {len(columns)} cells, as in the heading"
                mistakes.append(Mistake(told, "Put quotes around a label with a comma.", file, reader.line_num))
                continue
            yield from _row(row, file, reader.line_num, mistakes)
    except csv.Error as error:
        mistakes.append(Mistake(f"not CSV: {error}", "", file, max(reader.line_num, 1)))


def _check_heading(columns: Sequence[str], file: Path) -> Iterator[Mistake]:
    for column in columns:
        if column not in _COLUMNS:
            yield Mistake(f"unknown column {describe_value(column)}", suggestion(column, _COLUMNS), file, 1)
    for column in dict.fromkeys(column for column in columns if columns.count(column) > 1):
        yield Mistake(f"the heading names {describe_value(column)} twice", "", file, 1)
    lacking = [column for column in ("feature", "label") if column not in columns]
    if not {"layer", "name"} & set(columns):
        lacking.insert(0, "layer")
    if lacking:
        told = "The columns are: layer or name, feature, label; score and origin where known."
        yield Mistake(f"the heading lacks {', '.join(map(repr, lacking))}", told, file, 1)


def _read_jsonl(text: str, file: Path, mistakes: list[Mistake]) -> Iterator[WrittenLabel]:
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            row = from_json(written, allow_inf_nan=False)
        except ValueError as error:
            mistakes.append(Mistake(f"not JSON: {error}", "An export has one object a line.", file, line))
            continue
        if told := _reason_against_row(row):
            mistakes.append(Mistake(told, "Is it an export of explanations from Neuronpedia?", file, line))
            continue
        by = row.get("explanationModelName")
        held = {
            "layer": f"{row['modelId']}/{row['layer']}",
            "feature": row["index"],
            "label": row["description"],
            "origin": f"{NEURONPEDIA}, {by}" if isinstance(by, str) and by else NEURONPEDIA,
        }
        yield from _row(held, file, line, mistakes)


def _reason_against_row(row: Any) -> str:
    """Why a line of an export is not about a feature; empty where it is."""
    if not isinstance(row, dict):
        return f"expected an object, found {describe_value(row)}"
    if lacking := [key for key in ("modelId", "layer", "index", "description") if key not in row]:
        return f"lacks {', '.join(lacking)}"
    wrong = next((key for key in ("modelId", "layer") if not isinstance(row[key], str | int)), None)
    return f"{wrong}: expected text, found {describe_value(row[wrong])}" if wrong else ""


def _row(row: Mapping[str, Any], file: Path, line: int, mistakes: list[Mistake]) -> Iterator[WrittenLabel]:
    """One label, or what is wrong with it."""
    wrong = [key for key in row if key not in _COLUMNS]
    place = str(row.get("layer") or row.get("name") or "").strip()
    feature, text = str(row.get("feature", "")).strip(), row.get("label")
    if wrong:
        mistakes.append(Mistake(f"unknown key {describe_value(wrong[0])}", suggestion(wrong[0], _COLUMNS), file, line))
    elif not place:
        mistakes.append(Mistake("the layer is missing", "", file, line))
    elif not (feature.isascii() and feature.isdigit() and len(feature) < 10):
        told = f"expected the number of a feature, counted from 0, found {describe_value(row.get('feature'))}"
        mistakes.append(Mistake(told, "", file, line))
    elif not isinstance(text, str) or not text.strip():
        mistakes.append(Mistake(f"expected a label, found {describe_value(text)}", "", file, line))
    elif not isinstance(row.get("origin") or "", str):
        mistakes.append(Mistake(f"expected an origin, found {describe_value(row['origin'])}", "", file, line))
    else:
        try:
            label = Label(_shorten(text), _shorten(str(row.get("origin") or BY_HAND)), _score(row.get("score")))
        except ValueError:
            mistakes.append(Mistake(f"expected a score, found {describe_value(row.get('score'))}", "", file, line))
            return
        yield WrittenLabel(place, int(feature), label, line)


def _shorten(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= LONGEST else one_line[: LONGEST - 1] + "…"


def _score(value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, int | float | str) or isinstance(value, bool) or _is_vast(value):
        raise ValueError(value)
    if not math.isfinite(score := float(value)):
        raise ValueError(value)
    return score


def _is_vast(value: float | str) -> bool:
    """A whole number that no float holds."""
    return isinstance(value, int) and abs(value) > 10**300
