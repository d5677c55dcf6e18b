"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Array


def expected_of(view: SubjectView, prompt: int) -> Sequence[str]:
    """As `AnswerOptions.expected_words`, of stored options."""
    expect = view.options.get("expect") or []
    if not isinstance(expect, Mapping):
        return list(expect)
    written = view.options["prompts"][prompt]
    return list(expect.get(written.get("id"), expect.get(written.get("text"), [])))


def drop_last_layer(array: Array) -> NDArray[Any]:
    """(source layer x target layer) without what is put in at the last layer: that is the logit lens."""
    into = array.along("item")
    kept = [at for at, layer in enumerate(into) if layer < max(into)]
    values: NDArray[Any] = array.values[:, kept]
    return values
