"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, sentences
from reportgen.numerals import write_number
from reportgen.probes.patchscope.statement import named_told
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section


def statement(section: Section) -> str:
    """From which layer on other names what base holds, and how well the maps hold."""
    return sentences(
        sentence
        for subject, outcome in section.ok().items()
        for sentence in (named_told(section.name(subject), outcome), _maps_told(outcome))
    )


def _maps_told(outcome: Outcome) -> str:
    """How much of other's stream the maps give on texts held out."""
    r2 = outcome.metrics["held_out_r2"].value
    if r2 is None:
        return ""
    rows = outcome.tables["maps"].records()
    best = max(rows, key=lambda row: float(row["r2"]))
    return say(
        "patchscope_across.maps",
        "The linear maps hold with R² {r2} on texts they were not fitted on, best at layer {layer} ({best}).",
        r2=write_number(r2, 2),
        layer=best["layer"],
        best=write_number(best["r2"], 2),
    )
