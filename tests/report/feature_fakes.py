"""Features of sparse dictionaries as the probes write them, with what strangers may write among them."""

from collections.abc import Sequence
from dataclasses import replace

from reportgen.report.content.feature_browser import COLUMNS
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Outcome, Table
from tests.report.fakes import LLAMA, fake_bundle, outcome

HOSTILE_LABEL = "</script><script>alert(1)</script>\u202egnp.exe\u200b{{ 7*7 }}" + "x" * 10_000
PAGE = "https://www.neuronpedia.org/gemma-3-270m/9-res-16k/7"
ANIMALS = ("dog", "cat", "horse", "sheep")


def features(count: int, layers: Sequence[int] = (3, 9), examples: int = 2) -> Outcome:
    """Dictionaries of `count` features each, all with a card; feature 7 of the second is a hostile one.

    The higher its number, the stronger a feature.
    """
    dictionaries = [
        [item, f"layer_{layer}", "residual", layer, f"layer {layer}", count, "jumprelu", 40.0, "gemma"]
        for item, layer in enumerate(layers)
    ]
    cards = [[item, feature, *_card(item, feature)] for item in range(len(layers)) for feature in range(count)]
    shown = [
        [item, feature, rank, 10.0 / rank + feature, f" The farmer fed number {feature} of the", " cows", " at dawn."]
        for item, feature, *_ in cards
        for rank in range(1, examples + 1)
    ]
    tables = {
        "dictionaries": Table(
            ("item", "name", "site", "index", "layer_label", "features", "architecture", "l0_stated", "source"),
            dictionaries,
        ),
        "features": Table(COLUMNS["features"], cards),
        "examples": Table(("item", "feature", "rank", "activation", "before", "token", "after"), shown),
    }
    return outcome("of_another_package", LLAMA, tables=tables)


def _card(item: int, feature: int) -> list[str | float | None]:
    if (item, feature) == (1, 7):
        return [HOSTILE_LABEL, HOSTILE_LABEL, None, None, 7.0, f" {HOSTILE_LABEL} · \u202ex", "", PAGE]
    label = f"says {ANIMALS[feature % 4]}" if feature % 5 else ""
    promoted = f" {ANIMALS[feature % 4]} · t{feature} · 李"
    return [label, "promoted tokens" if label else "", 0.4, 0.0031, float(feature), promoted, " a · b", ""]


def bundle_of(*outcomes: Outcome) -> Bundle:
    """A bundle of nothing but these."""
    return replace(fake_bundle(), outcomes={f"features{at}": {LLAMA: one} for at, one in enumerate(outcomes)})
