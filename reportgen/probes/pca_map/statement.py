"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_depth, write_share
from reportgen.probes.pca_map.groups import judge_layers
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import refuse_verdict, tell_parts, tell_refusal_briefly

DROWNING = 0.9
"""Share of variance on one axis above which the map shows little but an outlier."""


def tell(view: SubjectView) -> str:
    """From which layer on the groups lie apart, and where one direction drowns the rest."""
    refusal = refuse_verdict(view)
    return sentences([refusal or _tell_groups(view), "" if refusal else tell_parts(view), _tell_outliers(view)])


def _tell_groups(view: SubjectView) -> str:
    """Where words of one group have each other for neighbours."""
    name, layers, gathering = view.name, view.along("points", "layer"), judge_layers(view)
    if len({str(group) for group in view.column("items", "group")}) < 2:
        return say("pca_map.no_groups", "No clear statement about {model}: its words have no groups.", model=name)
    if gathering is None:
        return say("pca_map.undefined", "No clear statement about {model}: its maps are undefined.", model=name)
    clear, first, best, shares = gathering.clear, gathering.first, gathering.best, gathering.shares
    values = {"model": name, "layer": layers[best], "share": write_share(shares[best])}
    values["last"] = view.last_layer
    if not clear[best]:
        return say(
            "pca_map.no_clear_statement",
            "No clear statement about {model}: at no layer does the plane separate its groups; at layer {layer} of "
            "{last}, which comes nearest, {share} of the words have one of their own group as nearest neighbour.",
            **values,
        )
    if len(layers) == 1:
        return say(
            "pca_map.gathered_at",
            "{model} separates the groups at layer {layer} of {last}: {share} of the words there have one of their "
            "own group as nearest neighbour.",
            **values,
        )
    if clear.all():
        return say(
            "pca_map.gathered_everywhere",
            "{model} separates the groups at every layer, best at layer {layer} of {last}: {share} of the words "
            "there have one of their own group as nearest neighbour.",
            **values,
        )
    if first is not None:
        return say(
            "pca_map.gathered_from",
            "{model} separates the groups from layer {first} on, best at layer {layer} of {last}: {share} of the "
            "words there have one of their own group as nearest neighbour.",
            first=layers[first],
            **values,
        )
    return say(
        "pca_map.gathered_between",
        "{model} separates the groups at some layers only and no longer at the end, best at layer {layer} of "
        "{last}: {share} of the words there have one of their own group as nearest neighbour.",
        **values,
    )


def _tell_outliers(view: SubjectView) -> str:
    """How many layers show little but one outlier; nothing where none does."""
    shares = view.values("explained_variance")[:, 0]
    drowned = int((shares > DROWNING).sum())
    if not drowned:
        return ""
    return say_count(
        "pca_map.drowned",
        "At {count} of {all} layers of {model} a single direction holds over {share} of the variance: the map shows "
        "little but an outlier.",
        "At {count} of {all} layers of {model} a single direction holds over {share} of the variance: the maps show "
        "little but an outlier.",
        drowned,
        model=view.name,
        all=len(shares),
        share=write_share(DROWNING),
    )


def tell_briefly(view: SubjectView) -> str:
    """The layer at which most words have one of their own group as nearest neighbour, and how many do."""
    if refuse_verdict(view):
        return tell_refusal_briefly()
    gathering = judge_layers(view)
    if gathering is None:
        return say("pca_map.brief_none", "no clear groups")
    return say(
        "pca_map.brief",
        "{share} of the words are next to their own group at layer {depth}",
        share=write_share(gathering.shares[gathering.best]),
        depth=write_depth(view.along("points", "layer")[gathering.best], view.last_layer),
    )
