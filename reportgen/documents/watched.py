"""Files that must not change while something is made of them: what was hashed is then what was loaded."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

State = tuple[int, int, int, int, int]
"""Device, inode, bytes, and when content and entry last changed. Who overwrites a file may keep all but the last."""

SETTLED = 0.05
"""Seconds after which a further change has another time: the clock that stamps files ticks 100 times a second."""


def state_of(file: Path) -> State | None:
    """What tells a file from whatever takes its place; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return _state(status)


@dataclass(frozen=True)
class WatchedFiles:
    """Some files, and the state that each was in when watching began."""

    states: tuple[tuple[Path, State | None], ...]
    """Also of those that are not there: they may appear."""

    @classmethod
    def begin(cls, files: Iterable[Path]) -> "WatchedFiles":
        """Watches files from now on; those written a moment ago once a further change would show."""
        listed = tuple(files)
        if _age(listed) < SETTLED:
            time.sleep(SETTLED)
        return cls(tuple((file, state_of(file)) for file in listed))

    def list_changed(self) -> list[Path]:
        """Those that are no longer what they were."""
        return [file for file, state in self.states if state_of(file) != state]


def _state(status: os.stat_result) -> State:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _age(files: Iterable[Path]) -> float:
    """Seconds since one of the files last changed."""
    changed = [state[4] for file in files if (state := state_of(file)) is not None]
    return (time.time_ns() - max(changed, default=0)) / 1e9
