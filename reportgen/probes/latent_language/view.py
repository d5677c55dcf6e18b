"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import say
from reportgen.probing.view import SubjectView


def _language(tag: str) -> str:
    """What a reader calls a language; its tag where we have no word for it."""
    names = {
        "de": say("latent_language.de", "German"),
        "en": say("latent_language.en", "English"),
        "fr": say("latent_language.fr", "French"),
        "zh": say("latent_language.zh", "Chinese"),
        "zh-TW": say("latent_language.zh_tw", "Traditional Chinese"),
    }
    return names.get(tag, tag)


def language_names(view: SubjectView) -> list[str]:
    """(component)"""
    return [_language(tag) for tag in view.column("languages", "language")]


def tell_way(view: SubjectView) -> str:
    """From which language into which."""
    source, target = (_language(view.options[role]) for role in ("source", "target"))
    return say("latent_language.way", "{source} → {target}", source=source, target=target)
