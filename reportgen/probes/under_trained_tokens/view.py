"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reportgen.language import say
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space


@dataclass(frozen=True)
class View(SubjectView):
    """A model, by the tokens that it was asked to repeat."""

    @property
    def confirmed(self) -> list[dict[str, Any]]:
        """The candidates that it does not repeat, the nearest first."""
        return [row for row in self.rows("candidates") if row["confirmed"]]

    def count_confirmed(self) -> list[int]:
        """(candidate) how many of the candidates up to this one it does not repeat."""
        counts, so_far = [], 0
        for confirmed in self.column("candidates", "confirmed"):
            so_far += bool(confirmed)
            counts.append(so_far)
        return counts


def kind_label(kind: str) -> str:
    """What a token is, in the reader's language."""
    return {
        "ordinary": say("under_trained.ordinary", "ordinary"),
        "byte": say("under_trained.byte", "bytes"),
        "special": say("under_trained.special", "special"),
        "unreachable": say("under_trained.unreachable", "unreachable"),
        "reserved": say("under_trained.reserved", "reserved"),
    }.get(kind, kind)


def token_label(row: dict[str, Any]) -> str:
    """A token as a list names it: with what it is, unless it is ordinary, or special, as its name shows."""
    token = mark_space(str(row["token"]))
    if row["kind"] in ("ordinary", "special"):
        return token
    return say("under_trained.with_kind", "{token} ({kind})", token=token, kind=kind_label(row["kind"]))
