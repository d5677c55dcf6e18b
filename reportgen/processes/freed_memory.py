"""Memory that this process has freed, given back to the system."""

import ctypes
import gc
import sys
from contextlib import suppress

_LARGE = 16 * 2**20
"""Bytes from which a piece of memory is mapped by itself: the patterns and logits of a long prompt, not its vectors."""
_MMAP_THRESHOLD = -3
"""glibc's M_MMAP_THRESHOLD."""


def give_back_freed() -> None:
    """Frees what nothing reaches any longer, and has the C library hand its free memory back, where it can.

    glibc keeps what many small pieces leave behind, for more of their kind: a tokenizer's 300 MB would stay beside the
    weights of a model that has no use for them.
    """
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library may have no such call
            ctypes.CDLL(None).malloc_trim(0)


def keep_large_apart() -> None:
    """Has the C library give large pieces back as soon as they are freed.

    glibc moves that border up to 32 MB by itself, by the order in which threads free; what lies below it leaves holes
    among small pieces. The peak of a prompt of 800 tokens then lay anywhere between 1.25 and 1.5 GB.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
