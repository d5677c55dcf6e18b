"""A map of words: the residual stream's first principal components, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.options import Layers, ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, metric, table
from reportgen.text.prompts import Prompt
from reportgen.text.words import WordNotFound, find_word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Options(ProbeOptions):
    """Which words, at which layers."""

    prompts: Prompts
    """What is put on the map; `group` gives a prompt's colour, `label` its text, `word` the position that is read."""
    accept_parts: bool = False
    """Whether a verdict is given even if a word is its own tokens in one sentence and part of a larger token, or only
    bytes, in another."""
    layers: Layers = "all"
    """Layers drawn, counted from 0 = embedding."""

    @model_validator(mode="after")
    def _check_prompt_count(self) -> Options:
        if len(self.prompts) < 3:
            raise ValueError("three prompts are needed to make a map")
        return self


@dataclass(frozen=True, kw_only=True)
class Map(PromptFindings):
    """What the map gives."""

    plane_variance: float = metric("share")
    """Share of the rows' variance in the plane of the last layer drawn."""
    points: NDArray[np.float64] = array("layer", "item", "component", unit="coordinate")
    """(layer x item x component) coordinates of the centred rows on their first principal components."""
    explained_variance: NDArray[np.float64] = array("layer", "component", unit="share")
    """(layer x component) share of the rows' variance that lies along the component."""
    items: Rows = table("item", "text", "group")
    """The points on the map."""
    words: Rows = word_table()
    """The words that prompts name, the tokens that hold them, and whether they are the word and nothing else."""


class PcaMap(Probe[Options, Map]):
    """Shows: which words are near each other after a layer, on the plane that keeps most of their differences.

    Read: points that are near each other are similar at this layer, as far as two dimensions tell: the axes say what
    share of all variance they hold. Groups that draw together are told apart by the layer.

    Computed: the residual stream at the last token of each prompt (or of its `word`), centred; scikit-learn's PCA
    with the full solver, each layer on its own; the sign of an axis is fixed so that its largest loading is positive.
    """

    name = "pca_map"
    version = 1
    question = "Which words are close together?"
    libraries = ("sklearn.decomposition",)
    options = Options
    findings = Map

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, at the place that is read."""
        needs = [need_of(case, prompt) for prompt in case.options.prompts]
        tokens = [case.tokens(prompt) for prompt in case.options.prompts]
        return [Pass(ids, (need,)) for ids, need in zip(tokens, needs, strict=True)]


def need_of(case: Case[Options], prompt: Prompt) -> Need:
    """The row that is put on the map."""
    layers = case.needed_layers(case.options.layers)
    if prompt.word is None:
        return Need(Site.RESIDUAL, "last", layers)
    try:
        return Need(Site.RESIDUAL, (find_word(case.tokenizer, prompt, prompt.word).position,), layers)
    except WordNotFound as error:
        raise Unusable(str(error)) from error


probe = PcaMap()
