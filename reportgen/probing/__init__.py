"""What a probe is, and what it may ask for: the one address for probes of other distributions.

What stands in `__all__` stays where it is from one version to the next; everything else of the package may move.
"""

from reportgen.figures.describe import (
    Arcs,
    AttentionHead,
    Curve,
    Curves,
    Figure,
    HeadMosaic,
    HeatMap,
    Maps,
    Panel,
    Ranking,
    Rankings,
    StackedBars,
    TokenGrid,
)
from reportgen.model.needs import (
    ByIndex,
    Draw,
    Edit,
    Keep,
    Need,
    Operation,
    Pass,
    PassResult,
    Reducer,
    Site,
    Unmeasurable,
)
from reportgen.numerals import write_change, write_count, write_number, write_share, write_signed
from reportgen.probing.case import Case, Unusable
from reportgen.probing.options import Layers, PairOptions, ProbeOptions, Prompts, SpecialTokens
from reportgen.probing.probe import (
    Later,
    MeasuredModel,
    PairProbe,
    Probe,
    axis_label,
    prompt_labels,
)
from reportgen.probing.source import Source
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import (
    Findings,
    Outcome,
    Rows,
    array,
    arrays,
    mean_of_array,
    mean_of_rows,
    metric,
    table,
)
from reportgen.results.section import Section
from reportgen.text.prompts import Prompt

__all__ = [
    "Arcs",
    "AttentionHead",
    "ByIndex",
    "Case",
    "Curve",
    "Curves",
    "Draw",
    "Edit",
    "Figure",
    "Findings",
    "HeadMosaic",
    "HeatMap",
    "Keep",
    "Later",
    "Layers",
    "Maps",
    "MeasuredModel",
    "Need",
    "Operation",
    "Outcome",
    "PairOptions",
    "PairProbe",
    "Panel",
    "Pass",
    "PassResult",
    "Probe",
    "ProbeOptions",
    "Prompt",
    "Prompts",
    "Ranking",
    "Rankings",
    "Reducer",
    "Rows",
    "Section",
    "Site",
    "Source",
    "SpecialTokens",
    "StackedBars",
    "SubjectView",
    "TokenGrid",
    "Unmeasurable",
    "Unusable",
    "array",
    "arrays",
    "axis_label",
    "mean_of_array",
    "mean_of_rows",
    "metric",
    "prompt_labels",
    "table",
    "write_change",
    "write_count",
    "write_number",
    "write_share",
    "write_signed",
]
