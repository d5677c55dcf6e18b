"""What the probes of a bundle say, for who has not described its figures: `describe_bundle` asks each of them once."""

from typing import TYPE_CHECKING

from reportgen.errors import ReportgenError
from reportgen.probes import registry
from reportgen.probing.probe import statement_of
from reportgen.results.section import Section

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


def state_bundle(bundle: "Bundle") -> dict[str, str]:
    """Probe id -> what it found."""
    return {probe_id: state_section(bundle.section(probe_id)) for probe_id in bundle.outcomes}
