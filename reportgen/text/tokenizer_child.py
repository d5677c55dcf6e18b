"""Runs a tokenizer of unknown kind for another process: a line of JSON for each text, within seconds and bytes.

On stdin comes the size of tokenizer.json and a line break, its bytes, then a line `[text, special_tokens]` for each
text. On stdout goes a line when it is read, and one for each text: `[ids, offsets, added]`, or `{"wrong": why}`.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from reportgen.text.vocabulary import drop_training_settings

BYTES = 2 * 1024**3
"""What the tokenizer may take beyond the memory that the process has before."""
SECONDS = 20, 3
"""Of one processor, in which it is to be read, and in which it is to encode one text."""


def main() -> None:
    """Answers until nothing more is asked."""
    asked, told = sys.stdin.buffer, sys.stdout.buffer

    def answer(found: Callable[[], Any], seconds: int) -> Any:
        _limit_time(seconds)
        try:
            given, said = found(), None
        except BaseException as error:  # Rust's panics are no Exception
            given, said = None, {"wrong": " ".join(str(error).split())[:300]}
        return given, said

    def reply(said: Any) -> None:
        told.write(json.dumps(said).encode() + b"\n")
        told.flush()

    import tokenizers  # noqa: F401  (its own memory does not count)

    _hold_memory()
    content = asked.read(int(asked.readline()))
    tokenizer, wrong = answer(lambda: _read(content), SECONDS[0])
    reply(wrong or {})
    while line := asked.readline():
        text, special_tokens = json.loads(line)
        # The function is called at once, before the loop goes on.
        encoded, wrong = answer(lambda: tokenizer.encode(text, add_special_tokens=special_tokens), SECONDS[1])  # noqa: B023
        reply(wrong or [encoded.ids, encoded.offsets, encoded.special_tokens_mask])


def _read(content: bytes) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(content)
    drop_training_settings(tokenizer)
    return tokenizer


def _hold_memory() -> None:
    if sys.platform == "linux":
        import resource
        from pathlib import Path

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _limit_time(seconds: int) -> None:
    """Ends this process when it has computed this long from now."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


if __name__ == "__main__":
    main()
