"""`reportgen figures`."""

import re
from pathlib import Path

import click

from reportgen.cli.formats import formats_option

FORMATS = ("svg", "png", "pdf", "csv")
POINTS = {"in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "px": 0.75, "pt": 1.0}
"""Of a unit of length; a pixel is 1/96 inch."""
NARROWEST, WIDEST = 36.0, 60 * 72.0


Length = tuple[float, int | None]
"""Points, and the pixels of a PNG where these were asked for."""


def _read_length(ctx: click.Context, param: click.Parameter, given: str | None) -> Length | None:
    """A length with its unit."""
    if given is None:
        return None
    found = re.fullmatch(r"(?:([0-9]{1,6})\s*px|([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(in|cm|mm|pt))", given.strip())
    points = float(found[1] or found[2]) * POINTS[found[3] or "px"] if found else 0.0
    if found is None or not NARROWEST <= points <= WIDEST:
        told = f"{given!r} is not a {param.name} from 0.5in to 60in: write 12in, 30cm, 300mm, 1200px or 800pt"
        raise click.BadParameter(told, ctx, param)
    return points, int(found[1]) if found[1] else None


def _read_fit(ctx: click.Context, param: click.Parameter, given: str | None) -> float | None:
    """Height by width of W:H."""
    if given is None:
        return None
    found = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", given.strip())
    if found is None or not 0.1 <= int(found[2]) / max(int(found[1]), 1) <= 10:
        raise click.BadParameter(f"{given!r} is not a shape from 10:1 to 1:10: write 16:9 or 4:3", ctx, param)
    return int(found[2]) / int(found[1])


@click.command("figures")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--theme", help="paper, slides, dark, hall, hall-dark, or a YAML file [default: the bundle's].")
@formats_option(FORMATS, "Files of each picture [default: all]")
@click.option("--width", callback=_read_length, help="Width of each picture: 12in, 30cm, 300mm, 1200px, 800pt.")
@click.option("--height", callback=_read_length, help="Height of each picture, which is laid out anew for it.")
@click.option("--fit", callback=_read_fit, metavar="W:H", help="The same by the width: 16:9.")
@click.option("--model", "models", multiple=True, metavar="ID", help="Only figures that show this model.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder [default: BUNDLE-figures-THEME, next to it]."
)
@click.option("--quiet", is_flag=True, help="Print only errors.")
def command(
    bundle: Path,
    ids: tuple[str, ...],
    theme: str | None,
    formats: tuple[str, ...],
    width: Length | None,
    height: Length | None,
    fit: float | None,
    models: tuple[str, ...],
    output: Path | None,
    quiet: bool,
) -> None:
    """Redraw the figures of BUNDLE, a folder that `reportgen run` wrote: without its models, without torch.

    ID is a figure's name, as its file is called (weather-gemma-grid-0), or that of a probe (weather).

    A picture of another width is the same picture, larger or smaller as a whole: its text grows and shrinks with it.
    Text of 20 pt at 12 in, as in the theme slides, is text of 10 pt at 6 in. For larger text at the same width use a
    theme: `text: 24` in a file of your own. A PNG has 200 pixels per inch; with a width in pixels, exactly these. With
    a height, or a shape (--fit), each picture is laid out anew and is exactly so large, its text at least as large as
    the theme says; where it would not have room for its text, it is refused.

    Only files that an earlier call wrote are overwritten; figures.json in the folder lists them. Those of figures that
    BUNDLE no longer has are removed.
    """
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell_place
    from reportgen.workflows.figures import redraw_figures

    if height is not None and fit is not None:
        raise click.UsageError("a height is given: leave --fit out, or give --width and --fit")
    points, pixels = width or (None, None)
    with show_progress(quiet=quiet) as progress:
        files = redraw_figures(
            bundle,
            ids,
            models=models,
            formats=formats or FORMATS,
            theme=theme,
            width=points,
            height=height[0] if height else None,
            fit=fit,
            pixels=pixels,
            output=output,
            progress=progress,
        )
    if not quiet:
        for file in files:
            tell_place(file)
