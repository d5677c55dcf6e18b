"""A page for every probe, from what the probe says of itself, and a page that lists them."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from docs.generate.markdown import escape, join_blocks, keep_code, write_block, write_code, write_table
from docs.generate.places import DOCS
from docs.generate.probe_figures import BATTERY, ProbeFigure
from docs.generate.quoting import quote_entry
from docs.generate.schemas import write_keys
from reportgen.documents.yaml_source import read_source
from reportgen.probes import registry
from reportgen.probing.probe import PairProbe, Probe, explanation
from reportgen.probing.source import Source
from reportgen.results.quantities import Findings, definitions, quantities_of

LIMITS = DOCS / "generate" / "limits.yaml"


def probes_page() -> str:
    """A table of all probes."""
    probes = list(map(registry.find, registry.names()))
    rows = [(f"[{one.name}]({one.name}.md)", escape(one.question), keep_code(explanation(one).shows)) for one in probes]
    return join_blocks(
        [
            "# Probes",
            f"The {len(probes)} probes that ship. Each page has a figure that this version made, the battery that "
            "makes it, and how every number is defined; `reportgen probes NAME` prints the same in a terminal. One of "
            "your own: [add a probe](../../how-to/add-a-probe.md).",
            write_table(("probe", "question", "shows"), rows),
        ]
    )


@cache
def read_limits() -> Mapping[str, str]:
    """Probe -> what it cannot show."""
    limits: Mapping[str, str] = read_source(LIMITS.read_text(), LIMITS).value
    return limits


def probe_page(name: str, figure: ProbeFigure) -> str:
    """All about one probe."""
    return join_blocks(_describe(registry.find(name), figure))


def _describe(probe: Probe[Any, Any], figure: ProbeFigure) -> Iterator[str]:
    told = explanation(probe)
    yield f"# {probe.name}"
    yield f"**{escape(probe.question)}**{{ .question }} Version {probe.version}."
    yield f"![{escape(figure.alt)}](figures/{probe.name}.svg)"
    yield f"> {escape(figure.statement)}" if figure.statement else ""
    yield "The figure and the sentence below it are of this battery:"
    yield write_block(quote_entry(BATTERY, probe.name), "yaml")
    for heading, text in (
        ("What it shows", told.shows),
        ("How to read it", told.read),
        ("What it cannot show", read_limits()[probe.name]),
        ("How it is computed", told.computed),
    ):
        yield f"## {heading}"
        # A symbol at the beginning is not a word.
        yield keep_code(text[:1].upper() + text[1:] if text[1:2].isalpha() else text)
    yield from _list_sources(probe.sources)
    yield "## What it costs"
    yield _describe_needs(probe)
    yield "For the figure above, in passes through the model:"
    yield "\n".join(f"- {escape(line)}" for line in figure.cost)
    schema = probe.options.model_json_schema()
    yield "## Options"
    yield "Besides [what every probe takes](../battery.md#every-probe)."
    yield write_keys(schema, schema)
    yield "## Findings"
    yield _list_findings(probe.findings)


def _list_sources(sources: tuple[Source, ...]) -> Iterator[str]:
    if sources:
        yield "Taken from:"
        yield "\n".join(f"- {_cite(one)}" for one in sources)


def _cite(source: Source) -> str:
    names = ", ".join(name if name != "others" else "and others" for name in source.authors)
    title = f"[{escape(source.title)}]({source.url})" if source.url else escape(source.title)
    return f"{escape(names)} ({source.year}): {title}. {escape(source.where)}"


def _describe_needs(probe: Probe[Any, Any]) -> str:
    if isinstance(probe, PairProbe):
        return "Both models are in memory together."
    if not probe.needs_weights:
        return "The architecture alone is enough: it also runs on `config:FILE`, a model without weights."
    if "twin" in probe.options.model_fields:
        return "With `twin: true`, a second model of the same size, with random weights, is in memory as well."
    return "One model is in memory."


def _list_findings(findings: type[Findings]) -> str:
    defined = definitions(findings)
    rows = []
    for name, one in quantities_of(findings).items():
        inside = ", ".join(one.dims or one.columns)
        rows.append((write_code(name), one.kind, escape(inside), escape(one.unit), keep_code(defined.get(name, ""))))
    return write_table(("name", "kind", "dims or columns", "unit", "definition"), rows)
