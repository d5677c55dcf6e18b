"""`reportgen open`: a report in the browser."""

import os
import sys
from pathlib import Path

import click


@click.command("open")
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
def command(bundle: Path | None) -> None:
    """Open the page of BUNDLE in the browser, or its PDF where it has no page, and print where that lies.

    BUNDLE is a folder that `reportgen run` wrote, or its battery; without it, the newest bundle here or in reports/.
    Where there is no display, the path is printed and nothing opened.
    """
    import webbrowser

    from reportgen.cli.terminal import tell_place
    from reportgen.workflows.shown_file import find_page

    page = find_page(bundle)
    tell_place(page)
    if _has_display():
        webbrowser.open(page.resolve().as_uri())


def _has_display() -> bool:
    """Whether a window can be opened: else a browser of the terminal would take the terminal's place."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
