"""Which description is drawn by what."""

from collections.abc import Callable, Mapping
from typing import Any

from reportgen.errors import Mistake, OutputError
from reportgen.figures import describe
from reportgen.figures.describe import Figure
from reportgen.figures.draw.arcs import paint_arcs
from reportgen.figures.draw.attention_head import paint_attention_head
from reportgen.figures.draw.canvas import POINTS_AN_INCH, Canvas
from reportgen.figures.draw.curves import paint_curves
from reportgen.figures.draw.drawing import Drawing, matplotlib_settings
from reportgen.figures.draw.head_mosaic import paint_head_mosaic
from reportgen.figures.draw.heat_map import paint_heat_map
from reportgen.figures.draw.lettering import Lettering
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.maps import paint_maps
from reportgen.figures.draw.rankings import paint_rankings
from reportgen.figures.draw.stacked_bars import paint_stacked_bars
from reportgen.figures.draw.timelines import paint_timelines
from reportgen.figures.draw.token_grid import paint_token_grid
from reportgen.look.fonts import Typefaces
from reportgen.look.model_styles import ModelStyle
from reportgen.look.theme import PAPER, Theme

Painter = Callable[[Any, Look], Canvas]

PAINTERS: dict[type[Figure], Painter] = {
    describe.Curves: paint_curves,
    describe.TokenGrid: paint_token_grid,
    describe.HeadMosaic: paint_head_mosaic,
    describe.AttentionHead: paint_attention_head,
    describe.HeatMap: paint_heat_map,
    describe.Maps: paint_maps,
    describe.Arcs: paint_arcs,
    describe.StackedBars: paint_stacked_bars,
    describe.Rankings: paint_rankings,
    describe.Timelines: paint_timelines,
}


LEAST_ACROSS = 100.0
"""Points across in which there is room for a few words."""


def draw(
    figure: Figure,
    *,
    typefaces: Typefaces,
    styles: Mapping[str, ModelStyle],
    theme: Theme = PAPER,
    width: float | None = None,
) -> Drawing:
    """A figure drawn, without its title (which stands above it, or in the SVG's <title>).

    Args:
        figure: what is drawn.
        typefaces: must cover `list_texts(figure)`.
        styles: must know every model the figure names, in the theme's colours.
        theme: colours and sizes.
        width: points that the whole picture takes across, text and all; else what the theme says.

    Raises:
        TypeError: nothing draws this kind of figure.
        OutputError: the theme's pictures are of one size exactly, and the figure's text needs more.
    """
    kind = next((kind for kind in type(figure).__mro__ if kind in PAINTERS), None)
    if kind is None:
        raise TypeError(f"nothing draws a figure of kind {type(figure).__name__}")
    if theme.exact and theme.width < LEAST_ACROSS * theme.scale:
        told = f"{theme.width / POINTS_AN_INCH:.3g} in across have no room for text of {theme.text:g} points"
        raise OutputError(Mistake(told, "ask for more, or for a theme of smaller text"))
    with matplotlib_settings(typefaces):
        canvas = PAINTERS[kind](figure, Look(theme, Lettering(typefaces), styles))
        canvas.enlarge(theme.scale if width is None else width / canvas.outer_width)
    if theme.exact and theme.tallest is not None and not canvas.fill_box(theme.width, theme.tallest):
        raise _refuse_size(figure, canvas, theme)
    return Drawing(figure, kind.__name__, canvas, typefaces)


def _refuse_size(figure: Figure, canvas: Canvas, theme: Theme) -> OutputError:
    needed = " x ".join(f"{inches:.3g}" for inches in canvas.figure.get_size_inches())
    asked = f"{theme.width / POINTS_AN_INCH:.3g} x {(theme.tallest or 0) / POINTS_AN_INCH:.3g}"
    told = f"{'+'.join(figure.subject)}-{figure.name} cannot be drawn in {asked} in: its text needs {needed} in"
    return OutputError(Mistake(told, "ask for more, for a theme of smaller text, or for other figures"))
