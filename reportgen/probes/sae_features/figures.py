"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from reportgen.features.names import feature_names, place_names
from reportgen.figures.describe import Figure, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_cell, write_number
from reportgen.probes.sae_features import MOST_DRAWN
from reportgen.probes.sae_features.view import is_of_written, names_of_sets, tell_text
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

MOST_PLACES = 3
WIDEST = 16
"""Tokens of a strip; the last ones of a longer prompt, the first of a longer text that is written."""


def figures(section: Section) -> Iterable[Figure]:
    """Strips of each prompt; L0 by layer and token; the features that differ."""
    for view in SubjectView.each(section):
        for prompt in range(min(len(view.rows("prompts")), MOST_DRAWN)):
            for item in _drawn_items(view):
                yield from _strip(view, prompt, item)
            if len(view.rows("dictionaries")) > 1 and not np.isnan(view.values(f"l0_by_token/{prompt}")).all():
                yield _l0_grid(view, prompt)
        if view.rows("contrast"):
            yield _differences(view)


def _drawn_items(view: SubjectView) -> list[int]:
    """A first, a middle and a last place."""
    items = list(place_names(view.outcome))
    if len(items) <= MOST_PLACES:
        return items
    last = len(items) - 1
    return [items[round(at * last / (MOST_PLACES - 1))] for at in range(MOST_PLACES)]


def _strip(view: SubjectView, prompt: int, item: int) -> Iterable[TokenGrid]:
    """The strongest features of a prompt over its tokens; nothing where none fires."""
    strongest = [r for r in view.rows("strongest") if (r["prompt"], r["item"]) == (prompt, item)]
    if not strongest:
        return
    values = view.values(f"activations/{prompt}")[item, : len(strongest)]
    drawn = _drawn_tokens(view, values)
    shown = [r["token"] for r in view.rows("tokens") if r["prompt"] == prompt]
    values = values[:, drawn]
    names_of = feature_names(view.outcome)
    names = [names_of[item, r["feature"]].called for r in strongest]
    largest = np.array([r["largest"] for r in strongest])[:, None]
    where = place_names(view.outcome)[item]
    quote = quote_prompts(view.outcome)[prompt]
    at = [(one, mark_space(str(r["token"]))) for one, r in zip(names, strongest, strict=True)]
    yield TokenGrid(
        name=f"strips-{prompt}-{item}",
        subject=(view.subject,),
        title=say(
            "sae_features.strips.title",
            "{model}, {place}: features on {text}",
            model=view.name,
            place=where,
            text=tell_text(view.outcome, quote),
        ),
        alt=say(
            "sae_features.strips.alt",
            "Strongest features of {model} at {place}, each with the token on which it is strongest: {features}",
            model=view.name,
            place=where,
            features=list_items([say("sae_features.on", "{feature} on “{token}”", feature=f, token=t) for f, t in at]),
        ),
        row_label=say("sae_features.feature", "feature, the strongest first"),
        rows=names,
        column_label=say("figure.token", "token"),
        columns=shown[drawn],
        texts=[[write_cell(v, 3) if v > 0 else "" for v in row] for row in values.tolist()],
        values=np.clip(values / largest, 0, 1),
        value_label=say("sae_features.share", "activation, as a share of the feature's largest in the prompt")
        if not is_of_written(view.outcome)
        else say("sae_features.share_written", "activation, as a share of the feature's largest in the text"),
        outlined=np.zeros(values.shape, bool),
    )  # fmt: skip


def _drawn_tokens(view: SubjectView, values: NDArray[np.float32]) -> slice:
    """The last tokens of a prompt, or the first written; `values` are (row x position), NaN where nothing counts."""
    first = int(np.isnan(values[0]).sum())
    if is_of_written(view.outcome):
        return slice(first, first + WIDEST)
    return slice(max(first, values.shape[1] - WIDEST), None)


def _l0_grid(view: SubjectView, prompt: int) -> TokenGrid:
    """Places from the last at the top."""
    counts = view.values(f"l0_by_token/{prompt}")[::-1]
    drawn = _drawn_tokens(view, counts)
    counts = counts[:, drawn]
    shown = [r["token"] for r in view.rows("tokens") if r["prompt"] == prompt]
    places = list(place_names(view.outcome).values())[::-1]
    most = float(np.nanmax(counts, initial=0.0)) or 1.0
    means = np.nan_to_num(counts.mean(1)) if counts.size else np.zeros(len(places))
    return TokenGrid(
        name=f"l0-{prompt}",
        subject=(view.subject,),
        title=say(
            "sae_features.l0.title",
            "{model}: how many features fire on each token of {text}",
            model=view.name,
            text=tell_text(view.outcome, quote_prompts(view.outcome)[prompt]),
        ),
        alt=say(
            "sae_features.l0.alt",
            "Mean number of features that fire per token in {model}: {places}",
            model=view.name,
            places=list_items([f"{write_number(mean, 2)}, {place}" for place, mean in zip(places, means, strict=True)]),
        ),
        row_label=say("sae_features.place", "layer of the dictionary"),
        rows=places,
        column_label=say("figure.token", "token"),
        columns=shown[drawn],
        texts=[[write_number(count) for count in row] for row in counts.tolist()],
        values=counts / most,
        value_label=say(
            "sae_features.l0", "features that fire, as a share of the most ({most})", most=write_number(most)
        ),
        outlined=np.zeros(counts.shape, bool),
        sampleable=True,
    )  # fmt: skip


def _differences(view: SubjectView) -> Rankings:
    """Two panels a place: what is stronger in a, and in b."""
    records = view.rows("contrast")
    head = say("sae_features.more_in", "{place}: stronger in {set}")
    sets = dict(zip((1, -1), names_of_sets(view.outcome), strict=True))
    places, names_of = place_names(view.outcome), feature_names(view.outcome)
    rankings = []
    for item in _drawn_items(view):
        for sign, name in sets.items():
            chosen = [r for r in records if r["item"] == item and r["difference"] * sign > 0]
            if chosen:
                labels = [names_of[item, r["feature"]].called for r in chosen]
                values = [abs(float(r["effect"])) for r in chosen]
                title = head.format(place=places[item], set=name)
                rankings.append(Ranking(title=title, labels=labels, values=values))
    return Rankings(
        name="contrast",
        subject=(view.subject,),
        title=say(
            "sae_features.contrast.title",
            "{model}: features that differ between {a} and {b}",
            model=view.name,
            a=sets[1],
            b=sets[-1],
        )
        if not is_of_written(view.outcome)
        else say(
            "sae_features.contrast_written.title",
            "{model}: features that differ between what is written after {a} and after {b}",
            model=view.name,
            a=sets[1],
            b=sets[-1],
        ),
        alt=sentences(
            say("sae_features.contrast.alt", "{where}: {features}.", where=one.title, features=list_items(one.labels))
            for one in rankings
        ),
        rankings=rankings,
        value_label=say("sae_features.effect", "difference of means / pooled standard deviation"),
        value_range=(0.0, max((value for one in rankings for value in one.values), default=1.0)),
        model=view.subject,
    )  # fmt: skip
