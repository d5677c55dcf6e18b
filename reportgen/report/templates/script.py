"""What the page's script is given: the words it says, the inks and colours it draws with."""

import base64
import hashlib
from typing import Any

import numpy as np

from reportgen.language import say
from reportgen.look import model_styles as style
from reportgen.look.theme import Theme

SHADES = 17
"""Colours that stand for the sequential map, between which the script goes straight."""


def hash_script(script: str) -> str:
    """A script as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def write_settings(theme: Theme) -> dict[str, Any]:
    """All of it, as plain JSON: the inks of a figure that is saved, the colours, the words."""
    return {"ink": theme.inks | name_colours(theme), "shades": _shades(theme), "words": _words()}


def name_colours(theme: Theme) -> dict[str, str]:
    """The colours of models and of groups by the names of the page's CSS variables."""
    models = {f"colour{at}": colour for at, colour in enumerate(theme.models)}
    return models | {f"group{at}": colour for at, colour in enumerate(theme.groups)}


def _shades(theme: Theme) -> list[str]:
    """The sequential map from 0 to 1."""
    colours = (style.map_sequential(np.linspace(0, 1, SHADES), theme)[:, :3] * 255).round().astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours.tolist()]


def _words() -> dict[str, str]:
    """Texts whose `{name}`s the script fills in."""
    return {
        "save_svg": say("page.save_svg", "Save {title} as SVG"),
        "save_png": say("page.save_png", "Save {title} as PNG"),
        "save_csv": say("page.save_csv", "Save the data of {title} as CSV"),
        "keys": say("page.keys", "{title}: arrow keys move through its values"),
        "keys_heads": say("page.keys_heads", "{title}: arrow keys move through the heads, Enter enlarges one"),
        "head": say("page.head", "block {block}, head {head}"),
        "enlarged": say("page.enlarged", "Block {block}, head {head}, large: arrow keys choose a query, Escape closes"),
        "hint": say("page.hint", "Point at a head to enlarge it; click to keep it open."),
        "close": say("page.close", "Close"),
        "attends": say("page.attends", "“{query}” attends to “{key}”"),
        "found": say("browser.found", "Features found: {count} of {total}"),
        "strip": say("page.strip", "What “{query}” attends to:"),
    }
