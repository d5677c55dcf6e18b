"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_number, write_signed
from reportgen.numerics.resampling import difference_of_pairs
from reportgen.probes.bits_per_byte.view import compare_texts, list_compared, share_words
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

SAME = 0.02
"""Bits per byte within which a whole interval must lie on both sides of 0 for two models to be called the same."""


def statement(section: Section) -> str:
    """Bits per byte of each model, and whether two models differ in them on the same texts."""
    views = SubjectView.each(section)
    return sentences([*map(tell, views), *(_compare(one, other) for one, other in list_compared(views))])


def tell(view: SubjectView) -> str:
    """Bits per byte, of how much text, and the mean over the texts."""
    return sentences([_tell_bits(view), _tell_mean(view), _tell_left_out(view)])


def _tell_bits(view: SubjectView) -> str:
    return say_count(
        "bits_per_byte.needs",
        "{model} needs {bits} bits per byte of {count} text: {bytes} bytes in {tokens} tokens, perplexity {perplexity} "
        "per token.",
        "{model} needs {bits} bits per byte of {count} texts: {bytes} bytes in {tokens} tokens, perplexity "
        "{perplexity} per token.",
        int(view.metric("texts_read") or 0),
        model=view.name,
        bits=write_number(view.metric("bits_per_byte")),
        bytes=write_count(int(view.metric("bytes") or 0)),
        tokens=write_count(int(view.metric("tokens") or 0)),
        perplexity=write_number(view.metric("perplexity")),
    )


def _tell_mean(view: SubjectView) -> str:
    """The mean over texts with its interval; of too few texts the interval over their windows, if these are enough."""
    low, high = view.metric("mean_low"), view.metric("mean_high")
    if low is None or high is None:
        return _tell_windows(view)
    return say(
        "bits_per_byte.mean",
        "The mean over the {count} texts is {mean} (95 % interval {low} to {high}).",
        count=write_count(int(view.metric("texts_read") or 0)),
        mean=write_number(view.metric("mean_of_texts")),
        low=write_number(low),
        high=write_number(high),
    )


def _tell_windows(view: SubjectView) -> str:
    """The interval over windows; empty where they are too few, and in bundles that hold none."""
    ends = [view.metric(name) if name in view.outcome.metrics else None for name in ("bits_low", "bits_high")]
    if ends[0] is None or ends[1] is None:
        return ""
    return say(
        "bits_per_byte.windows",
        "Over its {count} windows the 95 % interval is {low} to {high}.",
        count=write_count(sum(view.column("texts", "windows"))),
        low=write_number(ends[0]),
        high=write_number(ends[1]),
    )


def _tell_left_out(view: SubjectView) -> str:
    """Bytes that were not predicted; empty where all were."""
    count = int(view.metric("left_out") or 0)
    if not count:
        return ""
    return say_count(
        "bits_per_byte.left_out",
        "{count} byte is left out: nothing stands before it, or it belongs to a special token.",
        "{count} bytes are left out: nothing stands before them, or they belong to special tokens.",
        count,
    )


def _compare(one: SubjectView, other: SubjectView) -> str:
    """The difference of two models on the words that both predict, a pair of numbers a text."""
    of_one, of_other = compare_texts(share_words(one, other))
    if not of_one:
        return ""
    found = difference_of_pairs(np.array(of_one), np.array(of_other))
    values = {"one": one.name, "other": other.name, "difference": write_signed(found.mean)}
    judged = found.judge(SAME)
    if judged == "too few":
        return say_count(
            "bits_per_byte.too_few",
            "On the words of {count} text that both predict, {one} needs {difference} bits per byte compared with "
            "{other}: too few texts for an interval.",
            "On the words of {count} texts that both predict, {one} needs {difference} bits per byte compared with "
            "{other}: too few texts for an interval.",
            found.count,
            **values,
        )
    values |= {"count": write_count(found.count), "p": write_number(found.p, 2)}
    values |= {"low": write_signed(found.low), "high": write_signed(found.high)}
    if judged == "differ":
        return say(
            "bits_per_byte.differ",
            "On the words of {count} texts that both predict, {one} needs {difference} bits per byte compared with "
            "{other}, on average over texts (95 % interval {low} to {high}, p {p}).",
            **values,
        )
    if judged == "same":
        return say(
            "bits_per_byte.same",
            "On the words of {count} texts that both predict, {one} and {other} need equally many bits per byte, to "
            "within {margin} (95 % interval {low} to {high}).",
            margin=write_number(SAME),
            **values,
        )
    return say(
        "bits_per_byte.no_difference_shown",
        "On the words of {count} texts that both predict, no difference between {one} and {other} is shown, nor that "
        "there is none: {difference} bits per byte (95 % interval {low} to {high}, p {p}).",
        **values,
    )


def tell_briefly(view: SubjectView) -> str:
    """Bits per byte, and of how many."""
    return say(
        "bits_per_byte.brief",
        "{bits} bits per byte, perplexity {perplexity} per token",
        bits=write_number(view.metric("bits_per_byte")),
        perplexity=write_number(view.metric("perplexity")),
    )
