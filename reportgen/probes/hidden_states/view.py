"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from typing import Any

from reportgen.probing.view import SubjectView


def shown_tokens(view: SubjectView, prompt: int) -> list[str]:
    """The tokens of a prompt as they are shown."""
    return [str(record["token"]) for record in view.rows("tokens") if record["prompt"] == prompt]


def words_of(view: SubjectView) -> list[tuple[str, list[dict[str, Any]]]]:
    """(word) each word whose vectors are shown, with where it is; none in bundles that hold no vectors."""
    found: dict[int, tuple[str, list[dict[str, Any]]]] = {}
    for row in view.rows("occurrences") if "occurrences" in view.outcome.tables else []:
        found.setdefault(row["word"], (str(row["text"]), []))[1].append(row)
    return list(found.values())
