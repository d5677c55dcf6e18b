"""What every command takes that shows a bundle: formats, language, theme, templates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

FORMATS = ("html", "pdf", "slides", "pptx", "figures")
PAGE_OF = {"html": "report.html", "pdf": "report.pdf", "slides": "slides.pdf", "pptx": "slides.pptx"}
"""Format -> its file, for those that are one."""
PAGES = tuple(PAGE_OF.values())

F = TypeVar("F", bound=Callable[..., Any])


def add_presentation_options(instead_of: str) -> Callable[[F], F]:
    """The options; `instead_of` says whose own they take the place of."""

    def decorate(command: F) -> F:
        for option in (
            click.option(
                "--templates",
                type=click.Path(path_type=Path),
                help="A folder of templates instead of the built-in ones.",
            ),
            click.option(
                "--theme",
                help=f"Look of the figures instead of {instead_of}: paper, slides, dark, hall, hall-dark or a file.",
            ),
            click.option(
                "--language", help=f"Language of the report instead of {instead_of}: en, zh-TW, zh-CN, hu, ar."
            ),
        ):
            command = option(command)
        return command

    return decorate
