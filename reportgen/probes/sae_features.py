"""Which features of sparse dictionaries answer to a prompt, and which differ between two sets of prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from reportgen.features.labels import Label, page_of
from reportgen.features.names import feature_names, place_names
from reportgen.features.options import Found, LabelledOptions, dictionaries_of, first_counted, labels_of, need_of
from reportgen.features.tables import DICTIONARIES, dictionary_rows, note_rows, notes_of
from reportgen.figures.describe import Figure, Ranking, Rankings, TokenGrid
from reportgen.language import digits, listed, say, sentences
from reportgen.model.needs import Pass
from reportgen.model.sae.notes import told
from reportgen.numerics.feature_activity import Activity, contrast, largest_by_chance, means_of, top_of
from reportgen.probing.probe import Case, Probe, Prompts, prompt_labels
from reportgen.results.quantities import Findings, Outcome, Rows, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space
from reportgen.text.prompts import STRICT, Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.measures.memories import Reading
    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

MOST_DRAWN = 6
"""Prompts whose strips are drawn, at each of `MOST_PLACES` dictionaries: the last ones."""
MOST_PLACES = 3
WIDEST = 16
"""Tokens of a strip; the last ones of a longer prompt."""
AROUND = 12
"""Tokens of context on either side of an example."""
DEALS = 50
"""Random deals of prompts that the largest effect is held against."""
FEWEST_DEALS = 20
"""With fewer, their 95th percentile says nothing."""
CLEAR = 1.5
"""How many times stronger than the next the strongest feature of a prompt is, to be told apart from it."""
TOLD = 2
"""Prompts of a model that a statement is about."""
JOINED = " · "
SPEAKS = 10
"""Promoted tokens that a label is made of, where nobody wrote one."""


class Sides(BaseModel):
    """Two sets of prompts."""

    model_config = STRICT

    a: Prompts
    """The one set."""
    b: Prompts
    """The other."""


class Options(LabelledOptions):
    """Which prompts, which dictionaries, and what is kept of their features."""

    prompts: Prompts
    """What the model reads."""
    k: Annotated[int, Field(ge=1, le=50)] = 5
    """Features kept a token."""
    top: Annotated[int, Field(ge=1, le=100)] = 10
    """Features kept a prompt, and of a contrast, by dictionary."""
    tokens: Annotated[int, Field(ge=3, le=50)] = 10
    """Tokens named that each feature promotes, and as many that it suppresses."""
    examples: Prompts | None = None
    """Texts in which density and strongest examples are looked for, beside the prompts and those of the contrast. They
    are held in memory: `sae_atlas` streams many."""
    kept: Annotated[int, Field(ge=1, le=20)] = 5
    """Examples kept a feature."""
    contrast: Sides | None = None
    """Two sets of prompts whose features are compared: `{a: FILE/SET, b: FILE/SET}`."""


@dataclass(frozen=True, kw_only=True)
class Features(Findings):
    """What the dictionaries say of the prompts."""

    l0: float | str = metric("features")
    """Features that fire on a token: mean over the tokens of all prompts and over the dictionaries, BOS left out."""
    strongest_share: float | str = metric("share")
    """Share of a token's whole activation that its strongest feature has: mean over tokens and dictionaries."""
    example_tokens: int = metric("tokens")
    """Tokens over which densities and examples are taken: the prompts', the contrast's and those of `examples`."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries, by the place that they read."""
    strongest: Rows = table("prompt", "item", "rank", "feature", "largest", "position", "token", "sum")
    """The strongest features of each prompt by their largest activation over its tokens, with the token where that is,
    and the sum over the tokens."""
    features: Rows = table(
        "item",
        "feature",
        "label",
        "label_origin",
        "label_score",
        "density",
        "strongest",
        "promoted",
        "suppressed",
        "link",
    )
    """Every feature that is named: its label with its origin and score, that of the file or else one made of the
    promoted tokens (its score is the share of the first ten that agree), the share of the example tokens on which it
    fires, its largest activation there, and the tokens at both ends of W_U (gain ⊙ direction)."""
    examples: Rows = table("item", "feature", "rank", "activation", "before", "token", "after")
    """The tokens on which each feature is strongest, with the text around them; equal texts count once."""
    by_token: Rows = table("prompt", "item", "position", "rank", "feature", "activation")
    """The strongest features of each token."""
    contrast: Rows = table("item", "rank", "feature", "mean_a", "mean_b", "difference", "effect")
    """The features that differ most between the sets a and b. Means over the prompts of the mean over their tokens;
    the effect is their difference over the pooled standard deviation: of the prompts' means where both sets have two
    prompts or more, else of the tokens. Ranked by its size; undefined where nothing varies."""
    controls: Rows = table("item", "deals", "effect")
    """The 95th percentile of the largest effect of any feature where the same prompts are dealt to two sets at random;
    no deals where a set has one prompt."""
    activations: list[NDArray[np.float32]] = arrays("item", "rank", "position", unit="activation")
    """(dictionary x rank x position) one array a prompt: its strongest features over its tokens; NaN at BOS, and where
    fewer features fire."""
    l0_by_token: list[NDArray[np.float32]] = arrays("item", "position", unit="features")
    """(dictionary x position) one array a prompt: features that fire on each token; NaN at BOS."""
    notes: Rows = table("kind", "name", "value")
    """What is to be known of the dictionaries."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens of each prompt."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class SaeFeatures(Probe[Options, Features]):
    """Shows: which features of sparse dictionaries fire on each token of a prompt, what sets these off elsewhere, and
    which tokens they speak for; and, between two sets of prompts, which features differ.

    Read: a strip a feature, the strongest first; the darker a cell, the stronger the feature on that token. A feature
    that fires on one token only answers to the word; one that stays dark over many follows a topic, a language or a
    place in the text. Beside its number stands a label that was given, or tokens of its strongest examples. Promoted
    tokens say what it does to the answer, examples what calls it: both together are what a label should fit. A label
    says where it comes from; nobody has to be right about it, and one made of promoted tokens alone often is not. An
    effect that shuffled prompts reach too says nothing.

    Computed: activations f = encode(x) as the dictionary's architecture has it, in float32 (JumpReLU: strictly above
    its threshold); position 0 is left out where it holds BOS. Promoted and suppressed tokens: largest and smallest
    W_U (gain ⊙ direction), the final norm's gain and the feature's row of the decoder; true up to a positive factor.
    Lieberum et al. 2024, "Gemma Scope"; Bricken et al. 2023, "Towards Monosemanticity".
    """

    name = "sae_features"
    version = 1
    question = "Which features fire?"
    options = Options
    findings = Features
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Every prompt once, at the places that the dictionaries read."""
        found = dictionaries_of(case)
        labels_of(case, found)
        needs = tuple(dict.fromkeys(need_of(one) for one in found.files))
        return [Pass(case.tokens(prompt), needs) for prompt in _every_prompt(case.options)]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Features:
        """One dictionary in memory at a time."""
        import numpy as np

        found, count = dictionaries_of(case), len(case.options.prompts)
        labels, texts = labels_of(case, found), [single.tokens for single in captured]
        starts = [first_counted(case, tokens) for tokens in texts]
        parts = [_part(case, model, found, item, captured) for item in range(len(found.files))]
        shown = [case.tokenizer.show_sequence(tokens) for tokens in texts[:count]]
        active = [one for part in parts for one in part.activity[:count]]
        l0 = np.concatenate([one.counts() for one in active])
        return Features(
            l0=float(l0.mean()) if len(l0) else "no prompt has a token beside BOS",
            strongest_share=_strongest_share(active),
            example_tokens=sum(parts[0].activity[text].tokens for text in _different(texts)),
            dictionaries=dictionary_rows(case.options),
            strongest=[row for part in parts for row in _strongest_rows(part, starts, shown)],
            features=[row for part in parts for row in _feature_rows(case, part, found, labels, _different(texts))],
            examples=[row for part in parts for row in _example_rows(case, part, texts, starts)],
            by_token=[
                [prompt, part.item, position + starts[prompt], rank, feature, value]
                for part in parts
                for prompt in range(count)
                for position, rank, feature, value in part.activity[prompt].strongest_of_tokens(case.options.k)
            ],
            contrast=[row for part in parts for row in part.differing.rows],
            controls=[part.differing.control for part in parts if part.differing.control],
            activations=[_strips(parts, prompt, starts[prompt], case.options.top) for prompt in range(count)],
            l0_by_token=[_counts(parts, prompt, starts[prompt]) for prompt in range(count)],
            notes=note_rows(found.notes),
            tokens=[[prompt, at, token] for prompt, row in enumerate(shown) for at, token in enumerate(row)],
            prompts=case.prompt_rows(case.options.prompts),
        )  # fmt: skip

    def figures(self, section: Section) -> Iterable[Figure]:
        """Strips of each prompt; L0 by layer and token; the features that differ."""
        for subject, outcome in section.ok().items():
            name = section.name(subject)
            for prompt in range(min(len(outcome.tables["prompts"].rows), MOST_DRAWN)):
                for item in _drawn_items(outcome):
                    yield from _strip(name, subject, outcome, prompt, item)
                if len(outcome.tables["dictionaries"].rows) > 1:
                    yield _l0_grid(name, subject, outcome, prompt)
            if outcome.tables["contrast"].rows:
                yield _differences(name, subject, outcome)

    def statement(self, section: Section) -> str:
        """Features that stand out on a prompt, and the largest difference beyond what chance gives."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Differing:
    """What the contrast says of one dictionary; empty where none is asked for."""

    rows: Rows
    control: list[str | int | float | bool | None]
    features: Sequence[int] = ()
    """Those that differ most."""


@dataclass(frozen=True)
class _Part:
    """What one dictionary gives."""

    item: int
    activity: Sequence[Activity]
    """(text) the prompts, then those of the contrast, then the examples."""
    strongest: Sequence[Sequence[int]]
    """(prompt) its features, the strongest first."""
    differing: _Differing
    read: Mapping[int, Reading]
    """Feature -> its tokens."""


def _every_prompt(options: Options) -> list[Prompt]:
    sides = [] if options.contrast is None else [*options.contrast.a, *options.contrast.b]
    return [*options.prompts, *sides, *(options.examples or ())]


def _part(case: Case[Options], model: LoadedModel, found: Found, item: int, captured: Sequence[Captured]) -> _Part:
    from reportgen.model.sae.dictionary import load_dictionary
    from reportgen.model.sae.promoted import promoted

    options, files = case.options, found.files[item]
    dictionary = load_dictionary(files, model.device)
    activity = []
    for single in captured:
        rows = single.kept(need_of(files), 0)[0][first_counted(case, single.tokens) :]
        active = dictionary.active(rows)
        row, feature, value = (part.cpu().numpy() for part in (active.row, active.feature, active.value))
        activity.append(Activity(len(rows), files.features, row, feature, value.astype("float64")))
    prompts = len(options.prompts)
    strongest = [top_of(one.largest(), options.top) for one in activity[:prompts]]
    differing = _contrast(options, item, activity[prompts:])
    named = sorted({one for tops in strongest for one in tops} | set(differing.features))
    read = dict(zip(named, promoted(model, dictionary, named, options.tokens), strict=True))
    return _Part(item, activity, strongest, differing, read)


def _different(texts: Sequence[tuple[int, ...]]) -> list[int]:
    """The places of texts that no earlier one equals: a prompt may be a side of the contrast and an example too."""
    first: dict[tuple[int, ...], int] = {}
    for at, tokens in enumerate(texts):
        first.setdefault(tokens, at)
    return list(first.values())


def _strongest_share(active: Sequence[Activity]) -> float | str:
    import numpy as np

    shares = []
    for one in active:
        whole, most = np.zeros(one.tokens), np.zeros(one.tokens)
        np.add.at(whole, one.row, one.value)
        np.maximum.at(most, one.row, one.value)
        shares += (most[whole > 0] / whole[whole > 0]).tolist()
    return float(np.mean(shares)) if shares else "no feature fires on any token"


def _contrast(options: Options, item: int, activity: Sequence[Activity]) -> _Differing:
    import numpy as np

    if options.contrast is None:
        return _Differing([], [])
    ends = len(options.contrast.a), len(options.contrast.a) + len(options.contrast.b)
    a, b = activity[: ends[0]], activity[ends[0] : ends[1]]
    compared = contrast(a, b)
    top = top_of(np.nan_to_num(np.abs(compared.effect), nan=0.0), options.top)
    columns = (compared.mean_a, compared.mean_b, compared.difference, compared.effect)
    rows: Rows = [[item, rank, one, *(float(column[one]) for column in columns)] for rank, one in enumerate(top, 1)]
    if min(len(a), len(b)) < 2:
        return _Differing(rows, [item, 0, None], top)
    effects = largest_by_chance(means_of(a), means_of(b), DEALS, options.seed)
    reached = float(np.quantile(effects, 0.95)) if len(effects) else None
    return _Differing(rows, [item, len(effects), reached], top)


def _strongest_rows(part: _Part, starts: Sequence[int], shown: Sequence[Sequence[str]]) -> Rows:
    rows: Rows = []
    for prompt, features in enumerate(part.strongest):
        for rank, feature in enumerate(features, 1):
            column = part.activity[prompt].column(feature)
            at = int(column.argmax())
            token = shown[prompt][at + starts[prompt]]
            rows.append([prompt, part.item, rank, feature, float(column[at]), at + starts[prompt], token,
                         float(column.sum())])  # fmt: skip
    return rows


def _feature_rows(
    case: Case[Options],
    part: _Part,
    found: Found,
    labels: Mapping[tuple[int, int], Label],
    different: Sequence[int],
) -> Rows:
    import numpy as np

    from reportgen.features.auto_labels import from_promoted

    activity = [part.activity[text] for text in different]
    tokens = sum(one.tokens for one in activity)
    firing = np.sum([one.firing() for one in activity], axis=0)
    largest = np.max([one.largest() for one in activity], axis=0)
    rows: Rows = []
    for feature, reading in part.read.items():
        ends = [list(map(case.tokenizer.show, ids)) for ids in (reading.top_ids, reading.bottom_ids)]
        label = labels.get((part.item, feature)) or from_promoted(ends[0][:SPEAKS])
        numbers = [float(firing[feature] / tokens), float(largest[feature])]
        link = page_of(found.files[part.item], feature)
        rows.append(
            [part.item, feature, label.text, label.origin, label.score, *numbers, *map(JOINED.join, ends), link]
        )
    return rows


def _example_rows(case: Case[Options], part: _Part, texts: Sequence[tuple[int, ...]], starts: Sequence[int]) -> Rows:
    best: dict[int, list[tuple[float, int, int]]] = {feature: [] for feature in part.read}
    for text in _different(texts):
        one = part.activity[text]
        for row, feature, value in zip(one.row.tolist(), one.feature.tolist(), one.value.tolist(), strict=True):
            if feature in best:
                best[feature].append((-value, text, row + starts[text]))
    rows: Rows = []
    for feature, seen in best.items():
        for rank, (value, text, at) in enumerate(sorted(seen)[: case.options.kept], 1):
            ids = texts[text]
            before, after = ids[max(at - AROUND, starts[text]) : at], ids[at + 1 : at + 1 + AROUND]
            shown = [case.tokenizer.decode(before), case.tokenizer.show(ids[at]), case.tokenizer.decode(after)]
            rows.append([part.item, feature, rank, -value, *shown])
    return rows


def _strips(parts: Sequence[_Part], prompt: int, start: int, top: int) -> NDArray[np.float32]:
    import numpy as np

    length = parts[0].activity[prompt].tokens + start
    found = np.full((len(parts), top, length), np.nan, np.float32)
    for part in parts:
        for rank, feature in enumerate(part.strongest[prompt]):
            found[part.item, rank, start:] = part.activity[prompt].column(feature)
    return found


def _counts(parts: Sequence[_Part], prompt: int, start: int) -> NDArray[np.float32]:
    import numpy as np

    found = np.full((len(parts), parts[0].activity[prompt].tokens + start), np.nan, np.float32)
    for part in parts:
        found[part.item, start:] = part.activity[prompt].counts()
    return found


def _drawn_items(outcome: Outcome) -> list[int]:
    """A first, a middle and a last place."""
    items = list(place_names(outcome))
    if len(items) <= MOST_PLACES:
        return items
    last = len(items) - 1
    return [items[round(at * last / (MOST_PLACES - 1))] for at in range(MOST_PLACES)]


def _strip(name: str, subject: str, outcome: Outcome, prompt: int, item: int) -> Iterable[TokenGrid]:
    """The strongest features of a prompt over its tokens; nothing where none fires."""
    import numpy as np

    strongest = [r for r in outcome.tables["strongest"].records() if (r["prompt"], r["item"]) == (prompt, item)]
    if not strongest:
        return
    values = outcome.arrays[f"activations/{prompt}"].values[item, : len(strongest)]
    start = max(int(np.isnan(values[0]).sum()), values.shape[1] - WIDEST)
    shown = [r["token"] for r in outcome.tables["tokens"].records() if r["prompt"] == prompt]
    values = values[:, start:]
    names_of = feature_names(outcome)
    names = [names_of[item, r["feature"]].called for r in strongest]
    largest = np.array([r["largest"] for r in strongest])[:, None]
    where = place_names(outcome)[item]
    label = prompt_labels(outcome)[prompt]
    at = [(one, mark_space(str(r["token"]))) for one, r in zip(names, strongest, strict=True)]
    yield TokenGrid(
        name=f"strips-{prompt}-{item}",
        subject=(subject,),
        title=say(
            "sae_features.strips.title",
            "{model}, {place}: features on “{prompt}”",
            model=name,
            place=where,
            prompt=label,
        ),
        alt=say(
            "sae_features.strips.alt",
            "Strongest features of {model} at {place}, each with the token on which it is strongest: {features}",
            model=name,
            place=where,
            features=listed([say("sae_features.on", "{feature} on “{token}”", feature=f, token=t) for f, t in at]),
        ),
        row_label=say("sae_features.feature", "feature, the strongest first"),
        rows=names,
        column_label=say("figure.token", "token"),
        columns=shown[start:],
        texts=[[_short(v) for v in row] for row in values.tolist()],
        values=np.clip(values / largest, 0, 1),
        value_label=say("sae_features.share", "activation, as a share of the feature's largest in the prompt"),
        outlined=np.zeros(values.shape, bool),
    )  # fmt: skip


def _short(value: float) -> str:
    """Three digits, no power of ten; nothing where a feature does not fire."""
    if not value > 0:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _l0_grid(name: str, subject: str, outcome: Outcome, prompt: int) -> TokenGrid:
    """Places from the last at the top."""
    import numpy as np

    counts = outcome.arrays[f"l0_by_token/{prompt}"].values[::-1]
    start = max(int(np.isnan(counts[0]).sum()), counts.shape[1] - WIDEST)
    counts = counts[:, start:]
    shown = [r["token"] for r in outcome.tables["tokens"].records() if r["prompt"] == prompt]
    places = list(place_names(outcome).values())[::-1]
    most = float(np.nanmax(counts, initial=0.0)) or 1.0
    means = np.nan_to_num(counts.mean(1)) if counts.size else np.zeros(len(places))
    return TokenGrid(
        name=f"l0-{prompt}",
        subject=(subject,),
        title=say("sae_features.l0.title", "{model}: how many features fire on each token of “{prompt}”", model=name,
                  prompt=prompt_labels(outcome)[prompt]),
        alt=say(
            "sae_features.l0.alt",
            "Mean number of features that fire a token in {model}: {places}",
            model=name,
            places=listed([f"{digits(f'{mean:.0f}')}, {place}" for place, mean in zip(places, means, strict=True)]),
        ),
        row_label=say("sae_features.place", "layer of the dictionary"),
        rows=places,
        column_label=say("figure.token", "token"),
        columns=shown[start:],
        texts=[[f"{count:.0f}" for count in row] for row in counts.tolist()],
        values=counts / most,
        value_label=say("sae_features.l0", "features that fire, as a share of the most ({most})", most=f"{most:.0f}"),
        outlined=np.zeros(counts.shape, bool),
        sampleable=True,
    )  # fmt: skip


def _differences(name: str, subject: str, outcome: Outcome) -> Rankings:
    """Two panels a place: what is stronger in a, and in b."""
    records = outcome.tables["contrast"].records()
    heads = {
        1: say("sae_features.more_in_a", "{place}: more in a"),
        -1: say("sae_features.more_in_b", "{place}: more in b"),
    }
    places, names_of = place_names(outcome), feature_names(outcome)
    rankings = []
    for item in _drawn_items(outcome):
        for sign, head in heads.items():
            chosen = [r for r in records if r["item"] == item and r["difference"] * sign > 0]
            if chosen:
                labels = [names_of[item, r["feature"]].called for r in chosen]
                values = [abs(float(r["effect"])) for r in chosen]
                rankings.append(Ranking(title=head.format(place=places[item]), labels=labels, values=values))
    return Rankings(
        name="contrast",
        subject=(subject,),
        title=say("sae_features.contrast.title", "{model}: features that differ between the sets a and b", model=name),
        alt=sentences(
            say("sae_features.contrast.alt", "{where}: {features}.", where=one.title, features=listed(one.labels))
            for one in rankings
        ),
        rankings=rankings,
        value_label=say("sae_features.effect", "difference of means / pooled standard deviation"),
        value_range=(0.0, max((value for one in rankings for value in one.values), default=1.0)),
        model=subject,
    )  # fmt: skip


def _seen(name: str, outcome: Outcome) -> str:
    """What one model's dictionaries say."""
    return sentences([*_of_prompts(name, outcome), *_of_contrast(name, outcome), *map(told, notes_of(outcome))])


def _of_prompts(name: str, outcome: Outcome) -> Iterable[str]:
    """The prompts on which one feature stands out most; one sentence where it does on none."""
    labels, places = prompt_labels(outcome), place_names(outcome)
    found = [(one[0], prompt, one[1]) for prompt in range(len(labels)) if (one := _clearest(outcome, prompt))]
    clear = [one for one in sorted(found, key=lambda one: -one[0]) if one[0] >= CLEAR][:TOLD]
    if not clear:
        yield say(
            "sae_features.no_clear_statement",
            "No clear statement about {model}: on no prompt, at no layer, is one feature {times} times as strong as "
            "the next.",
            model=name,
            times=digits(str(CLEAR)),
        )
    names_of = feature_names(outcome)
    for ratio, prompt, first in clear:
        yield say(
            "sae_features.strongest",
            "On “{prompt}”, one feature of {model} stands out at {place}: {feature}, {times} times as strong "
            "as the next, on “{token}”.",
            model=name,
            prompt=labels[prompt],
            place=places[first["item"]],
            feature=names_of[first["item"], first["feature"]].told,
            times=digits(f"{ratio:.1f}"),
            token=mark_space(str(first["token"])),
        )


def _clearest(outcome: Outcome, prompt: int) -> tuple[float, dict[str, Any]] | None:
    """How many times stronger than the next the strongest feature is, where that is most, and its row."""
    records = [r for r in outcome.tables["strongest"].records() if r["prompt"] == prompt]
    second = {r["item"]: r["largest"] for r in records if r["rank"] == 2}
    first = [(r["largest"] / second[r["item"]], r) for r in records if r["rank"] == 1 and r["item"] in second]
    return max(first, key=lambda one: float(one[0]), default=None)


def _of_contrast(name: str, outcome: Outcome) -> Iterable[str]:
    """The largest effect beside what the same prompts give in other hands."""
    records = outcome.tables["contrast"].records()
    controls = outcome.tables["controls"].records()
    chance = {r["item"]: r["effect"] for r in controls if r["effect"] is not None and r["deals"] >= FEWEST_DEALS}
    beyond = [r for r in records if r["item"] in chance and abs(r["effect"]) > chance[r["item"]]]
    if not controls:
        return
    if not records:
        yield say(
            "sae_features.same_sets",
            "The sets a and b do not differ in {model}: no feature has another mean.",
            model=name,
        )
    elif not chance:
        yield say(
            "sae_features.no_control",
            "Whether the sets a and b differ in {model} cannot be told: so few prompts can be dealt at random in too "
            "few ways to hold an effect against.",
            model=name,
        )
    elif not beyond:
        yield say(
            "sae_features.no_difference",
            "No clear difference between the sets a and b in {model}: no feature has a larger effect than prompts "
            "dealt at random give.",
            model=name,
        )
    else:
        most = max(beyond, key=lambda r: abs(r["effect"]) / chance[r["item"]])
        side = say("sae_features.a", "a") if most["difference"] > 0 else say("sae_features.b", "b")
        yield say(
            "sae_features.difference",
            "The clearest difference between the sets in {model} is {feature} at {place}, stronger in {side}: "
            "{effect} pooled standard deviations, where prompts dealt at random reach {chance}.",
            model=name,
            feature=feature_names(outcome)[most["item"], most["feature"]].told,
            place=place_names(outcome)[most["item"]],
            side=side,
            effect=digits(f"{abs(most['effect']):.1f}"),
            chance=digits(f"{chance[most['item']]:.1f}"),
        )


probe = SaeFeatures()
