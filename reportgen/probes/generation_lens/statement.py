"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_depth
from reportgen.probes.generation_lens.view import Key, View, first_emoji_tokens, step_of_interest, tell_step
from reportgen.probing.followed import followed_at, tell_followed

TOLD = 4
"""Prompts that a statement names."""
FOLLOWED = 2
"""Traces of which it tells what the followed words do."""
MOST_EMOJI = 6
"""Emoji that it names of one prompt."""


def tell(view: View) -> str:
    """Which emoji a model writes, from which layer on, and where it ends at once."""
    prompts = list(dict.fromkeys(prompt for prompt, _ in view.traces))
    traces = {prompt: [trace for trace in view.traces if trace[0] == prompt] for prompt in prompts}
    emoji = {p: found for p in prompts if (found := [e for t in traces[p] for e in view.emoji.get(t, ())])}
    silent = [p for p in prompts if all(not view.attempts[trace]["length"] for trace in traces[p])]
    joined = ""
    if view.joined:
        joined = say_count(
            "generation_lens.joined",
            "{model} writes {count} character in several tokens.",
            "{model} writes {count} characters in several tokens.",
            view.joined,
            model=view.name,
        )
    followed = [_tell_followed(view, number) for number in range(min(FOLLOWED, len(view.traces)))]
    if not emoji and not silent and not joined and not any(followed):
        return say(
            "generation_lens.no_clear_statement",
            "No clear statement about {model}: it writes no emoji and no character of several tokens, and never "
            "ends at once.",
            model=view.name,
        )
    parts = [_tell_emoji(view, traces, emoji), _tell_silence(view, silent), joined, *followed]
    return sentences(parts)


def _tell_followed(view: View, number: int) -> str:
    trace = view.traces[number]
    token = step_of_interest(view, trace)
    if token is None:
        return ""
    return tell_followed(view.name, tell_step(view, trace, token), followed_at(view, number, token["step"]))


def _tell_emoji(
    view: View, traces: Mapping[int, Sequence[Key]], emoji: Mapping[int, Sequence[Mapping[str, Any]]]
) -> str:
    """The emoji after each prompt, and the layers from which the tokens of the first lead."""
    if not emoji:
        return ""
    told = [
        say(
            "generation_lens.emoji_after",
            "{emoji} after “{prompt}”",
            emoji=list_items([str(one["character"]) for one in found[:MOST_EMOJI]]),
            prompt=view.quote_prompt(prompt),
        )
        for prompt, found in list(emoji.items())[:TOLD]
    ]
    writes = say("generation_lens.writes", "{model} writes {what}.", model=view.name, what=list_items(told))
    trace = next(t for t in traces[next(iter(emoji))] if view.emoji.get(t))
    layers = [token["settled"] for token in first_emoji_tokens(view, trace)]
    if not layers or None in layers:
        return writes
    decided = say_count(
        "generation_lens.decided",
        "The first of them is {count} token, which leads from layer {layers} of {last}.",
        "The first of them is {count} tokens, which lead from layers {layers} of {last}.",
        len(layers),
        layers=list_items([str(layer) for layer in layers]),
        last=view.last,
    )
    return sentences([writes, decided])


def _tell_silence(view: View, silent: Sequence[int]) -> str:
    if not silent:
        return ""
    told = list_items([say("text.quoted", "“{text}”", text=view.quote_prompt(prompt)) for prompt in silent[:TOLD]])
    return say("generation_lens.silent", "After {prompts}, {model} ends at once.", model=view.name, prompts=told)


def tell_briefly(view: View) -> str:
    """From which layer on the written tokens lead, on average."""
    settled = view.metric("settling_layer")
    if settled is None:
        return say("generation_lens.brief_none", "ends at once")
    return say(
        "generation_lens.brief",
        "what is written settles at layer {depth} on average",
        depth=write_depth(settled, view.last_layer),
    )
