"""Memory that this process has freed, given back to the system."""

import ctypes
import gc
import sys
from contextlib import suppress


def give_back_freed() -> None:
    """Frees what nothing reaches any longer, and has the C library hand its free memory back, where it can.

    glibc keeps what many small pieces leave behind, for more of their kind: a tokenizer's 300 MB would stay beside the
    weights of a model that has no use for them.
    """
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library may have no such call
            ctypes.CDLL(None).malloc_trim(0)
