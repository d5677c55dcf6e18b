"""What is asked of a concept's direction: between which sets, on which texts it is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, computed_field, model_validator

from reportgen.documents.beside import path_of
from reportgen.documents.problem import Problem
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.numerals import count_items
from reportgen.probing.options import Layers, ProbeOptions, Prompts
from reportgen.probing.steering_score import HARMFUL
from reportgen.text.prompts import Prompt, PromptsError
from reportgen.training.direction_file import SUFFIX, DirectionFile, DirectionPath, find_direction
from reportgen.training.folds import FEWEST, count_units

LONGEST_NAME = 40


@dataclass(frozen=True)
class Sides:
    """The prompts between whose rows the direction lies."""

    prompts: list[Prompt]
    """Those that it points to, then those that it comes from."""
    own: list[bool]
    """(prompt) whether it is one of the first."""

    @property
    def labels(self) -> list[str]:
        """(prompt)"""
        return ["towards" if one else "away" for one in self.own]

    @property
    def units(self) -> list[str | int]:
        """(prompt) what it is held out with: its pair, or its own number."""
        return [at if prompt.pair is None else prompt.pair for at, prompt in enumerate(self.prompts)]


class Options(ProbeOptions):
    """Between which sets, and on which texts it is followed."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Decides the folds, the shuffled labels and the random directions."""
    towards: Prompts | None = None
    """The set that the direction points to."""
    away: Prompts | None = None
    """The set that it comes from."""
    labels: Prompts | None = None
    """A labelled set in the place of both, such as labels/sentiment."""
    label: Annotated[str, Field(min_length=1)] | None = None
    """The label of `labels` that the direction points to; it comes from all others."""
    names: (
        Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)], ...],
            Field(min_length=2, max_length=2, strict=False),
        ]
        | None
    ) = None
    """What figures and sentences call the two sides; by default what FILE/SET, or their labels, call them."""
    prompts: Prompts
    """Texts along which it is followed, token by token; none may be in either set."""
    continue_: Annotated[int, Field(ge=0, le=256, alias="continue")] = 0
    """Tokens that the model writes after each text (greedy decoding), which are followed too."""
    direction: Literal["difference_of_means", "logistic"] | DirectionPath = "difference_of_means"
    """How it is found: as the difference of both sets' means, or as the weights of a linear probe. Or a file, which
    takes the place of the sets: FILE.safetensors with one vector (width), or with a row for each layer from 0 on
    (layer x width). Its path starts from the battery's folder."""
    tensor: Annotated[str, Field(min_length=1)] | None = None
    """Which tensor of that file it is; needed where there are several."""
    read: Literal["mean", "last"] = "mean"
    """Where the sets are read: the mean over a prompt's tokens, or its `word`, else its last token."""
    layers: Layers = "all"
    """Layers that are tried, counted from 0 = embedding; the texts are followed at the one that separates best. Of a
    direction from a file exactly one, at which they are followed."""
    folds: Annotated[int, Field(ge=FEWEST, le=20)] = 5
    """Parts into which the sets are split, each held out once; fewer if the smaller set has fewer prompts."""
    controls: Annotated[int, Field(ge=1, le=50)] = 5
    """Times that the sets are shuffled, to hold the separation against."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def direction_sha256(self) -> str | None:
        """Numbers depend on what the file holds, not on what it is called."""
        return sha256_of(path_of(self.direction)) if self.from_file else None

    @property
    def from_file(self) -> bool:
        """Whether the direction is that of a file."""
        return self.direction.endswith(SUFFIX)

    @model_validator(mode="before")
    @classmethod
    def _name_sides(cls, written: Any) -> Any:
        """Each is named as its prompt set is."""
        if not isinstance(written, dict) or "names" in written:
            return written
        names = [_read_name_of_set(written.get(side)) for side in ("towards", "away")]
        return {**written, "names": names} if all(names) and names[0] != names[1] else written

    @model_validator(mode="after")
    def _check_sides(self) -> Self:
        _check_form(self)
        sides = sides_of(self)
        if self.from_file:
            _check_file(self)
        elif reason := reason_against_sides(sides):
            raise ValueError(reason)
        known = {(prompt.text, prompt.messages) for prompt in sides.prompts}
        for prompt in self.prompts:
            if (prompt.text, prompt.messages) in known:
                raise ValueError(f"prompts: {prompt.called!r} is in one of the sets, and so is not held out")
            if self.continue_ and prompt.group == HARMFUL:
                raise ValueError(
                    f"continue: {prompt.called!r} is of the group {HARMFUL}, and nothing is written after it"
                )
        return self


def _check_form(options: Options) -> None:
    """Refuses sides that are given twice, or not at all."""
    if options.from_file:
        given = [one for one in ("towards", "away", "labels", "label") if getattr(options, one) is not None]
        if given:
            told = "a direction from a file takes the place of both sets"
            raise PromptsError(Problem((given[0],), told, f"Leave {given[0]} out, or let it find the direction."))
        return
    if options.tensor is not None:
        raise PromptsError(Problem(("tensor",), "there is no file of which this is a tensor", "Name it as direction."))
    by_sets = options.towards is not None and options.away is not None
    by_label = options.labels is not None and options.label is not None
    if by_sets == by_label or (options.towards is None) != (options.away is None):
        raise ValueError("give either `towards` and `away`, or `labels` and `label`")
    if (options.labels is None) != (options.label is None):
        raise ValueError("`labels` and `label` belong together")
    if by_label:
        for at, prompt in enumerate(options.labels or ()):
            if prompt.label is None:
                raise ValueError(f"labels: prompt {at} ({prompt.called!r}) has no `label`")


def _check_file(options: Options) -> None:
    """Refuses a file that holds no direction, and layers of which none is the one to follow it at."""
    if options.layers == "all" or len(set(options.layers)) != 1:
        told = "a direction from a file is followed at one layer, as there are no sets to choose it by"
        raise PromptsError(Problem(("layers",), told, "Name one, such as layers: [9]."))
    direction_file_of(options)


def direction_file_of(options: Options) -> DirectionFile:
    """The file that holds the direction.

    Raises:
        PromptsError: it holds none.
    """
    return find_direction(options.direction, options.tensor, options.layers)


def sides_of(options: Options) -> Sides:
    """Both sets, however they are given."""
    if options.labels is not None:
        own = [prompt for prompt in options.labels if prompt.label == options.label]
        others = [prompt for prompt in options.labels if prompt.label != options.label]
    else:
        own, others = list(options.towards or ()), list(options.away or ())
    return Sides([*own, *others], [True] * len(own) + [False] * len(others))


def names_of(options: Options) -> tuple[str, str]:
    """What both sides are called."""
    if options.names is not None:
        return options.names[0], options.names[1]
    if options.from_file:
        return name_by_file(options.direction)
    if options.label is None:
        return "towards", "away"
    others = {prompt.label for prompt in options.labels or ()} - {options.label}
    away = next(iter(others)) if len(others) == 1 else f"not {options.label}"
    return options.label[:LONGEST_NAME], str(away)[:LONGEST_NAME]


def name_by_file(direction: str) -> tuple[str, str]:
    """“truth” and “not truth” of a direction from truth.safetensors."""
    name = PurePath(direction).stem.replace("_", " ")
    return name[:LONGEST_NAME], f"not {name}"[:LONGEST_NAME]


def reason_against_sides(sides: Sides) -> str:
    """Why no direction can be found and tested; empty where one can."""
    counts = {"towards": 0, "away": 0} | count_units(sides.labels, sides.units)
    for side, count in counts.items():
        if count < FEWEST:
            told = f"{count_items(count, 'prompt')} (pairs count once)"
            return f"{side}: {told}, and {FEWEST} are needed to find a direction and to test it"
    texts: Sequence[object] = [(one.text, one.messages, one.word, one.index) for one in sides.prompts]
    if len(set(texts)) < len(texts):
        twice = next(one for one, text in zip(sides.prompts, texts, strict=True) if texts.count(text) > 1)
        return f"{twice.called!r} is there twice: what is tested would have been learned"
    return ""


def _read_name_of_set(written: object) -> str:
    """“formal zh” of steering/formal_zh; empty where the prompts are written out."""
    return written.rpartition("/")[2].replace("_", " ")[:LONGEST_NAME].strip() if isinstance(written, str) else ""
