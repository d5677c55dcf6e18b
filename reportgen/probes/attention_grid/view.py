"""What its figures and its sentence both read."""

from __future__ import annotations

from typing import Any

from reportgen.language import say
from reportgen.probing.view import SubjectView


def look_rows(view: SubjectView) -> list[dict[str, Any]]:
    """Where the words of each look are, row by row; none in bundles that were made before heads could be searched."""
    return view.rows("looks") if "looks" in view.outcome.tables else []


def words_of_look(view: SubjectView, number: int) -> dict[str, str]:
    """Both words of a look as a title and a sentence name them."""
    asked = view.options["find"][number]
    return {
        "looks": _name_occurrence(asked["from"], asked.get("from_index")),
        "looked": _name_occurrence(asked["to"], asked.get("to_index")),
    }


def _name_occurrence(word: str, index: int | None) -> str:
    """A word, with which one it is where it occurs again."""
    if index is None:
        return word
    return say("attention_grid.occurrence", "{word} (occurrence {count})", word=word, count=index + 1)
