"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.figures.describe import Figure
from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_number, write_setting, write_share
from reportgen.probes.activation_difference import MOVED
from reportgen.probes.activation_difference.view import BEYOND, View
from reportgen.text.characters import mark_space

NAMED = 3
"""Words named, at most, of each kind."""


def tell(view: View) -> str:
    """Whether the mean difference stands out over its control, what it reads as, and which tokens become likelier."""
    if not view.differs:
        return say(
            "activation_difference.equal",
            "{model}: the streams do not differ at the first tokens of {texts} unrelated texts.",
            model=view.name,
            texts=int(view.metric("texts") or 0),
        )
    return sentences([_tell_size(view), _tell_words(view), _tell_patched(view), _tell_written(view)])


def tell_figure(view: View, figure: Figure) -> str:
    """What Patchscope reads, where that is shown."""
    return (_tell_patched(view) or _tell_no_word()) if figure.name in ("patched", "patched-relabelled") else ""


def _tell_size(view: View) -> str:
    values: dict[str, Any] = {
        "model": view.name,
        "layer": int(view.metric("strongest_layer") or 0),
        "norm": write_share(view.metric("strongest_norm")),
        "times": write_number(view.metric("times_relabelled"), 2),
    }
    if view.metric("times_relabelled") is None:
        return say(
            "activation_difference.all_alike",
            "{model}: the same difference stands at the beginning of every unrelated text, largest at layer {layer} "
            "({norm} of the stream's norm); where base and other change places, nothing is left of it.",
            **values,
        )
    if not view.stands_out:
        return say(
            "activation_difference.no_clear_statement",
            "No clear statement about {model}: the mean difference on unrelated texts is largest at layer {layer} "
            "({norm} of the stream's norm), {times} times what chance leaves where base and other change places; from "
            "{least} times on it would stand out.",
            least=write_number(BEYOND, 2),
            **values,
        )
    return say(
        "activation_difference.stands_out",
        "{model}: the mean difference on unrelated texts stands out; it is largest at layer {layer} ({norm} of the "
        "stream's norm), {times} times what chance leaves where base and other change places.",
        **values,
    )


def _tell_words(view: View) -> str:
    """Which words rise whatever the text, and whether the difference alone reads as them; nothing where it does not
    stand out. What the lens reads and no logit follows may be what it reads of anything: it is told, and no verdict.
    """
    if not view.stands_out:
        return ""
    risen, read = view.list_risen(), view.list_read()
    if not risen:
        return say_count(
            "activation_difference.no_words",
            "The {count} token whose logit rises most is no word that rises clearly more than by chance.",
            "Of the {count} tokens whose logits rise most, none is a word that rises clearly more than by chance.",
            MOVED,
        )
    values = {"words": _quote(risen[:NAMED]), "read": _quote(read[:NAMED])}
    if any(word in read for word in risen):
        both = _quote([word for word in risen if word in read][:NAMED])
        return say(
            "activation_difference.words_read",
            "Of words, {words} rise most in the logits, and read by the lens the difference itself says {both}.",
            words=values["words"],
            both=both,
        )
    if not read:
        return say("activation_difference.words", "Of words, {words} rise most in the logits.", words=values["words"])
    return say(
        "activation_difference.words_apart",
        "Of words, {words} rise most in the logits; read by the lens, the difference itself says others: {read}.",
        **values,
    )


def _tell_no_word() -> str:
    return say(
        "activation_difference.no_patched",
        "Put into the identity prompt (Patchscope), the difference is read as no word that stands out over what "
        "the control is read as.",
    )


def _tell_patched(view: View) -> str:
    """What Patchscope reads out of the difference and out of no control; nothing where it does not stand out."""
    scale = view.choose_patched_scale()
    if scale is None or not view.stands_out:
        return ""
    words = view.list_patched(scale)
    if not words:
        return _tell_no_word()
    return say(
        "activation_difference.patched",
        "Put into the identity prompt (Patchscope) at {scale} times the stream's norm, the difference is read as "
        "{words}, and the control nowhere.",
        scale=write_setting(scale),
        words=_quote(words[:NAMED]),
    )


def _tell_written(view: View) -> str:
    """In how many texts base names such a word once the difference is added; nothing where no word rises."""
    scale = view.choose_scale()
    if scale is None or not view.stands_out or not view.list_risen():
        return ""
    named, count = view.count_naming("difference", scale)
    return say_count(
        "activation_difference.written",
        "Added to base at layer {layer}, {scale} times the stream's norm, {named} of {count} text names one of the "
        "words that rise; {control} with the control's, {own} without.",
        "Added to base at layer {layer}, {scale} times the stream's norm, {named} of {count} texts name one of the "
        "words that rise; {control} with the control's, {own} without.",
        count,
        layer=view.steered_layer,
        scale=write_setting(scale),
        named=named,
        control=view.count_naming("relabelled", scale)[0],
        own=view.count_naming("none", 0.0)[0],
    )


def tell_briefly(view: View) -> str:
    """Its size, and whether that is chance."""
    if not view.differs:
        return say("activation_difference.brief_equal", "no difference on unrelated texts")
    return say(
        "activation_difference.brief",
        "mean difference {norm} of the norm, {times} times chance",
        norm=write_share(view.metric("strongest_norm")),
        times=write_number(view.metric("times_relabelled"), 2),
    )


def _quote(tokens: Sequence[str]) -> str:
    return list_items([say("text.quoted", "“{text}”", text=mark_space(token)) for token in tokens])
