"""Which figures a deck shows first, and which its appendix holds: chosen by a battery, by names alone."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_NUMBER = re.compile(r"-\d+$")
"""Behind the name of a figure of which there is one a prompt, pair or head."""

Place = Annotated[str, Field(min_length=1, max_length=200)]


def kind_of(figure: str) -> str:
    """What figures of one kind are called: `grid-0` and `grid-1` are grids."""
    return _NUMBER.sub("", figure)


def list_names(figure: str) -> list[str]:
    """What a figure may be called, the narrowest first: `tokens-0-1`, the part 1 of `tokens-0`, is one of `tokens`."""
    names = [figure]
    while (wider := kind_of(names[-1])) != names[-1]:
        names.append(wider)
    return names


class SlideChoice(BaseModel):
    """Which slides are the talk, and which follow it in the appendix."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)

    per_probe: Annotated[int, Field(ge=1, le=1000)] | Literal["all"] = 1
    """Kinds of figure of each probe that are main slides; the others are in the appendix."""
    main: list[Place] = []
    """Probes (ID), or figures of one (ID/NAME, as grid or grid-0), that are main slides whatever their number."""
    appendix: list[Place] = []
    """Probes, or figures, that are in the appendix."""
    order: list[Place] = []
    """Ids of probes that come first, in this order; the others follow as the battery has them."""

    @property
    def places(self) -> list[str]:
        """Everything that is named in it."""
        return [*self.main, *self.appendix]

    def order_probes(self, probes: Sequence[str]) -> list[str]:
        """The ids of probes as the deck has them."""
        first = [probe for probe in self.order if probe in probes]
        return list(dict.fromkeys([*first, *probes]))

    def is_main(self, probe: str, figure: str, kinds: Sequence[str]) -> bool:
        """Whether a figure is a main slide; `kinds` are those of the probe's figures, in their order.

        What is said of a figure goes before what is said of its kind, and that before what is said of its probe.
        """
        for place in (*(f"{probe}/{name}" for name in list_names(figure)), probe):
            if place in self.appendix:
                return False
            if place in self.main:
                return True
        return self.per_probe == "all" or kinds.index(kind_of(figure)) < self.per_probe


DEFAULT = SlideChoice()
"""One kind of figure a probe, in the battery's order."""
