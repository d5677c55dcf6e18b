"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_share
from reportgen.probing.view import SubjectView

CLEAR = 0.4
"""Share of the most possible score from which a head is called one of its kind."""


def tell(view: SubjectView) -> str:
    """Each model's clearest induction head, and how many there are; the clearest previous-token head."""
    first = {r["kind"]: r for r in view.rows("top") if r["rank"] == 1}
    induction, before = first["induction"], first["previous_token"]
    if not induction["most_possible"]:
        return say(
            "head_scores.nothing_twice",
            "No clear statement about {model}: nothing in what it read is repeated.",
            model=view.name,
        )
    if induction["score"] < CLEAR * induction["most_possible"]:
        return say(
            "head_scores.no_clear_statement",
            "No clear statement about {model}: no head clearly looks at what followed a copy; the nearest to it, "
            "block {block}, head {head}, puts {score} of its weight there, of a possible {most}.",
            model=view.name,
            **_values(induction),
        )
    clear = view.values("induction").mean(0) >= CLEAR * induction["most_possible"]
    told = say_count(
        "head_scores.induction_heads",
        "{model} has {count} clear induction head: block {block}, head {head} puts {score} of its weight on what "
        "followed a copy, of a possible {most}.",
        "{model} has {count} clear induction heads; the clearest, block {block}, head {head}, puts {score} of its "
        "weight on what followed a copy, of a possible {most}.",
        int(clear.sum()),
        model=view.name,
        **_values(induction),
    )
    if before["score"] < CLEAR * before["most_possible"]:
        return told
    feeding = say(
        "head_scores.previous_token_head",
        "The clearest previous-token head is block {block}, head {head}: {score}.",
        **_values(before),
    )
    return sentences([told, feeding])


def _values(record: Mapping[str, Any]) -> dict[str, Any]:
    score, most = write_share(record["score"]), write_share(record["most_possible"])
    return {"block": record["block"], "head": record["head"], "score": score, "most": most}


def tell_briefly(view: SubjectView) -> str:
    """The best scores of the two kinds of head that copying is made of."""
    return say(
        "head_scores.brief",
        "best induction head {induction}, best previous-token head {previous}",
        induction=write_share(view.metric("best_induction")),
        previous=write_share(view.metric("best_previous_token")),
    )
