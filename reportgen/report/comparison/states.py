"""The two states that a comparison draws, and what their figures have in common."""

import re

BEFORE, AFTER = "before", "after"
"""What takes the place of a model: the two states that are compared, each with a style of its own."""


def label_axis(dim: str) -> str:
    """What stands along a dim."""
    return "layer (0 = embedding)" if dim == "layer" else dim


def name_figure(name: str, state: str) -> str:
    """What the figure of a quantity in a state is called."""
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{state}".lower()).strip("-")
