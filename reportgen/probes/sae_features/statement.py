"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reportgen.features.names import feature_names, place_names
from reportgen.features.tables import notes_of
from reportgen.language import list_items, say, say_count, sentences
from reportgen.model.sae.notes import tell_note
from reportgen.numerals import write_change, write_number, write_setting
from reportgen.probes.sae_features.view import names_of_sets, tell_text
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

FEWEST_DEALS = 20
"""With fewer, their 95th percentile says nothing."""
CLEAR = 1.5
"""How many times stronger than the next the strongest feature of a prompt is, to be told apart from it."""
TOLD = 2
"""Prompts of a model that a statement is about."""


def tell(view: SubjectView) -> str:
    """Features that stand out on a prompt, and the largest difference beyond what chance gives."""
    return sentences([*_tell_prompts(view), *_tell_contrast(view), *map(tell_note, notes_of(view.outcome))])


def _tell_prompts(view: SubjectView) -> Iterable[str]:
    """The prompts on which one feature stands out most; one sentence where it does on none."""
    quotes, places = quote_prompts(view.outcome), place_names(view.outcome)
    found = [(one[0], prompt, one[1]) for prompt in range(len(quotes)) if (one := _find_clearest(view, prompt))]
    clear = [one for one in sorted(found, key=lambda one: -one[0]) if one[0] >= CLEAR][:TOLD]
    if not clear:
        yield say(
            "sae_features.no_clear_statement",
            "No clear statement about {model}: on no prompt, at no layer, is one feature {times} times as strong as "
            "the next.",
            model=view.name,
            times=write_setting(CLEAR),
        )
    names_of = feature_names(view.outcome)
    for ratio, prompt, first in clear:
        yield say(
            "sae_features.strongest",
            "On {text}, one feature of {model} stands out at {place}: {feature}, {times} times as strong "
            "as the next, on “{token}”.",
            model=view.name,
            text=tell_text(view.outcome, quotes[prompt]),
            place=places[first["item"]],
            feature=names_of[first["item"], first["feature"]].told,
            times=write_number(ratio, 2),
            token=mark_space(str(first["token"])),
        )


def _find_clearest(view: SubjectView, prompt: int) -> tuple[float, dict[str, Any]] | None:
    """How many times stronger than the next the strongest feature is, where that is most, and its row."""
    records = [r for r in view.rows("strongest") if r["prompt"] == prompt]
    second = {r["item"]: r["largest"] for r in records if r["rank"] == 2}
    first = [(r["largest"] / second[r["item"]], r) for r in records if r["rank"] == 1 and r["item"] in second]
    return max(first, key=lambda one: float(one[0]), default=None)


def _tell_masked(view: SubjectView) -> Iterable[str]:
    """What the comparison leaves out."""
    mask = (view.options.get("contrast") or {}).get("mask") or []
    skipped = len(view.rows("skipped")) if "skipped" in view.outcome.tables else 0
    if mask:
        told = list_items([say("text.quoted", "“{text}”", text=text) for text in mask])
        yield say("sae_features.masked", "The words of {texts} do not count in the comparison.", texts=told)
    if skipped:
        yield say_count(
            "sae_features.skipped",
            "{count} of its prompts has no token that counts.",
            "{count} of its prompts have no token that counts.",
            skipped,
        )


def _tell_contrast(view: SubjectView) -> Iterable[str]:
    """The largest effect compared with what the same prompts give in other hands."""
    yield from _tell_masked(view)
    records = view.rows("contrast")
    controls = view.rows("controls")
    chance = {r["item"]: r["effect"] for r in controls if r["effect"] is not None and r["deals"] >= FEWEST_DEALS}
    beyond = [r for r in records if r["item"] in chance and abs(r["effect"]) > chance[r["item"]]]
    if not controls:
        return
    a, b = names_of_sets(view.outcome)
    if not records:
        yield say(
            "sae_features.same_sets",
            "The sets {a} and {b} do not differ in {model}: every feature has the same mean in both.",
            model=view.name,
            a=a,
            b=b,
        )
    elif not chance:
        yield say(
            "sae_features.no_control",
            "Whether the sets {a} and {b} differ in {model} cannot be told: too few prompts for a permutation test.",
            model=view.name,
            a=a,
            b=b,
        )
    elif not beyond:
        yield say(
            "sae_features.no_difference",
            "No clear difference between the sets {a} and {b} in {model}: no feature has a larger effect than the "
            "permutation baseline.",
            model=view.name,
            a=a,
            b=b,
        )
    else:
        most = max(beyond, key=lambda r: abs(r["effect"]) / chance[r["item"]])
        effect, reached = write_change(abs(most["effect"]), chance[most["item"]], significant=2)
        yield say(
            "sae_features.difference",
            "The clearest difference between the sets in {model} is {feature} at {place}, stronger in {side}: "
            "{effect} pooled standard deviations (permutation baseline: {chance}).",
            model=view.name,
            feature=feature_names(view.outcome)[most["item"], most["feature"]].told,
            place=place_names(view.outcome)[most["item"]],
            side=a if most["difference"] > 0 else b,
            effect=effect,
            chance=reached,
        )
