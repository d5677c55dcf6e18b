"""How a report is shown, as against what it says: its language, its theme, a lab's own templates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reportgen import language
from reportgen.look.slide_choice import DEFAULT, SlideChoice
from reportgen.look.theme import PAPER, Theme, stored_theme

PAGE_BYTES = 10_000_000
"""What a page may take, beyond which browsers of small machines begin to stumble."""


@dataclass(frozen=True)
class Presentation:
    """How the outputs of one bundle are made; none of it moves a number."""

    language: str = language.ENGLISH
    """One of `language.list_languages()`."""
    theme: Theme = field(default=PAPER)
    page_bytes: int = PAGE_BYTES
    """Bytes that report.html may take."""
    templates: Path | None = None
    """A folder whose templates take the place of ours."""
    slides: SlideChoice = field(default=DEFAULT)
    """Which slides are the talk."""

    def dump_stored(self) -> dict[str, Any]:
        """What run.json keeps, so that a stored bundle is shown again in the same way; templates are a place of this
        machine, and not kept.
        """
        return {
            "language": self.language,
            "theme": self.theme.model_dump(),
            "page_bytes": self.page_bytes,
            "slides": self.slides.model_dump(),
        }


def presentation_of(run: Mapping[str, Any]) -> Presentation:
    """How a bundle with this run.json was shown; the default where it says nothing that is known here."""
    kept = run.get("presentation")
    if not isinstance(kept, Mapping):
        return Presentation()
    try:
        page_bytes = int(kept["page_bytes"])
        if page_bytes <= 0:
            return Presentation()
        return Presentation(
            language.resolve_language(str(kept["language"])),
            stored_theme(kept["theme"]),
            page_bytes,
            slides=SlideChoice.model_validate(kept.get("slides", {})),  # which older bundles do not have
        )
    except (KeyError, ValueError, TypeError, OverflowError):  # a stranger's file, or one of another version
        return Presentation()
