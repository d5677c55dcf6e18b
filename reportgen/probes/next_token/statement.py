"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.figures.describe import Figure
from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_number, write_setting, write_share
from reportgen.probes.next_token.view import OWN, TOP_P, WHOLE, View
from reportgen.text.characters import mark_space, shorten_quote

SURE = 0.1
"""Probability from which a next token is one that a statement is made of."""


def tell(view: View) -> str:
    """What a model expects, how surely, and how far the temperatures spread it."""
    first = [view.top[prompt, OWN, WHOLE][0] for prompt in range(len(view.labels))]
    order = sorted(range(len(first)), key=lambda prompt: (-float(first[prompt]["probability"]), prompt))
    surest, least = order[0], order[-1]
    if float(first[surest]["probability"]) < SURE:
        none = say(
            "next_token.no_clear_statement",
            "No clear statement about {model}: after no prompt has any token a probability of {threshold} or more.",
            model=view.name,
            threshold=write_share(SURE),
        )
        return sentences([none, _tell_right(view)])
    told = [_tell_expected(view, surest, first[surest]), _tell_spread(view, surest)]
    if least != surest:
        told.append(_tell_least_sure(view, least, first[least]))
    told += [_tell_sparsemax(view, least), _tell_right(view)]
    return sentences(told)


def tell_figure(view: View, figure: Figure) -> str:
    """What a model expects after the prompt of a figure, and how far the temperatures spread it."""
    _, *numbers = figure.name.split("-")  # a prompt's; of a part of a figure, the part's behind it
    if not numbers:
        return ""
    at = int(numbers[0])
    expected = _tell_expected(view, at, view.top[at, OWN, WHOLE][0])
    return sentences([expected, _tell_spread(view, at), _tell_rank(view, at) if at in view.answers else ""])


def _tell_right(view: View) -> str:
    """After how many prompts the right answer is the most likely token; empty if none is known."""
    if not view.answers:
        return ""
    if len(view.answers) == 1:
        return _tell_rank(view, next(iter(view.answers)))
    return say(
        "next_token.right",
        "A right answer is the most likely token of {model} after {right} of the {count} prompts whose answers it "
        "tells apart, and has a probability of {probability} on average.",
        model=view.name,
        right=write_count(sum(row["rank"] == 1 for row in view.answers.values())),
        count=write_count(len(view.answers)),
        probability=write_share(view.metric("right_probability")),
    )


def _tell_rank(view: View, prompt: int) -> str:
    """Where the right answer stands after a prompt."""
    row = view.answers[prompt]
    return say(
        "next_token.right_rank",
        "After “{prompt}” the right answer, “{answer}”, has rank {rank} and a probability of {probability}.",
        prompt=_quote_prompt(view, prompt),
        answer=mark_space(str(row["right"])),
        rank=write_count(row["rank"]),
        probability=write_share(float(row["probability"])),
    )


def _tell_expected(view: View, prompt: int, row: Mapping[str, Any]) -> str:
    values = {
        "model": view.name,
        "token": mark_space(str(row["token"])),
        "probability": write_share(float(row["probability"])),
        "prompt": _quote_prompt(view, prompt),
    }
    nucleus = view.settings.get((prompt, OWN, TOP_P))
    if nucleus is None:
        return say("next_token.expected", "{model} expects “{token}” ({probability}) after “{prompt}”.", **values)
    return say_count(
        "next_token.expected_nucleus",
        "{model} expects “{token}” ({probability}) after “{prompt}”, where {count} token holds {mass}.",
        "{model} expects “{token}” ({probability}) after “{prompt}”, where {count} tokens hold {mass}.",
        int(nucleus["kept"]),
        mass=write_share(view.options["top_p"]),
        **values,
    )


def _tell_least_sure(view: View, prompt: int, row: Mapping[str, Any]) -> str:
    values = {
        "model": view.name,
        "token": mark_space(str(row["token"])),
        "probability": write_share(float(row["probability"])),
        "prompt": _quote_prompt(view, prompt),
    }
    nucleus = view.settings.get((prompt, OWN, TOP_P))
    if nucleus is None:
        return say("next_token.least", "{model} is least sure after “{prompt}” (“{token}”, {probability}).", **values)
    return say_count(
        "next_token.least_nucleus",
        "{model} is least sure after “{prompt}” (“{token}”, {probability}), where {count} token holds {mass}.",
        "{model} is least sure after “{prompt}” (“{token}”, {probability}), where {count} tokens hold {mass}.",
        int(nucleus["kept"]),
        mass=write_share(view.options["top_p"]),
        **values,
    )


def _tell_spread(view: View, prompt: int) -> str:
    """What the temperatures make of the surest prompt's likeliest token; nothing where there is one temperature."""
    if len(view.temperatures) < 2:
        return ""
    low, high = view.temperatures[0], view.temperatures[-1]
    p_low, p_high = (float(view.top[prompt, at, WHOLE][0]["probability"]) for at in (low, high))
    return say(
        "next_token.spread",
        "Temperature {low} makes that {at_low}, temperature {high} {at_high}.",
        low=write_setting(low),
        high=write_setting(high),
        at_low=write_share(p_low),
        at_high=write_share(p_high),
    )


def _tell_sparsemax(view: View, prompt: int) -> str:
    """How few tokens sparsemax leaves, where it is asked for."""
    kept = view.kept_by_map.get((prompt, "sparsemax"))
    if kept is None:
        return ""
    return say_count(
        "next_token.sparsemax",
        "Sparsemax in the place of softmax leaves {count} token after “{prompt}” (“{token}”, {probability}).",
        "Sparsemax in the place of softmax leaves {count} tokens after “{prompt}” (“{token}”, {probability}).",
        kept,
        prompt=_quote_prompt(view, prompt),
        token=mark_space(str(view.mapped[prompt, "sparsemax"][0]["token"])),
        probability=write_share(float(view.mapped[prompt, "sparsemax"][0]["probability"])),
    )


def _quote_prompt(view: View, prompt: int) -> str:
    return shorten_quote(view.labels[prompt])


def tell_briefly(view: View) -> str:
    """How likely the likeliest token is, and how spread out the distribution, on average over the prompts."""
    return say(
        "next_token.brief",
        "most likely token {probability} on average, entropy {entropy} nats",
        probability=write_share(view.metric("top_probability")),
        entropy=write_number(view.metric("own_entropy")),
    )
