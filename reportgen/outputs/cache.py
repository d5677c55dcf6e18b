"""What was made of a bundle before, under everything that it depends on: a list of files, and where each is kept."""

import importlib.util
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen import language
from reportgen.cache import DRAWINGS, PAGES, Shelf, key_of
from reportgen.figures.kept import list_conditions
from reportgen.fingerprints import code_of, contents_of, version_of
from reportgen.look.presentation import Presentation
from reportgen.probes.registry import GROUP
from reportgen.resources import folder
from reportgen.results.bundle import Bundle, outcome_json
from reportgen.results.part import KEY

LIBRARIES = (
    "babel", "python-pptx", "lxml", "jinja2", "markupsafe", "brotli",
    "weasyprint", "pydyf", "tinycss2", "tinyhtml5", "cssselect2", "pyphen",
)  # fmt: skip
"""Those that make pages, in addition to what drawings depend on. Pango is not among them: it is known only once it is
loaded, and decides where lines of the PDF break, not what they say.
"""


@dataclass(frozen=True)
class OutputFile:
    """A file that was made of a bundle."""

    name: str
    """Relative to the bundle's folder."""
    drawing: str | None = None
    """The key under which the cache keeps it among the drawings."""
    content: bytes | None = None
    """What it holds, where it is no drawing."""


class OutputCache:
    """All that was made of one bundle before, with the same formats, by the code that is here now."""

    def __init__(
        self,
        bundle: Bundle,
        formats: Sequence[str],
        presentation: Presentation,
        *,
        stamp: str,
        has_figure_files: bool,
        used: bool,
    ) -> None:
        """`stamp` and `has_figure_files`: as in `render_page`. If it is not used, nothing is found and nothing kept."""
        self._bundle = bundle
        self._said = json.dumps([sorted(set(formats)), presentation.dump_stored(), stamp, has_figure_files])
        self._templates = presentation.templates
        self._used = used

    def find(self) -> dict[str, bytes] | None:
        """The files by name, in the order in which they were kept; None unless all of them are there."""
        kept = Shelf(PAGES).read(self._key) if self._used else None
        listed = None if kept is None else _parse_list(kept)
        if listed is None:
            return None
        found: dict[str, bytes] = {}
        for name, shelf, key in listed:
            content = Shelf(shelf).read(key)
            if content is None:
                return None
            found[name] = content
        return found

    def keep(self, files: Sequence[OutputFile]) -> None:
        """Keeps the files, unless one of them is a drawing that was not kept."""
        if not self._used or any(file.drawing is None and file.content is None for file in files):
            return
        listed = []
        for file in files:
            if file.content is None:
                listed.append([file.name, DRAWINGS, file.drawing])
                continue
            key = key_of(self._key, file.name)
            Shelf(PAGES).write(key, file.content)
            listed.append([file.name, PAGES, key])
        Shelf(PAGES).write(self._key, json.dumps(listed).encode())

    @cached_property
    def _key(self) -> str:
        probes = dict.fromkeys(
            outcome.probe for of_one in self._bundle.outcomes.values() for outcome in of_one.values()
        )
        return key_of(
            "outputs",
            self._said,
            code_of(),
            contents_of(folder("templates")),
            contents_of(language.CATALOGUES),
            *([contents_of(self._templates)] if self._templates is not None else []),
            *list_conditions(),
            *(f"{name} {version_of(name)}" for name in LIBRARIES),
            json.dumps(_find_distributions(probes)),
            *_numbers(self._bundle),
        )


def _parse_list(kept: bytes) -> list[tuple[str, str, str]] | None:
    """Name, shelf and key of each file of a list; None where it is no such list."""
    try:
        listed = json.loads(kept)
        if not isinstance(listed, list):
            return None
        return [(str(name), str(shelf), str(key)) for name, shelf, key in listed]
    except (ValueError, TypeError, RecursionError):
        return None


def _numbers(bundle: Bundle) -> list[str | bytes]:
    """All that a report shows of a bundle; the parts of run.json that no page shows are not among them."""
    tensors: dict[str, NDArray[Any]] = {}
    said = {
        "title": bundle.title,
        "models": [asdict(card) for card in bundle.models.values()],
        "versions": bundle.run.get("versions", {}),
        "part": bundle.run.get(KEY),
        "results": [
            [probe_id, subject, outcome_json(outcome, f"{probe_id}/{subject}", tensors)]
            for probe_id, of_one in bundle.outcomes.items()
            for subject, outcome in of_one.items()
        ],
    }
    arrays = [(name, values.dtype.str, np.ascontiguousarray(values).tobytes()) for name, values in tensors.items()]
    return [json.dumps(said), *(part for array in arrays for part in array)]


def _find_distributions(probes: Iterable[str]) -> list[list[str]]:
    """The distributions that bring probes of these names; none brings a built-in one, which our own code is."""
    points = entry_points(group=GROUP)
    return [
        [point.name, point.value, *((point.dist.name, point.dist.version) if point.dist else ()), _code(point)]
        for probe in probes
        for point in points.select(name=probe)
    ]


def _code(point: EntryPoint) -> str:
    """A hash over the file that holds the probe: whoever writes one sees what is changed, whatever the version."""
    with suppress(Exception):  # whatever a stranger's package raises: `find` tells
        spec = importlib.util.find_spec(point.module)
        if spec is not None and spec.origin is not None:
            return key_of(Path(spec.origin).read_bytes())
    return ""
