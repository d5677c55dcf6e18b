"""The rule of its sentence."""

from __future__ import annotations

from reportgen.figures.describe import Figure
from reportgen.language import say, sentences
from reportgen.numerals import write_share
from reportgen.probes.attention_parts.distance_words import tell_distances
from reportgen.probes.attention_parts.view import rows_of_head
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import tell_parts
from reportgen.text.characters import mark_space

CLEAR = 0.25
"""Share of all norm-weighted attention from which a key is said to be read."""
TOLD = 3
"""Heads of a model that a statement is about."""


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """What a head's curves over distances show."""
    kind, *numbers = figure.name.split("-")
    return sentences(tell_distances(view, int(numbers[0]), int(numbers[1]))) if kind == "distance" else ""


def tell(view: SubjectView) -> str:
    """Where the heads look, and where they take most of what they write from."""
    told = []
    query = view.rows("queries")[0]
    for record in view.rows("heads")[:TOLD]:
        keys = rows_of_head(view, 0, record["block"], record["head"])
        looked = max(keys, key=lambda key: float(key["weight"]))
        read = max(keys, key=lambda key: float(key["norm_weighted"]))
        whole = sum(float(key["norm_weighted"]) for key in keys) or 1.0
        values = {
            "model": view.name,
            "head": f"{record['block']}.{record['head']}",
            "query": mark_space(str(query["token"])),
            "looked": mark_space(str(looked["token"])),
            "read": mark_space(str(read["token"])),
            "weight": write_share(float(looked["weight"])),
            "share": write_share(float(read["norm_weighted"]) / whole),
        }
        if float(read["norm_weighted"]) < CLEAR * whole:
            told.append(
                say(
                    "attention_parts.no_clear_statement",
                    "No clear statement about head {head} of {model}: it reads from many tokens, and none "
                    "contributes more than {share} of what it writes.",
                    **values,
                )
            )
        elif looked["key"] == read["key"]:
            told.append(
                say(
                    "attention_parts.same",
                    "In {model}, head {head} looks from “{query}” at “{looked}” ({weight} of its weight) and takes "
                    "{share} of what it writes from there.",
                    **values,
                )
            )
        else:
            told.append(
                say(
                    "attention_parts.other",
                    "In {model}, head {head} looks from “{query}” most at “{looked}” ({weight} of its weight), but "
                    "takes most of what it writes, {share}, from “{read}”.",
                    **values,
                )
            )
        told += tell_distances(view, record["block"], record["head"])
    return sentences([*told, tell_parts(view)])
