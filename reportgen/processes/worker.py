"""A module of ours run as a process of its own, which takes its memory and its imports with it when it ends."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_child(module: str, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Runs `python -m module` with `given` on stdin, and returns how it ended.

    The child imports what this process does, and no library that merely lies in the current folder (-P).
    """
    return subprocess.run(input=given, capture_output=True, check=False, **_invocation(module, arguments))


def start_child(module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """The same, begun and not waited for: its stdin and stderr are pipes, what it prints is dropped."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, **_invocation(module, arguments)
    )  # fmt: skip


def open_child(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] = {},
    place: Path | None = None,
    apart: bool = False,
) -> "subprocess.Popen[bytes]":
    """The same, to talk with: its stdin and stdout are pipes, what it says on stderr is dropped.

    Args:
        module: its name.
        arguments: on its command line.
        environment: variables that it has beside, or in place of, those of this process.
        place: the folder that it runs in, instead of this process's.
        apart: whether it leads a session of its own, which no signal of the terminal reaches.
    """
    invocation = _invocation(module, arguments)
    invocation["env"] = invocation["env"] | environment
    return subprocess.Popen(
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=place,
        start_new_session=apart,
        **invocation,
    )


def _invocation(module: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return {"args": [sys.executable, "-P", "-m", module, *arguments], "env": os.environ | path}
