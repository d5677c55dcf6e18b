"""What figures and statements call dictionaries and their features, from the tables that probes of these share."""

from collections import Counter
from dataclasses import dataclass

from reportgen.features.labels import PROMOTED, tell_origin
from reportgen.language import list_items, say
from reportgen.model.needs import Site
from reportgen.numerals import write_number
from reportgen.results.quantities import Outcome
from reportgen.text.characters import mark_space

FITS = 0.5
"""Score from which a feature is called by its label; one that nobody scored it always is. By one made of promoted
tokens never: those that a feature promotes seldom are what calls it."""
NAMED_BY = 2
"""Different tokens of its strongest examples by which a feature without such a label is known."""
JOINED = " · "


@dataclass(frozen=True)
class FeatureName:
    """A feature as a reader meets it."""

    called: str
    """In a figure: its number, and its label where that is more than a guess; else tokens on which it is strongest."""
    told: str
    """In a sentence: the same, with where the label comes from, in brackets."""


def feature_names(outcome: Outcome) -> dict[tuple[int, int], FeatureName]:
    """(item, feature) -> its name, of every row of `features`."""
    tokens: dict[tuple[int, int], dict[str, None]] = {}
    for row in sorted(outcome.tables["examples"].records(), key=lambda row: int(row["rank"])):
        tokens.setdefault((row["item"], row["feature"]), {})[mark_space(str(row["token"]))] = None
    found = {}
    for row in outcome.tables["features"].records():
        place = (row["item"], row["feature"])
        found[place] = _name(row["feature"], row["label"], row["label_origin"], row["label_score"],
                             list(tokens.get(place, ())))  # fmt: skip
    return found


def place_names(outcome: Outcome) -> dict[int, str]:
    """Item -> what a reader calls the place that the dictionary reads; with its name where several read there."""
    rows = outcome.tables["dictionaries"].records()
    crowded = {place for place, count in Counter((row["site"], row["index"]) for row in rows).items() if count > 1}
    return {
        row["item"]: place_name(row["site"], row["index"])
        + (f" · {row['name']}" if (row["site"], row["index"]) in crowded else "")
        for row in rows
    }


def _name(feature: int, label: str, origin: str, score: float | None, tokens: list[str]) -> FeatureName:
    number = f"#{feature}"
    if not label or origin == PROMOTED or (score is not None and score < FITS):
        named = [say("feature.quoted", "“{token}”", token=token) for token in tokens[:NAMED_BY]]
        told = say("feature.strongest_on", " (strongest on {tokens})", tokens=list_items(named)) if named else ""
        return FeatureName(JOINED.join([number, *tokens[:NAMED_BY]]), number + told)
    values = {"label": f"{number} {label}", "origin": tell_origin(origin)}
    if score is None:
        told = say("feature.labelled", "{label} (label: {origin}, not scored)", **values)
    else:
        told = say("feature.scored", "{label} (label: {origin}, score {score})", score=write_number(score, 2), **values)
    return FeatureName(f"{number} {label}", told)


def place_name(site: str, index: int) -> str:
    """What a reader calls a place that a dictionary reads."""
    return {
        Site.RESIDUAL.value: say("sae_features.layer", "layer {index}", index=index),
        Site.ATTENTION_WRITE.value: say("sae_features.attention", "block {index}, attention", index=index),
        Site.MLP_WRITE.value: say("sae_features.mlp", "block {index}, MLP", index=index),
        Site.HEADS.value: say("sae_features.heads", "block {index}, heads", index=index),
    }[site]
