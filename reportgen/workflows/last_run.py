"""A bundle that is made anew is marked where that fails: what is there is then older than it looks."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from reportgen.errors import BatteryError, BundleError
from reportgen.results.bundle import RUN, read_json, write_json
from reportgen.results.failure_mark import DIED, Command, add_mark, reason_without_places
from reportgen.results.holding import MARKED, holding, stage_in, writing


@contextmanager
def marks_failure(target: Path, command: Command) -> Iterator[None]:
    """Marks the bundle in a folder where the block, which makes it anew, fails or its process dies.

    A wrong battery is known before anything runs, and an interruption is its user's wish: neither is a failure of
    what is there. The mark is written before anything else: a full disk has room for no other.

    Raises:
        OutputError: nothing can be written next to the folder.
    """
    place = target.resolve()
    with ExitStack() as held:
        run = _mark_run(place / RUN, command, DIED)
        if run is None:
            yield
            return
        with writing(target):
            hold = held.enter_context(holding(place))
            _prepare(hold, run)
        try:
            yield
        except (KeyboardInterrupt, BatteryError):
            (hold / MARKED).unlink(missing_ok=True)
            raise
        except BaseException as error:  # whatever ended it, what is there is not what was asked for
            with suppress(OSError):
                _prepare(hold, add_mark(run, command, reason_without_places(error)))
            raise
        else:
            (hold / MARKED).unlink(missing_ok=True)


def _mark_run(file: Path, command: Command, reason: str) -> dict[str, Any] | None:
    """A run.json with its mark; None where there is none, or none that can be written again."""
    try:
        run = add_mark(read_json(file), command, reason)
        json.dumps(run, allow_nan=False, ensure_ascii=False).encode()
    except (BundleError, ValueError):
        return None
    return run


def _prepare(hold: Path, run: Mapping[str, Any]) -> None:
    """Writes a run.json next to its bundle, whole or not at all."""
    draft = stage_in(hold, hold) / MARKED
    write_json(draft, run)
    draft.replace(hold / MARKED)
