"""What the probes of a bundle say, for who has not described its figures: `describe_bundle` asks each of them once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reportgen.errors import ReportgenError
from reportgen.figures.describe import Figure
from reportgen.language import note_said
from reportgen.probes import registry
from reportgen.probing.probe import statement_of, words_of
from reportgen.results.section import Section, SubjectWords

if TYPE_CHECKING:
    from reportgen.results.bundle import Bundle


def state_section(section: Section) -> str:
    """What one battery entry found; empty where nothing was measured, or its probe is not installed."""
    if not section.ok():
        return ""
    try:
        probe = registry.find(next(iter(section.outcomes.values())).probe)
    except ReportgenError:
        return ""
    return statement_of(probe, section)


def state_figure(section: Section, figure: Figure) -> Mapping[str, str]:
    """Subject -> what a figure shows of it, where that is something else than the statement tells of."""
    if not section.ok():
        return {}
    try:
        probe = registry.find(next(iter(section.outcomes.values())).probe)
    except ReportgenError:
        return {}
    return probe.tell_figure_each(section, figure)


UNCLEAR = (".no_clear_statement", "words.no_verdict")
"""How the ids of sentences end that say that nothing clear was found."""


def finds_nothing(section: Section) -> bool:
    """Whether a probe's rule has no clear statement about any subject: what was expected is then not what is seen."""
    ok = section.ok()
    for subject, outcome in ok.items():
        with note_said() as ids:
            told = state_section(replace(section, outcomes={subject: outcome}))
        if not told or not any(id.endswith(UNCLEAR) for id in ids):
            return False
    return bool(ok)


def state_bundle(bundle: "Bundle") -> dict[str, str]:
    """Probe id -> what it found."""
    return {probe_id: state_section(bundle.section(probe_id)) for probe_id in bundle.outcomes}


def word_bundle(bundle: "Bundle", statements: Mapping[str, str]) -> dict[str, dict[str, SubjectWords]]:
    """Probe id -> subject -> its part of the statement, and the same in a few words; none of a probe without one."""
    return {id: word_section(bundle.section(id), told) for id, told in statements.items() if told}


def word_section(section: Section, statement: str) -> dict[str, SubjectWords]:
    """The same of one battery entry, whose probe is installed."""
    return words_of(registry.find(next(iter(section.outcomes.values())).probe), section, statement)
