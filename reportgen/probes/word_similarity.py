"""How alike is one word in different sentences, layer by layer (the "apple" curves)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.needs import Need, Pass, Site
from reportgen.numerics.similarity import cosine, divide_mean, mean_cosine
from reportgen.probes.base import Case, Probe, ProbeOptions, Prompts, Section, SpecialTokens, Unusable
from reportgen.prompts import Prompt
from reportgen.result import Findings, Outcome, Rows, array, metric, table
from reportgen.tokens import WordNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.loaded import LoadedModel
    from reportgen.needs import Captured

_STREAM = Need(Site.RESIDUAL, "all")
CLEAR_GAP = 0.02
"""Below this difference of mean cosines no statement is made."""


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
        """Where the senses are furthest apart."""
        parts = [_gap(section.name(subject), outcome) for subject, outcome in section.ok().items()]
        return "; ".join(part for part in parts if part) + "." if any(parts) else ""


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
    curves = [
        Curve(
            label=f"{record['prompt_a']}–{record['prompt_b']}{_sense_label(record['same_sense'])}",
            x=layers,
            y=values[record["pair"], start:].tolist(),
            group=_sense_group(record["same_sense"]),
            faint=record["same_sense"] is False,
        )
        # Same-sense pairs first: a group's colour is the same in every report.
        for record in sorted(outcome.tables["pairs"].records(), key=lambda r: (r["same_sense"] is not True, r["pair"]))
    ]
    title = "cosine" if name == "raw" else "normalised cosine"
    return Curves(
        name=name,
        subject=(subject,),
        title=f"{section.name(subject)}: {title}",
        alt=f"{title} over the layers of {section.name(subject)}, one curve a pair of sentences: "
        + ", ".join(f"{curve.label} ends at {curve.y[-1]:.2f}" for curve in curves),
        x_label="depth (0 = embedding, 1 = last block)" if relative else "layer (0 = embedding)",
        y_label=title,
        curves=curves,
        references={"same vector": 1.0} if name == "raw" else _reference(outcome),
        y_range=shared,
        x_range=(0.0, 1.0 if relative else float(last)),
    )


def _reference(outcome: Outcome) -> Mapping[str, float]:
    return {"average pair": 1.0} if outcome.options["normalise"] == "divide_mean" else {"random words": 0.0}


def _sense_label(same: bool | None) -> str:
    return "" if same is None else " same" if same else " different"


def _sense_group(same: bool | None) -> str:
    return "" if same is None else "same sense" if same else "different sense"


def _gap(name: str, outcome: Outcome) -> str:
    """Where the mean of same-sense pairs exceeds the others' most; nothing where the pairs do not differ clearly."""
    same = [record["same_sense"] for record in outcome.tables["pairs"].records()]
    raw = outcome.arrays["raw"].values
    alike, other = [i for i, s in enumerate(same) if s is True], [i for i, s in enumerate(same) if s is False]
    if not alike or not other:
        return ""
    gaps: NDArray[Any] = raw[alike].mean(0) - raw[other].mean(0)
    layer = int(gaps.argmax())
    if gaps[layer] < CLEAR_GAP:
        return f"{name} does not tell the senses apart clearly at any layer"
    return (
        f"{name} tells the senses apart best at layer {layer} of {raw.shape[1] - 1}: {len(alike)} same-sense pairs are "
        f"{gaps[layer]:.2f} more alike (cosine) than {len(other)} others"
    )


probe = WordSimilarity()
