"""Which probes there are: a file each in `reportgen.probes`, and those other distributions bring by entry point."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from reportgen import probes
from reportgen.errors import BatteryError, Mistake, reason_of
from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.processes.supervision import find_earlier_end, track_piece
from reportgen.results.quantities import Findings
from reportgen.suggest import suggestion

GROUP = "reportgen.probes"


class Unloadable(BatteryError):
    """A probe of another distribution is there, but is not usable: a failed card, and the others run."""


def names() -> tuple[str, ...]:
    """All probe names: the built-in ones, then those of other distributions. Imports none of them."""
    others = sorted({point.name for point in _points(entry_points)} - set(_list_built_in()))
    return (*_list_built_in(), *others)


def find(name: str) -> Probe[Any, Any]:
    """The probe of that name; only its own module is imported.

    Raises:
        BatteryError: no probe has this name, or several have.
        Unloadable: the one that has it, another distribution's, cannot be loaded.
    """
    points = [point for point in _points(entry_points) if point.name == name]
    built_in = name in _list_built_in()
    if built_in + len(points) > 1:
        raise BatteryError(_collision(name, points, built_in))
    if built_in:
        return _check_probe(importlib.import_module(f"{probes.__name__}.{name}").probe, name, "reportgen")
    if points:
        return _load_point(points[0])
    raise BatteryError(Mistake(f"unknown probe {name!r}", suggestion(name, names())))


@cache
def _points(search: Callable[..., Iterable[EntryPoint]]) -> tuple[EntryPoint, ...]:
    """Other distributions' probes. Looked for once: it reads a file of every distribution there is."""
    return tuple(search(group=GROUP))


@cache
def _list_built_in() -> tuple[str, ...]:
    found = (module.name for module in pkgutil.iter_modules(probes.__path__))
    return tuple(sorted(name for name in found if name != "registry"))


def _load_point(point: EntryPoint) -> Probe[Any, Any]:
    origin = _distribution(point)
    if told := find_earlier_end("import", point.name):
        raise Unloadable(_explain_unloadable(point, origin, told))
    try:
        with track_piece("import", point.name):
            loaded = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # whatever a third party raises while it is imported, an end of the program too: the others stay usable
        raise Unloadable(_explain_unloadable(point, origin, reason_of(error))) from error
    return _check_probe(loaded, point.name, origin)


def _explain_unloadable(point: EntryPoint, origin: str, reason: str) -> Mistake:
    return Mistake(f"the probe {point.name!r} of {origin} cannot be loaded: {reason}", f"Update or remove {origin}.")


def _check_probe(loaded: Any, name: str, origin: str) -> Probe[Any, Any]:
    if not isinstance(loaded, Probe):
        raise Unloadable(Mistake(f"the probe {name!r} of {origin} is a {type(loaded).__name__}, not a Probe"))
    if getattr(loaded, "name", None) != name:
        raise Unloadable(Mistake(f"the probe {name!r} of {origin} calls itself {getattr(loaded, 'name', None)!r}"))
    lacking = [what for what, kind in _STATED.items() if not _is_of_kind(getattr(loaded, what, None), kind)]
    if lacking:
        raise Unloadable(Mistake(f"the probe {name!r} of {origin} does not state its {', '.join(lacking)}"))
    return loaded


_STATED: dict[str, type] = {"version": int, "question": str, "options": ProbeOptions, "findings": Findings}
"""What every probe states, and what it is (an instance, or a class below it)."""


def _is_of_kind(value: Any, kind: type) -> bool:
    return isinstance(value, kind) or (isinstance(value, type) and issubclass(value, kind))


def _collision(name: str, points: list[EntryPoint], built_in: bool) -> Mistake:
    origins = [*(["reportgen"] if built_in else []), *sorted(_distribution(point) for point in points)]
    return Mistake(f"several probes are named {name!r}, from {', '.join(origins)}", "Keep one of them installed.")


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
