"""`reportgen probes`: what can be measured, and how one measurement is defined."""

from collections.abc import Iterator
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reportgen.probing.options import ProbeOptions
    from reportgen.probing.probe import Probe
    from reportgen.results.quantities import Findings

PARAGRAPH = TextWrapper(width=100, break_on_hyphens=False)
DEFINITION = TextWrapper(width=100, break_on_hyphens=False, initial_indent=" " * 6, subsequent_indent=" " * 6)


@click.command("probes")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the probes, or explain the one named NAME: what it shows, its options, its numbers."""
    from reportgen.cli.terminal import tell
    from reportgen.probes import registry

    lines = _list_probes() if name is None else _describe_probe(registry.find(name))
    for line in "\n".join(lines).splitlines():
        tell(line)


def _list_probes() -> Iterator[str]:
    """A line a probe: its name and its question; a broken one says what is wrong with it."""
    from reportgen.errors import BatteryError
    from reportgen.probes import registry

    names = registry.names()
    width = max(map(len, names), default=0)
    for name in names:
        try:
            question = registry.find(name).question
        except BatteryError as error:
            question = f"(unusable: {error.mistakes[0].message})"
        yield f"{name:<{width}}  {question}"


def _describe_probe(probe: "Probe[Any, Any]") -> Iterator[str]:
    from reportgen.probing.probe import explanation

    told = explanation(probe)
    yield f"{probe.name}, version {probe.version}: {probe.question}"
    for heading, text in (("Shows", told.shows), ("Read", told.read), ("Computed", told.computed)):
        yield ""
        yield PARAGRAPH.fill(f"{heading}: {text}")
    yield from ("", "Options")
    yield from _options(probe.options)
    yield from ("", "Findings")
    yield from _findings(probe.findings)


def _options(options: "type[ProbeOptions]") -> Iterator[str]:
    from reportgen.battery.option_words import describe_default, describe_type

    schema = options.model_json_schema()
    for key, option in schema["properties"].items():
        yield f"  {key}: {describe_type(option, schema)}; {describe_default(key, option, schema)}"
        yield from _indent_text(option.get("description", ""))


def _findings(findings: "type[Findings]") -> Iterator[str]:
    from reportgen.results.quantities import definitions, quantities_of

    defined = definitions(findings)
    for name, quantity in quantities_of(findings).items():
        inside = ", ".join(quantity.dims or quantity.columns)
        unit = f", in {quantity.unit}" if quantity.unit else ""
        stored = f", stored as {quantity.stored}" if quantity.stored else ""
        yield f"  {name}: {quantity.kind}{f' ({inside})' if inside else ''}{unit}{stored}"
        yield from _indent_text(defined.get(name, ""))


def _indent_text(text: str) -> Iterator[str]:
    if text:
        yield DEFINITION.fill(" ".join(text.split()))
