"""A deck as the HTML that `document.Printer` prints: one 16:9 page a slide."""

from dataclasses import dataclass
from typing import Any

from reportgen.report.content.drawn import PageFigure
from reportgen.report.slides import layout as deck_layout
from reportgen.report.slides.layout import Box, Layout, Letters, Words
from reportgen.report.slides.slide import Deck, Slide
from reportgen.report.templates.templating import fill_page


@dataclass(frozen=True)
class _PlacedPicture:
    """One picture in its place."""

    drawn: PageFigure
    box: Box
    name: Words | None
    """Above it, where there are several."""


def render_paper(deck: Deck) -> str:
    """The HTML of `slides.pdf`, in the language that is spoken."""
    opening = deck_layout.lay_out_opening(deck)
    context: dict[str, Any] = {
        "target": "slides",
        "title": deck.title,
        "opening": opening,
        "models": opening.models,
        "slides": [_slide(slide, deck_layout.choose_letters(deck.theme)) for slide in deck.slides],
        "inks": deck.theme.inks,
        "ground": deck_layout.ground(deck.theme),
        "size": (deck_layout.WIDTH, deck_layout.HEIGHT),
    }
    packed = {shown.drawn.characters for slide in context["slides"] for shown in slide["pictures"]}
    return fill_page(
        context, body="slides/deck.html.j2", shell="slides/paper.html.j2", models=(), packed=packed, theme=deck.theme
    )


def _slide(slide: Slide, letters: Letters) -> dict[str, Any]:
    made = deck_layout.lay_out_slide(slide, letters)
    return {"layout": made, "pictures": _pictures(slide, made)}


def _pictures(slide: Slide, made: Layout) -> list[_PlacedPicture]:
    names: list[Words | None] = [*made.names] or [None for _ in made.pictures]
    return [
        _PlacedPicture(picture.make_page_figure("simple characters"), box, name)
        for picture, box, name in zip(slide.pictures, made.pictures, names, strict=True)
    ]
