"""Texts without the places of the user's machine: a report calls a file what the battery calls it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reportgen.cache import cache_folder
from reportgen.documents.beside import HERE

_ABSOLUTE = r"(?<![\w.~/:-])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\"`:;,()<>|\]]+){2,}"
"""Anything that looks like a path from the root; addresses of the web, which a colon or a slash leads, do not."""


@dataclass(frozen=True)
class Places:
    """What places of this machine are called in what is passed on."""

    named: Mapping[Path, str]
    """Absolute path -> what it is called; an empty name is left out together with the slash behind it."""
    written: str = ""
    """Texts of the user's own: a path that stands in them may be told."""

    def leave_out_of(self, text: str) -> str:
        """The text, its paths called by their names; of an unknown one of this machine only the last part stays."""
        return self._pattern.sub(self._name_path, text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        known = sorted(map(str, self.named), key=len, reverse=True)
        return re.compile("|".join([*(rf"{re.escape(one)}(?![\w-])[/\\]?" for one in known), _ABSOLUTE]))

    def _name_path(self, found: re.Match[str]) -> str:
        path = found[0].rstrip("/\\")
        slash = found[0][len(path) :]
        name = self.named.get(Path(path))
        if name is not None:
            return f"{name}{slash}" if name else "" if slash else "."
        if path in self.written or not _of_this_machine(Path(path)):
            return found[0]
        return f"…/{Path(path).name}{slash}"


def list_places(named: Mapping[Path, str], folder: Path = HERE, written: str = "") -> Places:
    """What is told of these folders and files, of those below a battery's own `folder`, and of the user's others."""
    known = {cache_folder(): "cache", **dict.fromkeys(_home(), "~"), HERE: "", folder: ""}
    both = {form: name for path, name in (known | dict(named)).items() for form in (path.absolute(), path.resolve())}
    return Places({path: name for path, name in both.items() if len(path.parts) > 1}, written)


def _home() -> Iterator[Path]:
    try:
        yield Path.home()
    except RuntimeError:  # a user without one
        return


def _of_this_machine(path: Path) -> bool:
    """Whether its first folder is there; the file itself may have been there for a moment only."""
    try:
        return Path(*path.parts[:2]).exists()
    except (OSError, ValueError):
        return False
