"""What two bundles were measured with: no verdict, but what a reader has to know before any."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportgen.baseline.quantities import names_of
from reportgen.results.bundle import Bundle
from reportgen.results.section import ModelCard

CARD = (
    "name",
    "architecture",
    "layers",
    "source",
    "revision",
    "dtype",
    "device",
    "threads",
    "together",
    "weights_sha256",
    "tokenizer_sha256",
)
"""What a header says of two models under one id."""
_FIRST = {
    "weights_sha256": "weights",
    "tokenizer_sha256": "tokenizer",
    "revision": "revision",
    "dtype": "dtype",
    "device": "device",
    "threads": "threads",
}
"""What of it may move numbers, the most likely cause first -> what the first line calls it."""
_HASHES = ("weights_sha256", "tokenizer_sha256")
_UNTOLD = ("host", "system")
"""Differences that stand in the table alone: another host or kernel is no cause in itself."""
_UNKNOWN = "–"
MOST = 5
"""Changes that the first line holds."""
LONGEST = 30
"""Characters of a value there."""


@dataclass(frozen=True)
class Difference:
    """Something of the surroundings that is not the same."""

    what: str
    before: str
    after: str
    model: str = ""
    """Id of the model that it is about; empty for libraries and the machine."""

    @property
    def label(self) -> str:
        """What it is, with its model."""
        return f"{self.model}: {self.what}" if self.model else self.what


def list_differences(before: Bundle, after: Bundle) -> Iterator[Difference]:
    """Of the models, then of the libraries, then of the machine."""
    for id in names_of(list(before.models), list(after.models)):
        old, new = _describe_card(before.models.get(id)), _describe_card(after.models.get(id))
        for what in names_of(list(old), list(new)):
            if old.get(what) != new.get(what):
                yield Difference(what, old.get(what, _UNKNOWN), new.get(what, _UNKNOWN), id)
    for kind in ("versions", "machine"):
        was, now = before.run.get(kind, {}), after.run.get(kind, {})
        for what in names_of(list(was), list(now)):
            if was.get(what) != now.get(what):
                yield Difference(what, str(was.get(what, _UNKNOWN)), str(now.get(what, _UNKNOWN)))


def summarise_environment(found: Sequence[Difference]) -> str:
    """What changed around the numbers, likely causes first, in a line: "weights of gemma, torch 2.12 → 2.13"."""
    known = [one for one in found if _UNKNOWN not in (one.before, one.after)]  # a new model is told as new
    of_models = [one for what in _FIRST for one in known if one.model and one.what == what]
    others = [one for one in found if not one.model and one.what not in _UNTOLD]
    told = [_tell(one) for one in (*of_models, *others)]
    return ", ".join([*told[:MOST], *(["…"] if len(told) > MOST else [])])


def _tell(one: Difference) -> str:
    name = f"{_FIRST[one.what]} of {one.model}" if one.model else one.what
    values = [value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…" for value in (one.before, one.after)]
    return name if one.what in _HASHES else f"{name} {values[0]} → {values[1]}"


def _describe_card(card: ModelCard | None) -> dict[str, str]:
    """What is known of a model; of one that was never loaded, only what was asked for."""
    if card is None:
        return {}
    own = {"name": card.name, "architecture": card.architecture or None, "layers": card.layers or None, **card.facts}
    return {what: str(own[what]) for what in CARD if own.get(what) is not None}
