"""How often a host waits for its accelerator: counted by hooks, so that it can be counted without one.

On a CPU nothing waits. But whatever reads a number out of a tensor, or needs one to know a shape, would wait on an
accelerator: these are the operations counted. A tensor that was fetched once is on the host, and read as often as one
likes.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
WAITING = frozenset(
    (_aten._local_scalar_dense.default, _aten.nonzero.default, _aten.equal.default, _aten.masked_select.default,
     _aten.is_nonzero.default, _aten._unique2.default, _aten.repeat_interleave.Tensor)
)  # fmt: skip
"""Operations whose result, or its shape, the host needs at once."""
_INDEX = frozenset((_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default))
READING = ("tolist", "numpy", "cpu", "__array__")
"""Methods of a tensor that hand its numbers to the host."""


class Transfers(AbstractContextManager["Transfers"]):
    """Counts what goes from the device to the host within it."""

    def __init__(self) -> None:
        self.by_kind: Counter[str] = Counter()
        """What made the host wait -> how often."""
        self._fetched: dict[int, Any] = {}
        self._modes = ExitStack()

    @property
    def count(self) -> int:
        return sum(self.by_kind.values())

    def __enter__(self) -> Self:
        self._modes.enter_context(_Functions(self))
        self._modes.enter_context(_Operations(self))
        return self

    def __exit__(self, *ended: object) -> None:
        self._modes.close()

    def is_on_host(self, value: Any) -> bool:
        return id(value) in self._fetched

    def fetch(self, value: Any) -> None:
        self._fetched[id(value)] = value  # held, so that no other tensor comes to have its id


class _Functions(TorchFunctionMode):
    """Sees methods that read a CPU's memory without an operation of torch."""

    def __init__(self, counted: Transfers) -> None:
        super().__init__()
        self._counted = counted

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        on_host = bool(args) and self._counted.is_on_host(args[0])
        fetches = bool(args) and (name in READING or _goes_to_host(name, args, kwargs))
        if fetches and not on_host:
            self._counted.by_kind[name] += 1
        if isinstance(found, torch.Tensor) and (on_host or fetches):
            self._counted.fetch(found)
        return found


def _goes_to_host(name: str, args: Any, kwargs: Any) -> bool:
    return name == "to" and "cpu" in (*args[1:], *(kwargs or {}).values())


class _Operations(TorchDispatchMode):
    """Sees operations, also those that others are made of."""

    def __init__(self, counted: Transfers) -> None:
        super().__init__()
        self._counted = counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = func in _INDEX and any(one is not None and one.dtype == torch.bool for one in args[1])
        if masks or (func in WAITING and not self._counted.is_on_host(args[0])):
            self._counted.by_kind[func.name()] += 1
        return func(*args, **(kwargs or {}))
