"""Reports of many models: of which of them a page shows figures and tables, and where those of the others lie."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from reportgen.figures.describe import Figure
from reportgen.report.content.bundle_figures import BundleDescription, list_stems
from reportgen.results.bundle import Bundle
from reportgen.results.section import subject_of

MANY = 8
"""Subjects of one section that are all shown."""
SHOWN = 6
"""Of more, so many are."""

UnshownFigures = Mapping[str, Mapping[str, Figure]]
"""Probe id -> stem -> each figure that no page shows."""


def choose_shown(subjects: Sequence[str]) -> list[str]:
    """The subjects of a section whose figures and tables are shown: all, or of many the first, the last and some
    between them, evenly spaced in their order, which is that of the steps where they are checkpoints.
    """
    if len(subjects) <= MANY:
        return list(subjects)
    last = len(subjects) - 1
    return [subjects[round(at * last / (SHOWN - 1))] for at in range(SHOWN)]


def find_unshown(bundle: Bundle, described: BundleDescription) -> dict[str, dict[str, Figure]]:
    """The figures of one subject each that `choose_shown` leaves out; what compares subjects is always shown."""
    unshown = {probe_id: _list_unshown(list(bundle.section(probe_id).ok())) for probe_id in described.figures}
    found: dict[str, dict[str, Figure]] = {}
    for probe_id, stem, figure in list_stems(described):
        if subject_of(figure.subject) in unshown[probe_id]:
            found.setdefault(probe_id, {})[stem] = figure
    return found


def keep_shown(described: BundleDescription, unshown: UnshownFigures) -> BundleDescription:
    """What is described, less the figures that are not shown."""
    dropped = {probe_id: {id(one) for one in of_probe.values()} for probe_id, of_probe in unshown.items()}
    return replace(
        described,
        figures={
            probe_id: [one for one in of_probe if id(one) not in dropped.get(probe_id, ())]
            for probe_id, of_probe in described.figures.items()
        },
    )


def list_unshown(subjects: Sequence[str], figures: Mapping[str, Figure]) -> dict[str, list[tuple[str, str]]]:
    """Subject that is not shown -> name and stem of its figures."""
    found: dict[str, list[tuple[str, str]]] = {subject: [] for subject in _list_unshown(subjects)}
    for stem, figure in figures.items():
        if (subject := subject_of(figure.subject)) in found:
            found[subject].append((figure.name, stem))
    return found


def _list_unshown(subjects: Sequence[str]) -> Collection[str]:
    shown = set(choose_shown(subjects))
    return [one for one in subjects if one not in shown]
