"""The line that moves in a terminal gives way to what is written beside it."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

CODES = re.compile(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)([^\x1b\r\n]*)")
PROGRAM = """
import time
from reportgen.cli.progress import show_progress
from reportgen.cli.terminal import tell
with show_progress(quiet=False) as progress:
    time.sleep(0.3)
    progress("a loaded and proven")
    time.sleep(0.3)
    with progress.aside():
        tell("Drifted: 6 drifted")
    time.sleep(0.3)
    progress("comparison.html written")
tell("done")
"""


def lines_of(program: str) -> list[str]:
    """What is left on the lines of a terminal when a program has ended in it, without empty ones."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("CI", None)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    written = b""
    with suppress(OSError):  # the other end is closed
        while read := os.read(leader, 4096):
            written += read
    os.close(leader)
    assert process.wait() == 0
    return [line for line in _show(written.decode()) if line.strip()]


def _show(written: str) -> list[str]:
    """What a terminal makes of lines, of steps up and of erased lines; all that is drawn twice is erased between."""
    lines, row = [""], 0
    for code, text in CODES.findall(written):
        if code == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif code == "\x1b[1A":
            row -= 1
        elif code == "\x1b[2K":
            lines[row] = ""
        lines[row] += text
    return lines


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_verdict_stands_on_a_line_of_its_own_and_nothing_of_the_moving_line_is_left() -> None:
    assert lines_of(PROGRAM) == [
        "  a loaded and proven",
        "Drifted: 6 drifted",
        "  comparison.html written",
        "done",
    ]
