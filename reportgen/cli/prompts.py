"""`reportgen prompts`: the sets of prompts that ship."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reportgen.text.prompts import PromptSet, PromptSets


@click.command("prompts")
@click.argument("name", required=False, metavar="[FILE/SET]")
def command(name: str | None) -> None:
    """List the prompt sets that ship, those of one FILE, or print the set FILE/SET.

    It is printed as YAML: all of it can stand in a file of prompts/ beside a battery, and its list of prompts in a
    battery.
    """
    from reportgen.cli.terminal import tell, tell_whole
    from reportgen.text.prompts import PromptSets

    sets = PromptSets.for_battery(None)
    known = [one for one in sets.names() if name is None or one.startswith(f"{name}/")]
    if known:
        for line in _list_sets(sets, known):
            tell(line)
        return
    for line in _write_set(str(name), _find_set(sets, str(name))):
        tell_whole(line)


def _list_sets(sets: "PromptSets", names: list[str]) -> Iterator[str]:
    """A line a set: its name, how many prompts it holds, and its title."""
    width = max(map(len, names))
    for name in names:
        found = sets.find(name)
        yield f"{name:<{width}}  {len(found.prompts):>3}  {found.title}"


def _find_set(sets: "PromptSets", name: str) -> "PromptSet":
    from reportgen.errors import BatteryError, Mistake
    from reportgen.text.prompts import PromptsError

    try:
        return sets.find(name)
    except PromptsError as error:
        raise BatteryError(*(Mistake(told.message, told.remedy) for told in error.problems)) from error


def _write_set(name: str, found: "PromptSet") -> Iterator[str]:
    """The set as YAML, a line a prompt: JSON's strings are YAML's."""
    import json

    yield f"{name.partition('/')[2]}:"
    for key in ("title", "source", "what_to_see"):
        if told := getattr(found, key):
            yield f"  {key}: {json.dumps(told, ensure_ascii=False)}"
    yield "  prompts:"
    for prompt in found.prompts:
        known = prompt.model_dump(exclude_none=True)
        inside = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in known.items())
        yield f"    - {{{inside}}}"
