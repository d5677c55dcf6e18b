"""Two folders change places: in one step where the system can, so that there is no moment without either."""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

_EXCHANGE, _FROM_HERE = 2, -100
"""RENAME_EXCHANGE and AT_FDCWD, as Linux has them."""


def exchange(new: Path, old: Path, aside: Path) -> None:
    """`new` stands where `old` stood; what `old` was is then called `new` or, where it took two steps, `aside`.

    All three lie on one disk, and nothing is called `aside` yet.

    Raises:
        OSError: they cannot be renamed. Between the two steps nothing may stand where `old` stood.
    """
    if not _exchange_names(new, old):
        old.rename(aside)
        new.rename(old)


def _exchange_names(one: Path, other: Path) -> bool:
    """Whether the two have changed places; False where this system, or this disk, cannot do so in one step."""
    renameat2 = _renameat2()
    return renameat2 is not None and not renameat2(
        _FROM_HERE, os.fsencode(one), _FROM_HERE, os.fsencode(other), _EXCHANGE
    )


@cache
def _renameat2() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    found = getattr(ctypes.CDLL(None), "renameat2", None)
    if found is None:  # a C library that is older than the call
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call: Callable[..., int] = found
    return call
