"""The prompt sets that ship, for who looks for one to name in a battery or to begin a set of one's own with."""

import json
from collections.abc import Iterator

from reportgen.errors import BatteryError, Mistake
from reportgen.text.prompts import PromptsError, PromptSet, PromptSets


def list_prompt_sets(file: str | None = None) -> dict[str, PromptSet]:
    """FILE/SET -> the set, of all files that ship or of the one called `file`; empty if there is none of that name."""
    sets = PromptSets.for_battery(None)
    return {name: sets.find(name) for name in sets.names(file)}


def print_prompt_set(name: str) -> Iterator[str]:
    """The set FILE/SET as lines of YAML, a line a prompt, as it can stand in a file of sets.

    Raises:
        BatteryError: there is none of that name; names the nearest.
    """
    try:
        found = PromptSets.for_battery(None).find(name)
    except PromptsError as error:
        raise BatteryError(*(Mistake(told.message, told.remedy) for told in error.problems)) from error
    return _write_set(name.partition("/")[2], found)


def _write_set(name: str, found: PromptSet) -> Iterator[str]:
    yield f"{name}:"
    for key in ("title", "source", "what_to_see"):
        if told := getattr(found, key):
            yield f"  {key}: {_quote(told)}"
    yield "  prompts:"
    for prompt in found.prompts:
        known = prompt.model_dump(exclude_none=True)
        yield f"    - {{{', '.join(f'{key}: {_quote(value)}' for key, value in known.items())}}}"


def _quote(value: object) -> str:
    """A value as JSON, which YAML is a superset of."""
    return json.dumps(value, ensure_ascii=False)
