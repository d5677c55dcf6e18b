"""What a paper cites that shows a bundle, as BibTeX: the tool, the models, and the works that the probes are from."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reportgen.errors import ReportgenError
from reportgen.probes import registry
from reportgen.probing.source import Source
from reportgen.report.content.latex import escape_latex
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard
from reportgen.spelling import spell_text

if TYPE_CHECKING:
    from reportgen.results.bundle import Bundle

TOOL = "lm-reportgen"
_HUB = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_WHERE = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}
_HASH = 12
"""Characters of a hash that are told."""

Fields = Mapping[str, str]


def cite_bundle(bundle: "Bundle") -> str:
    """A BibTeX entry for the version of reportgen that measured, for each model with its revision, and for each work
    that a probe of the bundle is taken from; before these, a line says which probe is from which.
    """
    parts = [_write_entry("misc", "reportgen", _describe_tool(bundle))]
    parts += [_write_entry("misc", f"model-{card.id}", _describe_model(card)) for card in bundle.models.values()]
    works: dict[str, Source] = {}
    lines = []
    for probe_id, by_subject in bundle.outcomes.items():
        outcome = next(iter(by_subject.values()))
        found = _find_sources(outcome)
        lines.append(_tell_probe(probe_id, outcome, found))
        works |= {source.key: source for source in found or ()}
    parts.append("".join(lines))
    parts += [_write_entry(source.kind, source.key, _describe_source(source)) for source in works.values()]
    return "\n".join(parts)


def _find_sources(outcome: Outcome) -> list[Source] | None:
    """The works of a probe; None where it is not installed. What a third party calls a source may be anything."""
    try:
        known = registry.find(outcome.probe).sources
    except ReportgenError:
        return None
    return [one for one in known if isinstance(one, Source)] if isinstance(known, tuple | list) else []


def _tell_probe(probe_id: str, outcome: Outcome, found: list[Source] | None) -> str:
    told = "is not installed" if found is None else ", ".join(one.key for one in found) or "names no work"
    return spell_text(f"% {probe_id}: {outcome.probe}, version {outcome.version}: {told}", longest=None) + "\n"


def _describe_tool(bundle: "Bundle") -> Fields:
    versions = bundle.run.get("versions", {})
    version = str(versions.get(TOOL, "")) if isinstance(versions, Mapping) else ""
    return {
        "title": escape_latex("reportgen: see and compare what happens inside language models, on paper"),
        "howpublished": escape_latex(f"Python package {TOOL}"),
        "note": escape_latex(f"version {version}") if version else "",
        "key": "reportgen",
    }


def _describe_model(card: ModelCard) -> Fields:
    name, facts = card.own_name or card.name, card.facts
    source, revision = str(facts.get("source") or ""), str(facts.get("revision") or "")
    weights = str(facts.get("weights_sha256") or "")
    known = {"revision": revision, "dtype": str(facts.get("dtype") or ""), "sha256 of the weights": weights[:_HASH]}
    # A folder may be called as a model on the hub is: only what came from there has a revision.
    hub = source.partition("@")[0] if revision else ""
    return {
        "title": escape_latex(name),
        "howpublished": escape_latex(source),
        "note": escape_latex(
            ", ".join([card.architecture, *(f"{what} {value}" for what, value in known.items() if value)])
        ),
        "url": f"https://huggingface.co/{hub}" if _HUB.fullmatch(hub) else "",
        "key": escape_latex(name),
    }


def _describe_source(source: Source) -> Fields:
    return {
        "author": escape_latex(" and ".join(source.authors)),
        "title": escape_latex(source.title),
        _WHERE[source.kind]: escape_latex(source.where),
        "year": str(source.year),
        "url": _write_url(source.url),
    }


def _write_url(url: str) -> str:
    r"""An address as \url takes it; empty where it could end its braces."""
    return url if re.fullmatch(r"https?://[\w.~:/?#@!$&'()*+,;=%-]+", url, re.ASCII) else ""


def _write_entry(kind: str, key: str, fields: Fields) -> str:
    """One entry; a field without a value is left out. A title keeps its capitals."""
    return "".join([f"@{kind}{{{key},\n", *_write_fields(fields), "}\n"])


def _write_fields(fields: Fields) -> Iterator[str]:
    for name, value in fields.items():
        if value:
            yield f"  {name} = {{{f'{{{value}}}' if name == 'title' else value}}},\n"
