"""What a linear probe asks for: labelled prompts, and how it is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reportgen.numerals import count_items
from reportgen.probing.options import Layers, ProbeOptions, Prompts
from reportgen.text.prompts import Prompt
from reportgen.training.folds import FEWEST, count_units


class Options(ProbeOptions):
    """Which labelled prompts, and how a probe is trained on them."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Decides the folds, the random labels and coordinates, and the weights of the twin."""
    prompts: Prompts
    """What the model reads, each with its `label`. A prompt is read at its `word`, else at its last token; the halves
    of a `pair` are held out together."""
    accept_parts: bool = False
    """Whether a verdict is given even if a word is its own tokens in one sentence and part of a larger token, or only
    bytes, in another."""
    layers: Layers = "all"
    """Layers that are tried, counted from 0 = embedding."""
    folds: Annotated[int, Field(ge=FEWEST, le=20)] = 5
    """Parts into which the prompts are split, each held out once; fewer if the rarest label has fewer prompts."""
    penalty: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Weight of half the squared weights against the summed loss: 1 / C of scikit-learn."""
    controls: Annotated[int, Field(ge=1, le=50)] = 5
    """Times that labels are dealt out at random, and random coordinates are drawn, to hold the probe against."""
    twin: bool = True
    """Whether the same is read of the model's twin: the same architecture with random weights."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if reason := reason_against_labels(self.prompts):
            raise ValueError(f"prompts: {reason}")
        return self


def units_of(prompts: Sequence[Prompt]) -> list[str | int]:
    """(prompt) what it is held out with: its pair, or its own number."""
    return [at if prompt.pair is None else prompt.pair for at, prompt in enumerate(prompts)]


def labels_of(prompts: Sequence[Prompt]) -> list[str]:
    """(prompt) its label."""
    return [prompt.label or "" for prompt in prompts]


def reason_against_labels(prompts: Sequence[Prompt]) -> str:
    """Why nothing can be learned of these prompts; empty where it can."""
    for at, prompt in enumerate(prompts):
        if prompt.label is None:
            return f"prompt {at} ({prompt.called!r}) has no `label`: write what is to be read of it"
    counts = count_units(labels_of(prompts), units_of(prompts))
    if len(counts) < 2:
        return f"all have the label {next(iter(counts))!r}: a probe needs prompts of at least two labels"
    rare = min(counts, key=counts.__getitem__)
    if counts[rare] < FEWEST:
        what = count_items(counts[rare], "pair" if any(prompt.pair for prompt in prompts) else "prompt")
        return (
            f"the label {rare!r} has {what}: at least {FEWEST} of each "
            f"are needed, to fit a probe, to choose a layer, and to test"
        )
    seen: dict[object, int] = {}
    for at, prompt in enumerate(prompts):
        first = seen.setdefault((prompt.text, prompt.messages, prompt.word, prompt.index), at)
        if first != at:
            return f"prompts {first} and {at} are the same ({prompt.called!r}): what is tested would have been learned"
    return ""
