"""Where templates that are not ours run: no way out of what they are given, and no way to use up the machine.

They see what our own templates see. Attributes that begin with an underscore, paths, and every method that is not a
plain value's or a page's own are refused; how far they may compute is counted in steps, so that the same template
ends the same way everywhere.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath
from string import Formatter
from types import BuiltinMethodType, FunctionType, MappingProxyType, MethodType
from typing import Any, TypeVar

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

MOST_STEPS = 5_000_000
"""Turns of loops and calls of a page; the default report's takes some 6,000."""
MOST_CHARACTERS = 100_000_000
"""Of a page, and of any text or list that is made by repetition."""
LARGEST = 10**15
"""Whole number to compute with."""
MOST_BYTES = 2 * 1024**3
"""What rendering may take beyond the memory that the process has before."""
PLAIN = (str, int, float, bool, dict, list, tuple, set, frozenset, MappingProxyType)
OURS = ("reportgen.report.", "reportgen.figures.fonts", "jinja2.", "markupsafe")
"""Modules whose functions and methods a template may call, where it is given one."""
_TURNS = "counted turns"
"""Name of the filter around what every loop goes through; no template can write it."""
T = TypeVar("T")


class Exceeded(Exception):
    """A template computes more than a page can need."""


class _Steps:
    """What one page has used up."""

    def __init__(self) -> None:
        self.taken = 0

    def step(self) -> None:
        self.taken += 1
        if self.taken > MOST_STEPS:
            raise Exceeded(f"it takes more than {MOST_STEPS:,} turns of loops and calls")


_steps: ContextVar[_Steps | None] = ContextVar("_steps", default=None)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's own sandbox, which changes nothing, with calls by list and loops that are counted."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters[_TURNS] = _counted
        del self.filters["random"], self.globals["lipsum"]  # the same bundle gives the same page

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _TURNS, [], [], None, None, lineno=loop.lineno)
        # It returns the node that it is called on, which is typed as any node.
        return tree.set_environment(self)  # type: ignore[return-value]

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """A path tells of this machine, and opens files."""
        return not isinstance(obj, PurePath) and super().is_safe_attribute(obj, attr, value)

    def is_safe_callable(self, obj: Any) -> bool:
        """What Jinja gives, methods of plain values, and those that a page's own parts have: arrays write files."""
        if not super().is_safe_callable(obj):
            return False
        if isinstance(obj, BuiltinMethodType):
            return isinstance(obj.__self__, PLAIN)
        if isinstance(obj, FunctionType | MethodType):
            return str(obj.__module__).startswith(OURS)  # none: what Jinja wraps str.format in
        return any(obj is known for known in self.globals.values()) or type(obj).__module__.startswith("jinja2.")

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja calls it
        """A call is a step."""
        taken = _steps.get()
        if taken is not None:
            taken.step()
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """No operator makes something enormous of something small."""
        if operator == "%" and isinstance(left, str):
            raise SecurityError("texts are not formatted with %: join them with ~")
        if any(isinstance(one, int) and abs(one) > LARGEST for one in (left, right)):
            raise Exceeded(f"it computes with numbers beyond {LARGEST:,}")
        if operator == "**" and abs(right) > 64:
            raise Exceeded("it computes with powers beyond 64")
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                known = isinstance(many, str | list | tuple) and isinstance(times, int)
                if known and len(many) * times > MOST_CHARACTERS:
                    raise Exceeded(f"it repeats something to more than {MOST_CHARACTERS:,} characters")
        return super().call_binop(context, operator, left, right)


def rendered(template: Template, context: Mapping[str, Any]) -> str:
    """What a template makes of a context.

    Raises:
        Exceeded: it takes too many steps, or makes too much.
        MemoryError: it takes too much memory; on Linux alone, where a process can be held to some.
        Exception: whatever it raises; SecurityError where it reaches for what is not its own.
    """
    token = _steps.set(_Steps())
    try:
        with _memory_held():
            return "".join(_budgeted(template.generate(context)))
    finally:
        _steps.reset(token)


def _budgeted(pieces: Iterable[str]) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MOST_CHARACTERS:
            raise Exceeded(f"it makes more than {MOST_CHARACTERS:,} characters")
        yield piece


def _counted(many: Iterable[T]) -> Iterator[T]:
    taken = _steps.get()
    for one in many:
        if taken is not None:
            taken.step()
        yield one


@contextmanager
def _memory_held() -> Iterator[None]:
    """A text of ten gigabytes is an error of the template, and no end of the process."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    wanted = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (wanted if soft == resource.RLIM_INFINITY else min(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def with_plain_gaps(words: Markup) -> Markup:
    """Words whose gaps are names alone: `{a.b}` would reach into what is put there, past the sandbox.

    Raises:
        SecurityError: they have other gaps.
    """
    for _, name, layout, conversion in Formatter().parse(words):
        if name is not None and (not name.isidentifier() or layout or conversion):
            raise SecurityError(f"a gap of a text holds a name alone, not {name!r}")
    return words
