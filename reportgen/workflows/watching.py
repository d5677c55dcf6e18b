"""A battery that runs again whenever it, or a file that it names, is saved: `reportgen run --watch`.

What a run reads is known before it begins: a file that is saved meanwhile is seen when it ends.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from reportgen.battery.named_files import list_named_files, list_prompt_files
from reportgen.battery.reader import load_battery
from reportgen.documents.beside import is_file
from reportgen.errors import BatteryError, ReportgenError
from reportgen.report.watched import make_watched_page

PAGE, PICTURE = "watch.html", "watch.svg"
"""What a watching run leaves beside report.html."""
_LOOKS_EVERY = 1000
"""Milliseconds after which files are looked at even where their disk tells of no change, such as one of a network."""


def add_watched_page(stage: Path) -> None:
    """Puts beside a report, where there is one, the page that loads itself anew."""
    report = stage / "report.html"
    if report.is_file():
        page, picture = make_watched_page(report.read_text(encoding="utf-8"))
        (stage / PAGE).write_text(page, encoding="utf-8")
        (stage / PICTURE).write_text(picture, encoding="utf-8")


def run_at_each_change(
    battery: Path, run: Callable[[], None], failed: Callable[[ReportgenError], None], others: Iterable[Path] = ()
) -> NoReturn:
    """Runs, and again after each change, until it is interrupted. What is wrong is told, and waited for to be mended.

    Args:
        battery: a YAML file.
        run: the whole of a run.
        failed: is told why a run did not end well.
        others: files and folders besides those that the battery names: a theme, templates.

    Raises:
        BatteryError: the battery is not there at the very beginning.
    """
    if not is_file(battery):
        load_battery(battery)  # says so
    watched = WatchedFiles(battery.resolve(), tuple(one.resolve() for one in others))
    while True:
        watched.look_again()
        try:
            run()
        except ReportgenError as error:
            failed(error)
        watched.wait()


@dataclass
class WatchedFiles:
    """The files of which a battery is made, and what stood in them when they were looked at."""

    battery: Path
    others: tuple[Path, ...] = ()
    _named: tuple[Path, ...] = ()
    """By the battery, the last time that it could be read: a broken one is mended in these, too."""
    _seen: "Seen" = field(default_factory=dict)

    def look_again(self) -> None:
        """Takes what is there now for what is known."""
        self._seen = self._look()
        try:
            loaded = load_battery(self.battery)
        except BatteryError:
            return
        self._named = tuple(list_named_files(loaded))
        self._seen = self._look()

    def wait(self) -> None:
        """Returns once something else stands in a file, or one has come or gone."""
        from watchfiles import watch

        if self._look() != self._seen:
            return
        folders = {file.parent for file in self._list_files()}
        for _ in watch(*folders, recursive=False, yield_on_timeout=True, rust_timeout=_LOOKS_EVERY):
            if self._look() != self._seen:
                return

    def _list_files(self) -> list[Path]:
        others = [file for one in self.others for file in (one.rglob("*") if one.is_dir() else [one])]
        return [self.battery, *list_prompt_files(self.battery), *self._named, *sorted(others)]

    def _look(self) -> "Seen":
        return {file: _date_file(file) for file in self._list_files()}


Seen = dict[Path, tuple[int, ...]]
"""File -> which bytes it holds, as far as a disk tells without reading them; nothing of one that is not there."""


def _date_file(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
