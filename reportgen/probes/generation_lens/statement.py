"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_depth, write_setting, write_share
from reportgen.probes.generation_lens.view import (
    Key,
    View,
    first_emoji_tokens,
    step_of_interest,
    sure_and_unsure,
    tell_step,
)
from reportgen.probing.followed import followed_at, tell_followed
from reportgen.spelling import capitalize_first, spell_text

TOLD = 4
"""Prompts that a statement names."""
FOLLOWED = 2
"""Traces of which it tells what the followed words do."""
PROSE = 2
"""Prompts without emoji of which it tells what is written."""
LONGEST_TEXT = 80
"""Characters of a text that it quotes."""
MOST_EMOJI = 6
"""Emoji that it names of one prompt."""


def tell(view: View) -> str:
    """Which emoji a model writes, from which layer on; what it writes if none; where it ends at once."""
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
    prose = [p for p in prompts if p not in emoji and p not in silent]
    return sentences(
        [
            _tell_emoji(view, traces, emoji),
            _tell_retries(view, emoji),
            _tell_answers(view),
            *(_tell_prose(view, traces[prompt]) for prompt in prose[:PROSE]),
            _tell_silence(view, silent),
            joined,
            *followed,
        ]
    )


def _tell_retries(view: View, emoji: Collection[int]) -> str:
    """How often the model writes another emoji after one that is not right, and after which words."""
    if not emoji or "retries" not in view.outcome.metrics:
        return ""
    tried = view.tried_again
    if not tried:
        return say("generation_lens.no_retry", "It never tries again after an emoji.")
    words = list(dict.fromkeys(str(row["takes_back"]) for row in tried if row["takes_back"]))
    again = say_count(
        "generation_lens.retries",
        "It tries again {count} time after an emoji (first {again} after {wrong}).",
        "It tries again {count} times after an emoji (first {again} after {wrong}).",
        len(tried),
        again=tried[0]["again"],
        wrong=tried[0]["wrong"],
    )
    corrections = say_count(
        "generation_lens.corrections",
        "{count} of these is a self-correction, after {words}.",
        "{count} of these are self-corrections, after {words}.",
        sum(bool(row["takes_back"]) for row in tried),
        words=list_items([say("text.quoted", "“{text}”", text=word) for word in words[:TOLD]]),
    )
    return sentences([again, corrections if words else ""])


def _tell_answers(view: View) -> str:
    """How many answers are right, and where the right one is expected first."""
    asked = view.answered
    if not asked:
        return ""
    told = say_count(
        "generation_lens.right",
        "{model} writes the right answer after {right} of {count} prompt.",
        "{model} writes the right answer after {right} of {count} prompts.",
        len(asked),
        right=sum(bool(row["right"]) for row in asked),
        model=view.name,
    )
    readable = [row for row in asked if row["openings"]]
    if not readable:
        return told
    if all(row["step"] is None for row in readable):
        never = say("generation_lens.never_expected", "From a quarter of its depth on, no layer ever expects it.")
        return sentences([told, never])
    return sentences([told, _tell_expected(view, readable), _tell_own(view, readable)])


def _tell_expected(view: View, asked: Sequence[Mapping[str, Any]]) -> str:
    """The median place at which some layer expects the right answer first."""
    found = [row for row in asked if row["step"] is not None]
    return say(
        "generation_lens.expected",
        "Some layer expects its first token after {count} of {all}: first before token {step}, at layer {layer} of "
        "{last} (medians).",
        count=len(found),
        all=len(asked),
        step=write_setting(median(row["step"] + 1 for row in found)),
        layer=write_setting(median(row["layer"] for row in found)),
        last=view.last,
    )


def _tell_own(view: View, asked: Sequence[Mapping[str, Any]]) -> str:
    """The same of what the model itself would write."""
    found = [row for row in asked if row["own_step"] is not None]
    if not found:
        return say("generation_lens.never_own", "The last layer never does.")
    return say(
        "generation_lens.own",
        "The last layer does after {count}: before token {step}, where it leads from layer {layer} on (medians).",
        count=len(found),
        step=write_setting(median(row["own_step"] + 1 for row in found)),
        layer=write_setting(median(row["own_layer"] for row in found)),
    )


def _tell_prose(view: View, traces: Sequence[Key]) -> str:
    """What a text without emoji says, and of which of its tokens the model is surest and least sure."""
    trace = next(one for one in traces if view.attempts[one]["length"])
    ends = [
        say("generation_lens.token_share", "“{token}” ({share})", token=token, share=write_share(share))
        for token, share in sure_and_unsure(view, trace)
    ]
    values = {
        "model": view.name,
        "where": capitalize_first(view.tell_trace(trace)),
        "text": spell_text(str(view.attempts[trace]["text"]).strip(), LONGEST_TEXT),
        "surest": ends[0],
        "least": ends[-1],
    }
    if len(ends) == 1:
        return say("generation_lens.one_token", "{where}, {model} writes one token: {surest}.", **values)
    return say(
        "generation_lens.prose",
        "{where}, {model} writes “{text}”: it is surest of {surest} and least sure of {least}.",
        **values,
    )


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
            prompt=view.quotes[prompt],
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
    told = list_items([say("text.quoted", "“{text}”", text=view.quotes[prompt]) for prompt in silent[:TOLD]])
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
