"""What a battery may ask of a probe: the options that every probe takes, and those that many have."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from reportgen.text.prompts import STRICT, Prompt, read_prompts


class ProbeOptions(BaseModel):
    """Options every probe takes, in addition to `probe` and `models`."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of whatever is random in the probe; in most probes nothing is."""


def _prompts(value: Any, info: ValidationInfo) -> list[Prompt]:
    return read_prompts(value, (info.context or {}).get("prompt_sets"))


Prompts = Annotated[
    list[Prompt], BeforeValidator(_prompts, json_schema_input_type=str | list[str | Prompt]), Field(min_length=1)
]
"""A list of prompts (strings, mappings, or names FILE/SET of prompt sets), or the name of one set."""

Layers = Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
"""`all`, or a list of layers counted from 0 = embedding."""

SpecialTokens = Literal["include", "exclude"]

PAIR = ("base", "other")
"""Options of a pair's probe that name its models, in their order."""


class PairOptions(ProbeOptions):
    """Options of every probe of two models, in place of `models`."""

    base: Annotated[str, Field(min_length=1)]
    """Id of the model to compare with."""
    other: Annotated[str, Field(min_length=1)]
    """Id of the model that is compared."""


class TwoSets(BaseModel):
    """Two sets of prompts that are set against each other."""

    model_config = STRICT

    a: Prompts
    """The one set."""
    b: Prompts
    """The other."""
    names: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] = Field(
        default=("a", "b"), min_length=2, max_length=2, strict=False
    )
    """What figures and sentences call the two; by default what FILE/SET calls each, or a and b."""

    @model_validator(mode="before")
    @classmethod
    def _name_by_sets(cls, written: Any) -> Any:
        """Each is named as its prompt set is: a reader is not to look up which of the two was a."""
        if not isinstance(written, dict) or "names" in written:
            return written
        names = [_read_name_of_set(written.get(side)) or side for side in ("a", "b")]
        return {**written, "names": names if names[0] != names[1] else ["a", "b"]}


def _read_name_of_set(written: object) -> str:
    """“step by step” of features/step_by_step; empty where the prompts are written out."""
    return written.rpartition("/")[2].replace("_", " ")[:40].strip() if isinstance(written, str) else ""
