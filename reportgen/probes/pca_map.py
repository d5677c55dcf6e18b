"""A map of words: the residual stream's first principal components, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from reportgen.figures.describe import Figure, Maps, Panel
from reportgen.needs import Need, Pass, Site
from reportgen.numerics.principal import principal_points
from reportgen.probes.base import Case, Layers, Probe, ProbeOptions, Prompts, Section, Unusable
from reportgen.prompts import Prompt
from reportgen.result import Findings, Outcome, Rows, array, metric, table
from reportgen.tokens import WordNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.loaded import LoadedModel
    from reportgen.needs import Captured

COMPONENTS = 2
DROWNING = 0.9
"""Share of variance on one axis above which the map shows little but an outlier."""
SMALL_PANELS = 12
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
                for first in range(0, len(layers), SMALL_PANELS):
                    some = range(first, min(first + SMALL_PANELS, len(layers)))
                    figure = f"layers-{layers[some[0]]}-{layers[some[-1]]}"
                    yield _maps(section.name(subject), subject, outcome, some, figure, texts=False)

    def statement(self, section: Section) -> str:
        """How much of the variance the plane holds in the last layer, and where one direction drowns the rest."""
        import numpy as np

        parts = []
        for subject, outcome in section.ok().items():
            explained = outcome.arrays["explained_variance"]
            layers, shares = explained.along("layer"), explained.values
            if np.isnan(shares[-1]).all():
                continue
            part = f"two axes hold {np.nansum(shares[-1]):.0%} of the variance at layer {layers[-1]}"
            drowned = [layer for layer, share in zip(layers, shares[:, 0], strict=True) if share > DROWNING]
            if drowned:
                part += f", but a single direction holds over {DROWNING:.0%} at {len(drowned)} of {len(layers)} layers"
            parts.append(f"{section.name(subject)}: {part}")
        return "; ".join(parts) + "." if parts else ""


def _layers(case: Case[Options]) -> tuple[int, ...] | None:
    """The layers asked for; None for all of them."""
    if case.options.layers == "all":
        return None
    last = case.facts.layers
    beyond = [layer for layer in case.options.layers if last is not None and layer > last]
    if beyond:
        raise Unusable(f"layer {beyond[0]} is out of range: layers go from 0 to {last}")
    return tuple(sorted(set(case.options.layers)))


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


def _maps(name: str, subject: str, outcome: Outcome, chosen: Iterable[int], figure: str, *, texts: bool) -> Maps:
    points, explained = outcome.arrays["points"], outcome.arrays["explained_variance"]
    layers = points.along("layer")
    panels = [
        Panel(
            title=f"layer {layers[i]}",
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
        title=name if texts else f"{name}: {panels[0].title} to {panels[-1].title}",
        alt=f"Maps of {len(items.rows)} words at {len(panels)} layers of {name}",
        panels=panels,
        labels=[str(text) if texts else "" for text in items.column("text")],
        groups=[str(group) for group in items.column("group")],
    )


def _axis(component: int, explained: NDArray[Any], texts: bool) -> str:
    import numpy as np

    share = explained[component - 1]
    if np.isnan(share):
        return ""
    return f"component {component} ({share:.0%})" if texts else f"{share:.0%}"


probe = PcaMap()
