"""The rule of its sentence."""

from __future__ import annotations

from reportgen.features.labels import EXPLAINER
from reportgen.language import say, sentences
from reportgen.numerals import write_count, write_number, write_setting, write_share
from reportgen.probes.sae_atlas.view import PREDICTS
from reportgen.probing.view import SubjectView

FEW = 2_000
"""Tokens below which nothing is said: a feature that fires on one in a thousand could well fire on none of them."""
MANY_DEAD = 0.2
"""Share of dead features from which a statement calls them many."""


def tell(view: SubjectView) -> str:
    """How many features are dead and dense, and for how many the label predicts where they fire."""
    summary = view.rows("summary")
    if summary[0]["tokens"] < FEW:
        return say(
            "sae_atlas.little_text",
            "No clear statement about the features of {model}: {tokens} tokens are too little text; at least {few} "
            "are needed.",
            model=view.name,
            tokens=write_count(summary[0]["tokens"]),
            few=write_count(FEW),
        )
    dead, dense = (float(view.metric(one) or 0.0) for one in ("dead_share", "dense_share"))
    values = {
        "model": view.name,
        "dead": write_share(dead),
        "dense": write_share(dense),
        "tokens": write_count(summary[0]["tokens"]),
    }
    if dead >= MANY_DEAD:
        told = say(
            "sae_atlas.many_dead",
            "Many features of {model} are dead: {dead} fire on none of {tokens} tokens; {dense} are dense.",
            **values,
        )
    else:
        told = say(
            "sae_atlas.few_dead",
            "Of the features of {model}, {dead} fire on none of {tokens} tokens, and {dense} are dense.",
            **values,
        )
    return sentences([told, _tell_labels(view), _tell_explainer(view)])


def _tell_labels(view: SubjectView) -> str:
    share = view.metric("predicted_share")
    if share is None:
        return say(
            "sae_atlas.no_clear_statement",
            "No clear statement about labels: none of the features fires on held-out text.",
        )
    return say(
        "sae_atlas.predicted",
        "For {share} of those that fire on held-out text, a simple pattern (the same token, word or kind of token) "
        "predicts where, with an area under the curve of {limit} or more; the labels of the others are guesses.",
        share=write_share(float(share)),
        limit=write_setting(PREDICTS),
    )


def _tell_explainer(view: SubjectView) -> str:
    scores = [r["score"] for r in view.rows("labels") if r["origin"] == EXPLAINER]
    known: list[float] = [float(score) for score in scores if score is not None]
    if not known:
        return ""
    return say(
        "sae_atlas.explained",
        "The explainer's {count} labels score {mean} on average on held-out examples (chance: 0.5).",
        count=write_count(len(known)),
        mean=write_number(sum(known) / len(known), 2),
    )
