"""The rule of its sentence."""

from __future__ import annotations

from itertools import product

import numpy as np

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_share
from reportgen.probes.patchscope import names
from reportgen.probes.patchscope.view import drop_last_layer, expected_of
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import tell_parts

TOLD = 4
"""Prompts that a statement names."""
CLEAR = 0.5
"""Precision@1 from which the identity prompt is said to give the next token back."""


def tell(view: SubjectView) -> str:
    """From which layer on a model names what it was given, and where the identity prompt gives tokens back."""
    return sentences([tell_named_layers(view), tell_parts(view), _tell_maps(view)])


def tell_named_layers(view: SubjectView) -> str:
    """The layers at which each prompt is named, with the answer of the first."""
    texts = quote_prompts(view.outcome)
    rows = view.rows("answers")
    leaking = _find_leaks(view)
    told = []
    for prompt, text in enumerate(texts[:TOLD]):
        asked = [row for row in rows if row["prompt"] == prompt and row["named"] is not None]
        counted = [row for row in asked if (prompt, row["target"]) not in leaking]
        naming = sorted((row for row in counted if row["named"]), key=lambda row: row["layer"])
        if not naming:
            continue
        layers = {row["layer"] for row in naming}
        told.append(
            say_count(
                "patchscope.named",
                "{model} names “{prompt}” at {count} layer of {of}, from layer {layer} (“{answer}”).",
                "{model} names “{prompt}” at {count} layers of {of}, from layer {layer} (“{answer}”).",
                len(layers),
                model=view.name,
                prompt=text,
                of=len({row["layer"] for row in counted}),
                layer=naming[0]["layer"],
                answer=str(naming[0]["answer"]),
            )
        )
    if told:
        return sentences(told)
    if any(row["named"] is not None for row in rows):
        return say(
            "patchscope.not_named",
            "No clear statement about {model}: no layer's answer contains an expected word.",
            model=view.name,
        )
    if "precision_by_layer" in view.outcome.arrays and view.values("precision_by_layer").size:
        return ""
    return say(
        "patchscope.no_clear_statement", "No clear statement about {model}: no word is expected.", model=view.name
    )


def _find_leaks(view: SubjectView) -> set[tuple[int, str]]:
    """(prompt, target) where the target names what is expected without being patched."""
    control = view.rows("unpatched")
    prompts = range(len(view.options["prompts"]))
    return {
        (prompt, row["target"])
        for prompt, row in product(prompts, control)
        if names(str(row["answer"]), expected_of(view, prompt))
    }


def _tell_maps(view: SubjectView) -> str:
    """From which source layer on the identity prompt gives the next token back."""
    if not view.values("precision_by_layer").size:
        return ""
    best, texts = drop_last_layer(view.outcome.arrays["precision_by_layer"]), len(view.options["identity_prompts"])
    if not best.size or float(best.max()) < CLEAR:
        return say(
            "patchscope.maps.none",
            "No clear statement about {model}: below the last layer the identity prompt nowhere gives back the next "
            "token of {share} of the texts.",
            model=view.name,
            share=write_share(CLEAR),
        )
    source, into = np.unravel_index(int(best.argmax()), best.shape)
    precision = view.outcome.arrays["precision_by_layer"]
    return say_count(
        "patchscope.maps.best",
        "The identity prompt gives {model}'s next token back best from layer {source} into layer {into}: for "
        "{share} of {count} text.",
        "The identity prompt gives {model}'s next token back best from layer {source} into layer {into}: for "
        "{share} of {count} texts.",
        texts,
        model=view.name,
        source=precision.along("layer")[source],
        into=precision.along("item")[into],
        share=write_share(float(best.max())),
    )
