"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import log2

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Arcs, Curve, Curves, Figure, Maps, Panel, TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_cell, write_number, write_share
from reportgen.numerics.trees import measure_tree
from reportgen.probes.structural_probe.view import DrawnSentence, View
from reportgen.probing.probe import axis_label, tell_ends
from reportgen.results.section import Section

RANGE = (0.0, 1.0)


def figures(section: Section) -> Iterable[Figure]:
    """Both numbers by depth, the ranks, then trees, planes and distances of the sentences that are drawn."""
    views = View.each(section)
    if not views:
        return
    yield _draw_depth(views, "uuas", say("structural_probe.uuas", "share of the trees' edges that are found"))
    yield _draw_depth(views, "dspr", say("structural_probe.dspr", "rank correlation of distances with the trees'"))
    swept = [view for view in views if view.rows("sweep")]
    if swept:
        yield _draw_sweep(swept)
    known = [view for view in views if view.best is not None]
    for view in known:
        for sentence in view.drawn:
            yield _draw_arcs(view, sentence)
    for view in known:
        for sentence in view.drawn:
            yield _draw_planes(view, sentence)
    yield from _draw_distances([view for view in known if view.drawn])


def _draw_depth(views: Sequence[View], array: str, what: str) -> Curves:
    """All models in one figure, each next to its twin."""
    relative = len({view.last_layer for view in views}) > 1
    curves = []
    for view in views:
        x = [layer / view.last_layer if relative else float(layer) for layer in view.layers]
        curves.append(Curve(label=view.name, x=x, y=view.values(array).tolist(), model=view.subject))
        if view.has_twin:
            label = say("structural_probe.twin", "{model}, random weights", model=view.name)
            y = view.values(f"{array}_random").tolist()
            curves.append(Curve(label=label, x=x, y=y, model=view.subject, faint=True))
    values = [y for curve in curves for y in curve.y if np.isfinite(y)]
    references = _refer_to_chain(views, array)
    return Curves(
        name=array,
        subject=tuple(view.subject for view in views),
        title=_title_depth(array),
        alt=list_items([*map(tell_ends, curves), *(f"{name} {write_number(y)}" for name, y in references.items())]),
        x_label=axis_label(relative=relative),
        y_label=_name_pale(what) if any(view.has_twin for view in views) else what,
        curves=curves,
        references=references,
        y_range=(min([0.0, *values]), max([1.0, *values])),
    )


def _name_pale(what: str) -> str:
    return say("structural_probe.pale", "{what} (pale: the same with random weights)", what=what)


def _title_depth(array: str) -> str:
    if array == "uuas":
        return say("structural_probe.uuas.title", "Syntactic trees found in the distances of each layer (UUAS)")
    return say("structural_probe.dspr.title", "How the distances of each layer follow those in the trees (DSpr)")


def _refer_to_chain(views: Sequence[View], array: str) -> dict[str, float]:
    """The linear chain: one line where it is the same for all, as where all read the same sentences."""
    chains = {view.name: view.metric(f"{array}_chain") for view in views}
    known = {name: float(value) for name, value in chains.items() if value is not None}
    if len(set(known.values())) == 1:
        return {say("structural_probe.chain", "linear chain"): next(iter(known.values()))}
    return {
        say("structural_probe.chain_of", "linear chain, sentences of {model}", model=name): value
        for name, value in known.items()
    }


def _draw_sweep(views: Sequence[View]) -> Curves:
    curves = [
        Curve(
            label=view.name,
            x=[log2(rank) for rank in view.column("sweep", "rank")],
            y=[np.nan if one is None else one for one in view.column("sweep", "uuas")],
            model=view.subject,
        )
        for view in views
    ]
    return Curves(
        name="ranks",
        subject=tuple(view.subject for view in views),
        title=say("structural_probe.ranks.title", "Trees found by maps of other ranks, at the best layer"),
        alt=list_items([tell_ends(curve) for curve in curves]),
        x_label=say("structural_probe.ranks.axis", "rank of the map, as a power of 2 (0 = rank 1, 5 = rank 32)"),
        y_label=say("structural_probe.uuas", "share of the trees' edges that are found"),
        curves=curves,
        references=_refer_to_chain(views, "uuas"),
        y_range=RANGE,
    )


def _best_layer(view: View) -> int:
    return int(view.metric("best_layer") or 0)


def _draw_arcs(view: View, sentence: DrawnSentence) -> Arcs:
    right = len(set(sentence.gold).intersection(sentence.found))
    values = {"model": view.name, "layer": _best_layer(view)}
    return Arcs(
        name=f"tree-{sentence.number}",
        subject=(view.subject,),
        title=say(
            "figure.of_model",
            "{model}: {what}",
            model=view.name,
            what=say("structural_probe.tree.title", "the tree of “{text}”", text=sentence.text),
        ),
        alt=say(
            "structural_probe.tree.alt",
            "The tree of “{text}” above its words and the one found at layer {layer} of {model} below them: {right} of "
            "{edges} edges are the same. Not in the treebank: {wrong}",
            text=sentence.text,
            right=right,
            edges=len(sentence.gold),
            wrong=_list_edges(sentence, [edge for edge in sentence.found if edge not in sentence.gold]),
            **values,
        ),
        words=sentence.words,
        above=sentence.gold,
        below=sentence.found,
        above_label=say("structural_probe.tree.above", "above: the tree in the treebank ({edges} edges)",
                        edges=len(sentence.gold)),
        below_label=say("structural_probe.tree.below",
                        "below: found at layer {layer}, and in the treebank ({count})",
                        layer=values["layer"], count=right),
        other_label=say("structural_probe.tree.other", "below: found, and not in the treebank ({count})",
                        count=len(sentence.found) - right),
        model=view.subject,
    )  # fmt: skip


def _list_edges(sentence: DrawnSentence, edges: Sequence[tuple[int, int]]) -> str:
    """Edges by their words."""
    if not edges:
        return say("structural_probe.tree.none", "none")
    return list_items([f"{sentence.words[first]}–{sentence.words[second]}" for first, second in edges])


def _draw_planes(view: View, sentence: DrawnSentence) -> Maps:
    """The words at the embedding and at the best layer, or the last where that is the embedding: of more, each would
    be small on a slide.
    """
    assert view.best is not None
    places = sorted({0, view.best or len(view.layers) - 1})
    points = view.values(f"points/{sentence.number}")
    explained = view.values(f"explained_variance/{sentence.number}")
    at = {place: item for item, place in enumerate(sentence.counted)}
    layers = [view.layers[place] for place in places]
    return Maps(
        name=f"plane-{sentence.number}",
        subject=(view.subject,),
        title=say("structural_probe.plane.title", "{model}: the tree on a plane, “{text}”",
                  model=view.name, text=sentence.text),
        alt=say("structural_probe.plane.alt", "The words of “{text}” on a plane at layers {layers} of {model}, lines "
                "between those that the treebank joins", text=sentence.text, model=view.name,
                layers=list_items([str(layer) for layer in layers])),
        panels=[
            Panel(
                title=say("structural_probe.layer", "layer {layer}", layer=view.layers[place]),
                points=points[place][sentence.counted],
                x_label=_name_axis(1, float(explained[place, 0])),
                y_label=_name_axis(2, float(explained[place, 1])),
                edges=[(at[first], at[second]) for first, second in sentence.gold],
            )
            for place in places
        ],
        labels=[sentence.words[place] for place in sentence.counted],
        groups=[""] * len(sentence.counted),
    )  # fmt: skip


def _name_axis(component: int, share: float) -> str:
    if not np.isfinite(share):
        return ""
    return say(
        "structural_probe.axis", "component {component} ({share})", component=component, share=write_share(share)
    )


def _draw_distances(views: Sequence[View]) -> Iterator[TokenGrid]:
    """Of the first sentence, how far words are apart in the tree, then under the map of each model's best layer."""
    if not views:
        return
    first = views[0].drawn[0]
    same = [view for view in views if view.drawn[0].text == first.text]
    gold = measure_tree([-1 if head is None else head for head in first.heads]).astype(np.float64)
    under = [view.values(f"distances/{view.drawn[0].number}")[view.best or 0] for view in same]
    most = max(float(one.max()) for one in (gold, *under))
    yield _draw_grid(
        tuple(view.subject for view in same),
        "distances-tree",
        say("structural_probe.distances.tree", "Edges between the words of “{text}” in the treebank", text=first.text),
        first.words,
        gold,
        most,
    )
    for view, apart in zip(same, under, strict=True):
        title = say(
            "structural_probe.distances.map",
            "{model}, layer {layer}: squared distances of the same words under the map",
            model=view.name,
            layer=_best_layer(view),
        )
        yield _draw_grid((view.subject,), "distances-map", title, first.words, apart, most)


def _draw_grid(
    subject: tuple[str, ...], name: str, title: str, words: Sequence[str], apart: NDArray[np.float64], most: float
) -> TokenGrid:
    return TokenGrid(
        name=name,
        subject=subject,
        title=title,
        alt=say(
            "structural_probe.distances.alt",
            "{title}: a table of {count} words by {count} words; the farthest are {most} apart",
            title=title,
            count=len(words),
            most=write_number(float(apart.max())),
        ),
        row_label=say("structural_probe.word", "word"),
        rows=words,
        column_label=say("structural_probe.word", "word"),
        columns=words,
        texts=[[write_cell(one) for one in row] for row in apart.tolist()],
        values=apart / most,
        value_label=say("structural_probe.distances.value", "distance, as a share of the most ({most})",
                        most=write_number(most)),
        outlined=np.zeros(apart.shape, dtype=bool),
    )  # fmt: skip
