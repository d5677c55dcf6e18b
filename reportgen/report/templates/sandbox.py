"""Where templates that are not ours run: no way out of what they are given, and no way to use up the machine.

They see what our own templates see. Attributes that begin with an underscore, paths, and every method that is not a
plain value's or a page's own are refused; how far they may compute is counted in steps, so that the same template
ends the same way everywhere.
"""

from collections.abc import Mapping
from pathlib import PurePath
from string import Formatter
from types import BuiltinMethodType, FunctionType, MappingProxyType, MethodType
from typing import Any

from jinja2 import Template
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from reportgen.documents import bounded_templates
from reportgen.documents.bounded_templates import BoundedEnvironment, Limits

MOST_STEPS = 5_000_000
"""Turns of loops and calls of a page; the default report's takes some 6,000."""
MOST_CHARACTERS = 100_000_000
"""Of a page, and of any text or list that is made by repetition."""
MOST_BYTES = 2 * 1024**3
"""What rendering may take beyond the memory that the process has before."""
PLAIN = (str, int, float, bool, dict, list, tuple, set, frozenset, MappingProxyType)
OURS = ("reportgen.report.", "reportgen.look.fonts", "jinja2.", "markupsafe")
"""Modules whose functions and methods a template may call, where it is given one."""


class Sandbox(BoundedEnvironment):
    """A bounded environment with calls by list."""

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

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """No text is formatted with %, which knows widths of any size."""
        if operator == "%" and isinstance(left, str):
            raise SecurityError("texts are not formatted with %: join them with ~")
        return super().call_binop(context, operator, left, right)


def render_bounded(template: Template, context: Mapping[str, Any]) -> str:
    """What a template makes of a context.

    Raises:
        Exceeded: it takes too many steps, or makes too much.
        MemoryError: it takes too much memory; on Linux alone, where a process can be held to some.
        Exception: whatever it raises; SecurityError where it reaches for what is not its own.
    """
    return bounded_templates.render_within(template, context, Limits(MOST_STEPS, MOST_CHARACTERS, MOST_BYTES))


def with_plain_gaps(words: Markup) -> Markup:
    """Words whose gaps are names alone: `{a.b}` would reach into what is put there, past the sandbox.

    Raises:
        SecurityError: they have other gaps.
    """
    for _, name, layout, conversion in Formatter().parse(words):
        if name is not None and (not name.isidentifier() or layout or conversion):
            raise SecurityError(f"a gap of a text holds a name alone, not {name!r}")
    return words
