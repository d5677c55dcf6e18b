"""The files of which a battery is made, besides its own: for who waits until one of them is saved."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from reportgen.battery.reader import Battery
from reportgen.documents.beside import WrittenPath, is_file
from reportgen.text.prompts import PromptSets


def list_named_files(battery: Battery) -> list[Path]:
    """Its theme's file and those that options name (texts, labels, lenses, directions), resolved; models are not."""
    own = [] if battery.theme_file is None else [battery.theme_file]
    named = _find_paths([entry.options for entry in battery.probes.values()])
    return list(dict.fromkeys(path.resolve() for path in [*own, *named] if is_file(path)))


def list_prompt_files(battery: Path) -> list[Path]:
    """Every file of prompt sets that a battery at this place could name."""
    return sorted(file for folder in PromptSets.for_battery(battery).folders for file in folder.glob("*.yaml"))


def _find_paths(value: Any) -> Iterator[Path]:
    """Where the files lie that options name, at any depth."""
    if isinstance(value, WrittenPath):
        yield value.path
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _find_paths(getattr(value, name))
    elif isinstance(value, dict):
        for one in value.values():
            yield from _find_paths(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _find_paths(one)
