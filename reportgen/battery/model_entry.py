"""One model of a battery, as a person writes it."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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

    @property
    def asked_for(self) -> str:
        """Its source with the revision that is written beside it: org/name@branch; of an adapter's base, the base's."""
        if self.revision is None:
            return self.source
        base, plus, adapter = self.source.partition(" + ")
        return f"{base if '@' in base else f'{base}@{self.revision}'}{plus}{adapter}"
