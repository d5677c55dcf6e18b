"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_depth, write_share
from reportgen.probes.latent_language.view import ShownWord, language_names, shown_words, tell_way
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

LEAST = 0.05
"""Mean probability from which a language can lead."""
MIDDLE = (0.25, 0.9)
"""Shares of the depth between which layers are in the middle."""


def tell(view: SubjectView) -> str:
    """Which language leads in the middle layers of each model, and what the last says; then each word by name."""
    return sentences([_tell_mean(view), *(_tell_word(view, word) for word in shown_words(view))])


def _tell_word(view: SubjectView, word: ShownWord) -> str:
    """How likely one word becomes in each language, and why it is left out of the mean if it is."""
    peaks = []
    for language, values in zip(language_names(view), word.probability, strict=True):
        at = int(values.argmax())
        peaks.append(
            say(
                "latent_language.word_peak",
                "{language} at most {share} (layer {layer} of {last})",
                language=language,
                share=write_share(float(values[at])),
                layer=at,
                last=len(values) - 1,
            )
        )
    told = say("latent_language.word_told", "“{word}” alone: {peaks}.", word=word.source, peaks=list_items(peaks))
    return sentences([told, _tell_left_out(view, word)])


def _tell_left_out(view: SubjectView, word: ShownWord) -> str:
    if word.in_mean:
        return ""
    if not word.shared:
        return say("latent_language.beyond_limit", "It is not part of the mean, which is of the first words alone.")
    return say_count(
        "latent_language.left_out",
        "It is not part of the mean, because the token {tokens} begins it in {language} and in another language, and "
        "counts for both.",
        "It is not part of the mean, because the tokens {tokens} begin it in {language} and in another language, and "
        "count for both.",
        len(word.shared),
        tokens=list_items([say("text.quoted", "“{text}”", text=mark_space(token)) for token in word.shared]),
        language=language_names(view)[0],
    )


def _tell_mean(view: SubjectView) -> str:
    mean, margin = view.values("mean"), view.values("margin")
    languages, last = language_names(view), mean.shape[1] - 1
    leads = [find_leading_language(mean[:, layer], margin[:, layer]) for layer in range(last + 1)]
    middle = [layer for layer in range(last + 1) if MIDDLE[0] <= layer / last <= MIDDLE[1]]
    found = [lead for layer in middle if (lead := leads[layer]) is not None]
    target = view.column("languages", "language").index(view.options["target"])
    values: dict[str, Any] = {"model": view.name, "way": tell_way(view), "last": last, "target": languages[target]}
    ends = say(
        "latent_language.ends",
        "Its last layer gives the word in {target} a probability of {final}.",
        target=languages[target],
        final=write_share(float(mean[target, last])),
    )
    if not found:
        none = say(
            "latent_language.no_clear_statement",
            "No clear statement about {model}, {way}: in its middle layers no language leads clearly with {threshold} "
            "or more.",
            threshold=write_share(LEAST),
            **values,
        )
        return sentences([none, ends])
    most = max(dict.fromkeys(found), key=found.count)
    held = [layer for layer in middle if leads[layer] == most]
    top = max(held, key=lambda layer: float(mean[most, layer]))
    values |= {
        "language": languages[most],
        "layers": f"{held[0]}–{held[-1]}",
        "top": write_share(float(mean[most, top])),
        "at": top,
    }
    if len(held) == 1:
        led = say(
            "latent_language.leads_at",
            "In the middle of {model}, {way}, {language} leads (layer {at} of {last}, {top}).",
            **values,
        )
    else:
        led = say(
            "latent_language.leads",
            "In the middle of {model}, {way}, {language} leads (layers {layers} of {last}; {top} at layer {at}).",
            **values,
        )
    over = [layer for layer in range(max(held) + 1, last + 1) if leads[layer] == target]
    if most == target or not over:
        return sentences([led, ends])
    turn = say(
        "latent_language.turns", "{target} takes over at layer {layer}.", target=languages[target], layer=over[0]
    )
    return sentences([led, turn, ends])


def find_leading_language(mean: Sequence[float] | NDArray[Any], margin: Sequence[float] | NDArray[Any]) -> int | None:
    """The language whose band lies above those of all others at a layer, with a mean of `LEAST` or more; None where
    there is none. Margins that are unknown count as 0.
    """
    means, margins = np.asarray(mean), np.nan_to_num(np.asarray(margin))
    first = int(means.argmax())
    upper = np.delete(means + margins, first)
    clear = means[first] >= LEAST and means[first] - margins[first] > upper.max(initial=0.0)
    return first if clear else None


def tell_briefly(view: SubjectView) -> str:
    """How likely the pivot language becomes, and where."""
    return say(
        "latent_language.brief",
        "{language} reaches {share} at layer {depth}",
        language=language_names(view)[0],
        share=write_share(view.metric("pivot_peak")),
        depth=write_depth(view.metric("pivot_peak_layer") or 0, view.last_layer),
    )
