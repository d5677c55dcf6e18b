"""A map of words: the residual stream's first principal components, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from reportgen.figures.describe import Figure, Maps, Panel
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.principal import principal_points
from reportgen.probing.probe import Case, Layers, Probe, ProbeOptions, Prompts, Unusable
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import WordNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

COMPONENTS = 2
DROWNING = 0.9
"""Share of variance on one axis above which the map shows little but an outlier."""
GATHERED = 0.75
"""Share of items whose nearest neighbour on the map is of their own group, from which the groups are gathered."""
BEYOND_CHANCE = 1.5
"""Times the share that items at random places would have, below which nothing is gathered."""
SMALL_PANELS = 20
"""Panels of a figure of every layer; more would not fit a sheet of paper."""
LARGE_PANELS = 4
"""Panels of the figure in which points carry their text."""


class Options(ProbeOptions):
    """Which words, at which layers."""

    prompts: Prompts
    """What is put on the map; `group` gives a prompt's colour, `label` its text, `word` the place that is read."""
    layers: Layers = "all"
    """Layers drawn, counted from 0 = embedding."""

    @model_validator(mode="after")
    def _enough(self) -> Options:
        if len(self.prompts) < 3:
            raise ValueError("three prompts are needed to make a map")
        return self


@dataclass(frozen=True, kw_only=True)
class Map(Findings):
    """What the map gives."""

    plane_variance: float = metric("share")
    """Share of the rows' variance that lies in the plane of the last layer drawn."""
    points: NDArray[np.float64] = array("layer", "item", "component", unit="coordinate")
    """(layer x item x component) coordinates of the centred rows on their first principal components."""
    explained_variance: NDArray[np.float64] = array("layer", "component", unit="share")
    """(layer x component) share of the rows' variance that lies along the component."""
    items: Rows = table("item", "text", "group")
    """What stands on the map."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class PcaMap(Probe[Options, Map]):
    """Shows: which words lie near each other after a layer, on the plane that keeps most of their differences.

    Read: near points are similar to this layer, as far as two dimensions tell: the axes say which share of all
    variance they hold. Groups that draw together are told apart by the layer.

    Computed: the residual stream at the last token of each prompt (or of its `word`), centred; scikit-learn's PCA
    with the full solver, each layer on its own; the sign of an axis is fixed so that its largest loading is positive.
    """

    name = "pca_map"
    version = 1
    question = "Which words lie together?"
    libraries = ("sklearn.decomposition",)
    options = Options
    findings = Map

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, at the place that is read."""
        needs = [_need(case, prompt) for prompt in case.options.prompts]
        tokens = [case.tokens(prompt) for prompt in case.options.prompts]
        return [Pass(ids, (need,)) for ids, need in zip(tokens, needs, strict=True)]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Map:
        """One PCA a layer."""
        import numpy as np

        rows = [_rows(single, _need(case, p)) for single, p in zip(captured, case.options.prompts, strict=True)]
        by_layer = np.stack(rows, axis=1)
        maps = [principal_points(layer, COMPONENTS) for layer in by_layer]
        prompts = case.options.prompts
        explained = np.stack([explained for _, explained in maps])
        return Map(
            plane_variance=float(explained[-1].sum()),
            coordinates={"layer": _layers(case) or range(len(by_layer))},
            points=np.stack([points for points, _ in maps]),
            explained_variance=explained,
            items=[[i, _label(case, prompt), prompt.group or ""] for i, prompt in enumerate(prompts)],
            prompts=case.prompt_rows(prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """A few layers large, with texts; then every layer small."""
        for subject, outcome in section.ok().items():
            layers = outcome.arrays["points"].along("layer")
            yield _maps(section.name(subject), subject, outcome, _spread(len(layers)), "map", texts=True)
        for subject, outcome in section.ok().items():
            layers = outcome.arrays["points"].along("layer")
            if len(layers) > LARGE_PANELS:
                for some in _sheets(len(layers)):
                    figure = f"layers-{layers[some[0]]}-{layers[some[-1]]}"
                    yield _maps(section.name(subject), subject, outcome, some, figure, texts=False)

    def statement(self, section: Section) -> str:
        """From which layer on the groups lie apart, and where one direction drowns the rest."""
        return sentences(
            sentence
            for subject, outcome in section.ok().items()
            for sentence in (_gathered(section, subject, outcome), _drowned(section.name(subject), outcome))
        )


def _gathered(section: Section, subject: str, outcome: Outcome) -> str:
    """Where words of one group have each other for neighbours."""
    import numpy as np

    name = section.name(subject)
    layers = outcome.arrays["points"].along("layer")
    groups = [str(group) for group in outcome.tables["items"].column("group")]
    shares = np.array([_own_neighbours(points, groups) for points in outcome.arrays["points"].values])
    if len(set(groups)) < 2:
        return say("pca_map.no_groups", "No clear statement about {model}: its words have no groups.", model=name)
    if np.isnan(shares).all():
        return say("pca_map.undefined", "No clear statement about {model}: its maps are undefined.", model=name)
    clear = shares >= max(GATHERED, BEYOND_CHANCE * _by_chance(groups))
    unclear = np.flatnonzero(~clear)
    first = int(unclear[-1]) + 1 if len(unclear) else 0
    at_the_end = first < len(layers)
    # Of several layers as good as each other, the last: at the embedding it is the words alone that differ.
    best = max(range(first if at_the_end else 0, len(layers)), key=lambda i: (np.nan_to_num(shares[i]), i))
    values = {"model": name, "layer": layers[best], "share": digits(f"{shares[best]:.0%}")}
    values["last"] = section.models[subject].layers
    if not clear[best]:
        return say(
            "pca_map.no_clear_statement",
            "No clear statement about {model}: at no layer are its groups apart on the plane; at layer {layer} of "
            "{last}, which comes nearest, {share} of the words have one of their own group as nearest neighbour.",
            **values,
        )
    if len(layers) == 1:
        return say(
            "pca_map.gathered_at",
            "{model} holds the groups apart at layer {layer} of {last}: {share} of the words there have one of their "
            "own group as nearest neighbour.",
            **values,
        )
    if clear.all():
        return say(
            "pca_map.gathered_everywhere",
            "{model} holds the groups apart at every layer, best at layer {layer} of {last}: {share} of the words "
            "there have one of their own group as nearest neighbour.",
            **values,
        )
    if at_the_end:
        return say(
            "pca_map.gathered_from",
            "{model} holds the groups apart from layer {first} on, best at layer {layer} of {last}: {share} of the "
            "words there have one of their own group as nearest neighbour.",
            first=layers[first],
            **values,
        )
    return say(
        "pca_map.gathered_between",
        "{model} holds the groups apart at some layers only and no longer at the end, best at layer {layer} of "
        "{last}: {share} of the words there have one of their own group as nearest neighbour.",
        **values,
    )


def _own_neighbours(points: NDArray[Any], groups: Sequence[str]) -> float:
    """Share of items with a group of several whose nearest neighbour is of it; NaN where the map is undefined.

    `points` is (item x component).
    """
    import numpy as np

    if not np.isfinite(points).all():
        return float("nan")
    apart = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(apart, np.inf)
    counted = [item for item, group in enumerate(groups) if group and groups.count(group) > 1]
    if not counted:
        return float("nan")
    return sum(groups[int(apart[item].argmin())] == groups[item] for item in counted) / len(counted)


def _by_chance(groups: Sequence[str]) -> float:
    """What `_own_neighbours` would be if every other item were as likely the nearest."""
    counts = [groups.count(group) for group in groups if group and groups.count(group) > 1]
    return sum(count - 1 for count in counts) / (len(counts) * (len(groups) - 1))


def _drowned(name: str, outcome: Outcome) -> str:
    """How many layers show little but one outlier; nothing where none does."""
    shares = outcome.arrays["explained_variance"].values[:, 0]
    drowned = int((shares > DROWNING).sum())
    if not drowned:
        return ""
    return say_count(
        "pca_map.drowned",
        "At {count} of {all} layers of {model} a single direction holds over {share} of the variance: the map shows "
        "little but an outlier.",
        "At {count} of {all} layers of {model} a single direction holds over {share} of the variance: the maps show "
        "little but an outlier.",
        drowned,
        model=name,
        all=len(shares),
        share=digits(f"{DROWNING:.0%}"),
    )


def _layers(case: Case[Options]) -> tuple[int, ...] | None:
    """The layers asked for; None for all of them."""
    return None if case.options.layers == "all" else case.named_layers(case.options.layers)


def _need(case: Case[Options], prompt: Prompt) -> Need:
    if prompt.word is None:
        return Need(Site.RESIDUAL, "last", _layers(case))
    try:
        return Need(Site.RESIDUAL, (case.tokenizer.word_position(prompt, prompt.word),), _layers(case))
    except WordNotFound as error:
        raise Unusable(str(error)) from error


def _rows(captured: Captured, need: Need) -> NDArray[np.float32]:
    """(layer x width)"""
    import torch

    rows: NDArray[np.float32] = torch.cat(captured.kept(need, 0)).float().cpu().numpy()
    return rows


def _label(case: Case[Options], prompt: Prompt) -> str:
    return prompt.label or prompt.word or case.tokenizer.prompt_text(prompt)


def _spread(count: int) -> list[int]:
    """Indices of a few layers from first to last, evenly spread."""
    shown = min(LARGE_PANELS, count)
    return sorted({round(i * (count - 1) / max(shown - 1, 1)) for i in range(shown)})


def _sheets(count: int) -> list[range]:
    """Indices of all layers, on as few sheets as hold them, about as many on each."""
    sheets = -(-count // SMALL_PANELS)
    ends = [-(-count * at // sheets) for at in range(sheets + 1)]
    return [range(first, end) for first, end in pairwise(ends)]


def _maps(name: str, subject: str, outcome: Outcome, chosen: Sequence[int], figure: str, *, texts: bool) -> Maps:
    points, explained = outcome.arrays["points"], outcome.arrays["explained_variance"]
    layers = points.along("layer")
    panels = [
        Panel(
            title=say("pca_map.layer", "layer {layer}", layer=layers[i]),
            points=points.values[i],
            x_label=_axis(1, explained.values[i], texts),
            y_label=_axis(2, explained.values[i], texts),
        )
        for i in chosen
    ]
    items = outcome.tables["items"]
    return Maps(
        name=figure,
        subject=(subject,),
        title=name if texts else _title(name, [layers[i] for i in chosen]),
        alt=_read_out(name, len(items.rows), [layers[i] for i in chosen]),
        panels=panels,
        labels=[str(text) if texts else "" for text in items.column("text")],
        groups=[str(group) for group in items.column("group")],
    )


def _title(name: str, layers: Sequence[int]) -> str:
    if len(layers) <= layers[-1] - layers[0] or len(layers) == 1:  # not all from the first to the last
        what = listed([say("pca_map.layer", "layer {layer}", layer=layer) for layer in layers])
        return say("figure.of_model", "{model}: {what}", model=name, what=what)
    return say("pca_map.layers", "{model}: layers {first} to {last}", model=name, first=layers[0], last=layers[-1])


def _read_out(name: str, items: int, layers: Sequence[int]) -> str:
    """What the maps are, for who cannot see them."""
    return say_count(
        "pca_map.alt",
        "Maps of {count} word at layers {first} to {last} of {model}",
        "Maps of {count} words at layers {first} to {last} of {model}",
        items,
        first=layers[0],
        last=layers[-1],
        model=name,
    )


def _axis(component: int, explained: NDArray[Any], texts: bool) -> str:
    import numpy as np

    if np.isnan(explained[component - 1]):
        return ""
    share = digits(f"{explained[component - 1]:.0%}")
    if not texts:
        return share
    return say("pca_map.axis", "component {component} ({share})", component=component, share=share)


probe = PcaMap()
