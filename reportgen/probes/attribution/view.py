"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.language import say
from reportgen.numerals import write_signed
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

TOLD = 3
"""Parts that a statement names."""
EMBEDDING, HEAD, MLP, BIAS = "embedding", "head", "mlp", "bias"


def _quote_measured(view: SubjectView) -> list[str]:
    """(prompt) what is quoted of each prompt that was measured: the same, whichever others were skipped."""
    quotes = quote_prompts(view.outcome)
    return [quotes[prompt] for prompt in view.along("logit", "prompt")]


def name_answer(view: SubjectView, prompt: int) -> str:
    """The answer, with what it is contrasted with, and its prompt."""
    record = view.rows("answers")[prompt]
    values = {"answer": mark_space(str(record["answer"])), "prompt": _quote_measured(view)[prompt]}
    if record["against"] is None:
        return say("attribution.answer", "“{answer}” after “{prompt}”", **values)
    return say(
        "attribution.contrast",
        "“{answer}” rather than “{against}” after “{prompt}”",
        against=mark_space(str(record["against"])),
        **values,
    )


def _part(record: Mapping[str, Any]) -> str:
    """What a part is called."""
    if record["part"] == EMBEDDING:
        return say("attribution.part.embedding", "the embedding")
    if record["part"] == BIAS:
        return say("attribution.part.bias", "the biases")
    if record["part"] == MLP:
        return say("attribution.part.mlp", "MLP {block}", block=record["block"])
    return say("attribution.part.head", "head {block}.{head}", block=record["block"], head=record["head"])


def tell_largest_parts(view: SubjectView, prompt: int) -> list[str]:
    """The largest parts of a prompt's logit, each with its number."""
    records = [record for record in view.rows("parts") if record["prompt"] == prompt][:TOLD]
    return [
        say("attribution.part.value", "{part} ({value})", part=_part(record), value=write_signed(record["logit"], 2))
        for record in records
    ]
