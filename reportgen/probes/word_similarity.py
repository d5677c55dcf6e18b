"""How alike is one word in different sentences, layer by layer (the "apple" curves)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import digits, listed, say, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.similarity import cosine, divide_mean, mean_cosine
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts, SpecialTokens, Unusable, axis_label
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import WordNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

_STREAM = Need(Site.RESIDUAL, "all")
CLEAR_GAP = 0.02
"""Difference of mean cosines from which the senses count as told apart."""
CLEAR_FALL = 0.1
"""Fall of the mean cosine below 1 from which sentences without senses count as told apart."""


class Options(ProbeOptions):
    """Which word, in which sentences, and what is taken out."""

    prompts: Prompts
    """Sentences that hold the word; `sense` tells same-sense pairs from others."""
    word: str | None = None
    """The word, where a prompt does not name its own."""
    normalise: Literal["divide_mean", "subtract_baseline"] = "divide_mean"
    """`divide_mean`: over the mean cosine of all token pairs of the two sentences (the lecture's way);
    `subtract_baseline`: less the mean cosine of random word occurrences, one a sentence (Ethayarajh 2019)."""
    baseline: Prompts | None = None
    """Sentences of the random occurrences; wanted by `subtract_baseline`."""
    special_tokens: SpecialTokens = "exclude"
    """Whether BOS and its like count in the mean."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the figures: share of the depth, or the layer's number."""

    @model_validator(mode="after")
    def _complete(self) -> Options:
        if len(self.prompts) < 2:
            raise ValueError("two prompts are needed to make a pair")
        if self.word is None and any(prompt.word is None for prompt in self.prompts):
            raise ValueError("word is needed, here or in each prompt")
        if self.normalise == "subtract_baseline" and (self.baseline is None or len(self.baseline) < 2):
            raise ValueError("subtract_baseline wants baseline: at least two sentences")
        return self


@dataclass(frozen=True, kw_only=True)
class Similarity(Findings):
    """What word similarity gives."""

    last_similarity: float = metric("cosine")
    """Mean of `raw` over all pairs after the last layer."""
    raw: NDArray[np.float32] = array("pair", "layer", unit="cosine")
    """(pair x layer) cosine of the residual stream at the word's last sub-token in the two sentences."""
    normalised: NDArray[np.float32] = array("pair", "layer", unit="normalised cosine")
    """(pair x layer) raw over the mean cosine of all token pairs of the two sentences (`divide_mean`), or raw less
    the mean cosine of random occurrences (`subtract_baseline`)."""
    pairs: Rows = table("pair", "prompt_a", "prompt_b", "same_sense")
    """Pairs in the order 0-1, 0-2, …, 1-2, …; same_sense is empty where the prompts do not say."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The sentences as this model reads them."""


class WordSimilarity(Probe[Options, Similarity]):
    """Shows: how similar the model's representations of one word are in two sentences, after every layer.

    Read: layer 0 is the embedding, where the same token is the same vector (1). A curve that falls tells the
    sentences apart; where same-sense pairs (solid) stay above pairs of different senses (faint), the layer knows
    which sense is meant. The normalised curve takes out what all tokens of a layer have in common: above 1 is more
    alike than the average pair of tokens of the two sentences.

    Computed: the cosine of the residual stream at the last sub-token of the word, before the final norm, in
    float32. Normalised: over the mean cosine of every token of one sentence with every token of the other, special
    tokens left out unless asked for; its layer 0 is large and is not drawn. The
    baseline of random occurrences: Ethayarajh (2019).
    """

    name = "word_similarity"
    version = 1
    question = "Is it the same word in another sentence?"
    options = Options
    findings = Similarity

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each sentence once, all positions."""
        for prompt in case.options.prompts:
            _position(case, prompt)
        prompts = [*case.options.prompts, *(case.options.baseline or ())]
        return [Pass(case.tokens(prompt), (_STREAM,)) for prompt in prompts]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Similarity:
        """Cosines of all pairs at every layer."""
        import numpy as np

        options = case.options
        streams = [_stream(single) for single in captured]
        kept = [_counted(case, prompt) for prompt in options.prompts]
        words = [stream[:, _position(case, p)] for stream, p in zip(streams, options.prompts, strict=False)]
        pairs = list(combinations(range(len(options.prompts)), 2))
        raw = [cosine(words[a], words[b]) for a, b in pairs]
        if options.normalise == "divide_mean":
            means = [mean_cosine(streams[a][:, kept[a]], streams[b][:, kept[b]]) for a, b in pairs]
            normalised = [divide_mean(r, m) for r, m in zip(raw, means, strict=True)]
        else:
            baseline = _baseline(case, streams[len(options.prompts) :])
            normalised = [r - baseline for r in raw]
        senses = [prompt.sense for prompt in options.prompts]
        cosines = np.stack([_numpy(r) for r in raw])
        return Similarity(
            last_similarity=float(cosines[:, -1].mean()),
            raw=cosines,
            normalised=np.stack([_numpy(n) for n in normalised]),
            pairs=[[i, a, b, _same(senses[a], senses[b])] for i, (a, b) in enumerate(pairs)],
            prompts=case.prompt_rows(options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """Raw and normalised curves of each model, on shared scales."""
        ok = section.ok()
        if not ok:
            return
        for name, start in (("raw", 0), ("normalised", 1)):
            everything = [outcome.arrays[name].values[:, start:] for outcome in ok.values()]
            shared = _range(everything)
            for subject, outcome in ok.items():
                yield _curves(section, subject, outcome, name, start, shared)

    def statement(self, section: Section) -> str:
        """From which layer on the senses are apart, and where most; without senses, where the sentences are."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


def _position(case: Case[Options], prompt: Prompt) -> int:
    try:
        return case.tokenizer.word_position(prompt, prompt.word or case.options.word or "")
    except WordNotFound as error:
        raise Unusable(str(error)) from error


def _stream(captured: Captured) -> Tensor:
    """(layer x position x width) in float32."""
    import torch

    return torch.stack(captured.kept(_STREAM, 0)).float()


def _counted(case: Case[Options], prompt: Prompt) -> list[int]:
    """Positions that count in the mean."""
    encoded = case.tokenizer.encode_prompt(prompt)
    special = case.tokenizer.special_ids if case.options.special_tokens == "exclude" else frozenset()
    return [position for position, token in enumerate(encoded.ids) if token not in special]


def _baseline(case: Case[Options], streams: Sequence[Tensor]) -> Tensor:
    """(layer) mean cosine of one random token a sentence, over all pairs of sentences."""
    import torch

    assert case.options.baseline is not None
    generator = random.Random(case.options.seed)
    chosen = [
        stream[:, generator.choice(_counted(case, prompt))]
        for stream, prompt in zip(streams, case.options.baseline, strict=True)
    ]
    return torch.stack([cosine(a, b) for a, b in combinations(chosen, 2)]).mean(0)


def _numpy(values: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = values.cpu().numpy()
    return result


def _same(a: str | None, b: str | None) -> bool | None:
    return None if a is None or b is None else a == b


def _range(values: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    import numpy as np

    flat = np.concatenate([v[np.isfinite(v)] for v in values])
    if not flat.size:
        return 0.0, 1.0
    low, high = float(np.nanmin(flat)), float(np.nanmax(flat))
    margin = 0.05 * max(high - low, 0.1)
    return low - margin, high + margin


def _curves(
    section: Section, subject: str, outcome: Outcome, name: str, start: int, shared: tuple[float, float]
) -> Curves:
    values = outcome.arrays[name].values
    last = values.shape[1] - 1
    relative = outcome.options["axis"] == "relative"
    layers = [layer / last if relative else layer for layer in range(start, last + 1)]
    pairs = sorted(outcome.tables["pairs"].records(), key=lambda r: (r["same_sense"] is not True, r["pair"]))
    beside = any(record["same_sense"] for record in pairs)
    curves = [
        Curve(
            label=_pair_label(record["prompt_a"], record["prompt_b"], record["same_sense"]),
            x=layers,
            y=values[record["pair"], start:].tolist(),
            model=subject,
            group=_sense_group(record["same_sense"]),
            faint=record["same_sense"] is False and beside,
        )
        for record in pairs
    ]
    what = _what(name)
    ends = [
        say("word_similarity.ends", "{curve} ends at {value}", curve=curve.label, value=digits(f"{curve.y[-1]:.2f}"))
        for curve in curves
    ]
    return Curves(
        name=name,
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=section.name(subject), what=_asked(name)),
        alt=say(
            "word_similarity.alt",
            "{what} over the layers of {model}, one curve a pair of sentences: {ends}",
            what=what,
            model=section.name(subject),
            ends=listed(ends),
        ),
        x_label=axis_label(relative=relative),
        y_label=what,
        curves=curves,
        references=_reference(name, outcome),
        y_range=shared,
        x_range=(0.0, 1.0 if relative else float(last)),
    )


def _what(name: str) -> str:
    if name == "raw":
        return say("word_similarity.raw", "cosine")
    return say("word_similarity.normalised", "normalised cosine")


def _asked(name: str) -> str:
    """What the curves show, in a few words."""
    if name == "raw":
        return say("word_similarity.raw.title", "how alike the word's vectors are (cosine)")
    return say("word_similarity.normalised.title", "how alike, other words set aside (normalised cosine)")


def _reference(name: str, outcome: Outcome) -> Mapping[str, float]:
    if name == "raw":
        return {say("word_similarity.same_vector", "same vector"): 1.0}
    if outcome.options["normalise"] == "divide_mean":
        return {say("word_similarity.average_pair", "average pair"): 1.0}
    return {say("word_similarity.random_words", "random words"): 0.0}


def _pair_label(a: int, b: int, same: bool | None) -> str:
    if same is None:
        return f"{a}–{b}"
    if same:
        return say("word_similarity.pair_same", "{a}–{b} same", a=a, b=b)
    return say("word_similarity.pair_different", "{a}–{b} different", a=a, b=b)


def _sense_group(same: bool | None) -> str:
    if same is None:
        return ""
    if same:
        return say("word_similarity.same_sense", "same sense")
    return say("word_similarity.different_sense", "different sense")


def _seen(name: str, outcome: Outcome) -> str:
    """What one model makes of the word."""
    senses = [record["same_sense"] for record in outcome.tables["pairs"].records()]
    raw = outcome.arrays["raw"].values
    alike, other = [i for i, s in enumerate(senses) if s is True], [i for i, s in enumerate(senses) if s is False]
    if alike and other:
        return _senses_seen(name, raw[alike].mean(0) - raw[other].mean(0))
    return _sentences_seen(name, raw.mean(0))


def _senses_seen(name: str, gaps: NDArray[Any]) -> str:
    """Where pairs of one sense are more alike than the others: `gaps` is (layer) the difference of mean cosines."""
    import numpy as np

    best, last = int(gaps.argmax()), len(gaps) - 1
    values = {"model": name, "layer": best, "last": last, "gap": digits(f"{gaps[best]:.2f}")}
    if gaps[best] < CLEAR_GAP:
        return say(
            "word_similarity.no_clear_statement",
            "No clear statement about {model}: at no layer are sentences of one sense more alike than the others by "
            "{threshold} or more.",
            model=name,
            threshold=digits(f"{CLEAR_GAP:.2f}"),
        )
    below = np.flatnonzero(gaps < CLEAR_GAP)
    first = int(below[-1]) + 1 if len(below) else 0
    if first > last:
        return say(
            "word_similarity.senses_apart_below",
            "{model} tells the senses apart best at layer {layer} of {last} (sentences of one sense are {gap} more "
            "alike in cosine than the others) and no longer at the end.",
            **values,
        )
    if best == last:
        return say(
            "word_similarity.senses_apart_most_at_end",
            "{model} tells the senses apart from layer {first} on, most clearly at the last, {last}: sentences of one "
            "sense are {gap} more alike there (cosine) than the others.",
            first=first,
            **values,
        )
    return say(
        "word_similarity.senses_apart",
        "{model} tells the senses apart from layer {first} of {last} on, most clearly at layer {layer}: sentences of "
        "one sense are {gap} more alike there (cosine) than the others.",
        first=first,
        **values,
    )


def _sentences_seen(name: str, means: NDArray[Any]) -> str:
    """Where the word differs most between the sentences: `means` is (layer) the mean cosine of all pairs."""
    lowest, last = int(means.argmin()), len(means) - 1
    values = {"model": name, "layer": lowest, "last": last, "cosine": digits(f"{means[lowest]:.2f}")}
    if means[lowest] > 1 - CLEAR_FALL:
        return say(
            "word_similarity.no_clear_fall",
            "No clear statement about {model}: the word stays much the same in all sentences (mean cosine {cosine} or "
            "more).",
            model=name,
            cosine=values["cosine"],
        )
    return say(
        "word_similarity.sentences_apart",
        "{model} tells the sentences apart most at layer {layer} of {last}, where the word has a mean cosine of "
        "{cosine} between them.",
        **values,
    )


probe = WordSimilarity()
