"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reportgen.features.names import feature_names, place_names
from reportgen.features.tables import notes_of
from reportgen.language import list_items, say, say_count, sentences
from reportgen.model.sae.notes import tell_note
from reportgen.numerals import write_change, write_count, write_number, write_share
from reportgen.probing.view import SubjectView

FEWEST_FLIPS = 20
"""With fewer, their quantile says nothing."""


def tell(view: SubjectView) -> str:
    """Where more features changed than by chance, the first of them by name, and where names cannot be trusted."""
    return sentences([*_tell_pair(view), *map(tell_note, notes_of(view.outcome))])


def _tell_pair(view: SubjectView) -> Iterable[str]:
    """What one pair's features say."""
    records, places = view.rows("changed"), place_names(view.outcome)
    equal = [places[r["item"]] for r in records if r["equal"]]
    beyond = [r for r in records if r["changed"] is not None and r["changed"] > r["chance"]]
    if not any(r["firing"] for r in records):
        yield say("sae_contrast.none_fires", "{model}: no feature fires on any token in either model.", model=view.name)
        return
    if len(equal) == len(records):
        yield say("sae_contrast.all_equal", "{model}: every feature is equally strong on every token.", model=view.name)
        return
    if equal:
        yield say(
            "sae_contrast.equal", "{model}: nothing differs at {places}.", model=view.name, places=list_items(equal)
        )
    if max(int(r["flips"] or 0) for r in records) < FEWEST_FLIPS:
        yield say(
            "sae_contrast.few_prompts",
            "Whether single features of {model} change cannot be told: too few prompts for a sign-flip "
            "permutation test.",
            model=view.name,
        )
    elif beyond:
        yield from _tell_changes(view, max(beyond, key=lambda r: float(r["changed"] - r["chance"])))
    elif any(r["changed"] is not None and not r["equal"] for r in records):
        yield say(
            "sae_contrast.no_clear_statement",
            "No clear statement about single features of {model}: nowhere do more change than by chance.",
            model=view.name,
        )
    apart = [f"{places[r['item']]} ({_fvu(view, r['item'])})" for r in records if r["reason"]]
    if apart:
        yield say(
            "sae_contrast.not_measurable",
            "Which features of {model} change is not measurable at {places}: the dictionary leaves so much more of the "
            "variance unexplained in the second model than in the first (FVU in brackets) that its features' names "
            "cannot be relied on there.",
            model=view.name,
            places=list_items(apart),
        )


def _fvu(view: SubjectView, item: int) -> str:
    """In base and in other."""
    both = (view.values(f"fvu_{which}_by_item")[item] for which in ("base", "other"))
    return " → ".join(write_change(*both, significant=2))


def _tell_changes(view: SubjectView, record: Mapping[str, Any]) -> Iterable[str]:
    """How many features of a dictionary changed, and the first of them."""
    item = record["item"]
    yield say_count(
        "sae_contrast.changed",
        "Most change at {place} of {model}: {count} feature of the {firing} that fire, where random signs seldom "
        "give more than {chance}; {share} of those that fire on a token fire in both models.",
        "Most change at {place} of {model}: {count} features of the {firing} that fire, where random signs "
        "seldom give more than {chance}; {share} of those that fire on a token fire in both models.",
        record["changed"],
        place=place_names(view.outcome)[item],
        model=view.name,
        firing=write_count(record["firing"]),
        chance=write_number(record["chance"], 2),
        share=write_share(view.values("in_common_by_item")[item]),
    )
    names = feature_names(view.outcome)
    for row in view.rows("differences"):
        if (row["item"], row["rank"]) == (item, 1):
            values = {
                "feature": names[item, row["feature"]].told,
                "base": write_number(row["mean_base"]),
                "by": write_number(abs(row["difference"])),
            }
            if row["difference"] > 0:
                yield say(
                    "sae_contrast.rises_most",
                    "The feature that rises most there is {feature}: by {by}, from a mean of {base}.",
                    **values,
                )
            else:
                yield say(
                    "sae_contrast.falls_most",
                    "The feature that falls most there is {feature}: by {by}, from a mean of {base}.",
                    **values,
                )
