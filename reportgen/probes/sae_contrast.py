"""Which features of one model's sparse dictionaries another checkpoint of it uses more, and which less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from reportgen.features.labels import Label, page_of
from reportgen.features.names import JOINED, feature_names, place_names
from reportgen.features.options import Found, LabelledOptions, dictionaries_of, first_counted, labels_of, need_of
from reportgen.features.tables import DICTIONARIES, dictionary_rows, note_rows, notes_of
from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.model.needs import Pass, Site
from reportgen.model.sae.notes import told
from reportgen.numerics.feature_activity import Activity, means_of, top_of
from reportgen.numerics.feature_changes import FEWEST, Changes, changes, in_common, moved_on, part_of
from reportgen.numerics.sparse import ReconstructionQuality
from reportgen.probing.probe import (
    Case,
    Measured,
    PairOptions,
    PairProbe,
    Prompts,
    Unusable,
    axis_label,
    curves_read_out,
)
from reportgen.results.quantities import Cell, Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import SUBJECT, Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.measures.memories import Reading
    from reportgen.model.sae.dictionary import Dictionary

WORSE = 0.2
"""Share of the variance by which a dictionary may explain other worse than base, for its features to keep their
names."""
FLIPS = 200
"""Random signs of the prompts' differences that the number of changed features is held against."""
FEWEST_FLIPS = 20
"""With fewer, their quantile says nothing."""
CHANCE = 0.95
"""Quantile of what the signs give that must be exceeded."""
MOST_PLACES = 3
"""Dictionaries whose features are drawn: a first, a middle and a last one."""
SPEAKS = 10
"""Promoted tokens that a label is made of, where nobody wrote one."""
AROUND = 12
"""Tokens of context on either side of an example."""


class Options(LabelledOptions, PairOptions):
    """Which two models, which dictionaries (base's), on which prompts."""

    prompts: Prompts
    """What both models read: three at least, for a difference is held against its spread over the prompts."""
    top: Annotated[int, Field(ge=1, le=100)] = 10
    """Features kept of those that rise most, and as many that fall most, by dictionary."""
    tokens: Annotated[int, Field(ge=3, le=50)] = 10
    """Tokens named that each feature promotes in base, and as many that it suppresses."""
    kept: Annotated[int, Field(ge=1, le=20)] = 5
    """Examples kept a feature."""

    @model_validator(mode="after")
    def _with_a_spread(self) -> Self:
        if len(self.prompts) < FEWEST:
            raise ValueError(f"prompts: a spread over prompts wants {FEWEST} of them at least")
        return self


@dataclass(frozen=True, kw_only=True)
class Contrast(Findings):
    """What the features do differently in other."""

    in_common: float | str = metric("share", "higher")
    """Features that fire on a token in both models, as a share of those that fire in either: mean over the tokens on
    which any fires, then over the dictionaries."""
    changed_features: int | str = metric("features")
    """Features whose mean activation differs by more than two standard errors over the prompts and by more than 10⁻⁴
    of the larger mean, over all dictionaries that are measurable in other."""
    fvu_base: float | str = metric("share", "lower")
    """Share of base's variance that the dictionaries leave unexplained: mean over them."""
    fvu_other: float | str = metric("share", "lower")
    """The same of other's."""
    positions: int = metric("positions")
    """Tokens of all prompts that count, BOS left out."""
    in_common_by_item: NDArray[np.float32] = array("item", unit="share of the features")
    """(dictionary) features in common, mean over the tokens on which any fires."""
    in_common_moved: NDArray[np.float32] = array("item", unit="share of the features")
    """(dictionary) the control: each token in base beside the one in other that stands half the text further on."""
    fvu_base_by_item: NDArray[np.float32] = array("item", unit="share of the variance")
    """(dictionary) FVU = Σ‖x - x̂‖² / Σ‖x - x̄‖² over the tokens, in base."""
    fvu_other_by_item: NDArray[np.float32] = array("item", unit="share of the variance")
    """(dictionary) the same in other, x̄ its own mean."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries, by the place that they read."""
    changed: Rows = table("item", "firing", "changed", "chance", "flips", "equal", "reason")
    """Of each dictionary: features that fire in either model; how many of them changed; the 95th percentile of how
    many would have if each prompt's differences had a random sign, over so many draws; whether all activations are
    equal; and why it is not measurable in other, where it is not."""
    differences: Rows = table(
        "item", "rank", "feature", "mean_base", "mean_other", "difference", "standard_error", "density_base",
        "density_other",
    )  # fmt: skip
    """The changed features that rise most, then those that fall most, by the difference of their mean activations.
    Means over the prompts of the mean over their tokens; densities are shares of all tokens."""
    features: Rows = table(
        "item", "feature", "label", "label_origin", "label_score", "density", "strongest", "promoted", "suppressed",
        "link",
    )  # fmt: skip
    """Every feature that is named: its label with its origin and score, that of the file or else one made of the
    promoted tokens; the share of the tokens on which it fires and its largest activation, in that model of the two in
    which it is stronger; and the tokens at both ends of W_U (gain ⊙ direction), those of base."""
    examples: Rows = table("item", "feature", "rank", "activation", "before", "token", "after")
    """The tokens on which each feature is strongest, in that model of the two in which it is stronger, with the text
    around them; equal ones count once."""
    notes: Rows = table("kind", "name", "value")
    """What is to be known of the dictionaries."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as both models read them."""


class SaeContrast(PairProbe[Options, Contrast]):
    """Shows: in the words of base's own sparse features, what a fine-tune or another change of the weights does: which
    features fire more on the same text and which less, and how many still fire where they did.

    Read: the share in common says how far the same features answer to the same tokens; at 1 they all do, and at the
    height of the control nothing is left of it. Beside it, the variance that the dictionary leaves unexplained: where
    it leaves much more in other than in base, other has directions that the dictionary does not know, and what its
    features are called cannot be relied on. The bars are the features that changed, with what they are called in base.
    Hundreds of features are looked at together, so that some pass for changed by chance: only where more do is any
    told, and as many as chance gives may be among the bars.

    Computed: both models read the same tokens; the same dictionary encodes both, in float32; BOS at position 0 is left
    out. A feature has changed where |difference| of its mean activation exceeds 2 standard errors over the prompts
    (paired, n - 1 below) and 10⁻⁴ of the larger mean. By chance: the 95th percentile of their number over up to 200
    random signs of the prompts' differences. In common: |both| / |either| (Jaccard) of the features that fire on a
    token. A dictionary whose FVU in other exceeds that in base by more than 0.2 is called not measurable. Promoted
    tokens: largest W_U (gain ⊙ direction) of base.
    """

    name = "sae_contrast"
    version = 1
    question = "Which features changed between the two checkpoints?"
    options = Options
    findings = Contrast

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Every prompt once, at the places that the dictionaries read."""
        found = dictionaries_of(case)
        labels_of(case, found)
        needs = tuple(dict.fromkeys(need_of(one) for one in found.files))
        passes = [Pass(case.tokens(prompt), needs) for prompt in case.options.prompts]
        bare = [at for at, one in enumerate(passes) if len(one.tokens) == first_counted(case, one.tokens)]
        if bare:
            raise Unusable(f"prompt {bare[0]} has no token beside BOS")
        return passes

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses streams of two widths, and models that read the prompts as other tokens."""
        one, two = base.facts.hidden_size, other.facts.hidden_size
        if one != two:
            raise Unusable(f"they cannot be compared: their streams are {one} and {two} wide")
        for index, prompt in enumerate(base.options.prompts):
            ours, theirs = base.tokens(prompt), other.tokens(prompt)
            if ours != theirs or list(map(base.tokenizer.piece, ours)) != list(map(other.tokenizer.piece, theirs)):
                raise Unusable(f"they cannot be compared: they read prompt {index} as other tokens")

    def compare(self, base: Measured[Options], other: Measured[Options]) -> Contrast:
        """One dictionary in memory at a time."""
        import numpy as np

        case, found = base.case, dictionaries_of(base.case)
        parts = [_part(base, other, found, item) for item in range(len(found.files))]
        labels = labels_of(case, found)
        measurable = [one for one in parts if not one.reason]
        shared, fvu_base, fvu_other = (
            np.array(values)
            for values in zip(*((one.in_common, one.base.fvu, one.other.fvu) for one in parts), strict=True)
        )
        return Contrast(
            in_common=_mean(shared, "no feature fires on any token"),
            changed_features=sum(one.count for one in measurable) if measurable else parts[0].reason,
            fvu_base=_mean(fvu_base, "the tokens do not differ"),
            fvu_other=_mean(fvu_other, "the tokens do not differ"),
            positions=parts[0].base.activity.tokens,
            in_common_by_item=shared.astype(np.float32),
            in_common_moved=np.array([one.in_common_moved for one in parts], np.float32),
            fvu_base_by_item=fvu_base.astype(np.float32),
            fvu_other_by_item=fvu_other.astype(np.float32),
            dictionaries=dictionary_rows(case.options),
            changed=[one.row() for one in parts],
            differences=[row for one in parts for row in one.difference_rows()],
            features=[row for one in parts for row in _feature_rows(case, one, found, labels)],
            examples=[row for one in parts for row in _example_rows(base, one)],
            notes=note_rows(found.notes),
            prompts=case.prompt_rows(case.options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """Features in common and the variance unexplained by place; the features that changed."""
        for subject, outcome in section.ok().items():
            name = section.name(subject)
            yield _shares_in_common(name, subject, outcome)
            yield _unexplained(name, subject, outcome)
            for item in _drawn_items(outcome):
                yield _bars(name, subject, outcome, item)

    def statement(self, section: Section) -> str:
        """Where more features changed than by chance, the first of them by name, and where names cannot be trusted."""
        return sentences(
            sentence
            for subject, outcome in section.ok().items()
            for sentence in (*_told(section.name(subject), outcome), *map(told, notes_of(outcome)))
        )


@dataclass(frozen=True)
class _Side:
    """What a dictionary makes of all tokens of one model."""

    activity: Activity
    """All prompts, one after the other."""
    fvu: float


@dataclass(frozen=True)
class _Part:
    """What one dictionary gives."""

    item: int
    base: _Side
    other: _Side
    changes: Changes
    rising: Sequence[int]
    """Changed features, those that rise most first; none where the dictionary is not measurable."""
    falling: Sequence[int]
    in_common: float
    in_common_moved: float
    reason: str
    """Why it is not measurable in other; empty where it is."""
    read: Mapping[int, Reading]
    """Feature -> its tokens in base."""

    @property
    def count(self) -> int:
        """Features that changed."""
        return int(self.changes.beyond.sum())

    def row(self) -> list[Cell]:
        """Of the `changed` table."""
        import numpy as np

        one, two = self.base.activity, self.other.activity
        firing = int(((one.firing() > 0) | (two.firing() > 0)).sum())
        equal = all(np.array_equal(*pair) for pair in ((one.row, two.row), (one.feature, two.feature),
                                                       (one.value, two.value)))  # fmt: skip
        chance = float(np.quantile(self.changes.by_chance, CHANCE))
        known: list[Cell] = [None, None] if self.reason else [self.count, chance]
        return [self.item, firing, *known, len(self.changes.by_chance), equal, self.reason]

    def where_stronger(self, feature: int) -> Activity:
        """All tokens of the model in which a changed feature is stronger."""
        return (self.other if self.changes.difference[feature] > 0 else self.base).activity

    def difference_rows(self) -> Rows:
        """Of the `differences` table."""
        found, tokens = self.changes, self.base.activity.tokens
        columns = (found.mean_base, found.mean_other, found.difference, found.standard_error,
                   self.base.activity.firing() / tokens, self.other.activity.firing() / tokens)  # fmt: skip
        return [
            [self.item, rank, feature, *(float(column[feature]) for column in columns)]
            for side in (self.rising, self.falling)
            for rank, feature in enumerate(side, 1)
        ]


def _part(base: Measured[Options], other: Measured[Options], found: Found, item: int) -> _Part:
    import numpy as np

    from reportgen.model.sae.dictionary import load_dictionary
    from reportgen.model.sae.promoted import promoted

    options = base.case.options
    dictionary = load_dictionary(found.files[item], base.model.device)
    ours, theirs = (_side(measured, dictionary) for measured in (base, other))
    prompts = [_means(base, one.activity) for one in (ours, theirs)]
    compared = changes(prompts[0], prompts[1], FLIPS, options.seed)
    reason = _not_measurable(ours.fvu, theirs.fvu)
    moved = np.where(compared.beyond, compared.difference, 0.0) * (not reason)
    rising, falling = top_of(moved, options.top), top_of(-moved, options.top)
    named = sorted({*rising, *falling})
    shared, by_chance = (in_common(ours.activity, one) for one in (theirs.activity, moved_on(theirs.activity)))
    return _Part(
        item,
        ours,
        theirs,
        compared,
        rising,
        falling,
        _known_mean(shared),
        _known_mean(by_chance),
        reason,
        dict(zip(named, promoted(base.model, dictionary, named, max(options.tokens, SPEAKS)), strict=True)),
    )


def _side(measured: Measured[Options], dictionary: Dictionary) -> _Side:
    """The counted tokens of all prompts, encoded and given back, a chunk of rows at a time."""
    import torch

    need, case = need_of(dictionary.files), measured.case
    rows = torch.cat([one.kept(need, 0)[0][first_counted(case, one.tokens) :] for one in measured.captured])
    quality = ReconstructionQuality()
    state, fired = quality.init(), []
    for held, activations in dictionary.encoded(rows):
        some = rows[held]
        given_back = dictionary.decode(activations, some)
        state = quality.update(state, *(one.cpu() for one in (some, given_back, activations)))
        row, feature = activations.nonzero(as_tuple=True)
        fired.append((row + held.start, feature, activations[row, feature]))
    found = [torch.cat(parts).cpu().numpy() for parts in zip(*fired, strict=True)]
    activity = Activity(len(rows), dictionary.features, found[0], found[1], found[2].astype("float64"))
    return _Side(activity, quality.finish(state).fvu)


def _means(measured: Measured[Options], activity: Activity) -> NDArray[np.float64]:
    """(prompt x feature) means over each prompt's counted tokens; both models have the same."""
    prompts, first = [], 0
    for one in measured.captured:
        end = first + len(one.tokens) - first_counted(measured.case, one.tokens)
        prompts.append(part_of(activity, first, end))
        first = end
    return means_of(prompts)


def _not_measurable(base: float, other: float) -> str:
    if not other - base > WORSE:
        return ""
    return (
        f"not measurable, because the dictionary leaves {other:.2f} of other's variance unexplained, and {base:.2f} of "
        "base's: it does not describe what other has"
    )


def _known_mean(values: NDArray[np.float64]) -> float:
    import numpy as np

    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else nan


def _mean(values: NDArray[np.float64], reason: str) -> float | str:
    known = _known_mean(values)
    return reason if isnan(known) else known


def _feature_rows(case: Case[Options], part: _Part, found: Found, labels: Mapping[tuple[int, int], Label]) -> Rows:
    from reportgen.features.auto_labels import from_promoted

    most = case.options.tokens
    rows: Rows = []
    for feature, reading in part.read.items():
        values = part.where_stronger(feature).column(feature)
        top, bottom = (list(map(case.tokenizer.show, ids)) for ids in (reading.top_ids, reading.bottom_ids))
        label = labels.get((part.item, feature)) or from_promoted(top[:SPEAKS])
        rows.append(
            [part.item, feature, label.text, label.origin, label.score, float((values > 0).mean()),
             float(values.max()), *(JOINED.join(map(mark_space, tokens[:most])) for tokens in (top, bottom)),
             page_of(found.files[part.item], feature)]
        )  # fmt: skip
    return rows


def _example_rows(base: Measured[Options], part: _Part) -> Rows:
    """The tokens are the same in both models."""
    import numpy as np

    case = base.case
    places = [
        (one.tokens, first, at)
        for one in base.captured
        for first in [first_counted(case, one.tokens)]
        for at in range(first, len(one.tokens))
    ]
    rows: Rows = []
    for feature in part.read:
        values = part.where_stronger(feature).column(feature)
        shown: dict[tuple[str, str, str], float] = {}
        for place in np.argsort(-values, kind="stable")[: np.count_nonzero(values)].tolist():
            ids, first, at = places[place]
            before, after = ids[max(at - AROUND, first) : at], ids[at + 1 : at + 1 + AROUND]
            text = (case.tokenizer.decode(before), case.tokenizer.show(ids[at]), case.tokenizer.decode(after))
            shown.setdefault(text, float(values[place]))
            if len(shown) == case.options.kept:
                break
        rows += [[part.item, feature, rank, value, *text] for rank, (text, value) in enumerate(shown.items(), 1)]
    return rows


def _drawn_items(outcome: Outcome) -> list[int]:
    """A first, a middle and a last of the dictionaries with features that changed."""
    items = sorted(set(outcome.tables["differences"].column("item")))
    if len(items) <= MOST_PLACES:
        return items
    last = len(items) - 1
    return [items[round(at * last / (MOST_PLACES - 1))] for at in range(MOST_PLACES)]


def _series(outcome: Outcome) -> dict[str, list[int]]:
    """Items that one line may join, by what the line is called: of one site, at places of their own."""
    sites = {
        Site.RESIDUAL.value: say("sae_contrast.stream", "stream"),
        Site.ATTENTION_WRITE.value: say("sae_contrast.attention_writes", "attention"),
        Site.MLP_WRITE.value: say("sae_contrast.mlp_writes", "MLP"),
        Site.HEADS.value: say("sae_contrast.found_by_heads", "heads"),
    }
    found: dict[str, list[int]] = {}
    seen: dict[tuple[str, int], int] = {}
    for record in sorted(outcome.tables["dictionaries"].records(), key=lambda record: int(record["index"])):
        place = (record["site"], record["index"])
        seen[place] = seen.get(place, 0) + 1
        called = sites[record["site"]] + (f" {seen[place]}" if seen[place] > 1 else "")
        found.setdefault(called, []).append(record["item"])
    return found


def _curves(outcome: Outcome, labels: Mapping[str, str]) -> list[Curve]:
    """A line an array and series, over the places."""
    index = outcome.tables["dictionaries"].column("index")
    series = _series(outcome)
    return [
        Curve(
            label=label if len(series) == 1 else f"{label}, {called}",
            x=[index[item] for item in items],
            y=outcome.arrays[of].values[items].tolist(),
            group=label,
        )
        for of, label in labels.items()
        for called, items in series.items()
    ]


def _x_label(outcome: Outcome) -> str:
    if set(outcome.tables["dictionaries"].column("site")) == {Site.RESIDUAL.value}:
        return axis_label(relative=False)
    return say("sae_contrast.x", "layer or block of the dictionary")


def _shares_in_common(name: str, subject: str, outcome: Outcome) -> Curves:
    """The Jaccard index and its control."""
    what = say("sae_contrast.in_common", "in common")
    curves = _curves(
        outcome, {"in_common_by_item": what, "in_common_moved": say("sae_contrast.moved", "of other tokens")}
    )
    return Curves(
        name="in-common",
        subject=(subject,),
        title=say("sae_contrast.in_common.title", "{model}: features that fire in both on the same token", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=_x_label(outcome),
        y_label=say("sae_contrast.in_common.y", "share of the features that fire in either"),
        curves=curves,
        y_range=(0.0, 1.0),
    )


def _unexplained(name: str, subject: str, outcome: Outcome) -> Curves:
    """FVU of base's dictionaries in both."""
    import numpy as np

    base, other = subject.split(SUBJECT)
    curves = _curves(outcome, {"fvu_base_by_item": base, "fvu_other_by_item": other})
    highest = float(np.nanmax([y for curve in curves for y in curve.y], initial=0.0)) * 1.05 or 1.0
    return Curves(
        name="fvu",
        subject=(subject,),
        title=say("sae_contrast.fvu.title", "{model}: what the dictionaries leave unexplained", model=name),
        alt=curves_read_out(name, say("sae_contrast.fvu", "FVU"), curves),
        x_label=_x_label(outcome),
        y_label=say("sae_contrast.fvu.y", "share of the variance (FVU)"),
        curves=curves,
        y_range=(0.0, highest),
    )


def _bars(name: str, subject: str, outcome: Outcome, item: int) -> Rankings:
    """What rises and what falls at one place."""
    records = [r for r in outcome.tables["differences"].records() if r["item"] == item]
    place, names = place_names(outcome)[item], feature_names(outcome)
    heads = {
        1: say("sae_contrast.rises", "{place}: fires more", place=place),
        -1: say("sae_contrast.falls", "{place}: fires less", place=place),
    }
    rankings = []
    for sign, head in heads.items():
        chosen = [r for r in records if r["difference"] * sign > 0]
        if chosen:
            called = [names[item, r["feature"]].called for r in chosen]
            rankings.append(Ranking(title=head, labels=called, values=[abs(float(r["difference"])) for r in chosen]))
    return Rankings(
        name=f"differences-{item}",
        subject=(subject,),
        title=say("sae_contrast.bars.title", "{model}, {place}: features that changed most", model=name, place=place),
        alt=sentences(
            say("sae_contrast.bars.alt", "{where}: {features}.", where=one.title, features=listed(one.labels))
            for one in rankings
        ),
        rankings=rankings,
        value_label=say("sae_contrast.difference", "difference of mean activations"),
        value_range=(0.0, max(value for one in rankings for value in one.values)),
        model=subject.partition(SUBJECT)[2],
    )


def _told(name: str, outcome: Outcome) -> Iterable[str]:
    """What one pair's features say."""
    records, places = outcome.tables["changed"].records(), place_names(outcome)
    equal = [places[r["item"]] for r in records if r["equal"]]
    beyond = [r for r in records if r["changed"] is not None and r["changed"] > r["chance"]]
    if not any(r["firing"] for r in records):
        yield say("sae_contrast.none_fires", "{model}: no feature fires on any token, in neither model.", model=name)
        return
    if len(equal) == len(records):
        yield say("sae_contrast.all_equal", "{model}: every feature is equally strong on every token.", model=name)
        return
    if equal:
        yield say("sae_contrast.equal", "{model}: nothing differs at {places}.", model=name, places=listed(equal))
    if max(int(r["flips"] or 0) for r in records) < FEWEST_FLIPS:
        yield say(
            "sae_contrast.few_prompts",
            "Whether single features of {model} change cannot be told: so few prompts have too few random signs to "
            "hold a count against.",
            model=name,
        )
    elif beyond:
        yield from _told_of(name, outcome, max(beyond, key=lambda r: float(r["changed"] - r["chance"])))
    elif any(r["changed"] is not None and not r["equal"] for r in records):
        yield say(
            "sae_contrast.no_clear_statement",
            "No clear statement about single features of {model}: nowhere do more change than by chance.",
            model=name,
        )
    apart = [f"{places[r['item']]} ({_fvu(outcome, r['item'])})" for r in records if r["reason"]]
    if apart:
        yield say(
            "sae_contrast.not_measurable",
            "Which features of {model} change is not measurable at {places}: the dictionary leaves so much more of the "
            "variance unexplained in the second model than in the first (FVU in brackets) that its features' names "
            "cannot be relied on there.",
            model=name,
            places=listed(apart),
        )


def _fvu(outcome: Outcome, item: int) -> str:
    """In base and in other."""
    both = (outcome.arrays[f"fvu_{which}_by_item"].values[item] for which in ("base", "other"))
    return " → ".join(digits(f"{value:.2f}") for value in both)


def _told_of(name: str, outcome: Outcome, record: Mapping[str, Any]) -> Iterable[str]:
    """How many features of a dictionary changed, and the first of them."""
    item = record["item"]
    yield say_count(
        "sae_contrast.changed",
        "Most change at {place} of {model}: {count} feature of the {firing} that fire, where random signs seldom "
        "give more than {chance}; {share} of those that fire on a token fire in both models.",
        "Most change at {place} of {model}: {count} features of the {firing} that fire, where random signs "
        "seldom give more than {chance}; {share} of those that fire on a token fire in both models.",
        record["changed"],
        place=place_names(outcome)[item],
        model=name,
        firing=digits(f"{record['firing']:,}"),
        chance=digits(f"{record['chance']:.0f}"),
        share=digits(f"{outcome.arrays['in_common_by_item'].values[item]:.0%}"),
    )
    names = feature_names(outcome)
    for row in outcome.tables["differences"].records():
        if (row["item"], row["rank"]) == (item, 1):
            values = {
                "feature": names[item, row["feature"]].told,
                "base": _short(row["mean_base"]),
                "by": _short(abs(row["difference"])),
            }
            if row["difference"] > 0:
                yield say(
                    "sae_contrast.rises_most",
                    "The feature that rises most there is {feature}: by {by}, from a mean of {base}.",
                    **values,
                )
            else:
                yield say(
                    "sae_contrast.falls_most",
                    "The feature that falls most there is {feature}: by {by}, from a mean of {base}.",
                    **values,
                )


def _short(value: float) -> str:
    """Three digits, without a power of ten where they are large."""
    return digits(f"{value:.0f}" if value >= 100 else f"{value:.3g}")


probe = SaeContrast()
