"""What may be asked of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reportgen.features.options import DictionaryOptions
from reportgen.probing.options import ProbeOptions, Prompts

Place = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Beside(DictionaryOptions):
    """A dictionary of sparse features, of which one is shown in addition."""

    feature: Annotated[int, Field(ge=0)] | None = None
    """Its number; by default the one that is strongest on the texts, of each dictionary that is meant."""


class Options(ProbeOptions):
    """Which texts, and which neurons and dimensions."""

    prompts: Prompts
    """The texts in which is looked for what sets them off."""
    neurons: list[Place] = Field(default=[], max_length=16)
    """Neurons, each as [block, number], counted from 0; by default, if no dimension is named either, the `k` strongest
    of one block."""
    dimensions: list[Place] = Field(default=[], max_length=16)
    """Numbers of the residual stream, each as [layer, number], counted from 0; by default, if no neuron is named
    either, the one that varies most after that block."""
    block: Annotated[int, Field(ge=0)] | None = None
    """The block of which the strongest are taken; by default that before the first dictionary, or the middle one."""
    k: Annotated[int, Field(ge=1, le=8)] = 2
    """How many neurons are taken if none is named."""
    top: Annotated[int, Field(ge=2, le=100)] = 20
    """Tokens kept for each: those on which it is strongest."""
    beside: Beside | None = None
    """A dictionary to set next to them: {dictionaries: demo:gemma-3-270m, layers: [9]}."""
