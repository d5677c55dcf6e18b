"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reportgen.features.names import feature_names, place_names
from reportgen.features.tables import notes_of
from reportgen.language import listed, say, say_count, sentences
from reportgen.model.sae.notes import told
from reportgen.numerals import write_change, write_count, write_number, write_share
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section

FEWEST_FLIPS = 20
"""With fewer, their quantile says nothing."""


def statement(section: Section) -> str:
    """Where more features changed than by chance, the first of them by name, and where names cannot be trusted."""
    return sentences(
        sentence
        for subject, outcome in section.ok().items()
        for sentence in (*_told(section.name(subject), outcome), *map(told, notes_of(outcome)))
    )


def _told(name: str, outcome: Outcome) -> Iterable[str]:
    """What one pair's features say."""
    records, places = outcome.tables["changed"].records(), place_names(outcome)
    equal = [places[r["item"]] for r in records if r["equal"]]
    beyond = [r for r in records if r["changed"] is not None and r["changed"] > r["chance"]]
    if not any(r["firing"] for r in records):
        yield say("sae_contrast.none_fires", "{model}: no feature fires on any token, in neither model.", model=name)
        return
    if len(equal) == len(records):
        yield say("sae_contrast.all_equal", "{model}: every feature is equally strong on every token.", model=name)
        return
    if equal:
        yield say("sae_contrast.equal", "{model}: nothing differs at {places}.", model=name, places=listed(equal))
    if max(int(r["flips"] or 0) for r in records) < FEWEST_FLIPS:
        yield say(
            "sae_contrast.few_prompts",
            "Whether single features of {model} change cannot be told: so few prompts have too few random signs to "
            "hold a count against.",
            model=name,
        )
    elif beyond:
        yield from _told_of(name, outcome, max(beyond, key=lambda r: float(r["changed"] - r["chance"])))
    elif any(r["changed"] is not None and not r["equal"] for r in records):
        yield say(
            "sae_contrast.no_clear_statement",
            "No clear statement about single features of {model}: nowhere do more change than by chance.",
            model=name,
        )
    apart = [f"{places[r['item']]} ({_fvu(outcome, r['item'])})" for r in records if r["reason"]]
    if apart:
        yield say(
            "sae_contrast.not_measurable",
            "Which features of {model} change is not measurable at {places}: the dictionary leaves so much more of the "
            "variance unexplained in the second model than in the first (FVU in brackets) that its features' names "
            "cannot be relied on there.",
            model=name,
            places=listed(apart),
        )


def _fvu(outcome: Outcome, item: int) -> str:
    """In base and in other."""
    both = (outcome.arrays[f"fvu_{which}_by_item"].values[item] for which in ("base", "other"))
    return " → ".join(write_change(*both, significant=2))


def _told_of(name: str, outcome: Outcome, record: Mapping[str, Any]) -> Iterable[str]:
    """How many features of a dictionary changed, and the first of them."""
    item = record["item"]
    yield say_count(
        "sae_contrast.changed",
        "Most change at {place} of {model}: {count} feature of the {firing} that fire, where random signs seldom "
        "give more than {chance}; {share} of those that fire on a token fire in both models.",
        "Most change at {place} of {model}: {count} features of the {firing} that fire, where random signs "
        "seldom give more than {chance}; {share} of those that fire on a token fire in both models.",
        record["changed"],
        place=place_names(outcome)[item],
        model=name,
        firing=write_count(record["firing"]),
        chance=write_number(record["chance"], 2),
        share=write_share(outcome.arrays["in_common_by_item"].values[item]),
    )
    names = feature_names(outcome)
    for row in outcome.tables["differences"].records():
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
