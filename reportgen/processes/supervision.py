"""A command is run in a process of its own, and the one that was started watches it.

What third parties bring (a probe, a library in native code) may end the process under us, with whatever exit code, or
never come back. Nothing inside a process can tell of its own end, so another one does: it is told what is underway, and
an end without a word is a failure of just that. A run then goes on without it; what was finished lies in the cache.
"""

import _thread
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from reportgen.errors import OutOfTime

GRACE = 30.0
"""Seconds beyond its time after which a piece of work that cannot be interrupted from inside is ended from outside."""
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
_KILLED_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_AGAIN = 1.0
"""Seconds within which a second signal is the first one, come by another way."""
_SOON = 0.05
"""Seconds after which a signal comes again that came while it could not be heard."""

Piece = tuple[str, ...]
"""What is underway: its stage (import, load, measure, figures), and the names of what it is about."""

_report_to: int | None = None
"""The pipe to the watching process; None where there is none."""
_lost: dict[Piece, str] = {}
"""What ended an earlier process of this command, and how."""


@contextmanager
def track_piece(*piece: str, seconds: float | None = None) -> Iterator[None]:
    """Says what is done now, and ends it where it takes longer than it may.

    Raises:
        OutOfTime: after `seconds`, wherever Python is then; in native code the watching process ends all of it.
    """
    _say(begin=piece, seconds=seconds)
    try:
        with _alarm(seconds):
            yield
    finally:
        _say(end=piece)


def find_earlier_end(*piece: str) -> str:
    """How an earlier process of this command ended in this piece of work; empty where none did."""
    return _lost.get(piece, "")


@contextmanager
def _alarm(seconds: float | None) -> Iterator[None]:
    """Raises OutOfTime in the block after some seconds; never where the system has no timer, or off the main thread."""
    try:
        before = signal.signal(signal.SIGALRM, _out_of_time) if seconds is not None else None
    except (ValueError, AttributeError):
        before = None
    if seconds is None or before is None:
        yield
        return
    started = time.monotonic()
    # Again and again: the first may fall where Python cannot raise, as in a finaliser.
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # whoever had set the timer gets back what is left of it
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - started)), interval)


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


def _say(**words: Any) -> None:
    if _report_to is not None:
        with suppress(OSError):  # the watching process is gone: nobody is left to be told
            os.write(_report_to, (json.dumps(words) + "\n").encode())


def supervise(command: Callable[[], int], tell: Callable[[str], None]) -> int:
    """The exit code of a command that runs in a process of its own; in this one, where processes cannot be split.

    A process that ends without having said how the command ended is started again without the piece of work that was
    underway. Where none was, or it ends there again, the command has failed.
    """
    if not hasattr(os, "fork"):
        return command()
    while True:
        watched = _start(command)
        if watched is None:
            return _run_and_tell(command)
        code = watched.wait()
        if code is not None:
            return code
        piece = watched.piece
        if not piece or piece in _lost:
            tell(f"error: {watched.how}{f' ({_name_piece(piece)})' if piece else ''}; nothing of it was kept")
            return 1
        _lost[piece] = watched.how
        tell(f"{_name_piece(piece)}: {watched.how}; continuing without it")


def _run_and_tell(command: Callable[[], int]) -> int:
    """In the child: the command's exit code, told before it is used: what a library does at exit may change it."""
    code = command()
    sys.stdout.flush()
    sys.stderr.flush()
    _say(exit=code)
    return code


def _name_piece(piece: Piece) -> str:
    return " ".join(piece)


@dataclass
class _ChildProcess:
    """A process that runs the command."""

    id: int
    pipe: int
    open: list[tuple[Piece, float | None]] = field(default_factory=list)
    """Pieces underway, the innermost last, each with when it is to be over."""
    code: int | None = None
    how: str = ""
    _unread: bytes = b""

    @property
    def piece(self) -> Piece:
        return self.open[-1][0] if self.open else ()

    def wait(self) -> int | None:
        """The command's exit code; None where the process ended without saying it."""
        with self._forward_signals():
            while self._listen():
                self._end_if_overdue()
            _, status = os.waitpid(self.id, 0)
        os.close(self.pipe)
        self.how = self.how or explain_end(os.waitstatus_to_exitcode(status))
        return self.code

    def _listen(self) -> bool:
        """Takes what the process says; False once it has ended."""
        if not select.select([self.pipe], [], [], 1.0)[0]:
            return True
        said = os.read(self.pipe, 1 << 16)
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return bool(said)

    def _take(self, words: dict[str, Any]) -> None:
        if "exit" in words:
            self.code = words["exit"]
        elif "begin" in words:
            seconds = words["seconds"]
            over = None if seconds is None else time.monotonic() + seconds + GRACE
            self.open.append((tuple(words["begin"]), over))
        elif self.open:
            self.open.pop()

    def _end_if_overdue(self) -> None:
        overdue = [piece for piece, over in self.open if over is not None and time.monotonic() > over]
        if overdue and not self.how:
            self.how = "it exceeded its time limit, and could not be interrupted"
            os.kill(self.id, signal.SIGKILL)

    @contextmanager
    def _forward_signals(self) -> Iterator[None]:
        def forward(number: int, frame: FrameType | None) -> None:
            with suppress(ProcessLookupError):
                os.kill(self.id, number)

        numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, forward) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def explain_end(code: int) -> str:
    """How a process ended: its exit code, or less than 0 for the signal that ended it."""
    if code < 0:
        memory = ", perhaps because memory ran out" if -code == signal.SIGKILL else ""
        return f"the process was ended by signal {-code}{memory}"
    return f"the process ended without a message (exit code {code})"


def _start(command: Callable[[], int]) -> _ChildProcess | None:
    """The process that runs the command; None in that process."""
    global _report_to
    reads, writes = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(writes)
        return _ChildProcess(child, reads)
    os.close(reads)
    _report_to = writes
    end_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _InterruptHandler())
    return None


class _InterruptHandler:
    """What a signal does to a command: Ctrl-C comes from the terminal and from the watching process, and is one."""

    def __init__(self) -> None:
        self._last = -_AGAIN

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if _is_destroying(frame):
            # raised there, it would be told as ignored, and the run would go on
            later = threading.Timer(_SOON, _thread.interrupt_main, [number])
            later.daemon = True
            later.start()
            return
        now = time.monotonic()
        again, self._last = now - self._last < _AGAIN, now
        if not again:
            raise KeyboardInterrupt


def _is_destroying(frame: FrameType | None) -> bool:
    """Whether an object's destructor runs, in which nothing that is raised reaches anybody."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def end_with(parent: int) -> None:
    """Has the system end this process with the one that watches it, where it can."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_KILLED_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it ended in between
        os._exit(1)
