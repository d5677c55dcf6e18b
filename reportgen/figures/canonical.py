"""A description spelled out, to be named by a hash: no two that may look different are spelled the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAID_BY_THEIR_BYTES = "biufcSUmM"
"""Kinds of numpy dtypes whose arrays are their bytes; others refer to objects."""


def canonicalize_value(value: Any) -> Iterator[str | bytes]:
    """What a value is made of, part by part: its type, how many parts follow, and these.

    Raises:
        TypeError: something in it has no agreed spelling.
    """
    if isinstance(value, np.ndarray | np.generic):
        yield from _array(value)
    elif value is None or type(value) in (bool, int, float):
        yield from (type(value).__name__, repr(value))
    elif type(value) is str:
        # A stranger's text may hold half of a pair of surrogates.
        yield from ("str", value.encode("utf-8", "surrogatepass"))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (_name(value), str(len(fields(value))))
        for each in fields(value):
            yield each.name
            yield from canonicalize_value(getattr(value, each.name))
    elif isinstance(value, Mapping):
        yield from (_name(value), str(len(value)))
        for key, held in value.items():
            yield from canonicalize_value(key)
            yield from canonicalize_value(held)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        yield from (_name(value), str(len(value)))
        for item in value:
            yield from canonicalize_value(item)
    else:
        raise TypeError(f"a {_name(value)} has no canonical spelling")


def _array(value: NDArray[Any] | np.generic) -> Iterator[str | bytes]:
    # A subclass, such as a masked array, knows more than its bytes.
    if type(value) is not np.ndarray and not isinstance(value, np.generic):
        raise TypeError(f"a {_name(value)} has no canonical spelling")
    if value.dtype.kind not in _SAID_BY_THEIR_BYTES:
        raise TypeError(f"an array of {value.dtype} has no canonical spelling")
    yield from (_name(value), value.dtype.str, str(value.shape), value.tobytes())


def _name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
