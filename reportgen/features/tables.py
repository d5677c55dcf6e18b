"""Tables that probes of dictionaries share: what stands in them, and what is read back from them."""

from collections.abc import Sequence
from math import isfinite

from reportgen.features.options import DictionaryOptions, dictionary_files_of
from reportgen.model.needs import Site
from reportgen.model.sae.files import Note
from reportgen.results.quantities import Outcome, Rows

DICTIONARIES = ("item", "name", "site", "index", "layer_label", "features", "architecture", "l0_stated", "source")
"""Columns of a table of dictionaries; `index` is a layer of the residual stream or a block, `source` as in the
battery."""


def dictionary_rows(options: DictionaryOptions) -> Rows:
    """By source, then by place, as they are found."""
    named = options.dictionaries
    sources = [named] if isinstance(named, str) else list(dict.fromkeys(named))
    rows: Rows = []
    for source in sources:
        for one in dictionary_files_of(options.model_copy(update={"dictionaries": source})):
            residual = one.place.site is Site.RESIDUAL
            label = f"layer {one.place.index}" if residual else f"block {one.place.index}, {one.place.site.value}"
            rows.append(
                [len(rows), one.name, one.place.site.value, one.place.index, label, one.features,
                 one.card.architecture, one.card.l0, source]
            )  # fmt: skip
    return rows


def note_rows(notes: Sequence[Note]) -> Rows:
    """(kind, name, value) of each value of each note; a note without any has one row."""
    return [[note.kind, *pair] for note in notes for pair in (note.values or (("", ""),))]


def notes_of(outcome: Outcome) -> list[Note]:
    """What `note_rows` wrote into the table `notes`."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for record in outcome.tables["notes"].records():
        by_kind.setdefault(record["kind"], []).append((record["name"], record["value"]))
    return [Note(kind, tuple(pair for pair in pairs if pair[0])) for kind, pairs in by_kind.items()]


def cell(value: float) -> float | None:
    """A number as a table holds it: none where it is not defined."""
    return value if isfinite(value) else None
