"""One model of a battery, as a person writes it."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from reportgen.documents.problem import describe_value

DEVICE = r"auto|cpu|mps|cuda(:[0-9]+)?"

STRICT = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

Dtype = Literal["auto", "float32", "bfloat16", "float16", "int8"]


def _device(device: str) -> str:
    if not re.fullmatch(DEVICE, device):
        raise ValueError(f"expected auto, cpu, cuda, cuda:N or mps, found {describe_value(device)}")
    return device


Device = Annotated[str, AfterValidator(_device), Field(json_schema_extra={"pattern": f"^({DEVICE})$"})]


class ModelEntry(BaseModel):
    """One model of a battery. In YAML a plain string is short for its source."""

    model_config = STRICT

    source: Annotated[str, Field(min_length=1)]
    """`demo:NAME`, a hub id, a folder, a .gguf file, or `config:FILE`."""
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """What the report calls it, instead of the name that its source gives."""
    dtype: Dtype = "auto"
    """Number format of the weights; auto: the checkpoint's own; int8: that with the blocks quantised dynamically."""
    device: Device = "auto"
    """Where the model runs: auto, cpu, cuda, cuda:N or mps."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads of a pass on a CPU; by default its cores. Another number changes the last bits."""
    batch: Annotated[int, Field(ge=1, le=64)] = 1
    """Copies of a prompt that pass together. More than one costs proportionally more and changes the last bits: a
    calibration measures by how much."""
    device_map: Literal["auto"] | None = None
    """auto: the blocks are shared out among all accelerators of the machine. What does not fit is refused, unless
    `offload` allows it to stay on the host."""
    offload: bool = False
    """With device_map: blocks that fit on no accelerator may stay in the host's memory, or on its disk, and are brought
    to one for each pass. Many times slower."""
    stream: bool = False
    """Read the blocks from the disk, one after the other, for each pass: for a model that is larger than the memory.
    Slow; the numbers are the same."""

    attention: Literal["eager", "sdpa"] = "eager"
    """How attention is computed. sdpa is faster from a few hundred tokens on, and shows no patterns: what needs them is
    skipped. Its numbers are eager's within rounding."""

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "ModelEntry":
        """Ways to hold the weights that exclude each other.

        Raises:
            ValueError: two of them are asked for.
        """
        held = "stream" if self.stream else "device_map" if self.device_map else ""
        if self.offload and not self.device_map:
            raise ValueError("offload says what device_map may do: write device_map: auto with it")
        if self.stream and self.device_map:
            raise ValueError("stream and device_map exclude each other: stream reads every block from the disk")
        if self.device_map and self.device != "auto":
            raise ValueError("device_map takes all accelerators: leave device out")
        if held and self.dtype == "int8":
            raise ValueError(f"dtype: int8 quantises a model that is whole in memory: leave {held} out")
        if held and " + " in self.source:
            raise ValueError(f"an adapter is merged into a model that is whole in memory: leave {held} out")
        return self

    @property
    def asked_for(self) -> str:
        """Its source with the revision that is written beside it: org/name@branch; of an adapter's base, the base's."""
        if self.revision is None:
            return self.source
        base, plus, adapter = self.source.partition(" + ")
        return f"{base if '@' in base else f'{base}@{self.revision}'}{plus}{adapter}"
