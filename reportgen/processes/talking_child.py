"""A process that says how it goes, a line of JSON at a time, and how it is ended with all that it started."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from reportgen.processes.supervision import explain_end
from reportgen.processes.worker import open_child

_ENDS_WITHIN = 10.0
"""Seconds that a process has to end by itself once it is told to."""

Words = dict[str, Any]


class TalkingChild:
    """A process under way."""

    def __init__(self, process: "subprocess.Popen[bytes]", *, leads_group: bool = False) -> None:
        self.process = process
        self.error = ""
        """Its own last words, where it has failed."""
        self._unread = b""
        self._leads_group = leads_group

    @property
    def pipe(self) -> int:
        """What it says comes out of here."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def listen(self) -> list[Words] | None:
        """What it has said since; None once it has ended."""
        said = os.read(self.pipe, 1 << 16)
        if not said:
            return None
        *lines, self._unread = (self._unread + said).split(b"\n")
        return list(self._take(lines))

    def hear_all(self) -> Iterator[Words]:
        """What it says, as it says it, until it has ended."""
        while (heard := self.listen()) is not None:
            yield from heard

    def _take(self, lines: Sequence[bytes]) -> Iterator[Words]:
        for line in lines:
            try:
                words = json.loads(line)
            except ValueError:
                continue
            if isinstance(words, dict):  # a library may print anything
                self.error = words.get("error", self.error)
                yield words

    def explain_failure(self) -> str:
        """Why it failed, once it has ended; empty if it did not."""
        code = self.process.wait()
        return "" if code == 0 else self.error or explain_end(code)

    def tell_to_end(self) -> None:
        """Interrupts it, as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Waits until it has ended, and ends it, with its group if that is its own, where it does not by itself."""
        try:
            self.process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            if self._leads_group:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """Closes what it was spoken with through."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def start_talking(
    module: str, *arguments: str, told: Mapping[str, Any], apart: bool = False, **changes: Any
) -> TalkingChild:
    """Starts a module of ours, which reads what it is told on stdin to its end.

    Args:
        module: its name.
        arguments: on its command line.
        told: what is written to its stdin, as JSON.
        apart: whether it is out of the terminal's reach: what Ctrl-C does to it is then said by `tell_to_end` alone.
        changes: `environment` and `place`, as of `open_child`.
    """
    child = TalkingChild(open_child(module, *arguments, apart=apart, **changes), leads_group=apart)
    assert child.process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended at once, which is seen when it is listened to
        child.process.stdin.write(json.dumps(told, default=str).encode())
        child.process.stdin.close()
    return child


@contextmanager
def ending_all() -> Iterator[list[TalkingChild]]:
    """Processes under way: whatever ends the block, none of them outlives it."""
    running: list[TalkingChild] = []
    try:
        yield running
    finally:
        for one in running:
            one.tell_to_end()
        for one in running:
            one.end()
            one.close()
