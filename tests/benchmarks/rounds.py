"""What is timed in turn, A B C A B C …, so that whatever else the machine does falls on all of them alike."""

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.card import Card, Place
from tests.benchmarks.processes import Ran, run_module, run_program

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
SCRIPT = Path(sys.executable).with_name("reportgen")


@dataclass(frozen=True)
class Rounds:
    """Every part as often as there were rounds."""

    parts: Mapping[str, Sequence[Ran]]

    def seconds(self, part: str) -> float:
        """The median by the clock."""
        return statistics.median(ran.seconds for ran in self.parts[part])

    def cpu_seconds(self, part: str) -> float:
        return statistics.median(ran.cpu_seconds for ran in self.parts[part])

    def told(self, part: str, name: str) -> float:
        """The median of a number that the part tells."""
        return statistics.median(ran.told[name] for ran in self.parts[part])

    def ratio(self, part: str, other: str) -> tuple[float, str]:
        """By the clock; and, as a note, by the processors' time, which a busy machine changes less."""
        by_cpu = self.cpu_seconds(part) / self.cpu_seconds(other)
        return self.seconds(part) / self.seconds(other), f"{self.seconds(part):.1f} s; by CPU time {by_cpu:.2f}"


def take_rounds(card: Card, parts: Iterable[str], count: int, notify: Callable[[str], None]) -> Rounds:
    """Runs the parts, and what they follow on, in turn."""
    asked = set(parts)
    wanted = [part for part in PARTS if part in asked]
    taken: dict[str, list[Ran]] = {part: [] for part in wanted}
    for number in range(count if wanted else 0):
        with card.place() as place:
            for part in wanted:
                taken[part].append(PARTS[part](card, place))
                notify(f"round {number + 1} of {count}: {part} {taken[part][-1].seconds:.1f} s")
    return Rounds(taken)


def _floor(card: Card, place: Place) -> Ran:
    return _each_model(card, lambda model: run_module("floor", model))


def _notebook(card: Card, place: Place) -> Ran:
    return _each_model(card, lambda model: run_module("notebook", model, place.folder / "pictures"))


def _notebook_alone(card: Card, place: Place) -> Ran:
    """With one thread: its processor time is what the work costs, and not what waits for it."""
    pictures = place.folder / "pictures"
    return _each_model(card, lambda model: run_module("notebook", model, pictures, env=ONE_THREAD))


def _phases(card: Card, place: Place) -> Ran:
    with card.place() as elsewhere:  # what the run has drawn is not known there
        return run_module("phases", card.battery, elsewhere.bundle, env={**elsewhere.env, **ONE_THREAD})


def _each_model(card: Card, program: Callable[[Path], Ran]) -> Ran:
    """All models one after the other, each in a process of its own; tells each one's seconds in the probes."""
    ran = {id: program(folder) for id, folder in card.models.items()}
    return Ran(
        sum(one.seconds for one in ran.values()),
        sum(one.cpu_seconds for one in ran.values()),
        {id: one.told["probes"] for id, one in ran.items()},
    )


def _run(card: Card, place: Place) -> Ran:
    ran = _command(place, "run", card.battery, "-o", place.bundle)
    return Ran(ran.seconds, ran.cpu_seconds, probe_seconds(place.bundle, card.models))


def probe_seconds(bundle: Path, models: Iterable[str]) -> dict[str, float]:
    """Model -> seconds that its probes took, loading not counted."""
    durations: Mapping[str, float] = json.loads((bundle / "run.json").read_text())["durations"]
    steps = {name: seconds for name, seconds in durations.items() if not name.startswith("load ")}
    return {id: sum(seconds for name, seconds in steps.items() if name.split()[-1] == id) for id in models}


def _again(card: Card, place: Place) -> Ran:
    ran = _command(place, "run", card.battery, "-o", place.bundle)
    return Ran(ran.seconds, ran.cpu_seconds, {"heavy imports": len(ran.told["imported"])})


def _run_changed(card: Card, place: Place) -> Ran:
    return _command(place, "run", card.changed(place.folder), "-o", place.bundle)


def _page(card: Card, place: Place) -> Ran:
    return _command(place, "render", place.bundle, "--format", "html")


def _page_anew(card: Card, place: Place) -> Ran:
    """The same where no cache knows the page."""
    with card.place() as elsewhere:
        return _command(elsewhere, "render", place.bundle, "--format", "html")


def _command(place: Place, *arguments: object) -> Ran:
    return run_module("command", *arguments, env=place.env)


def _help(card: Card, place: Place) -> Ran:
    return run_program(SCRIPT, "--help")


def _probes(card: Card, place: Place) -> Ran:
    return run_program(SCRIPT, "probes")


PARTS: Mapping[str, Callable[[Card, Place], Ran]] = {
    "floor": _floor,
    "notebook": _notebook,
    "notebook, one thread": _notebook_alone,
    "phases": _phases,
    "run": _run,
    "again": _again,
    "changed": _run_changed,
    "page": _page,
    "page anew": _page_anew,
    "help": _help,
    "probes": _probes,
}
"""In the order in which they run: those after `run` find its bundle and its cache."""
