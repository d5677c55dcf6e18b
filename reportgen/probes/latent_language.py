"""Which language the layers think in while the model translates (Wendler et al. 2024)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import digits, listed, say, sentences, unit_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts, Unusable, axis_label, curves_read_out
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space
from reportgen.text.prompts import Message, Prompt
from reportgen.text.word_tokens import beginnings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel
    from reportgen.text.tokens import TextTokenizer

IN_PROMPT: Mapping[str, str] = {"en": "English", "fr": "Français", "de": "Deutsch", "zh": "中文", "zh-TW": "中文"}
"""What a prompt calls a language, where `names` does not say it."""
LEAST = 0.05
"""Mean probability from which a language can lead."""
MIDDLE = (0.25, 0.9)
"""Shares of the depth between which layers are in the middle."""


class Options(ProbeOptions):
    """Which words, from which language into which."""

    seed: int = 0
    """Decides which other words stand in each prompt as examples."""
    words: Prompts
    """Words as prompts with `text`, `language` and `sense`: those of one sense mean the same."""
    source: Annotated[str, Field(min_length=1)]
    """Language of the word to translate, as the words call it."""
    target: Annotated[str, Field(min_length=1)]
    """Language asked for."""
    pivot: Annotated[str, Field(min_length=1)] = "en"
    """Language that may lie between them."""
    names: dict[str, str] = Field(default={})
    """What the prompt calls a language: {fr: Français}; known are de, en, fr, zh and zh-TW."""
    shots: Annotated[int, Field(ge=1, le=32)] = 4
    """Translated examples before the word."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Takes only so many of the senses, the first."""
    example: str | None = None
    """The sense whose prompt is shown layer by layer; the first that is measured where it is not given."""
    k: Annotated[int, Field(ge=1, le=100)] = 5
    """Tokens shown a layer of that prompt."""
    chat: bool = False
    """Puts the prompt through the chat template, as what the user says."""

    @model_validator(mode="after")
    def _has_words_in_every_language(self) -> Self:
        for word in self.words:
            if word.text is None or word.sense is None or word.language is None:
                raise ValueError("words: each has text, sense and language, such as {text: chien, sense: dog, "
                                 "language: fr}")  # fmt: skip
        known = sorted({word.language for word in self.words if word.language is not None})
        for role in ("source", "target", "pivot"):
            if getattr(self, role) not in known:
                raise ValueError(f"{role}: there are no words in {getattr(self, role)!r}; there are in "
                                 f"{', '.join(known)}")  # fmt: skip
        if self.source == self.target:
            raise ValueError(f"target: it is the source, {self.source!r}")
        for language in (self.source, self.target):
            if language not in {**IN_PROMPT, **self.names}:
                raise ValueError(f"names: a prompt has no name for {language!r}: give names: {{{language}: …}}")
        count = len(self.senses)
        if count <= self.shots:
            raise ValueError(f"shots: {self.shots} examples beside a word need {self.shots + 1} senses with words in "
                             f"{', '.join(self.languages)}; there are {count}")  # fmt: skip
        if self.example is not None and self.example not in self.senses[: self.limit]:
            raise ValueError(f"example: there is no sense {self.example!r} with words in {', '.join(self.languages)}")
        return self

    @property
    def languages(self) -> tuple[str, ...]:
        """The pivot, the target and the source, each once: the components of the results."""
        return tuple(dict.fromkeys((self.pivot, self.target, self.source)))

    @cached_property
    def by_sense(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """Sense -> language -> its words: the first stands in prompts, and all count."""
        found: dict[str, dict[str, list[str]]] = {}
        for word in self.words:
            found.setdefault(str(word.sense), {}).setdefault(str(word.language), []).append(str(word.text))
        return found

    @property
    def senses(self) -> list[str]:
        """The senses with a word in every language."""
        return [sense for sense, words in self.by_sense.items() if all(words.get(one) for one in self.languages)]


@dataclass(frozen=True, kw_only=True)
class Latent(Findings):
    """What latent language gives."""

    pivot_peak: float = metric("probability")
    """Largest mean probability of the pivot's words over the layers before the last."""
    pivot_peak_layer: int = metric("layer")
    """The layer where that is."""
    target_final: float = metric("probability")
    """Mean probability that the model itself gives to the right word in the target language."""
    probability: NDArray[np.float32] = array("item", "component", "layer", unit="probability")
    """(word x language x layer) sum of the lens probabilities of every token that is a prefix of the word in that
    language, with and without a leading space; for scripts other than Latin also of bytes that begin it."""
    mean: NDArray[np.float64] = array("component", "layer", unit="probability")
    """(language x layer) mean over words."""
    margin: NDArray[np.float64] = array("component", "layer", unit="probability")
    """(language x layer) half the width of the normal 95 % confidence interval of that mean."""
    entropy: NDArray[np.float32] = array("item", "layer", unit="nat")
    """(word x layer) -sum p ln p of the lens distribution."""
    mean_entropy: NDArray[np.float64] = array("layer", unit="nat")
    """(layer) mean over words."""
    entropy_margin: NDArray[np.float64] = array("layer", unit="nat")
    """(layer) half the width of the normal 95 % confidence interval of that mean."""
    items: Rows = table("item", "sense", "source", "target", "pivot")
    """The words that are measured."""
    languages: Rows = table("component", "language", "roles")
    """Which language each component is."""
    tokens: Rows = table("item", "component", "token_id", "token")
    """The tokens that count for a word in a language."""
    skipped: Rows = table("sense", "words", "tokens")
    """Words left out, with the tokens that the pivot's word shares with another language's, or what has no token."""
    example: Rows = table("sense", "layer", "rank", "token_id", "token", "probability")
    """The likeliest tokens of every layer after one of the prompts."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class LatentLanguage(Probe[Options, Latent]):
    """Shows: in which language a word is thought of on its way through the layers, while the model translates it from
    one language into another.

    Read: a curve a language, layers from left to right: where the language in between lies above the one asked for, the
    layers hold the meaning in that language first. The bands are 95 % confidence intervals of the mean over words.
    High entropy says that a layer's lens reads nothing yet. The table beside it is one of the prompts: outlined cells
    begin the word in the language in between.

    Computed: prompts of a few translated words and a last one whose translation is left open. The probability of a
    language at a layer is the sum of the lens probabilities over all tokens that are prefixes of the word in it, with
    and without leading space, and for other scripts than Latin of its first bytes, which many words share. Words are
    left out where the tokens of the language in between overlap with another's. Mean over words, with 1.96 standard
    errors to both sides.
    """

    name = "latent_language"
    version = 1
    question = "Which language does it think in?"
    options = Options
    findings = Latent

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each word's prompt once, its last position."""
        needs = _needs(case)
        return [Pass(case.tokens(word.prompt), needs) for word in _chosen(case).words]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Latent:
        """All layers of all prompts through the unembedding together; only the counted tokens are kept."""
        import torch

        from reportgen.model.measures.readout import stacked_layers
        from reportgen.model.measures.token_mass import token_mass

        chosen, (stream, final) = _chosen(case), _needs(case)
        senses = [word.sense for word in chosen.words]
        read = token_mass(
            model,
            torch.cat([stacked_layers(single.kept(stream, 0)) for single in captured]),
            torch.cat([single.kept(final, 0)[0] for single in captured]),
            [word.tokens for word in chosen.words],
            named=senses.index(case.options.example) if case.options.example in senses else 0,
            k=case.options.k,
        )
        shown = case.options.example if case.options.example in senses else senses[0]
        rows = enumerate(zip(read.token_ids.tolist(), read.probabilities.tolist(), strict=True))
        example: Rows = [
            [shown, layer, rank, i, case.tokenizer.show(i), p]
            for layer, (ids, probabilities) in rows
            for rank, (i, p) in enumerate(zip(ids, probabilities, strict=True), 1)
        ]
        return _latent(case, chosen, read.mass.cpu().numpy(), read.entropy.cpu().numpy(), example)

    def figures(self, section: Section) -> Iterable[Figure]:
        """Curves of the languages, one lens table, and entropies; models side by side on one scale."""
        import numpy as np

        ok = section.ok()
        upper = [o.arrays["mean"].values + np.nan_to_num(o.arrays["margin"].values) for o in ok.values()]
        top = min(1.0, max((float(values.max()) for values in upper), default=1.0) * 1.05)
        for subject, outcome in ok.items():
            yield _curves(section.name(subject), subject, outcome, top)
        for subject, outcome in ok.items():
            yield _table(section.name(subject), subject, outcome)
        widest = [o.arrays["mean_entropy"].values + np.nan_to_num(o.arrays["entropy_margin"].values)
                  for o in ok.values()]  # fmt: skip
        highest = max((float(values.max()) for values in widest), default=1.0) * 1.05
        for subject, outcome in ok.items():
            yield _entropy(section.name(subject), subject, outcome, highest)

    def statement(self, section: Section) -> str:
        """Which language leads in the middle layers of each model, and what the last says."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


def _needs(case: Case[Options]) -> tuple[Need, Need]:
    if case.facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    return Need(Site.RESIDUAL, "last", tuple(range(case.facts.layers))), Need(Site.FINAL, "last")


@dataclass(frozen=True)
class _Word:
    """One word to translate."""

    sense: str
    prompt: Prompt
    tokens: Sequence[Sequence[int]]
    """(language) the tokens that count."""


@dataclass(frozen=True)
class _Chosen:
    """The words that a model is measured on, and those that it is not."""

    words: Sequence[_Word]
    skipped: Rows


def _chosen(case: Case[Options]) -> _Chosen:
    """Applies the overlap rule.

    Raises:
        Unusable: no word is left.
    """
    options, tokenizer = case.options, case.tokenizer
    senses = options.senses[: options.limit]
    known = beginnings(tokenizer, [w for s in senses for one in options.languages for w in options.by_sense[s][one]])
    words: list[_Word] = []
    skipped: Rows = []
    for sense in senses:
        of_sense = [options.by_sense[sense][language] for language in options.languages]
        sets = [frozenset().union(*(known[word] for word in of_language)) for of_language in of_sense]
        reason = _against(tokenizer, of_sense, sets)
        if reason:
            skipped.append([sense, " · ".join(of_language[0] for of_language in of_sense), reason])
        else:
            words.append(_Word(sense, _prompt(options, sense), [sorted(ids) for ids in sets]))
    if not words:
        raise Unusable(f"none of its {len(senses)} words is left: {skipped[0][1]}: {skipped[0][2]}")
    return _Chosen(words, skipped)


def _against(tokenizer: TextTokenizer, words: Sequence[Sequence[str]], sets: Sequence[frozenset[int]]) -> str:
    """Why a word is left out: the tokens that the first language shares with the others, or a word without tokens."""
    for of_language, ids in zip(words, sets, strict=True):
        if not ids:
            return f"no token begins {of_language[0]}"
    shared = sorted(sets[0] & frozenset().union(*sets[1:]))
    return " | ".join(tokenizer.show(token_id) for token_id in shared)


def _prompt(options: Options, sense: str) -> Prompt:
    """A few other words with their translations, then this one; the examples depend on the seed and the word alone."""
    names = {**IN_PROMPT, **options.names}
    source, target = names[options.source], names[options.target]
    others = [other for other in options.senses if other != sense]
    shown = random.Random(f"{options.seed} {sense}").sample(others, options.shots)
    words = options.by_sense
    lines = [f'{source}: "{words[s][options.source][0]}" - {target}: "{words[s][options.target][0]}"' for s in shown]
    lines.append(f'{source}: "{words[sense][options.source][0]}" - {target}:')
    text = "\n".join(lines)
    if options.chat:
        return Prompt(messages=(Message(role="user", content=text),))
    return Prompt(text=f'{text} "')


def _latent(
    case: Case[Options], chosen: _Chosen, mass: NDArray[np.float32], entropy: NDArray[np.float32], example: Rows
) -> Latent:
    import numpy as np

    from reportgen.numerics.confidence import margin_95

    options = case.options
    by_sense, languages = options.by_sense, options.languages
    mean = mass.mean(axis=0, dtype=np.float64)
    peak = int(mean[0, :-1].argmax())
    roles = {role: getattr(options, role) for role in ("pivot", "target", "source")}
    return Latent(
        pivot_peak=float(mean[0, peak]),
        pivot_peak_layer=peak,
        target_final=float(mean[languages.index(options.target), -1]),
        probability=mass,
        mean=mean,
        margin=margin_95(mass.astype(np.float64)),
        entropy=entropy,
        mean_entropy=entropy.mean(axis=0, dtype=np.float64),
        entropy_margin=margin_95(entropy.astype(np.float64)),
        items=[
            [
                item,
                word.sense,
                *(by_sense[word.sense][one][0] for one in (options.source, options.target, options.pivot)),
            ]
            for item, word in enumerate(chosen.words)
        ],
        languages=[
            [component, language, ", ".join(role for role, one in roles.items() if one == language)]
            for component, language in enumerate(languages)
        ],
        tokens=[
            [item, component, token_id, case.tokenizer.show(token_id)]
            for item, word in enumerate(chosen.words)
            for component, ids in enumerate(word.tokens)
            for token_id in ids
        ],
        skipped=chosen.skipped,
        example=example,
        prompts=case.prompt_rows([word.prompt for word in chosen.words]),
    )


def _language(tag: str) -> str:
    """What a reader calls a language; its tag where we have no word for it."""
    names = {
        "de": say("latent_language.de", "German"),
        "en": say("latent_language.en", "English"),
        "fr": say("latent_language.fr", "French"),
        "zh": say("latent_language.zh", "Chinese"),
        "zh-TW": say("latent_language.zh_tw", "Traditional Chinese"),
    }
    return names.get(tag, tag)


def _names(outcome: Outcome) -> list[str]:
    """(component)"""
    return [_language(tag) for tag in outcome.tables["languages"].column("language")]


def _way(outcome: Outcome) -> str:
    """From which language into which."""
    source, target = (_language(outcome.options[role]) for role in ("source", "target"))
    return say("latent_language.way", "{source} → {target}", source=source, target=target)


def _curves(name: str, subject: str, outcome: Outcome, top: float) -> Curves:
    """One curve a language."""
    mean, margin = outcome.arrays["mean"].values, outcome.arrays["margin"].values
    curves = [
        Curve(
            label=language,
            x=range(mean.shape[1]),
            y=mean[at].tolist(),
            group=language,
            band=_band(mean[at], margin[at], 1.0),
        )
        for at, language in enumerate(_names(outcome))
    ]
    what = say("latent_language.probability", "probability of the word")
    return Curves(
        name="languages",
        subject=(subject,),
        title=say(
            "latent_language.curves.title",
            "{model}: the word in each language, {way}, mean of {count} with 95 % bands",
            model=name,
            way=_way(outcome),
            count=len(outcome.tables["items"].rows),
        ),
        alt=curves_read_out(name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
        y_range=(0.0, top),
    )


def _band(
    mean: NDArray[np.float64], margin: NDArray[np.float64], highest: float
) -> tuple[Sequence[float], Sequence[float]] | None:
    """What the mean may be; None where a single word says nothing of it."""
    import numpy as np

    if not np.isfinite(margin).all():
        return None
    return np.clip(mean - margin, 0.0, highest).tolist(), np.clip(mean + margin, 0.0, highest).tolist()


def _entropy(name: str, subject: str, outcome: Outcome, highest: float) -> Curves:
    import numpy as np

    mean, margin = outcome.arrays["mean_entropy"].values, outcome.arrays["entropy_margin"].values
    what = say("latent_language.entropy", "entropy (nat)")
    curve = Curve(
        label=name, x=range(len(mean)), y=mean.tolist(), model=subject, band=_band(mean, margin, float(np.inf))
    )
    return Curves(
        name="entropy",
        subject=(subject,),
        title=say("latent_language.entropy.title", "{model}: entropy, {way}", model=name, way=_way(outcome)),
        alt=curves_read_out(name, what, [curve]),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=[curve],
        y_range=(0.0, highest),
    )


def _table(name: str, subject: str, outcome: Outcome) -> TokenGrid:
    """The likeliest tokens of every layer after one prompt, a column a rank."""
    import numpy as np

    records = outcome.tables["example"].records()
    sense = records[0]["sense"]
    item = next(row for row in outcome.tables["items"].records() if row["sense"] == sense)
    pivot = {row["token_id"] for row in outcome.tables["tokens"].records()
             if row["item"] == item["item"] and row["component"] == 0}  # fmt: skip
    ranks = max(record["rank"] for record in records)
    layers = range(max(record["layer"] for record in records), -1, -1)
    at = {(record["layer"], record["rank"]): record for record in records}
    cells = [[at[layer, rank] for rank in range(1, ranks + 1)] for layer in layers]
    what = say("latent_language.example", "“{word}”, {way}", word=item["source"], way=_way(outcome))
    return TokenGrid(
        name="example",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=what),
        alt=say(
            "latent_language.example.alt",
            "Likeliest tokens of every layer of {model} where {what} is asked for. The last layer says {answers}",
            model=name,
            what=what,
            answers=listed([mark_space(str(cell["token"])) for cell in cells[0]]),
        ),
        row_label=axis_label(relative=False),
        sampleable=True,
        rows=[str(layer) for layer in layers],
        column_label=say("latent_language.rank", "rank"),
        columns=[str(rank) for rank in range(1, ranks + 1)],
        texts=[[str(cell["token"]) for cell in row] for row in cells],
        values=np.array([[cell["probability"] for cell in row] for row in cells]),
        value_label=unit_of("probability"),
        outlined=np.array([[cell["token_id"] in pivot for cell in row] for row in cells]),
        outline_label=say(
            "latent_language.outline", "begins “{word}” ({language})", word=item["pivot"], language=_names(outcome)[0]
        ),
    )  # fmt: skip


def _seen(name: str, outcome: Outcome) -> str:
    """Which language leads in the middle layers, and what the last layer gives to the one asked for."""
    mean, margin = outcome.arrays["mean"].values, outcome.arrays["margin"].values
    languages, last = _names(outcome), mean.shape[1] - 1
    leads = [leading(mean[:, layer], margin[:, layer]) for layer in range(last + 1)]
    middle = [layer for layer in range(last + 1) if MIDDLE[0] <= layer / last <= MIDDLE[1]]
    found = [lead for layer in middle if (lead := leads[layer]) is not None]
    target = outcome.tables["languages"].column("language").index(outcome.options["target"])
    values: dict[str, Any] = {"model": name, "way": _way(outcome), "last": last, "target": languages[target]}
    ends = say(
        "latent_language.ends",
        "Its last layer gives the word in {target} a probability of {final}.",
        target=languages[target],
        final=_percent(float(mean[target, last])),
    )
    if not found:
        none = say(
            "latent_language.no_clear_statement",
            "No clear statement about {model}, {way}: in its middle layers no language leads clearly with {threshold} "
            "or more.",
            threshold=_percent(LEAST),
            **values,
        )
        return sentences([none, ends])
    most = max(dict.fromkeys(found), key=found.count)
    held = [layer for layer in middle if leads[layer] == most]
    top = max(held, key=lambda layer: float(mean[most, layer]))
    values |= {
        "language": languages[most],
        "layers": f"{held[0]}–{held[-1]}",
        "top": _percent(float(mean[most, top])),
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


def leading(mean: Sequence[float] | NDArray[Any], margin: Sequence[float] | NDArray[Any]) -> int | None:
    """The language whose band lies above those of all others at a layer, with a mean of `LEAST` or more; None where
    there is none. Margins that are unknown count as 0.
    """
    import numpy as np

    means, margins = np.asarray(mean), np.nan_to_num(np.asarray(margin))
    first = int(means.argmax())
    upper = np.delete(means + margins, first)
    clear = means[first] >= LEAST and means[first] - margins[first] > upper.max(initial=0.0)
    return first if clear else None


def _percent(probability: float) -> str:
    return digits(f"{probability:.0%}" if probability >= 0.01 else f"{probability:.1%}")


probe = LatentLanguage()
