"""What every probe of a battery takes in addition to its options."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from reportgen.text.prompts import Label, Note


class ProbeKeys(BaseModel):
    """What every probe of a battery takes in addition to its options."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    timeout: Annotated[float, Field(gt=0, le=1e7, strict=False, allow_inf_nan=False)] | None = None
    """Seconds that the probe may take on a model or pair; a probe that takes longer becomes a failed card. The default
    is generous and grows with the planned passes."""
    title: Label | None = None
    """What readers are shown instead of the question that the probe asks; like the note, it is no part of what is
    measured."""
    note: Note | None = None
    """What readers are told of it, below what is found."""
