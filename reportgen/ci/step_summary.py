"""Where GitHub Actions shows a step's Markdown: a file that all commands of the step append to."""

import os
from pathlib import Path

from reportgen.ci.markdown import fit_lines

VARIABLE = "GITHUB_STEP_SUMMARY"
MOST = 1000 * 1024
"""Bytes: above 1 MiB GitHub drops the whole summary, and says nothing just below; commands after this one want room."""


def append_step_summary(text: str) -> bool:
    """Appends to the step's summary what of a text still has room there.

    Never raises: a verdict does not depend on whether its summary can be written.

    Returns:
        Whether anything was appended; False outside GitHub Actions, too.
    """
    place = os.environ.get(VARIABLE)
    if not place:
        return False
    try:
        with Path(place).open("ab") as file:
            written = file.tell()
            gap = "\n\n" if written else ""
            shown = fit_lines(text, MOST - written - len(gap))
            file.write((gap + shown).encode() if shown else b"")
    except OSError:
        return False
    return bool(shown)
