"""Figures drawn from their descriptions: the only room that imports matplotlib."""

from reportgen.figures.draw.drawing import Drawing, SvgText
from reportgen.figures.draw.kinds import draw

__all__ = ["Drawing", "SvgText", "draw"]
