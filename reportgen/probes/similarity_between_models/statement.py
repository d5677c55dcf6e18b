"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_count, write_depth, write_number, write_share
from reportgen.probes.similarity_between_models.view import MEASURES, Measure, View


def tell(view: View) -> str:
    """Whether the two agree beyond shuffling, by which measure, and where."""
    agreeing = [measure for measure in MEASURES if view.agrees(measure)]
    if not agreeing:
        return say_count(
            "similarity.none",
            "{model}: no agreement beyond shuffled positions, over {count} position.",
            "{model}: no agreement beyond shuffled positions, over {count} positions.",
            int(view.metric("positions") or 0),
            model=view.name,
        )
    told = [_tell_neighbours(view) if measure == "knn" else _tell_cka(view) for measure in agreeing]
    missing = [_tell_missing(one) for one in MEASURES if one not in agreeing]
    return sentences([_open(view), *told, *missing, _tell_control(view)])


def _tell_control(view: View) -> str:
    """How positions were shuffled, where that is not over all texts."""
    if view.options["shuffle"] == "all":
        return ""
    return say(
        "similarity.within_texts",
        "Positions were shuffled within each text, so that telling the texts apart is no agreement here.",
    )


def _open(view: View) -> str:
    """At how many of base's layers, by whichever measure finds it at more."""
    beyond = max(int(view.metric(f"{measure}_layers_beyond") or 0) for measure in MEASURES)
    layers = view.models[0].layers + 1
    values = {
        "model": view.name,
        "beyond": write_count(beyond),
        "layers": write_count(layers),
        "positions": write_count(int(view.metric("positions") or 0)),
        "base": view.base,
    }
    if beyond == layers:
        return say(
            "similarity.everywhere",
            "{model}: at all {layers} layers of {base} the two agree beyond shuffling, over {positions} positions.",
            **values,
        )
    return say(
        "similarity.somewhere",
        "{model}: at {beyond} of {layers} layers of {base} the two agree beyond shuffling, over {positions} positions.",
        **values,
    )


def _tell_neighbours(view: View) -> str:
    """The best pair by shared neighbours, and which layers go with the first, middle and last."""
    return say(
        "similarity.knn.best",
        "Nearest neighbours agree best between layer {place} and layer {other_place}: {share} of the {k} nearest are "
        "the same, {above} standard deviations above the shuffles. {ridge}",
        place=write_depth(view.metric("knn_layer") or 0, view.models[0].layers),
        other_place=write_depth(view.metric("knn_other_layer") or 0, view.models[1].layers),
        share=write_share(view.metric("knn")),
        k=view.options["k"],
        above=write_number(view.metric("knn_calibrated"), 2),
        ridge=_tell_ridge(view, "knn"),
    ).strip()


def _tell_ridge(view: View, measure: Measure) -> str:
    """By shares of the depth, which layer of other goes with base's first, middle and last layer that has one."""
    best = view.best_partners(measure)
    if len(best) < 3:
        return ""
    chosen = (best[0], best[len(best) // 2], best[-1])
    pairs = [
        say(
            "similarity.pair",
            "{depth} with {other_depth}",
            depth=write_share(layer / view.models[0].layers),
            other_depth=write_share(partner / view.models[1].layers),
        )
        for layer, partner in chosen
    ]
    return say("similarity.ridge", "By depth, these go together: {pairs}.", pairs=list_items(pairs))


def _tell_cka(view: View) -> str:
    """The best pair by CKA."""
    return say(
        "similarity.cka.best",
        "CKA is best between layer {place} and layer {other_place}: {cka}, {above} standard deviations above the "
        "shuffles.",
        place=write_depth(view.metric("cka_layer") or 0, view.models[0].layers),
        other_place=write_depth(view.metric("cka_other_layer") or 0, view.models[1].layers),
        cka=write_number(view.metric("cka"), 2),
        above=write_number(view.metric("cka_calibrated"), 2),
    )


def _tell_missing(measure: Measure) -> str:
    """That the other measure finds none."""
    if measure == "knn":
        return say("similarity.knn.none", "By nearest neighbours there is no agreement beyond shuffling.")
    return say("similarity.cka.none", "By CKA there is no agreement beyond shuffling.")
