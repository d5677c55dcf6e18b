"""What a battery may ask of a probe: the options that every probe takes, and those that many have."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from reportgen.text.prompts import Prompt, read_prompts


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
