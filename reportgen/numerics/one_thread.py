"""One thread for the linear algebra of few rows: they gain nothing from more, and their last bits do not come to depend
on how many there are.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def hold_one_thread() -> AbstractContextManager[Any]:
    """Numpy and scipy compute on one thread within."""
    held: AbstractContextManager[Any] = _find_libraries().limit(limits=1, user_api="blas")
    return held


@cache
def _find_libraries() -> ThreadpoolController:
    """Those of numpy and scipy; to look for them takes longer than the map of a layer."""
    from threadpoolctl import ThreadpoolController

    import_module("scipy.linalg")  # so that its library is there to be found
    return ThreadpoolController()
