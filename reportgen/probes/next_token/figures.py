"""What its figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings
from reportgen.language import list_items, say, say_count, sentences, unit_of
from reportgen.numerals import write_number, write_setting, write_share
from reportgen.probes.next_token import MOST_DRAWN
from reportgen.probes.next_token.view import OWN, TOP_K, WHOLE, View
from reportgen.probing.probe import tell_ends
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

MOST_CURVES = 8
"""Prompts that have a curve of entropy."""
STEPS = 50
"""Pieces of a curve of probabilities over logits."""


def figures(section: Section) -> Iterable[Figure]:
    """A prompt at a time, models side by side: its distributions, logit against probability; then entropies."""
    views = View.each(section)
    for prompt in range(MOST_DRAWN):
        for draw in (_rankings, _logits):
            for view in views:
                if prompt < len(view.labels):
                    yield draw(view, prompt)
    highest = max((float(view.values("entropy").max()) for view in views), default=1.0)
    for view in views:
        if len(view.temperatures) > 1:
            yield _entropies(view, highest)


def _rankings(view: View, prompt: int) -> Rankings:
    """Every temperature whole, then the cuts of the model's own distribution."""
    shown = [(at, temperature, cut) for at, temperature, cut in view.top if at == prompt]
    whole = [place for place in shown if place[2] == WHOLE]
    cut = [place for place in shown if place[1] == OWN and place[2] != WHOLE]
    rankings = [
        Ranking(
            title=_tell_setting(view, place),
            labels=[mark_space(str(row["token"])) for row in view.top[place]],
            values=[float(row["probability"]) for row in view.top[place]],
        )
        for place in (*whole, *cut)
    ]
    rankings += [
        Ranking(
            title=_tell_map(name, view.kept_by_map[at, name]),
            labels=[mark_space(str(row["token"])) for row in rows],
            values=[float(row["probability"]) for row in rows],
        )
        for (at, name), rows in view.mapped.items()
        if at == prompt
    ]
    return Rankings(
        name=f"tokens-{prompt}",
        subject=(view.subject,),
        title=say("next_token.after", "{model}: after “{prompt}”", model=view.name, prompt=view.labels[prompt]),
        alt=sentences(_tell_ranking(ranking) for ranking in rankings),
        rankings=rankings,
        value_label=unit_of("probability"),
        value_range=(0.0, max(max(ranking.values) for ranking in rankings)),
        model=view.subject,
    )


def _tell_map(name: str, kept: int) -> str:
    """What stands above a panel of another map."""
    return say_count("next_token.map", "{map}: {count} token", "{map}: {count} tokens", kept, map=name)


def _tell_setting(view: View, place: tuple[int, float, str]) -> str:
    """What stands above a panel."""
    _, temperature, cut = place
    if cut == WHOLE:
        return _tell_temperature(temperature)
    kept = int(view.settings[place]["kept"])
    if cut == TOP_K:
        return say_count("next_token.top_k", "top_k: {count} token", "top_k: {count} tokens", kept)
    return say_count(
        "next_token.top_p",
        "top_p {mass}: {count} token",
        "top_p {mass}: {count} tokens",
        kept,
        mass=write_setting(view.options["top_p"]),
    )


def _tell_temperature(temperature: float) -> str:
    return say("next_token.temperature", "temperature {value}", value=write_setting(temperature))


def _tell_ranking(ranking: Ranking) -> str:
    """One panel, for who cannot see it."""
    shown = [
        say("next_token.token", "{token} {probability}", token=token, probability=write_share(p))
        for token, p in zip(ranking.labels, ranking.values, strict=True)
    ]
    return say("next_token.alt", "At {setting}: {tokens}.", setting=ranking.title, tokens=list_items(shown))


def _logits(view: View, prompt: int) -> Curves:
    """Logits across, probabilities upwards: a curve a temperature, and the tokens on it where that is the model's."""
    likeliest = view.top[prompt, OWN, WHOLE]
    first, last = (float(likeliest[at]["logit"]) for at in (0, -1))
    across = [last + (first - last) * step / STEPS for step in range(STEPS + 1)]
    curves = []
    for temperature in view.temperatures:
        top = view.top[prompt, temperature, WHOLE][0]
        # One factor turns e^(logit / temperature) into probabilities, so that one token gives the whole curve.
        curve = [float(top["probability"]) * math.exp((logit - first) / temperature) for logit in across]
        label = _tell_temperature(temperature)
        curves.append(Curve(label=label, x=across, y=curve, group=label))
    tokens = say("next_token.tokens", "the most likely tokens")
    # A gap after each makes it a dot.
    dots = [(float(row["logit"]), value) for row in likeliest for value in (float(row["probability"]), math.nan)]
    curves.append(Curve(label=tokens, x=[x for x, _ in dots], y=[y for _, y in dots], group=tokens))
    return Curves(
        name=f"logits-{prompt}",
        subject=(view.subject,),
        title=say(
            "next_token.logits.title",
            "{model}: logit against probability after “{prompt}”",
            model=view.name,
            prompt=view.labels[prompt],
        ),
        alt=say(
            "next_token.logits.alt",
            "Logit and probability of the most likely tokens of {model} at each temperature; at temperature 1: "
            "{tokens}",
            model=view.name,
            tokens=list_items([_tell_logit(row) for row in likeliest]),
        ),
        x_label=say("next_token.logit_axis", "logit of the {count} most likely tokens", count=len(likeliest)),
        y_label=unit_of("probability"),
        curves=curves,
        y_range=(0.0, max(float(view.top[prompt, at, WHOLE][0]["probability"]) for at in view.temperatures)),
    )


def _tell_logit(row: Mapping[str, Any]) -> str:
    return say(
        "next_token.logit_told",
        "{token} {logit} ({probability})",
        token=mark_space(str(row["token"])),
        logit=write_number(row["logit"]),
        probability=write_share(float(row["probability"])),
    )


def _entropies(view: View, highest: float) -> Curves:
    """A curve a prompt over the temperatures."""
    labels = view.labels[:MOST_CURVES]
    only = view.subject if len(labels) == 1 else None
    curves = [
        Curve(label=label, x=view.temperatures, y=row.tolist(), model=only, group=label)
        for label, row in zip(labels, view.values("entropy"), strict=False)
    ]
    return Curves(
        name="entropy",
        subject=(view.subject,),
        title=_entropies_title(view),
        alt=say(
            "next_token.entropy.alt",
            "Entropy of the next token of {model} from temperature {first} to {last}: {ends}",
            model=view.name,
            first=write_setting(view.temperatures[0]),
            last=write_setting(view.temperatures[-1]),
            ends=list_items([tell_ends(curve) for curve in curves]),
        ),
        x_label=say("next_token.temperature_axis", "temperature"),
        y_label=say("next_token.entropy_axis", "entropy (nat)"),
        curves=curves,
        y_range=(0.0, highest * 1.05 or 1.0),
    )


def _entropies_title(view: View) -> str:
    if len(view.labels) > MOST_CURVES:
        return say(
            "next_token.entropy.some",
            "{model}: entropy at each temperature, the first {most} of {count} prompts",
            model=view.name,
            most=MOST_CURVES,
            count=len(view.labels),
        )
    return say("next_token.entropy.title", "{model}: entropy at each temperature", model=view.name)
