"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, sentences
from reportgen.numerals import write_number
from reportgen.probes.patchscope.statement import tell_named_layers
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import tell_parts


def tell(view: SubjectView) -> str:
    """From which layer on other names what base holds, and how well the maps hold."""
    return sentences([tell_named_layers(view), tell_parts(view), _tell_maps(view)])


def _tell_maps(view: SubjectView) -> str:
    """How much of other's stream the maps give on texts held out."""
    r2 = view.metric("held_out_r2")
    if r2 is None:
        return ""
    rows = view.rows("maps")
    best = max(rows, key=lambda row: float(row["r2"]))
    return say(
        "patchscope_across.maps",
        "The linear maps reach an R² of {r2} on held-out texts, the best at layer {layer} ({best}).",
        r2=write_number(r2, 2),
        layer=best["layer"],
        best=write_number(best["r2"], 2),
    )
