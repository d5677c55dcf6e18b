"""Features of sparse dictionaries as cards that a reader of the page searches: what a probe's tables say of each.

Any probe is meant whose tables `dictionaries`, `features` and `examples` have the columns named here.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reportgen.features.labels import tell_origin
from reportgen.features.names import JOINED, feature_names, place_names
from reportgen.language import say
from reportgen.look.legible import make_legible
from reportgen.numerals import write_number, write_share
from reportgen.report.content.figure_data import pack_csv
from reportgen.results.quantities import Outcome
from reportgen.text.characters import mark_space

COLUMNS = {
    "dictionaries": ("item", "site", "index", "features"),
    "features": (
        "item", "feature", "label", "label_origin", "label_score", "density", "strongest", "promoted", "suppressed",
        "link",
    ),
    "examples": ("item", "feature", "rank", "activation", "before", "token", "after"),
}  # fmt: skip
AT_FIRST = 12
"""Cards that stand on the page without a script."""
LONGEST_LABEL, LONGEST_TOKEN, LONGEST_CONTEXT = 400, 60, 160
"""Characters of a card's texts."""
MOST_CHARACTERS = 1_500
"""Different characters of a subject's cards that the page's fonts hold, those that occur most often: to cut a font for
all that a large vocabulary has takes half a minute and a megabyte. The few others are left to the reader's own fonts.
"""
_PAGE = re.compile(r"https://www\.neuronpedia\.org/[A-Za-z0-9._/-]+")

Example = tuple[str, str, str, str]
"""Activation, what stands before the token, the token, what stands after it."""


@dataclass(frozen=True)
class Card:
    """One feature; all of its texts are legible, and as they are shown."""

    item: int
    """Its dictionary."""
    place: str
    """What that reads: "layer 9"."""
    number: str
    called: str
    """What figures call it: its number, and its label or tokens on which it is strongest."""
    label: str
    origin: str
    """Where the label comes from; empty where there is none, as is the label."""
    score: str
    density: str
    strongest: str
    promoted: Sequence[str]
    suppressed: Sequence[str]
    link: str
    """Its page at Neuronpedia; empty where there is none."""
    examples: Sequence[Example]


@dataclass(frozen=True)
class Browser:
    """The cards of one subject: the strongest feature of each dictionary, then the second of each, and so on."""

    places: Mapping[int, str]
    """Dictionary -> what it reads."""
    features: int
    """How many the dictionaries have, with a card or without."""
    total: int
    """Cards that there are; more than `cards` where the page would be too large with all."""
    cards: Sequence[Card]
    data: str
    """The cards as the page carries them: JSON, packed."""
    characters: str
    """What the page's fonts must hold for its script to show the cards, with or without those that are left out: a font
    is not cut again for a page that is made lighter."""

    def keep_first(self, count: int) -> "Browser":
        """The same with fewer cards."""
        cards = self.cards[:count]
        return replace(self, cards=cards, data=_data(cards))

    @property
    def left_out(self) -> int:
        """Cards that the page does not carry."""
        return self.total - len(self.cards)

    @property
    def at_first(self) -> Sequence[Card]:
        """Those that stand on the page without a script."""
        return self.cards[:AT_FIRST]

    @property
    def blank(self) -> Card:
        """What a script fills in."""
        return Card(0, "", "", "", "", "", "", "", "", (), (), "", (("", "", "", ""),))


def make_browsers(outcomes: Mapping[str, Outcome]) -> dict[str, Browser]:
    """Subject -> its browser, of those whose tables hold features."""
    told = {subject: _browser(outcome) for subject, outcome in outcomes.items() if _has_features(outcome)}
    return {subject: browser for subject, browser in told.items() if browser.cards}


def _has_features(outcome: Outcome) -> bool:
    return outcome.status == "ok" and all(
        name in outcome.tables and set(columns) <= set(outcome.tables[name].columns)
        for name, columns in COLUMNS.items()
    )


def _browser(outcome: Outcome) -> Browser:
    places, names = place_names(outcome), feature_names(outcome)
    examples: dict[tuple[Any, Any], list[Example]] = {}
    for one in outcome.tables["examples"].records():
        examples.setdefault((one["item"], one["feature"]), []).append(_example(one))
    of_items: dict[int, list[dict[str, Any]]] = {item: [] for item in places}
    for one in outcome.tables["features"].records():
        if one["item"] in of_items:
            of_items[one["item"]].append(one)
    ranked = [
        (rank, one)
        for records in of_items.values()
        for rank, one in enumerate(sorted(records, key=lambda record: -(record["strongest"] or 0.0)))
    ]
    # Sorting keeps the order of dictionaries within a rank.
    in_turn = [one for _, one in sorted(ranked, key=lambda pair: pair[0])]
    cards = []
    for one in in_turn:
        key = one["item"], one["feature"]
        cards.append(_card(one, places[one["item"]], names[key].called, examples.get(key, ())))
    features = sum(count or 0 for count in outcome.tables["dictionaries"].column("features"))
    return Browser(places, features, len(cards), cards, _data(cards), _characters(cards))


def _card(record: Mapping[str, Any], place: str, called: str, examples: Sequence[Example]) -> Card:
    label, score, density = record["label"], record["label_score"], record["density"]
    scored = say("browser.score", "score {score}", score=write_number(score, 2))
    told = scored if score is not None else say("browser.not_scored", "not scored")
    share = write_share(density)
    link = record["link"] or ""
    return Card(
        item=record["item"],
        place=place,
        number=f"#{record['feature']}",
        called=_cut_text(called, LONGEST_LABEL),
        label=_cut_text(label, LONGEST_LABEL),
        origin=_cut_text(tell_origin(record["label_origin"]), LONGEST_LABEL) if label else "",
        score=told if label else "",
        density=say("browser.density", "fires on {share} of tokens", share=share),
        strongest=say(
            "browser.strongest", "strongest activation {activation}", activation=write_number(record["strongest"])
        ),
        promoted=_tokens(record["promoted"]),
        suppressed=_tokens(record["suppressed"]),
        link=link if _PAGE.fullmatch(link) else "",
        examples=examples,
    )


def _example(record: Mapping[str, Any]) -> Example:
    before, token, after = (str(record[name]) for name in ("before", "token", "after"))
    word = token.lstrip(" ")
    # The space in front of a word is not what is marked; one that is a token by itself is seen as such.
    before, token = (before + token.removesuffix(word), word) if word else (before, mark_space(token))
    start = before.lstrip(" ")[-LONGEST_CONTEXT:]
    cut = start if start == before.lstrip(" ") else f"…{start}"
    return (
        write_number(record["activation"]),
        make_legible(cut),
        _cut_text(token, LONGEST_TOKEN),
        _cut_text(after, LONGEST_CONTEXT),
    )


def _tokens(joined: str) -> list[str]:
    return [_cut_text(mark_space(one), LONGEST_TOKEN) for one in joined.split(JOINED)] if joined else []


def _cut_text(text: str, most: int) -> str:
    return make_legible(text if len(text) <= most else f"{text[:most]}…")


def _texts(card: Card) -> Iterable[str]:
    yield from (card.called, card.label, card.origin, *card.promoted, *card.suppressed)
    for example in card.examples:
        yield from example


def _characters(cards: Sequence[Card]) -> str:
    counts = Counter("".join(text for card in cards for text in _texts(card)))
    often = sorted(counts, key=lambda character: (-counts[character], character))
    return "".join(sorted(often[:MOST_CHARACTERS]))


def _data(cards: Sequence[Card]) -> str:
    return pack_csv(json.dumps([vars(card) for card in cards], ensure_ascii=False, separators=(",", ":")))
