"""A module of ours run as a process of its own, which takes its memory and its imports with it when it ends."""

import os
import subprocess
import sys


def run_child(module: str, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Runs `python -m module` with `given` on stdin, and returns how it ended.

    The child imports what this process does, and no library that merely lies in the current folder (-P).
    """
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-m", module, *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=False, env=os.environ | path)
