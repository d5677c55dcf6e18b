"""An atlas of a sparse dictionary: what every feature does over a text that streams through the model once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, computed_field

from reportgen.documents.beside import Beside, folder_of
from reportgen.errors import ReportgenError
from reportgen.features.labels import EXAMPLES, EXPLAINER, Label, page_of
from reportgen.features.names import JOINED, feature_names, place_names
from reportgen.features.options import dictionaries_of
from reportgen.features.tables import DICTIONARIES, dictionary_rows
from reportgen.features.window_options import WindowOptions, windows_of
from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import digits, say, sentences
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.files.weights_hash import weights_sha256
from reportgen.model.needs import Pass, Site
from reportgen.probing.probe import Case, Probe, Unusable
from reportgen.results.quantities import Cell, Findings, Outcome, Rows, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel
    from reportgen.model.sae.atlas import Seen
    from reportgen.model.sae.dictionary import Dictionary
    from reportgen.model.sae.explainer import Evidence, Explainer
    from reportgen.model.sae.streaming import AtlasStream
    from reportgen.probing.probe import Later

DENSE = 0.1
"""A feature that fires on more than this share of the tokens is dense (as in Gemma Scope)."""
PREDICTS = 0.75
"""Area under the curve from which a label is said to predict where its feature fires."""
ABOVE_CHANCE = 0.6
"""Area from which a label that predicts no better is still shown before promoted tokens that do not agree."""
AGREES = 0.5
"""Share of the promoted tokens from which they are said to agree."""
FEW = 2_000
"""Tokens below which nothing is said: a feature that fires on one in a thousand could well fire on none of them."""
MANY_DEAD = 0.2
"""Share of dead features from which a statement calls them many."""
AROUND = 12
"""Tokens of context kept on either side of an example."""
SPEAKS = 10
"""Promoted tokens that a label is made of."""
SHOWN_TO_EXPLAINER = 8
TRIED = 8
"""Held-out examples of each kind on which an explainer's label is tried."""
WATCHED = 64
_CURVES = 6


class Options(WindowOptions):
    """Which dictionaries, and the text."""

    tokens: Annotated[int, Field(ge=2)] = 100_000
    """The text ends after the window in which so many tokens are reached."""
    examples: Annotated[int, Field(ge=1, le=50)] = 5
    """Strongest examples shown a feature, one a window at most."""
    cards: Annotated[int, Field(ge=1)] | Literal["all"] = 512
    """Features of each dictionary that get a card: those whose pattern predicts best on held-out text."""
    promoted: Annotated[int, Field(ge=3, le=50)] = 10
    """Tokens named that a feature promotes, and as many that it suppresses."""
    explainer: Beside | None = None
    """A causal LM that writes labels, as `models:` names one: `demo:smollm2-135m-instruct`, a folder, a hub id."""
    explained: Annotated[int, Field(ge=1, le=1000)] = 8
    """Features of each dictionary that it explains, drawn at random by `seed` among those that fire."""

    # mypy knows no decorator on a property; pydantic's own documentation writes it so.
    @computed_field  # type: ignore[prop-decorator]
    @property
    def explainer_sha256(self) -> str | None:
        """And on the weights of the explainer; empty where there are none."""
        if self.explainer is None:
            return None
        try:
            return weights_sha256(locate(parse_source(self.explainer, folder=folder_of(self.explainer))).folder)
        except (ReportgenError, OSError):
            return ""


@dataclass(frozen=True, kw_only=True)
class Atlas(Findings):
    """What the features do."""

    dead_share: float = metric("share", "lower")
    """Share of features that fire on no token of the text, over all dictionaries."""
    dense_share: float = metric("share")
    """Share of features that fire on more than a tenth of the tokens, over all dictionaries."""
    predicted_share: float = metric("share", "higher")
    """Share of the features that fire on held-out text whose pattern of strongest examples predicts where: an area
    under the curve of 0.75 at least."""
    density: list[NDArray[np.float64]] = arrays("feature", unit="share")
    """(feature) of each dictionary: share of the tokens on which each feature is above 0, BOS left out."""
    histogram: list[NDArray[np.int32]] = arrays("feature", "component")
    """(feature x bin) of each dictionary: tokens by activation, in the bins of the table of that name."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries; `index` is a layer of the residual stream, or a block."""
    summary: Rows = table("item", "tokens", "l0", "dead", "dense", "fire_held_out", "predicted")
    """Of each dictionary: tokens of the text, mean number of features a token, features that are dead and dense, that
    fire on held-out text, and of these the ones whose pattern predicts it."""
    features: Rows = table(
        "item", "feature", "label", "label_origin", "label_score", "density", "strongest", "promoted", "suppressed",
        "link",
    )  # fmt: skip
    """The cards. The label is the explainer's or the pattern's where it predicts held-out text (an area of 0.75 or
    more), else that of promoted tokens if half of them agree, else what scores 0.6 or more, else the first promoted
    tokens."""
    labels: Rows = table("item", "feature", "origin", "label", "score", "held_out")
    """All labels of the cards. The score of promoted tokens is the share of the first ten that agree; of others the
    area under the curve on held-out text, 0.5 being chance; `held_out` counts the tokens there on which it fires."""
    examples: Rows = table("item", "feature", "rank", "activation", "before", "token", "after")
    """The strongest activations with what stands around them, one a window."""
    bins: Rows = table("bin", "lower", "upper")
    """Bins of the histograms; the first and the last hold what lies beyond too."""


class SaeAtlas(Probe[Options, Atlas]):
    """Shows: what each feature of a sparse dictionary does over a text: how often it fires and how strongly, what it
    fires on most, which tokens it promotes, and what it may be called.

    Read: a useful feature fires on few tokens, in the curve on the left of the tenth from which one is called dense; a
    dead one fires on none, which a short text makes likelier. A label is a guess: its score says how well it tells
    held-out tokens on which the feature fires from others, 0.5 being chance, or, of promoted tokens, how many of them
    agree, which says nothing about when it fires. Features with cards are those whose pattern predicts best, so they
    look better than the rest; the shares are over all.

    Computed: the text passes once, in windows, BOS left out. Density is the share of tokens with an activation above 0.
    Examples are the strongest activations, one a window, equal ones in the text's order. Promoted tokens are those of
    largest W_U · (final norm's gain ⊙ decoder direction). A pattern is the narrowest of: the same token, word, stem,
    kind of token, there or before, that 70% of the ten strongest examples in windows of even number share; its score
    is (1 + true positives' share - false positives' share) / 2 over windows of odd number. An explainer's label is
    written after eight of these examples (Bills et al. 2023) and scored by detection (Paulo et al. 2024): the area
    under the curve of its ln p(Yes) - ln p(No) on held-out tokens drawn at random, eight that fire
    and eight that do not.
    """

    name = "sae_atlas"
    version = 1
    question = "What does each feature do over a whole text?"
    options = Options
    findings = Atlas

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None of its own at first: the windows stream. Everything that can be wrong is looked at here."""
        found = dictionaries_of(case)
        if any(one.place.site is not Site.RESIDUAL for one in found.files) and case.facts.heads is None:
            raise Unusable(f"the architecture {case.facts.architecture} has no attention or MLP to read")
        windows_of(case)
        if case.options.explainer is not None:
            _explainers_folder(case.options.explainer)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """One a window."""
        return len(windows_of(case))

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[Atlas]:
        """Streams the text, some windows at a time."""
        from reportgen.model.sae.dictionary import load_dictionary
        from reportgen.model.sae.streaming import AtlasStream, Sizes
        from reportgen.text.token_patterns import Vocabulary

        explained = case.options.explainer is not None
        sizes = Sizes(case.options.examples, TRIED if explained else 0, WATCHED if explained else 0, case.options.seed)
        windows = windows_of(case)
        vocabulary = Vocabulary(sorted(set(windows.ids.tolist())), case.tokenizer.show)
        files = dictionaries_of(case).files
        loaded = [load_dictionary(one, model.device) for one in files]
        stream = AtlasStream(windows, loaded, vocabulary, sizes, case.unfinished)
        for portion in stream.portions():
            stream.take(portion, (yield stream.passes(portion)))
        found = _atlas(case, model, stream)
        if case.unfinished is not None:
            case.unfinished.drop()
        return found

    def figures(self, section: Section) -> Iterable[Figure]:
        """How many features fire how often; how strongly the strongest of each dictionary fires."""
        for subject, outcome in section.ok().items():
            yield _densities(section.name(subject), subject, outcome)
        for subject, outcome in section.ok().items():
            yield _strengths(section.name(subject), subject, outcome)

    def statement(self, section: Section) -> str:
        """How many features are dead and dense, and for how many the label predicts where they fire."""
        return sentences(_told(section.name(subject), outcome) for subject, outcome in section.ok().items())


def _explainers_folder(source: str) -> Any:
    try:
        return locate(parse_source(source, folder=folder_of(source)))
    except ReportgenError as error:
        told = error.in_one_line
        raise Unusable(f"the explainer: {told}") from error


def _atlas(case: Case[Options], model: LoadedModel, stream: AtlasStream) -> Atlas:
    """The findings, once the whole text has passed."""
    import numpy as np

    from reportgen.model.sae.atlas import EDGES

    wholes = [stream.whole(item) for item in range(len(stream.dictionaries))]
    scores = [_pattern_scores(stream, item) for item in range(len(wholes))]
    explainer = _explainer(case)
    cards = [_Cards(case, model, stream, item, wholes[item], scores[item], explainer) for item in range(len(wholes))]
    fired = np.concatenate([seen.fired for seen in wholes])
    tokens = int(wholes[0].tokens)
    held_out = np.concatenate([halves[1].fired for halves in stream.halves])
    predicted = _share(np.concatenate(scores)[held_out > 0] >= PREDICTS, "no feature fires on held-out text")
    return Atlas(
        dead_share=float((fired == 0).mean()),
        dense_share=float((fired > DENSE * tokens).mean()),
        predicted_share=predicted,
        density=[seen.fired / max(tokens, 1) for seen in wholes],
        histogram=[seen.histogram.astype(np.int32) for seen in wholes],
        dictionaries=dictionary_rows(case.options),
        summary=[_summary_row(stream, item, wholes[item], scores[item]) for item in range(len(wholes))],
        features=[row for one in cards for row in one.rows()],
        labels=[row for one in cards for row in one.label_rows()],
        examples=[row for one in cards for row in one.example_rows()],
        bins=[[at, float(lower), float(upper)] for at, (lower, upper) in enumerate(pairwise(EDGES))],
    )


def _share(flags: NDArray[Any], reason: str) -> Any:
    return float(flags.mean()) if len(flags) else reason


def _pattern_scores(stream: AtlasStream, item: int) -> NDArray[np.float64]:
    """(feature) area under the curve of each pattern on the held-out half; NaN where there is none."""
    import numpy as np

    from reportgen.numerics.detection import auc_of_pattern

    held = stream.halves[item][1]
    areas = auc_of_pattern(held.hits, held.fired, stream.held_out_matches(item), int(held.tokens))
    return np.where([pattern is not None for pattern in stream.patterns[item]], areas, np.nan)


def _summary_row(stream: AtlasStream, item: int, seen: Seen, scores: NDArray[np.float64]) -> list[Cell]:
    tokens = int(seen.tokens)
    held_out = stream.halves[item][1].fired > 0
    return [
        item,
        tokens,
        float(seen.fired.sum()) / tokens,
        int((seen.fired == 0).sum()),
        int((seen.fired > DENSE * tokens).sum()),
        int(held_out.sum()),
        int((scores[held_out] >= PREDICTS).sum()),
    ]


def _explainer(case: Case[Options]) -> Explainer | None:
    if case.options.explainer is None:
        return None
    import torch

    from reportgen.model.sae.explainer import Explainer

    return Explainer.load(_explainers_folder(case.options.explainer), torch.get_num_threads())


class _Cards:
    """The cards of one dictionary."""

    def __init__(
        self,
        case: Case[Options],
        model: LoadedModel,
        stream: AtlasStream,
        item: int,
        seen: Seen,
        scores: NDArray[np.float64],
        explainer: Explainer | None,
    ) -> None:
        from reportgen.model.sae.promoted import promoted

        self._case, self._stream, self._item, self._seen, self._scores = case, stream, item, seen, scores
        drawn = [] if explainer is None else self._drawn()
        self._features = sorted({*self._best(), *drawn})
        dictionary: Dictionary = stream.dictionaries[item]
        read = promoted(model, dictionary, self._features, max(case.options.promoted, SPEAKS))
        self._readings = dict(zip(self._features, read, strict=True))
        self._labels = {feature: self._by_rule(feature) for feature in self._features}
        for feature in drawn:
            assert explainer is not None
            explained = explainer.explain(self._evidence(feature))
            if explained.text:
                score = None if isnan(explained.score) else explained.score
                self._labels[feature].append(Label(explained.text, EXPLAINER, score))

    def rows(self) -> Rows:
        """Of the `features` table."""
        files, tokens = self._stream.dictionaries[self._item].files, int(self._seen.tokens)
        most = self._case.options.promoted
        rows: Rows = []
        for feature in self._features:
            label, reading = best_label(self._labels[feature]), self._readings[feature]
            density, strongest = int(self._seen.fired[feature]) / tokens, -float(self._seen.strength[feature, 0])
            rows.append(
                [self._item, feature, label.text, label.origin, label.score, density, strongest,
                 self._joined(reading.top_ids[:most]), self._joined(reading.bottom_ids[:most]), page_of(files, feature)]
            )  # fmt: skip
        return rows

    def label_rows(self) -> Rows:
        """Of the `labels` table."""
        held_out = self._stream.halves[self._item][1].fired
        return [
            [self._item, feature, label.origin, label.text, label.score, int(held_out[feature])]
            for feature in self._features
            for label in self._labels[feature]
        ]

    def example_rows(self) -> Rows:
        """Of the `examples` table."""
        rows: Rows = []
        for feature in self._features:
            places = self._seen.strongest[feature][: self._case.options.examples].tolist()
            strengths = (-self._seen.strength[feature]).tolist()
            for rank, (place, strength) in enumerate(zip(places, strengths, strict=False), 1):
                if place >= 0:
                    rows.append([self._item, feature, rank, strength, *self._around(place)])
        return rows

    def _best(self) -> list[int]:
        """The live features whose pattern predicts best."""
        import numpy as np

        live = np.flatnonzero(self._seen.fired)
        if self._case.options.cards == "all":
            return [int(feature) for feature in live]
        worst_first = np.argsort(np.nan_to_num(self._scores[live], nan=0.0) * -1, kind="stable")
        return [int(feature) for feature in live[worst_first[: self._case.options.cards]]]

    def _drawn(self) -> list[int]:
        """Features to explain: drawn at random among those with examples in both halves."""
        import numpy as np

        shown, held_out = self._stream.halves[self._item]
        able = np.flatnonzero((shown.fired > 0) & (held_out.fired > 0))
        draw = np.random.default_rng([self._case.options.seed, self._item])
        return sorted(draw.choice(able, min(self._case.options.explained, len(able)), replace=False).tolist())

    def _by_rule(self, feature: int) -> list[Label]:
        """From the pattern of its strongest examples, and from its promoted tokens."""
        from reportgen.features.auto_labels import from_promoted

        found = []
        pattern = self._stream.patterns[self._item][feature]
        if pattern is not None:
            score = float(self._scores[feature])
            found.append(Label(pattern.text, EXAMPLES, None if isnan(score) else score))
        top = [self._case.tokenizer.show(token) for token in self._readings[feature].top_ids[:SPEAKS]]
        return [*found, from_promoted(top)]

    def _evidence(self, feature: int) -> Evidence:
        from reportgen.model.sae.explainer import Evidence

        shown, held_out = self._stream.halves[self._item]
        silent = self._stream.watched[~held_out.there[:, feature]][:TRIED]
        return Evidence(
            strongest=self._marked(shown.strongest[feature][:SHOWN_TO_EXPLAINER]),
            firing=self._marked(held_out.drawn[feature]),
            silent=self._marked(silent),
        )

    def _marked(self, places: NDArray[np.int64]) -> list[str]:
        """Texts with the token in question between « »."""
        around = [self._around(place) for place in places.tolist() if place >= 0]
        return [f"{before}«{token}»{after}" for before, token, after in around]

    def _around(self, place: int) -> tuple[str, str, str]:
        """What stands before a token, itself, and what stands after, within its window."""
        first, at, end = self._stream.windows.span(place)
        ids, decode = self._stream.windows.ids, self._case.tokenizer.decode
        before, after = ids[max(first, at - AROUND) : at], ids[at + 1 : min(end, at + 1 + AROUND)]
        return decode(before.tolist()), self._case.tokenizer.show(int(ids[at])), decode(after.tolist())

    def _joined(self, ids: Sequence[int]) -> str:
        return " · ".join(mark_space(self._case.tokenizer.show(token)) for token in ids)


def best_label(labels: Sequence[Label]) -> Label:
    """The one for the card: what predicts held-out text first, the explainer's before the pattern's; then promoted
    tokens that agree; then what predicts a little; then promoted tokens whatever they are.
    """
    of = {label.origin: label for label in labels}
    tried = [of[origin] for origin in (EXPLAINER, EXAMPLES) if origin in of]
    sure = [label for label in tried if (label.score or 0.0) >= PREDICTS]
    others = [label for label in labels if label not in tried]
    agree = [label for label in others if (label.score or 0.0) >= AGREES]
    rather = [label for label in tried if (label.score or 0.0) >= ABOVE_CHANCE]
    return [*sure, *agree, *rather, *others, *tried][0]


def _shown(outcome: Outcome) -> list[int]:
    """Items that are drawn: some, evenly spaced, where there are many."""
    count = len(outcome.tables["dictionaries"].rows)
    if count <= _CURVES:
        return list(range(count))
    return sorted({round(at * (count - 1) / (_CURVES - 1)) for at in range(_CURVES)})


def _densities(name: str, subject: str, outcome: Outcome) -> Curves:
    """Features by the power of ten of their density, three bins to each."""
    import numpy as np

    fewest = 1 / int(outcome.tables["summary"].records()[0]["tokens"])
    edges = np.arange(int(np.floor(3 * np.log10(fewest))), 1) / 3
    names, curves = place_names(outcome), []
    for item in _shown(outcome):
        density = outcome.arrays[f"density/{item}"].values
        alive = density[density > 0]
        counts, _ = np.histogram(np.log10(alive), np.append(edges, 1 / 3))
        curves.append(
            Curve(label=names[item], x=(edges + 1 / 6).tolist(), y=(counts / len(density)).tolist(), group=names[item])
        )
    dead = float(outcome.metrics["dead_share"].value or 0.0)
    return Curves(
        name="density",
        subject=(subject,),
        title=say("sae_atlas.density.title", "{model}: how often features fire", model=name),
        alt=say(
            "sae_atlas.density.alt",
            "Share of the features of {model} by the share of tokens on which they fire; {dead} fire on none",
            model=name,
            dead=digits(f"{dead:.1%}"),
        ),
        x_label=say("sae_atlas.density.x", "share of tokens on which a feature fires, powers of ten"),
        y_label=say(
            "sae_atlas.density.y", "share of features ({dead} are dead and not drawn)", dead=digits(f"{dead:.1%}")
        ),
        curves=curves,
    )


def _strengths(name: str, subject: str, outcome: Outcome) -> Curves:
    """Of each dictionary the card with the strongest activation among those that are not dense."""
    import numpy as np

    lower = np.log10([float(record["lower"]) for record in outcome.tables["bins"].records()])
    places, names, curves, told = place_names(outcome), feature_names(outcome), [], []
    for item in _shown(outcome):
        records = [r for r in outcome.tables["features"].records() if r["item"] == item and r["density"] <= DENSE]
        if not records:
            continue
        strongest = max(records, key=lambda record: float(record["strongest"]))
        counts = outcome.arrays[f"histogram/{item}"].values[int(strongest["feature"])]
        label = JOINED.join([places[item], names[item, strongest["feature"]].called])
        told.append(label)
        curves.append(Curve(label=label, x=(lower + 1 / 8).tolist(), y=(counts / counts.sum()).tolist(), group=label))
    there = [at for curve in curves for at, y in enumerate(curve.y) if y > 0]
    held = slice(max(min(there, default=0) - 1, 0), max(there, default=0) + 2)
    return Curves(
        name="activations",
        subject=(subject,),
        title=say("sae_atlas.activations.title", "{model}: how strongly the strongest features fire", model=name),
        alt=say(
            "sae_atlas.activations.alt",
            "Activations of the strongest feature of each dictionary of {model}: {features}",
            model=name,
            features="; ".join(told),
        ),
        x_label=say("sae_atlas.activations.x", "activation, powers of ten"),
        y_label=say("sae_atlas.activations.y", "share of the tokens on which the feature fires"),
        curves=[Curve(label=c.label, x=c.x[held], y=c.y[held], group=c.group) for c in curves],
    )


def _told(name: str, outcome: Outcome) -> str:
    """What the shares say of one model's dictionaries."""
    summary = outcome.tables["summary"].records()
    if summary[0]["tokens"] < FEW:
        return say(
            "sae_atlas.little_text",
            "No clear statement about the features of {model}: {tokens} tokens are too little text; {few} are wanted.",
            model=name,
            tokens=digits(f"{summary[0]['tokens']:,}"),
            few=digits(f"{FEW:,}"),
        )
    dead, dense = (float(outcome.metrics[one].value or 0.0) for one in ("dead_share", "dense_share"))
    values = {
        "model": name,
        "dead": digits(f"{dead:.1%}"),
        "dense": digits(f"{dense:.1%}"),
        "tokens": digits(f"{summary[0]['tokens']:,}"),
    }
    if dead >= MANY_DEAD:
        told = say(
            "sae_atlas.many_dead",
            "Many features of {model} are dead: {dead} fire on none of {tokens} tokens; {dense} are dense.",
            **values,
        )
    else:
        told = say(
            "sae_atlas.few_dead",
            "Of the features of {model}, {dead} fire on none of {tokens} tokens, and {dense} are dense.",
            **values,
        )
    return sentences([told, _labels_told(outcome), _explainer_told(outcome)])


def _labels_told(outcome: Outcome) -> str:
    share = outcome.metrics["predicted_share"].value
    if share is None:
        return say("sae_atlas.no_clear_statement", "No clear statement about labels: no held-out text sets any off.")
    return say(
        "sae_atlas.predicted",
        "For {share} of those that fire on held-out text, a simple pattern (the same token, word or kind of token) "
        "predicts where, with an area under the curve of {limit} or more; what the others are called is a guess.",
        share=digits(f"{float(share):.0%}"),
        limit=digits(f"{PREDICTS}"),
    )


def _explainer_told(outcome: Outcome) -> str:
    scores = [r["score"] for r in outcome.tables["labels"].records() if r["origin"] == EXPLAINER]
    known: list[float] = [float(score) for score in scores if score is not None]
    if not known:
        return ""
    return say(
        "sae_atlas.explained",
        "The explainer's {count} labels score {mean} on average on held-out examples, where 0.5 is chance.",
        count=digits(f"{len(known):,}"),
        mean=digits(f"{sum(known) / len(known):.2f}"),
    )


probe = SaeAtlas()
