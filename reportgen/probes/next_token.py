"""What a model would write next, and what temperature and cuts make of that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings
from reportgen.language import digits, listed, say, say_count, sentences, unit_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.measures.next_token import Cut
    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

WHOLE, TOP_K, TOP_P = "none", "top_k", "top_p"
"""Names of the cuts in the tables."""
OWN = 1.0
"""The temperature of the model's own distribution."""
SURE = 0.1
"""Probability from which a next token is one that a statement is made of."""
MOST_DRAWN = 6
"""Prompts that are drawn."""
MOST_CURVES = 8
"""Prompts that have a curve of entropy."""
STEPS = 50
"""Pieces of a curve of probabilities over logits."""
LONGEST_LABEL = 48
"""Characters of a prompt that a statement quotes."""

_FINAL = Need(Site.FINAL, "last")


class Options(ProbeOptions):
    """After which prompts, at which temperatures, with which cuts."""

    prompts: Prompts
    """What the model reads."""
    temperatures: Annotated[list[Annotated[float, Field(ge=0.01, le=100, strict=False)]], Field(min_length=1)] = Field(
        default=[0.5, 1.0, 2.0]
    )
    """Temperatures from 0.01 to 100; 1, the model's own, is always among them."""
    top_k: Annotated[int, Field(ge=1)] | None = 40
    """Tokens that the one cut keeps: the likeliest. `null` leaves the cut out."""
    top_p: Annotated[float, Field(gt=0, le=1, strict=False)] | None = 0.9
    """Probability that the other cut keeps: the fewest likeliest tokens that have it together. `null` leaves it out."""
    k: Annotated[int, Field(ge=1, le=100)] = 10
    """Tokens named a distribution."""


@dataclass(frozen=True, kw_only=True)
class NextToken(Findings):
    """What next token gives."""

    own_entropy: float = metric("nat")
    """Mean over prompts of the entropy of the model's own distribution (temperature 1, nothing cut)."""
    top_probability: float = metric("probability")
    """Mean over prompts of the probability of its likeliest token."""
    nucleus: float | str = metric("tokens")
    """Mean over prompts of the tokens that `top_p` keeps of it."""
    entropy: NDArray[np.float64] = array("prompt", "item", unit="nat")
    """(prompt x item) -sum p ln p at each temperature, nothing cut; `temperatures` says which item is which."""
    settings: Rows = table("prompt", "temperature", "cut", "kept", "mass", "entropy")
    """Every distribution: tokens kept, the probability that they had before the cut, and the entropy of what is left,
    in nats. Temperature first, each cut of what it gives."""
    top: Rows = table("prompt", "temperature", "cut", "rank", "token_id", "token", "logit", "probability")
    """The k likeliest tokens of every distribution: the model's own logit (softcap and output scaling in it), and the
    probability softmax(logit / temperature), over what the cut keeps."""
    temperatures: Rows = table("item", "temperature")
    """The temperatures, ascending."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class NextTokenProbe(Probe[Options, NextToken]):
    """Shows: what the model would write next, as logits and as probabilities, and what a sampler's temperature and
    cuts make of these before it draws.

    Read: a panel a distribution, all of one scale and with their tokens in one order: a low temperature leaves the
    likeliest nearly alone, a high one makes all alike, and neither changes the order. A cut leaves the head as it is
    and gives it the mass of the tail. The second figure has logits across and probabilities upwards, a
    dot a token: a step of one logit is a factor of e at temperature 1, of e² at 0.5, so that what lies close together
    in logits lies far apart in probability.

    Computed: the model's own logits at the last position, in its own dtype, read as float32; softmax(logits /
    temperature). top_k keeps the k likeliest (Fan et al. 2018), top_p the fewest likeliest that have the mass p
    together (Holtzman et al. 2020), each of what the temperature gives, renormalised. Entropy in nats.
    """

    name = "next_token"
    version = 1
    question = "What comes next, and how is it drawn?"
    options = Options
    findings = NextToken
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, its last position."""
        return [Pass(case.tokens(prompt), (_FINAL,)) for prompt in case.options.prompts]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> NextToken:
        """All prompts through the unembedding together."""
        import numpy as np
        import torch

        from reportgen.model.measures.next_token import distributions

        options, temperatures = case.options, _temperatures(case.options)
        normed = torch.cat([single.kept(_FINAL, 0)[0] for single in captured])
        found = list(distributions(model, normed, temperatures, _cuts(options), options.k))
        own = [one for one in found if one.temperature == OWN]
        whole = [one for one in own if one.cut == WHOLE]
        nucleus = [one.kept for one in own if one.cut == TOP_P]
        top: Rows = []
        for one in found:
            named = enumerate(zip(one.token_ids, one.logits, one.probabilities, strict=True), 1)
            top += [
                [one.prompt, one.temperature, one.cut, rank, i, case.tokenizer.show(i), logit, p]
                for rank, (i, logit, p) in named
            ]
        entropies = [one.entropy for one in found if one.cut == WHOLE]
        return NextToken(
            own_entropy=float(np.mean([one.entropy for one in whole])),
            top_probability=float(np.mean([one.probabilities[0] for one in whole])),
            nucleus=float(np.mean(nucleus)) if nucleus else "top_p is not asked for",
            entropy=np.array(entropies).reshape(len(captured), len(temperatures)),
            settings=[[one.prompt, one.temperature, one.cut, one.kept, one.mass, one.entropy] for one in found],
            top=top,
            temperatures=[[item, temperature] for item, temperature in enumerate(temperatures)],
            prompts=case.prompt_rows(options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """A prompt at a time, models side by side: its distributions, logit against probability; then entropies."""
        ok = section.ok()
        views = {subject: _View.of(section.name(subject), subject, outcome) for subject, outcome in ok.items()}
        for prompt in range(MOST_DRAWN):
            for draw in (_rankings, _logits):
                for view in views.values():
                    if prompt < len(view.labels):
                        yield draw(view, prompt)
        highest = max((float(outcome.arrays["entropy"].values.max()) for outcome in ok.values()), default=1.0)
        for view in views.values():
            if len(view.temperatures) > 1:
                yield _entropies(view, highest)

    def statement(self, section: Section) -> str:
        """What each model expects, how surely, and how far the temperatures spread it."""
        return sentences(
            _seen(_View.of(section.name(subject), subject, outcome)) for subject, outcome in section.ok().items()
        )


def _temperatures(options: Options) -> list[float]:
    return sorted({OWN, *options.temperatures})


def _cuts(options: Options) -> list[Cut]:
    from reportgen.model.measures.next_token import Cut

    cuts = [Cut(WHOLE)]
    if options.top_k is not None:
        cuts.append(Cut(TOP_K, top_k=options.top_k))
    if options.top_p is not None:
        cuts.append(Cut(TOP_P, top_p=options.top_p))
    return cuts


@dataclass(frozen=True)
class _View:
    """An outcome by prompt, temperature and cut: tables are long, and looked through once."""

    name: str
    subject: str
    labels: Sequence[str]
    """(prompt) its text, or the last message of a chat: what the next token follows."""
    temperatures: Sequence[float]
    top: Mapping[tuple[int, float, str], Sequence[Mapping[str, Any]]]
    settings: Mapping[tuple[int, float, str], Mapping[str, Any]]
    entropy: NDArray[Any]
    """(prompt x item)"""
    options: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, subject: str, outcome: Outcome) -> _View:
        top: dict[tuple[int, float, str], list[Mapping[str, Any]]] = {}
        for row in outcome.tables["top"].records():
            top.setdefault(_place(row), []).append(row)
        return cls(
            name=name,
            subject=subject,
            labels=[str(p.get("text") or p["messages"][-1]["content"]) for p in outcome.options["prompts"]],
            temperatures=outcome.tables["temperatures"].column("temperature"),
            top=top,
            settings={_place(row): row for row in outcome.tables["settings"].records()},
            entropy=outcome.arrays["entropy"].values,
            options=outcome.options,
        )


def _place(row: Mapping[str, Any]) -> tuple[int, float, str]:
    return row["prompt"], row["temperature"], row["cut"]


def _rankings(view: _View, prompt: int) -> Rankings:
    """Every temperature whole, then the cuts of the model's own distribution."""
    shown = [(at, temperature, cut) for at, temperature, cut in view.top if at == prompt]
    whole = [place for place in shown if place[2] == WHOLE]
    cut = [place for place in shown if place[1] == OWN and place[2] != WHOLE]
    rankings = [
        Ranking(
            title=_setting_told(view, place),
            labels=[mark_space(str(row["token"])) for row in view.top[place]],
            values=[float(row["probability"]) for row in view.top[place]],
        )
        for place in (*whole, *cut)
    ]
    return Rankings(
        name=f"tokens-{prompt}",
        subject=(view.subject,),
        title=say("next_token.after", "{model}: after “{prompt}”", model=view.name, prompt=view.labels[prompt]),
        alt=sentences(_read_out(ranking) for ranking in rankings),
        rankings=rankings,
        value_label=unit_of("probability"),
        value_range=(0.0, max(max(ranking.values) for ranking in rankings)),
        model=view.subject,
    )


def _setting_told(view: _View, place: tuple[int, float, str]) -> str:
    """What stands above a panel."""
    _, temperature, cut = place
    if cut == WHOLE:
        return _temperature_told(temperature)
    kept = int(view.settings[place]["kept"])
    if cut == TOP_K:
        return say_count("next_token.top_k", "top_k: {count} token", "top_k: {count} tokens", kept)
    return say_count(
        "next_token.top_p",
        "top_p {mass}: {count} token",
        "top_p {mass}: {count} tokens",
        kept,
        mass=digits(f"{view.options['top_p']:g}"),
    )


def _temperature_told(temperature: float) -> str:
    return say("next_token.temperature", "temperature {value}", value=digits(f"{temperature:g}"))


def _read_out(ranking: Ranking) -> str:
    """One panel, for who cannot see it."""
    shown = [
        say("next_token.token", "{token} {probability}", token=token, probability=_percent(p))
        for token, p in zip(ranking.labels, ranking.values, strict=True)
    ]
    return say("next_token.alt", "At {setting}: {tokens}.", setting=ranking.title, tokens=listed(shown))


def _logits(view: _View, prompt: int) -> Curves:
    """Logits across, probabilities upwards: a curve a temperature, and the tokens on it where that is the model's."""
    likeliest = view.top[prompt, OWN, WHOLE]
    first, last = (float(likeliest[at]["logit"]) for at in (0, -1))
    across = [last + (first - last) * step / STEPS for step in range(STEPS + 1)]
    curves = []
    for temperature in view.temperatures:
        top = view.top[prompt, temperature, WHOLE][0]
        # One factor turns e^(logit / temperature) into probabilities, so that one token gives the whole curve.
        curve = [float(top["probability"]) * math.exp((logit - first) / temperature) for logit in across]
        label = _temperature_told(temperature)
        curves.append(Curve(label=label, x=across, y=curve, group=label))
    tokens = say("next_token.tokens", "the likeliest tokens")
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
            "Logit and probability of the likeliest tokens of {model} at each temperature; at temperature 1: {tokens}",
            model=view.name,
            tokens=listed([_logit_told(row) for row in likeliest]),
        ),
        x_label=say("next_token.logit_axis", "logit of the {count} likeliest tokens", count=len(likeliest)),
        y_label=unit_of("probability"),
        curves=curves,
        y_range=(0.0, max(float(view.top[prompt, at, WHOLE][0]["probability"]) for at in view.temperatures)),
    )


def _logit_told(row: Mapping[str, Any]) -> str:
    return say(
        "next_token.logit_told",
        "{token} {logit} ({probability})",
        token=mark_space(str(row["token"])),
        logit=digits(f"{row['logit']:.1f}"),
        probability=_percent(float(row["probability"])),
    )


def _entropies(view: _View, highest: float) -> Curves:
    """A curve a prompt over the temperatures."""
    labels = view.labels[:MOST_CURVES]
    only = view.subject if len(labels) == 1 else None
    curves = [
        Curve(label=label, x=view.temperatures, y=row.tolist(), model=only, group=label)
        for label, row in zip(labels, view.entropy, strict=False)
    ]
    return Curves(
        name="entropy",
        subject=(view.subject,),
        title=_entropies_title(view),
        alt=say(
            "next_token.entropy.alt",
            "Entropy of the next token of {model} from temperature {first} to {last}: {ends}",
            model=view.name,
            first=digits(f"{view.temperatures[0]:g}"),
            last=digits(f"{view.temperatures[-1]:g}"),
            ends=listed([_ends(curve) for curve in curves]),
        ),
        x_label=say("next_token.temperature_axis", "temperature"),
        y_label=say("next_token.entropy_axis", "entropy (nat)"),
        curves=curves,
        y_range=(0.0, highest * 1.05 or 1.0),
    )


def _entropies_title(view: _View) -> str:
    if len(view.labels) > MOST_CURVES:
        return say(
            "next_token.entropy.some",
            "{model}: entropy at each temperature, the first {most} of {count} prompts",
            model=view.name,
            most=MOST_CURVES,
            count=len(view.labels),
        )
    return say("next_token.entropy.title", "{model}: entropy at each temperature", model=view.name)


def _ends(curve: Curve) -> str:
    return say(
        "figure.curve_ends",
        "{curve} goes from {first} to {last}",
        curve=curve.label,
        first=digits(f"{curve.y[0]:.3g}"),
        last=digits(f"{curve.y[-1]:.3g}"),
    )


def _seen(view: _View) -> str:
    """What one model expects after its surest and after its least sure prompt."""
    first = [view.top[prompt, OWN, WHOLE][0] for prompt in range(len(view.labels))]
    order = sorted(range(len(first)), key=lambda prompt: (-float(first[prompt]["probability"]), prompt))
    surest, least = order[0], order[-1]
    if float(first[surest]["probability"]) < SURE:
        return say(
            "next_token.no_clear_statement",
            "No clear statement about {model}: after no prompt has any token a probability of {threshold} or more.",
            model=view.name,
            threshold=digits(f"{SURE:.0%}"),
        )
    told = [_expected(view, surest, first[surest]), _spread(view, surest)]
    if least != surest:
        told.append(_least(view, least, first[least]))
    return sentences(told)


def _expected(view: _View, prompt: int, row: Mapping[str, Any]) -> str:
    values = {
        "model": view.name,
        "token": mark_space(str(row["token"])),
        "probability": _percent(float(row["probability"])),
        "prompt": _quoted(view, prompt),
    }
    nucleus = view.settings.get((prompt, OWN, TOP_P))
    if nucleus is None:
        return say("next_token.expected", "{model} expects “{token}” ({probability}) after “{prompt}”.", **values)
    return say_count(
        "next_token.expected_nucleus",
        "{model} expects “{token}” ({probability}) after “{prompt}”, where {count} token holds {mass}.",
        "{model} expects “{token}” ({probability}) after “{prompt}”, where {count} tokens hold {mass}.",
        int(nucleus["kept"]),
        mass=digits(f"{view.options['top_p']:.0%}"),
        **values,
    )


def _least(view: _View, prompt: int, row: Mapping[str, Any]) -> str:
    values = {
        "token": mark_space(str(row["token"])),
        "probability": _percent(float(row["probability"])),
        "prompt": _quoted(view, prompt),
    }
    nucleus = view.settings.get((prompt, OWN, TOP_P))
    if nucleus is None:
        return say("next_token.least", "It is least sure after “{prompt}” (“{token}”, {probability}).", **values)
    return say_count(
        "next_token.least_nucleus",
        "It is least sure after “{prompt}” (“{token}”, {probability}), where it takes {count} token to hold {mass}.",
        "It is least sure after “{prompt}” (“{token}”, {probability}), where it takes {count} tokens to hold {mass}.",
        int(nucleus["kept"]),
        mass=digits(f"{view.options['top_p']:.0%}"),
        **values,
    )


def _spread(view: _View, prompt: int) -> str:
    """What the temperatures make of the surest prompt's likeliest token; nothing where there is one temperature."""
    if len(view.temperatures) < 2:
        return ""
    low, high = view.temperatures[0], view.temperatures[-1]
    p_low, p_high = (float(view.top[prompt, at, WHOLE][0]["probability"]) for at in (low, high))
    return say(
        "next_token.spread",
        "Temperature {low} makes that {at_low}, temperature {high} {at_high}.",
        low=digits(f"{low:g}"),
        high=digits(f"{high:g}"),
        at_low=_percent(p_low),
        at_high=_percent(p_high),
    )


def _quoted(view: _View, prompt: int) -> str:
    text = view.labels[prompt]
    return text if len(text) <= LONGEST_LABEL else f"{text[:LONGEST_LABEL]}…"


def _percent(p: float) -> str:
    return digits(f"{p:.0%}" if p >= 0.1 else f"{p:.1%}" if p >= 0.001 else f"{p:.0e}")


probe = NextTokenProbe()
