"""What probes found in earlier runs, kept under everything that it depends on."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from reportgen.battery.reader import ProbeEntry
from reportgen.cache import DIGEST, RESULTS, Shelf, UnfinishedWork, key_of
from reportgen.results.bundle import outcome_from, outcome_json
from reportgen.results.quantities import Outcome
from reportgen.running.outcome_key import Conditions, make_outcome_key


@dataclass(frozen=True)
class CachedOutcome:
    """An outcome, and the rows (texts, heads, …) that the model could not have, each with its reason."""

    outcome: Outcome
    skipped_rows: Mapping[str, str]


@dataclass(frozen=True, order=True)
class Entry:
    """One outcome as a list of the cache names it."""

    model: str
    probe: str
    version: int
    bytes: int
    used: float
    """When it was last used, in seconds since 1970."""


class OutcomeCache:
    """Outcomes that are ok, and how the models ran that gave them. What failed is tried again."""

    def __init__(self, used: bool = True) -> None:
        self.used = used
        """Whether anything is read and kept."""
        self._shelf = Shelf(RESULTS, used)

    def find(self, known: Sequence[Conditions], entry: ProbeEntry) -> CachedOutcome | None:
        """What this probe found in a model, or in the two of a pair, under these conditions."""
        content = self._shelf.read(make_outcome_key(known, entry))
        if content is None:
            return None
        try:
            said = json.loads(_metadata(content)["outcome"])
            return CachedOutcome(outcome_from(said["outcome"], load(content)), said["skipped_rows"])
        except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None

    def keep(self, known: Sequence[Conditions], entry: ProbeEntry, kept: CachedOutcome, *, model: str) -> None:
        """Keeps what a probe found in a model, or in a pair, of this name."""
        tensors: dict[str, Any] = {}
        said = {
            "model": model,
            "outcome": outcome_json(kept.outcome, "", tensors),
            "skipped_rows": dict(kept.skipped_rows),
        }
        written = json.dumps(said, ensure_ascii=False, allow_nan=False)
        self._shelf.write(make_outcome_key(known, entry), save(tensors, {"outcome": written}))

    def open_unfinished(
        self, known: Sequence[Conditions], entry: ProbeEntry, check: Callable[[], None]
    ) -> UnfinishedWork:
        """Where what a probe has done of its work in a model may be kept, under these conditions, which `check` sees
        to be still true before anything is kept.
        """
        return UnfinishedWork(self._shelf, key_of("unfinished", make_outcome_key(known, entry)), check)

    def entries(self) -> list[Entry]:
        """Everything that is kept, by model and probe."""
        found = (_entry(file) for file in self._shelf.files())
        return sorted(entry for entry in found if entry is not None)

    def facts(self, conditions: Conditions) -> dict[str, Any] | None:
        """How the model ran under these conditions: dtype, device and the rest of its card."""
        content = self._shelf.read(conditions.key())
        try:
            found = None if content is None else json.loads(content)
        except (ValueError, RecursionError):
            return None
        # What an older version kept says nothing of the tokenizer: the model is loaded once more.
        return found if isinstance(found, dict) and "tokenizer" in found else None

    def keep_facts(self, conditions: Conditions, facts: Mapping[str, Any]) -> None:
        """Keeps how a proven model ran."""
        self._shelf.write(conditions.key(), json.dumps(facts).encode())


def _entry(file: Path) -> Entry | None:
    """What a file of the shelf holds; None where that is no outcome."""
    try:
        status = file.stat()
        with file.open("rb") as stream:
            stream.seek(DIGEST)
            length = int.from_bytes(stream.read(8), "little")
            said = json.loads(json.loads(stream.read(min(length, status.st_size)))["__metadata__"]["outcome"])
        outcome = said["outcome"]
        return Entry(said["model"], outcome["probe"], outcome["version"], status.st_size, status.st_mtime)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _metadata(content: bytes) -> dict[str, Any]:
    """What else than tensors stands in a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    found: dict[str, Any] = json.loads(content[8 : 8 + length])["__metadata__"]
    return found
