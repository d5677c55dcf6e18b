"""What a painter is given in addition to the figure: the theme, its lettering, the styles of the models, and room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reportgen.figures.draw.lettering import Lettering
from reportgen.look import model_styles as style
from reportgen.look.model_styles import ModelStyle
from reportgen.look.theme import HEIGHT, WIDTH, Theme

MARGIN = 3.0
"""Points around a figure, into which strokes and slanting letters may reach."""
LEAST = 40.0
"""Points upwards of a plot that can still be looked at."""


@dataclass(frozen=True)
class Look:
    """How figures are painted. All lengths are those of text of `theme.TEXT` points: a theme's own come last."""

    theme: Theme
    lettering: Lettering
    models: Mapping[str, ModelStyle]

    @property
    def width(self) -> float:
        """Points a figure takes where nothing asks for more or less."""
        return self.theme.width / self.theme.scale - self._margins

    @property
    def wide(self) -> float:
        """The same by that of `paper`."""
        return self.width / WIDTH

    @property
    def tall(self) -> float:
        """How high plots are, by those of `paper`."""
        return self.theme.height / self.theme.scale / HEIGHT

    @property
    def widest(self) -> float:
        """Points a grid of tokens may take."""
        return float("inf") if self.theme.widest is None else self.theme.widest / self.theme.scale - self._margins

    @property
    def _margins(self) -> float:
        """Points that are taken from a picture which has to be exactly as large as the theme says."""
        return 2 * MARGIN if self.theme.exact else 0.0

    def room_below(self, taken: float, *, usual: float = float("inf"), least: float = LEAST) -> float:
        """Points that are left upwards of the theme's height beside those that are taken, but not less than can be
        looked at; where it gives none, the usual.
        """
        if self.theme.tallest is None:
            return usual
        return max(self.theme.tallest / self.theme.scale - self._margins - taken, least)

    def groups(self, names: Sequence[str]) -> dict[str, ModelStyle]:
        """Styles of what is no model: in colours that no model has."""
        return style.style_groups(names, self.theme)

    def sequential(self, values: ArrayLike) -> NDArray[np.float64]:
        """As `style.sequential`, in this theme."""
        return style.map_sequential(values, self.theme)

    def diverging(self, values: ArrayLike) -> NDArray[np.float64]:
        """As `style.diverging`, in this theme."""
        return style.map_diverging(values, self.theme)
