"""pydantic's errors in plain words, each at the key or item of the document that it is about."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reportgen.documents.problem import Problem, Where, describe_value
from reportgen.numerals import count_items
from reportgen.suggest import find_nearest, suggestion

KINDS = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "null",
    "path_type": "the path of a file",
}


class ExplainedError(ValueError):
    """Raised inside a pydantic validator that can say more than one sentence about its value."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.message for problem in problems))


def explain_errors(error: ValidationError, value: Any, model: type[BaseModel]) -> list[Problem]:
    """What `model` refuses in `value`, each found at one place; the branches of a union are told as one."""
    found: list[Problem] = []
    expected: dict[Where, list[ErrorDetails]] = {}
    for where, detail in _drop_lesser_branches(error, value):
        if _expectation(detail) is not None:
            expected.setdefault(where, []).append(detail)
        else:
            found += _explain_detail(where, detail, model)
    return [*found, *(_describe_unmet(where, details, value) for where, details in expected.items())]


def list_keys(model: type[BaseModel]) -> list[str]:
    """The keys that a document may use for the fields of `model`."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _drop_lesser_branches(error: ValidationError, value: Any) -> list[tuple[Where, ErrorDetails]]:
    """Errors with their place; where one branch of a union got further into the value, the others are dropped."""
    located = []
    deepest: dict[Where, int] = {}
    for detail in error.errors(include_url=False):
        where, union = _locate_detail(detail, value)
        if _follows_from_others(detail, _follow_path(value, where[:-1] if detail["type"] == "missing" else where)):
            continue
        located.append((where, union, detail))
        if union is not None:
            deepest[union] = max(len(where), deepest.get(union, 0))
    return [
        (where, detail)
        for where, union, detail in located
        if union is None or len(where) > len(union) or deepest[union] == len(union)
    ]


def _follows_from_others(detail: ErrorDetails, value: Any) -> bool:
    """Whether pydantic calls a list too short only because it does not count the items that it refused."""
    return detail["type"] == "too_short" and isinstance(value, list) and len(value) >= detail["ctx"]["min_length"]


def _locate_detail(detail: ErrorDetails, value: Any) -> tuple[Where, Where | None]:
    """The place in the document, and the place of the union on the way, whose branch pydantic names in between."""
    where: list[str | int] = []
    union: Where | None = None
    last = len(detail["loc"]) - 1
    for at, step in enumerate(detail["loc"]):
        if _holds(value, step):
            value = value[step]
            where.append(step)
        elif at == last and detail["type"] == "missing":
            where.append(step)
        elif union is None:
            union = tuple(where)
    return tuple(where), union


def _holds(value: Any, step: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and step < len(value)
    return isinstance(value, dict) and step in value


def _follow_path(value: Any, where: Where) -> Any:
    for step in where:
        value = value[step]
    return value


def _expectation(detail: ErrorDetails) -> str | None:
    """What was wanted, to follow the word "expected"; None for errors that are told otherwise."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "literal_error" | "enum":
            return " or ".join(_choices(context))
        case "greater_than":
            return f"more than {context['gt']}"
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than":
            return f"less than {context['lt']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "multiple_of":
            return f"a multiple of {context['multiple_of']}"
        case "too_short":
            return f"at least {count_items(context['min_length'], 'item')}"
        case "too_long":
            return f"at most {count_items(context['max_length'], 'item')}"
        case "string_too_short":
            return f"at least {count_items(context['min_length'], 'character')}"
        case "string_too_long":
            return f"at most {count_items(context['max_length'], 'character')}"
        case "string_pattern_mismatch":
            return f"text of the form {context['pattern']}"
    return KINDS.get(detail["type"])


def _choices(context: dict[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", context["expected"]) or [str(context["expected"])]


def _describe_unmet(where: Where, details: list[ErrorDetails], value: Any) -> Problem:
    actual = _follow_path(value, where)
    wanted = dict.fromkeys(text for detail in details if (text := _expectation(detail)) is not None)
    return Problem(where, f"expected {' or '.join(wanted)}, found {describe_value(actual)}", _remedy(details, actual))


def _remedy(details: Iterable[ErrorDetails], actual: Any) -> str:
    types = {detail["type"] for detail in details}
    if isinstance(actual, str):
        choices = [c for d in details if d["type"] in ("literal_error", "enum") for c in _choices(d.get("ctx", {}))]
        near = find_nearest(actual, choices)
        if near is not None:
            return f"Did you mean '{near}'?"
        if "list_type" in types or "tuple_type" in types:
            return "Write a list, with brackets around it."
        if types & {"int_type", "float_type", "int_parsing", "float_parsing"} and re.fullmatch(r"[\d.]+", actual):
            return "Leave out the quotes."
    if "string_type" in types and (actual is None or isinstance(actual, bool | int | float)):
        return "Put quotes around it to make it text."
    return ""


def _explain_detail(where: Where, detail: ErrorDetails, model: type[BaseModel]) -> list[Problem]:
    """An error that says more than what was expected."""
    match detail["type"]:
        case "missing" if where and isinstance(where[-1], int):
            return [Problem(where[:-1], f"item {where[-1]} is missing")]
        case "missing":
            return [Problem(where, "missing")]
        case "extra_forbidden" | "unexpected_keyword_argument":
            known = list_keys(model) if len(where) == 1 else []
            return [Problem(where, "unknown key", suggestion(str(where[-1]), known))]
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ExplainedError):
        return [problem.nest_under(*where) for problem in cause.problems]
    return [Problem(where, str(cause) if cause is not None else detail["msg"].removeprefix("Value error, "))]
