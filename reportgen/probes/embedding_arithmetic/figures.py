"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_cell, write_change
from reportgen.numerics.analogy import says_something
from reportgen.probes.embedding_arithmetic.view import CHANCE, tell_place
from reportgen.probes.embedding_arithmetic.words import WordPair, pair_label, words_label
from reportgen.probing.parts import describe_curves
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

MOST_NAMED = 12
"""Pairs up to which the matrix of cosines names them and shows numbers."""
MOST_RANKED = 6
"""Analogies whose nearest words are drawn."""


def figures(section: Section) -> Iterable[Figure]:
    """Nearest words, the matrix of cosines, and, in context, success and parallelism over the layers."""
    views = SubjectView.each(section)
    for view in views:
        yield from _draw_nearest(view)
    for view in views:
        yield from _matrix(view)
    for draw in (_success_curves, _parallel_curves):
        for view in views:
            if len(view.along("rank", "layer")) > 1:
                yield from draw(view)


def _draw_nearest(view: SubjectView) -> Iterable[Rankings]:
    """What is nearest to the first analogies, those that were written out before those that pairs make."""
    analogies = view.rows("analogies")
    written = [one for one in analogies if one.get("written", one["item"] < len(view.options["analogies"]))]
    groups = {pair["first"]: pair["group"] for pair in view.rows("words")}
    of_groups = {groups[one["a"]]: one for one in reversed(analogies) if one["a"] in groups}
    shown = [*written, *(one for one in analogies if one in of_groups.values() and one not in written)][:MOST_RANKED]
    found: dict[int, list[Mapping[str, Any]]] = {}
    for record in view.rows("nearest"):
        found.setdefault(record["item"], []).append(record)
    rankings = [
        Ranking(
            title=words_label([one["a"], one["b"], one["c"]]),
            labels=[mark_space(str(record["token"])) for record in found[one["item"]]],
            values=[max(float(record["similarity"]), 0.0) for record in found[one["item"]]],
        )
        for one in shown
        if found.get(one["item"])
    ]
    if not rankings:
        return
    told = [
        say(
            "embedding_arithmetic.nearest.alt",
            "Nearest to {sum}: {words}.",
            sum=ranking.title,
            words=list_items(ranking.labels),
        )
        for ranking in rankings
    ]
    yield Rankings(
        name="nearest",
        subject=(view.subject,),
        title=tell_place(view),
        alt=sentences(told),
        rankings=rankings,
        value_label=say("embedding_arithmetic.cosine", "cosine with the sum"),
        value_range=(0.0, 1.0),
        model=view.subject,
    )


def _matrix(view: SubjectView) -> Iterable[Figure]:
    """Cosines of the differences of all word pairs, named where they are few."""
    pairs = [WordPair(first=r["first"], second=r["second"]) for r in view.rows("words")]
    if len(pairs) < 2:
        return
    at = view.along("parallel", "layer").index(int(view.metric("best_layer") or 0))
    cosines = np.eye(len(pairs), dtype=np.float32)
    for value, pair in zip(view.values("parallel")[:, at], view.rows("pairs"), strict=True):
        one, other = pair["item_a"], pair["item_b"]
        cosines[one, other] = cosines[other, one] = value
    labels = [pair_label(pair) for pair in pairs]
    what = say("embedding_arithmetic.matrix.cosine", "cosine of differences")
    title = say(
        "embedding_arithmetic.matrix.title",
        "{place}: are the differences parallel?",
        place=tell_place(view),
    )
    told = (view.metric(metric) for metric in ("parallelism", "random_parallelism"))
    mean, random = write_change(*told, significant=2)
    alt = say(
        "embedding_arithmetic.matrix.alt",
        "Cosines of the differences of {pairs}, in {place}; mean of two of a group {mean}, of random pairs {random}",
        pairs=list_items(labels),
        place=tell_place(view),
        mean=mean,
        random=random,
    )
    if len(pairs) <= MOST_NAMED:
        yield TokenGrid(
            name="parallel",
            subject=(view.subject,),
            title=title,
            alt=alt,
            row_label=say("embedding_arithmetic.matrix.pair", "difference"),
            rows=labels,
            column_label=say("embedding_arithmetic.matrix.other", "difference of another pair"),
            columns=[str(at) for at in range(len(labels))],
            texts=[[write_cell(value) for value in row] for row in cosines],
            values=np.clip(cosines, 0.0, 1.0),
            value_label=what,
            outlined=np.zeros(cosines.shape, bool),
        )
    else:
        counted = say("embedding_arithmetic.matrix.word_pair", "word pair")
        yield HeatMap(
            name="parallel",
            subject=(view.subject,),
            title=title,
            alt=alt,
            values=cosines,
            row_label=counted,
            column_label=counted,
            value_label=what,
            scale="diverging",
            value_range=(-1.0, 1.0),
        )


def _success_curves(view: SubjectView) -> Iterable[Curves]:
    """Success over the layers, compared with what guessing among the candidates would give."""
    ranks = view.outcome.arrays["rank"]
    asked = ranks.values[~np.isnan(ranks.values).all(1)]
    if not len(asked):
        return
    candidates = view.column("analogies", "candidates")
    labels = {
        1: say("embedding_arithmetic.first", "the expected word is the nearest"),
        5: say("embedding_arithmetic.among_five", "the expected word is among the nearest five"),
    }
    curves = [
        Curve(
            label=label,
            x=ranks.along("layer"),
            y=(asked <= most).mean(0).tolist(),
            model=view.subject,
            faint=most > 1,
        )
        for most, label in labels.items()
        if says_something(most, min(candidates))
    ]
    if not curves:
        return
    what = say("embedding_arithmetic.success", "share of analogies")
    yield describe_curves(
        view,
        name="success",
        title=say("embedding_arithmetic.success.title", "{model}: analogies that succeed in context", model=view.name),
        what=what,
        curves=curves,
        references={say("embedding_arithmetic.chance", "chance"): float(np.mean([1 / n for n in candidates]))},
        y_range=(0.0, 1.0),
    )


def _parallel_curves(view: SubjectView) -> Iterable[Curves]:
    """Mean cosine of the differences of a group over the layers, compared with random pairs of the same words."""
    same = np.array(view.column("pairs", "same_group"), bool)
    if not same.any():
        return
    parallel, control = view.outcome.arrays["parallel"], view.values("control")
    low, high = np.quantile(control, CHANCE, axis=0).tolist()
    x = parallel.along("layer")
    curves = [
        Curve(
            label=say("embedding_arithmetic.same_group", "pairs of a group"),
            x=x,
            y=parallel.values[same].mean(0).tolist(),
            group="pairs",
        ),
        Curve(
            label=say("embedding_arithmetic.random", "random pairs (95 % band)"),
            x=x,
            y=control.mean(0).tolist(),
            group="random",
            band=(low, high),
        ),
    ]
    what = say("embedding_arithmetic.parallelism", "mean cosine of differences")
    yield describe_curves(
        view,
        name="parallelism",
        title=say("embedding_arithmetic.parallelism.title", "{model}: how parallel differences are", model=view.name),
        what=what,
        curves=curves,
    )
