"""Where a model's chat template runs: a stranger's program, within steps, sizes and seconds.

Every value that it makes is weighed, so that none grows beyond `LIMITS`, however often it is doubled; so one step of it
takes milliseconds, and steps are counted.
"""

import datetime
import functools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from reportgen.documents.bounded_templates import BoundedEnvironment, Exceeded, Limits, step, wrap_in_filter

LIMITS = Limits(steps=200_000, characters=1_000_000, bytes=512 * 1024**2, seconds=0.5)
"""Templates as they are published take some hundred steps."""
LARGEST_ARGUMENT = 1_000_000
"""Widths, counts, indents: what a number given to a filter or a method may be."""
FEW = 1_000
"""Characters of a text that is sought from the end of another, or stripped from it: that takes their product."""
SOME = 20_000
"""Characters that a filter which lays out or searches text may get."""
OF_ANY = 10
"""Characters that a value counts as in addition to its own, so that lists of many are weighed in milliseconds."""
_FROM_THE_END = frozenset({"rfind", "rindex", "rsplit", "rpartition", "strip", "lstrip", "rstrip"})
_LAID_OUT = frozenset({"wordwrap", "urlize", "pprint", "striptags", "xmlattr"})
_WEIGHED = "weighed"
_NO_DAY = datetime.datetime(2000, 1, 1)
"""What a template that writes today's date is told: the same prompt has the same tokens tomorrow."""


class _Generation(Extension):
    """`{% generation %}` … `{% endgeneration %}`, by which transformers marks what the assistant says: itself."""

    tags = frozenset({"generation"})  # type: ignore[assignment]  # which nobody changes

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_render_body"), [], [], body).set_lineno(line)

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Every word of a template that is read is a step."""
        for token in stream:
            step()
            yield token

    def _render_body(self, caller: Callable[[], str]) -> str:
        return caller()


class _Compiling(CodeGenerator):
    """Every node that is compiled is a step: thousands of variables take Jinja minutes."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        step()
        return super().visit(node, *args, **kwargs)


class ChatSandbox(BoundedEnvironment):
    """The environment that transformers gives a chat template, within bounds."""

    code_generator_class = _Compiling

    intercepted_binops = frozenset(("*", "**", "%", "+", "-", "/", "//"))

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation])
        self.filters["tojson"] = _json
        written: dict[str, Any] = {name: found for name, found in self.filters.items() if name.isidentifier()}
        self.filters |= {name: _bound_call(name, found) for name, found in written.items()}
        asked: dict[str, Any] = dict(self.tests)
        self.tests |= {name: _bound_call(name, found) for name, found in asked.items()}
        self.filters[_WEIGHED] = _weigh_in_context
        self.globals |= {"raise_exception": _refuse, "strftime_now": _written_day}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Weighing().visit(super()._parse(source, name, filename))
        return tree.set_environment(self)  # type: ignore[return-value]  # the node that it is called on

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja calls it
        """What a method is given and gives is weighed."""
        name = getattr(__obj, "__name__", "")
        given = (*args, *kwargs.values())
        of = getattr(getattr(__obj, "__wrapped__", __obj), "__self__", None)  # Jinja wraps str.format
        _check_given(name, given)
        if name in ("format", "format_map") and isinstance(of, str):
            _check_layout(of)
        return weigh_value(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """What an operator is given and gives is weighed."""
        step()
        weigh_value((left, right))
        if operator == "%" and isinstance(left, str):
            _check_layout(left)
            _check_given("%", right if isinstance(right, tuple) else (right,))
        return weigh_value(super().call_binop(context, operator, left, right))


class _Weighing(NodeTransformer):
    """Weighs what is made without a call, an operator or a filter: literals, joined and cut texts and lists."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802 - as Jinja calls it
        self.generic_visit(node)
        node.nodes = [wrap_in_filter(one, _WEIGHED) for one in node.nodes]
        return wrap_in_filter(node, _WEIGHED)

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 - as Jinja calls it
        self.generic_visit(node)
        node.nodes = [wrap_in_filter(one, _WEIGHED) for one in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:  # noqa: N802 - as Jinja calls it
        self.generic_visit(node)
        for operand in node.ops:
            operand.expr = wrap_in_filter(operand.expr, _WEIGHED)
        return wrap_in_filter(node, _WEIGHED)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802 - as Jinja calls it
        self.generic_visit(node)
        return wrap_in_filter(node, _WEIGHED) if isinstance(node.arg, nodes.Slice) else node

    def _literal(self, node: nodes.Expr) -> nodes.Expr:
        self.generic_visit(node)
        return wrap_in_filter(node, _WEIGHED) if getattr(node, "ctx", "load") == "load" else node

    visit_List = visit_Tuple = visit_Dict = _literal  # noqa: N815 - as Jinja calls it


def weigh_value(value: Any) -> Any:
    """Itself, if it is small enough.

    Raises:
        Exceeded: it, with all that it holds as often as it holds it, is larger than a chat can be.
    """
    left, found = LIMITS.characters, [value]
    while found:
        one = found.pop()
        left -= OF_ANY + _size(one)
        if left < 0:
            raise Exceeded(f"it makes something larger than {LIMITS.characters:,} characters")
        held = _list_members(one)
        if OF_ANY * len(held) > left:
            left = -1
        else:
            found.extend(held)
    return value


def _size(one: Any) -> int:
    if isinstance(one, str | bytes | range):
        return len(one)
    return one.bit_length() // 8 if isinstance(one, int) else 0


def _list_members(one: Any) -> Collection[Any]:
    if isinstance(one, list | tuple | set | frozenset):
        return one
    if isinstance(one, dict):
        return [*one, *one.values()]
    if isinstance(one, Namespace):  # a dict that templates may write into, which Jinja hides from them
        return list(object.__getattribute__(one, "_Namespace__attrs").values())
    return ()


@pass_context
def _weigh_in_context(context: Any, value: Any) -> Any:
    step()
    return weigh_value(value)


def _bound_call(name: str, found: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or a test of Jinja's that is a step, and whose arguments and result are weighed."""

    @functools.wraps(found)  # which keeps what Jinja is to pass it
    def call_bounded(*args: Any, **kwargs: Any) -> Any:
        step()
        given = (*args, *kwargs.values())
        _check_given(name, given)
        if name == "format":
            _check_layout(str(given[0]))
        if name in _LAID_OUT and any(len(str(weigh_value(one))) > SOME for one in given if isinstance(one, _TEXT_LIKE)):
            raise Exceeded(f"it lays out more than {SOME:,} characters")
        return weigh_value(found(*args, **kwargs))

    return call_bounded


_TEXT_LIKE = (str, list, tuple, dict)


def _check_given(name: str, given: Iterable[Any]) -> None:
    for one in given:
        weigh_value(one)
        if isinstance(one, int) and abs(one) > LARGEST_ARGUMENT:
            raise Exceeded(f"it asks for a width or a count beyond {LARGEST_ARGUMENT:,}")
        if name in _FROM_THE_END and isinstance(one, str | bytes) and len(one) > FEW:
            raise Exceeded(f"it searches a text for one of more than {FEW:,} characters")


def _check_layout(text: str) -> None:
    """Refuses a text with gaps for values (`%9d`, `{:9}`) that are wider together than what a chat can need."""
    digits = re.findall(r"\d+", text)
    if any(len(run) > len(str(LARGEST_ARGUMENT)) for run in digits) or sum(map(int, digits)) > LARGEST_ARGUMENT:
        raise Exceeded(f"it asks for a width beyond {LARGEST_ARGUMENT:,}")


def _json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: Any) -> None:
    raise TemplateError(str(message))


def _written_day(format: str) -> str:
    return _NO_DAY.strftime(format)
