"""What is wrong with a value that a person wrote, and where it stands."""

from dataclasses import dataclass
from typing import Any

SHOWN = 40
"""Characters of a value that a message quotes."""

Where = tuple[str | int, ...]
"""The keys and indices that lead from the top of a document to a value."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with the value at `where`, and what to do about it."""

    where: Where
    message: str
    remedy: str = ""

    def nest_under(self, *above: str | int) -> "Problem":
        """The same problem, seen from further up in the document."""
        return Problem((*above, *self.where), self.message, self.remedy)


def write_place(where: Where) -> str:
    """`probes.heads.heads[0][1]`; keys that are not plain words are quoted, so that they cannot garble a terminal."""
    parts = []
    for step in where:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            plain = step.replace("-", "_").isidentifier() or step.isalnum()
            parts.append(f".{step if plain and len(step) <= SHOWN else describe_value(step)}")
    return "".join(parts).removeprefix(".")


def describe_value(value: Any) -> str:
    """A value as an error message names it: short, on one line, without control characters."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case str():
            return repr(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…")
    return str(value) if not isinstance(value, int) or abs(value) < 10**SHOWN else "a very large number"
