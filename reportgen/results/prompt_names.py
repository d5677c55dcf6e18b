"""What the numbers of a `prompt` column, or of the dim `prompt`, stand for: what its author calls each prompt.

A stored bundle says it in what it holds anyway, the prompts among the options and the table `prompts`; so bundles of
every schema have these names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportgen.results.quantities import Array, Cell, Outcome, Table

PROMPTS = "prompts"
"""The option that holds prompts, and by convention the table of what a model read of them."""
PROMPT = "prompt"
NUMBERS = (PROMPT, "prompt_a", "prompt_b")
"""Columns that hold numbers of prompts."""
SIDE = "side"
"""A table with this column counts the prompts of each of several sets from 0."""


def text_of_prompt(prompt: Mapping[str, Any]) -> str:
    """The text of a prompt as options hold it, or the last message of a chat."""
    return str(prompt.get("text") or prompt["messages"][-1]["content"])


def name_prompts(outcome: Outcome) -> dict[int, str]:
    """Number of a prompt in the outcome's tables -> what it is called: its id, else its text.

    A probe that left prompts out, or put halves of pairs together, counts anew: then each is known by its text in the
    table `prompts`, and has no name where several prompts have that text.
    """
    asked = _list_asked(outcome)
    read = _list_read(outcome.tables.get(PROMPTS))
    in_order = len(read) == len(asked) and all(asked[at].text in text for at, text in read.items() if at < len(asked))
    if not read or in_order:
        return {number: prompt.name for number, prompt in enumerate(asked)}
    found = {number: _find_name(text, asked) for number, text in read.items()}
    return {number: name for number, name in found.items() if name is not None}


def name_along(outcome: Outcome, array: Array) -> tuple[str, ...]:
    """What each place along the dim `prompt` of an array is called; nothing where one of them has no name.

    Coordinates of a prompt are its number among the options, without them it is the number that tables give it.
    """
    if PROMPT not in array.dims:
        return ()
    stored = PROMPT in array.coordinates
    names = {at: one.name for at, one in enumerate(_list_asked(outcome))} if stored else name_prompts(outcome)
    found = [names.get(number) for number in array.along(PROMPT)]
    return tuple(name for name in found if name is not None) if None not in found else ()


def name_rows(table: Table, model: str, prompts: Mapping[int, str]) -> Table:
    """The table as it is read away from its bundle: the model in a column before all others, and beside each number
    of a prompt what that is called (`prompt_id`).
    """
    columns, rows = list(table.columns), [list(row) for row in table.rows]
    for name in NUMBERS:
        cells = _list_numbers(table, name)
        if cells and prompts and f"{name}_id" not in columns:
            at = columns.index(name) + 1
            columns.insert(at, f"{name}_id")
            for row, number in zip(rows, cells, strict=True):
                row.insert(at, None if number is None else prompts.get(number))
    if "model" not in columns:
        columns.insert(0, "model")
        rows = [[model, *row] for row in rows]
    return Table(tuple(columns), rows)


def _list_numbers(table: Table, column: str) -> Sequence[int | None]:
    """The cells of a column if they are numbers of prompts: a table of what was left out names them by their texts."""
    if column not in table.columns or SIDE in table.columns:
        return ()
    cells: list[Cell] = table.column(column)
    numbers = [cell for cell in cells if type(cell) is int or cell is None]
    return numbers if len(numbers) == len(cells) else ()


@dataclass(frozen=True)
class _Asked:
    """A prompt of the options."""

    name: str
    text: str


def _list_asked(outcome: Outcome) -> list[_Asked]:
    """The prompts of the options; none for a probe that has no such option."""
    asked = outcome.options.get(PROMPTS)
    try:
        texts = [(prompt, text_of_prompt(prompt)) for prompt in (asked if isinstance(asked, list) else ())]
        return [_Asked(str(prompt.get("id") or text), text) for prompt, text in texts]
    except (AttributeError, LookupError, TypeError):  # a stranger's options, or something else of that name
        return []


def _list_read(table: Table | None) -> dict[int, str]:
    """Number -> text of the prompts that a model was given."""
    if table is None or not {PROMPT, "text"} <= set(table.columns):
        return {}
    cells = zip(table.column(PROMPT), table.column("text"), strict=True)
    return {number: text for number, text in cells if type(number) is int and isinstance(text, str)}


def _find_name(read: str, asked: Sequence[_Asked]) -> str | None:
    """The name of the one prompt whose text it is, else of the one whose text a chat template wrapped."""
    same = {prompt.name for prompt in asked if prompt.text == read}
    found = same or {prompt.name for prompt in asked if prompt.text in read}
    return found.pop() if len(found) == 1 else None
