"""A module of ours run as a process of its own, which takes its memory and its imports with it when it ends."""

import os
import subprocess
import sys
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


def open_child(module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """The same, to talk with: its stdin and stdout are pipes, what it says on stderr is dropped."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, **_invocation(module, arguments)
    )  # fmt: skip


def _invocation(module: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return {"args": [sys.executable, "-P", "-m", module, *arguments], "env": os.environ | path}
