"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.probing.view import SubjectView


def bin_middles(view: SubjectView) -> list[float]:
    """(bin) the middle of its positions."""
    return [(row["first"] + row["last"]) / 2 for row in view.rows("bins")]


def read_context(view: SubjectView) -> int | None:
    """Tokens of the trained context; None where the configuration names none."""
    context = view.metric("context")
    return None if context is None else int(context)


def reason_beyond(view: SubjectView) -> str:
    """Why some positions have no loss; empty where all have one."""
    return next((str(row["reason"]) for row in view.rows("bins") if row["reason"]), "")
