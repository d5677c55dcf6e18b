"""The figures of a stored bundle as files of their own, as the command line and Python call it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from reportgen.look.theme import read_theme
from reportgen.outputs.figure_files import FORMATS, FigureChoice, write_figures
from reportgen.outputs.figure_list import marks_failure
from reportgen.results.bundle import load_bundle
from reportgen.results.holding import restore


def redraw_figures(
    bundle: Path,
    ids: Sequence[str] = (),
    *,
    models: Sequence[str] = (),
    formats: Sequence[str] = FORMATS,
    theme: str | None = None,
    width: float | None = None,
    height: float | None = None,
    fit: float | None = None,
    pixels: int | None = None,
    output: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Draws figures of a stored bundle anew, without its models; returns their files.

    Args:
        bundle: a folder that `run` wrote.
        ids: names of figures, or ids of probes for all of theirs; none: every figure.
        models: only figures that show one of these; none: those of all models.
        formats: of svg, png, pdf and csv.
        theme: a name, or a YAML file, instead of the bundle's.
        width: points that each picture takes across, instead of the theme's.
        height: points that each picture takes upwards: it is laid out anew, its text as large as the theme says.
        fit: height of each picture by its width, instead of a height.
        pixels: of each PNG across.
        output: the folder; BUNDLE-figures-THEME unless it is given.
        progress: is told which characters the theme's font lacks.

    Raises:
        BatteryError: there is no such theme, figure or model.
        BundleError: the folder holds no bundle, or its figures cannot be drawn; earlier pictures are marked.
        OutputError: nothing can be written, or the height cannot hold the text of a figure; the same.
    """
    drawn_in = None if theme is None else read_theme(theme)
    wanted = FigureChoice(ids, models, formats, drawn_in, width, height, fit, pixels)
    with marks_failure(bundle, output):
        restore(bundle.resolve())
        return write_figures(load_bundle(bundle), wanted, output, progress)
