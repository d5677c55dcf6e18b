"""Templates of others within bounds: turns of loops and calls are counted, and so are characters, memory and seconds.

What a page of a report and what a model's chat may take differ (`Limits`); how it is counted does not.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Template, nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

LARGEST = 10**15
"""Whole number to compute with."""
MOST_POWER = 64
_TURNS, _WRITTEN = "counted turns", "what is written"
"""Names of the filters around what every loop goes through, and around all that is written; no template can write
them.
"""
T = TypeVar("T")


class Exceeded(Exception):
    """A template computes more than what it is for can need."""


@dataclass(frozen=True)
class Limits:
    """How far a template may compute."""

    steps: int
    """Turns of loops and calls."""
    characters: int
    """Of what it makes, and of any text or list that is made by repetition."""
    bytes: int
    """What rendering may take beyond the memory that the process has before; held to on Linux alone."""
    seconds: float | None = None
    """Of one processor. None where steps alone count, so that the same template ends the same way everywhere."""


class _Usage:
    """What one rendering has used up."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._taken = 0
        self._end = None if limits.seconds is None else time.thread_time() + limits.seconds

    def step(self) -> None:
        self._taken += 1
        if self._taken > self.limits.steps:
            raise Exceeded(f"it takes more than {self.limits.steps:,} turns of loops and calls")
        if self._end is not None and time.thread_time() > self._end:
            raise Exceeded(f"it takes more than {self.limits.seconds:g} seconds")


_used: ContextVar[_Usage | None] = ContextVar("_used", default=None)


def step() -> None:
    """Counts one turn or call of the template that is being rendered.

    Raises:
        Exceeded: it was one too many.
    """
    used = _used.get()
    if used is not None:
        used.step()


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's own sandbox, which changes nothing, with loops and calls that are counted.

    Nothing is computed while a template is compiled: that would be before anything is counted.
    """

    intercepted_binops = frozenset(("*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, optimized=False)
        self.filters[_TURNS] = _count_steps
        self.filters[_WRITTEN] = _pass_value
        del self.filters["random"], self.globals["lipsum"]  # the same template gives the same text

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = wrap_in_filter(loop.iter, _TURNS)
        for output in list(tree.find_all(nodes.Output)):
            output.nodes = [
                one if isinstance(one, nodes.TemplateData) else wrap_in_filter(one, _WRITTEN) for one in output.nodes
            ]
        return tree.set_environment(self)  # type: ignore[return-value]  # it is typed as any node, and returns this one

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja calls it
        """A call is a step."""
        step()
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """No operator makes something enormous of something small."""
        if any(isinstance(one, int) and abs(one) > LARGEST for one in (left, right)):
            raise Exceeded(f"it computes with numbers beyond {LARGEST:,}")
        if operator == "**" and abs(right) > MOST_POWER:
            raise Exceeded(f"it computes with powers beyond {MOST_POWER}")
        if operator == "*":
            _refuse_repetition(left, right)
            _refuse_repetition(right, left)
        return super().call_binop(context, operator, left, right)


def wrap_in_filter(node: nodes.Node, name: str) -> nodes.Filter:
    """The filter of that name around an expression of a template."""
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)  # an expression, typed as any node


def _refuse_repetition(many: Any, times: Any) -> None:
    used = _used.get()
    if used is None or not (isinstance(many, str | bytes | list | tuple) and isinstance(times, int)):
        return
    if len(many) * times > used.limits.characters:
        raise Exceeded(f"it repeats something to more than {used.limits.characters:,} characters")


def render_within(template: Template, context: Mapping[str, Any], limits: Limits) -> str:
    """What a template of a `BoundedEnvironment` makes of a context.

    Raises:
        Exceeded: it takes too many steps or too long, or makes too much.
        MemoryError: it takes too much memory; on Linux alone, where a process can be held to some.
        Exception: whatever it raises; SecurityError where it reaches for what is not its own.
    """
    with limit_work(limits):
        return "".join(_limit_characters(template.generate(context), limits))


@contextmanager
def limit_work(limits: Limits) -> Iterator[None]:
    """What is done within, such as to compile or to render, ends with `Exceeded` or MemoryError beyond its limits."""
    token = _used.set(_Usage(limits))
    try:
        with limit_memory(limits.bytes):
            yield
    finally:
        _used.reset(token)


def _limit_characters(pieces: Iterable[str], limits: Limits) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limits.characters:
            raise Exceeded(f"it makes more than {limits.characters:,} characters")
        yield piece


def _count_steps(many: Iterable[T]) -> Iterator[T]:
    for one in many:
        step()
        yield one


@pass_context
def _pass_value(context: Any, value: T) -> T:
    """Itself: what asks for the context is not computed before a template is rendered."""
    return value


@contextmanager
def limit_memory(most: int) -> Iterator[None]:
    """A text of ten gigabytes is an error of the template, and no end of the process."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    wanted = pages * resource.getpagesize() + most
    resource.setrlimit(resource.RLIMIT_AS, (wanted if soft == resource.RLIM_INFINITY else min(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
