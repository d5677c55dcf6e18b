"""The few lines of a battery that make one of its figures."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from reportgen.battery.reader import Battery, load_battery


class QuoteError(Exception):
    """A battery has no entry of that id, or its models do not stand one by one."""


def quote_entry(file: Path, probe_id: str) -> str:
    """An entry of a battery with the models that it runs on: a battery by itself.

    Raises:
        QuoteError: there is no such entry, or no such model.
    """
    battery = read_cached(file)
    if probe_id not in battery.probes:
        raise QuoteError(f"{file}: there is no probe {probe_id}")
    models = "".join(_quote_key(file, f"models.{id}") for id in battery.probes[probe_id].models)
    return f"models:\n{models}probes:\n{_quote_key(file, f'probes.{probe_id}')}"


@cache
def read_cached(file: Path) -> Battery:
    """A battery, read once."""
    return load_battery(file)


def _quote_key(file: Path, key: str) -> str:
    """The lines of a key that stands two spaces in, with all that is below it."""
    lines = file.read_text().splitlines()
    at = read_cached(file).lines.get(key, 0)
    if not (at and lines[at - 1].startswith(f"  {key.partition('.')[2]}:")):
        raise QuoteError(f"{file}: {key} does not begin a line")
    return "".join(f"{line}\n" for line in (lines[at - 1], *_take_below(lines[at:])))


def _take_below(lines: list[str]) -> Iterator[str]:
    """Lines that stand further in, without comments: what follows them may be the next entry's."""
    for line in lines:
        if line.strip() and not line.startswith("   "):
            return
        if line.strip() and not line.lstrip().startswith("#"):
            yield line
