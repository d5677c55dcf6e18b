"""Peak resident memory, as Linux counts it: VmHWM, which, unlike ru_maxrss, a process does not inherit from the one
that started it.
"""

from collections.abc import Iterator
from pathlib import Path

GIGABYTE = 1e9


def peak(process: int | str = "self") -> int:
    """Bytes; 0 for a process that has ended."""
    return _status(process, "VmHWM")


def resident(process: int | str = "self") -> int:
    """Bytes held now; 0 for a process that has ended."""
    return _status(process, "VmRSS")


def forget_peak() -> None:
    """From here on, `peak()` tells the peak since here."""
    Path("/proc/self/clear_refs").write_text("5")


class PeakOfTree:
    """Watches a process and its descendants."""

    def __init__(self) -> None:
        self.own = 0
        """Peak of the process itself, in bytes."""
        self.child = 0
        """Peak of the largest of its descendants."""
        self.together = 0
        """Most that all of them held at one time; pages that two share count twice."""

    def __call__(self, pid: int) -> None:
        below = list(_descendants(pid))
        self.own = max(self.own, peak(pid))
        self.child = max([self.child, *map(peak, below)])
        self.together = max(self.together, sum(map(resident, (pid, *below))))


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = [int(child) for child in children.read_text().split()]
        except OSError:
            continue
        for child in found:
            yield child
            yield from _descendants(child)


def _status(process: int | str, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)
