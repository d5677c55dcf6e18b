"""What its figures and its sentence both read."""

from __future__ import annotations

from reportgen.language import say
from reportgen.results.quantities import Outcome


def names_of_sets(outcome: Outcome) -> tuple[str, str]:
    """What the two sets of the contrast are called; a and b in bundles that hold no names."""
    a, b = (outcome.options.get("contrast") or {}).get("names", ("a", "b"))
    return str(a), str(b)


def is_of_written(outcome: Outcome) -> bool:
    """Whether it is about what the model writes, and not about the prompts."""
    return outcome.options.get("over") == "generated"


def tell_text(outcome: Outcome, prompt: str) -> str:
    """What features fire on: a prompt, or what is written after it."""
    if is_of_written(outcome):
        return say("sae_features.written_after", "what is written after “{prompt}”", prompt=prompt)
    return say("text.quoted", "“{text}”", text=prompt)
