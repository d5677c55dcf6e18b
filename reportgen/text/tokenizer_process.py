"""A tokenizer of unknown kind, which runs in a process of its own: it may panic, grow or hang there."""

import json
import subprocess
import threading
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from reportgen.processes.worker import open_child

WAITED = 120.0
"""Seconds after which the process is taken for hung, however little it computes."""


class BrokenProcess(Exception):
    """The tokenizer cannot be read, or fails on a text: says why."""


class Encoding(NamedTuple):
    """What the tokenizers library calls a text that is encoded."""

    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]]
    special_tokens_mask: Sequence[int]


class TokenizerProcess:
    """Encodes as `tokenizers.Tokenizer` does, within seconds and bytes."""

    def __init__(self, content: bytes) -> None:
        """Reads a tokenizer.json.

        Raises:
            Broken: it cannot be read.
        """
        self._process = open_child("reportgen.text.tokenizer_child")
        self._ended = ""
        self._one_at_a_time = threading.Lock()
        weakref.finalize(self, _end, self._process)
        self._ask(b"%d\n" % len(content) + content)

    def encode(self, text: str, add_special_tokens: bool = True) -> Encoding:
        """Tokens of a text.

        Raises:
            Broken: the tokenizer fails on it, or takes too much.
        """
        with self._one_at_a_time:
            if self._ended:
                raise BrokenProcess(self._ended)
            return Encoding(*self._ask(json.dumps([text, add_special_tokens]).encode() + b"\n"))

    def _ask(self, question: bytes) -> Any:
        said = self._answer(question)
        if isinstance(said, dict) and "wrong" in said:
            raise BrokenProcess(said["wrong"] or "it gives no reason")
        return said

    def _answer(self, question: bytes) -> Any:
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None
        assert told is not None
        hung = threading.Timer(WAITED, self._process.kill)
        hung.start()
        try:
            asked.write(question)
            asked.flush()
            return json.loads(told.readline())
        except (OSError, ValueError) as error:  # it ended
            self._ended = "it takes too many seconds, or too much memory"
            raise BrokenProcess(self._ended) from error
        finally:
            hung.cancel()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()
