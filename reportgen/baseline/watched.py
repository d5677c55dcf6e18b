"""Single values of arrays that a history follows from run to run, as it follows metrics."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from reportgen.errors import BatteryError, Mistake
from reportgen.language import name_of
from reportgen.results.bundle import Bundle, load_some
from reportgen.results.prompt_names import PROMPT, PROMPTS, name_along
from reportgen.results.quantities import DIMS, Array, Metric, Outcome
from reportgen.suggest import suggestion

AT, MEAN = "@", "mean"
EXAMPLE = "weather.*.entropy@layer=14,prompt=0,step=mean"
Place = int | str
"""A coordinate, the id of a prompt, or `mean`."""


@dataclass(frozen=True)
class Watch:
    """Which value of which arrays."""

    glob: str
    """Over PROBE_ID.SUBJECT.ARRAY."""
    places: Mapping[str, Place]
    """Dim -> where, of every dim that the arrays have."""

    @property
    def suffix(self) -> str:
        """What the name of an array is followed by: "@layer=14,step=mean"."""
        return AT + ",".join(f"{dim}={place}" for dim, place in self.places.items())


class Unwatchable(Exception):
    """An array has no such value; says why."""


def read_watch(text: str) -> Watch:
    """PROBE.SUBJECT.ARRAY@DIM=PLACE,…: globs for the path, and for each dim a coordinate, an id of a prompt, or mean.

    Raises:
        BatteryError: it is something else.
    """
    glob, _, places = text.partition(AT)
    found: dict[str, Place] = {}
    for part in places.split(",") if places else ():
        dim, _, place = (one.strip() for one in part.partition("="))
        if dim not in DIMS or not place or dim in found:
            told = f"--watch {text}: {part!r} is not one dim with its place"
            near = "" if dim in DIMS else suggestion(dim, DIMS)
            raise BatteryError(Mistake(told, f"{near} Write it as {EXAMPLE}".strip()))
        found[dim] = int(place) if re.fullmatch(r"-?[0-9]{1,18}", place) else place
    if glob.count(".") < 2:
        raise BatteryError(Mistake(f"--watch {text}: it does not name PROBE.MODEL.ARRAY", f"Write it as {EXAMPLE}"))
    return Watch(glob, found)


def is_watched(name: str) -> bool:
    """Whether the name of a quantity is that of a value of an array."""
    return AT in name


def quantity_of(name: str) -> str:
    """The metric, or the array, that a quantity's name begins with."""
    return name.partition(AT)[0]


def label_quantity(name: str) -> str:
    """A quantity's name in words: "entropy, layer 14, mean over step"."""
    told = [name_of(quantity_of(name))]
    for part in name.partition(AT)[2].split(",") if is_watched(name) else ():
        dim, _, place = part.partition("=")
        told.append(f"mean over {name_of(dim)}" if place == MEAN else f"{name_of(dim)} {place}")
    return ", ".join(told)


def read_value(array: Array, places: Mapping[str, Place]) -> float:
    """The value at coordinates, the mean over dims that ask for it: of what is finite there; NaN if nothing is.

    Raises:
        Unwatchable: the array has other dims, or no such coordinate.
    """
    missing, spare = [dim for dim in array.dims if dim not in places], [dim for dim in places if dim not in array.dims]
    if missing or spare:
        wrong = f"{missing[0]} is not among those named" if missing else f"{spare[0]} is not among them"
        raise Unwatchable(f"its dims are {', '.join(array.dims) or 'none'}: {wrong}")
    try:
        values = array.sel(**{dim: place for dim, place in places.items() if place != MEAN}).values
    except IndexError as error:
        raise Unwatchable(str(error)) from error
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else float("nan")


class Watcher:
    """Reads bundle after bundle with what is watched, and remembers what had no value."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches
        self._seen: set[str] = set()
        self._refused: dict[tuple[str, str], str] = {}
        """Watch and array -> why it has none."""
        self._arrays: dict[str, None] = {}

    def read(self, folder: Path) -> Bundle:
        """A bundle as `read_metrics` gives it, with the watched values among the metrics: NAME@DIM=PLACE,….

        Raises:
            BundleError: as `load_bundle`.
        """
        bundle = load_some(folder, self._is_wanted, (PROMPTS,))
        outcomes = {
            probe_id: {subject: self._add_values(probe_id, subject, one) for subject, one in by.items()}
            for probe_id, by in bundle.outcomes.items()
        }
        return replace(bundle, outcomes=outcomes)

    @property
    def unwatched(self) -> tuple[str, ...]:
        """Arrays that a path names and that never had such a value, each with the reason."""
        return tuple(
            f"{path}{watch}: {why}"
            for (watch, path), why in self._refused.items()
            if f"{path}{watch}" not in self._seen
        )

    def refuse_unseen(self) -> None:
        """Refuses a path by which no bundle had a value.

        Raises:
            BatteryError: says why, or which arrays there are.
        """
        for watch in self._watches:
            seen = any(fnmatchcase(one.removesuffix(watch.suffix), watch.glob) and one.endswith(watch.suffix)
                       for one in self._seen)  # fmt: skip
            if not seen:
                whole = f"{watch.glob}{watch.suffix}"
                reasons = [f"{path}: {why}" for (one, path), why in self._refused.items() if one == watch.suffix]
                told = reasons[0] if reasons else "no bundle has an array of that name"
                remedy = f"Write it as {EXAMPLE}" if reasons else suggestion(watch.glob, self._arrays)
                raise BatteryError(Mistake(f"--watch {whole}: {told}", remedy))

    def _is_wanted(self, probe_id: str, subject: str, name: str) -> bool:
        path = f"{probe_id}.{subject}.{name}"
        self._arrays.setdefault(path)
        return any(fnmatchcase(path, watch.glob) for watch in self._watches)

    def _add_values(self, probe_id: str, subject: str, outcome: Outcome) -> Outcome:
        found = dict(outcome.metrics)
        for name, array in outcome.arrays.items():
            path, names = f"{probe_id}.{subject}.{name}", name_along(outcome, array)
            called = replace(array, called={PROMPT: names} if names else {})
            for watch in self._watches:
                if fnmatchcase(path, watch.glob):
                    try:
                        value = read_value(called, watch.places)
                    except Unwatchable as error:
                        self._refused.setdefault((watch.suffix, path), str(error))
                        continue
                    self._seen.add(f"{path}{watch.suffix}")
                    undefined = "" if np.isfinite(value) else "the array has no value there"
                    found[f"{name}{watch.suffix}"] = Metric(None if undefined else value, array.unit, reason=undefined)
        return replace(outcome, metrics=found, arrays={}, tables={})
