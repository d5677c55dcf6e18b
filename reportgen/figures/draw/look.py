"""What a painter is given in addition to the figure: the theme, its lettering, the styles of the models, and room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reportgen.figures.draw.lettering import Lettering
from reportgen.look import model_styles as style
from reportgen.look.model_styles import ModelStyle
from reportgen.look.theme import HEIGHT, WIDTH, Theme

MODELS = 2
"""Models that most reports are about."""


@dataclass(frozen=True)
class Look:
    """How figures are painted. All lengths are those of text of `theme.TEXT` points: a theme's own come last."""

    theme: Theme
    lettering: Lettering
    models: Mapping[str, ModelStyle]

    @property
    def width(self) -> float:
        """Points a figure takes where nothing asks for more or less."""
        return self.theme.width / self.theme.scale

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
        return float("inf") if self.theme.widest is None else self.theme.widest / self.theme.scale

    def groups(self, names: Sequence[str]) -> dict[str, ModelStyle]:
        """Styles of what is no model, as far as there are colours in those that the first two models do not have."""
        colours = self.theme.models
        own = self.theme.model_copy(update={"models": colours[MODELS:] + colours[:MODELS]})
        return style.model_styles(names, own)

    def sequential(self, values: ArrayLike) -> NDArray[np.float64]:
        """As `style.sequential`, in this theme."""
        return style.map_sequential(values, self.theme)

    def diverging(self, values: ArrayLike) -> NDArray[np.float64]:
        """As `style.diverging`, in this theme."""
        return style.map_diverging(values, self.theme)
