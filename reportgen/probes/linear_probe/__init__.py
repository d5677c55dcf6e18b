"""Which layer knows it: a linear probe trained on labelled prompts, layer by layer, held against its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Pass
from reportgen.probes.linear_probe.options import Options, reason_against_labels
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, metric, table
from reportgen.training.places import find_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class LinearProbe(PromptFindings):
    """What the probes give."""

    labelled: int = metric("prompts")
    """Prompts that the probes are trained and tested on."""
    accuracy: float = metric("share", "higher")
    """Share of held-out prompts that are given the right label at the layer that was chosen without their fold: an
    estimate for other prompts that the choice of a layer does not flatter."""
    selectivity: float = metric("share", "higher")
    """Accuracy less that of probes of random labels, at the same layer for each prompt (Hewitt and Liang 2019)."""
    majority: float = metric("share")
    """Share of the most frequent label: what is right without reading anything."""
    accuracy_of_random_coordinates: float = metric("share")
    """Accuracy of the same probes, on the same folds, of random numbers in the place of what the model holds, mean over
    the draws: what folds alone let a probe learn by heart. Standard normal numbers, as many as the stream has
    dimensions, one row for each type (as for random labels), the same wherever it stands."""
    best_layer: int = metric("layer")
    """The layer of the highest accuracy by layer, of equals the first: the best of all that were tried, chosen on the
    prompts that it is told of."""
    accuracy_by_layer: NDArray[np.float64] = array("layer", unit="share", stored="accuracy")
    """(layer) share of the prompts that get the right label from the probe fitted to the other folds."""
    accuracy_control: NDArray[np.float64] = array("layer", unit="share")
    """(layer) the same of probes that are trained and tested on random labels, on average over the draws."""
    selectivity_by_layer: NDArray[np.float64] = array("layer", unit="share", stored="selectivity")
    """(layer) accuracy less that of random labels."""
    accuracy_random: NDArray[np.float64] | None = array("layer", unit="share", optional=True)
    """(layer) accuracy of the same probes, on the same folds, in the model's twin: the same architecture with random
    weights. What is read there is read from the words themselves. Only with `twin`."""
    right: NDArray[np.float64] = array("layer", "prompt")
    """(layer x prompt) 1 where the held-out prompt gets the right label, else 0."""
    control_right: NDArray[np.float64] = array("layer", "prompt", unit="share")
    """(layer x prompt) share of the draws of random labels in which it gets the one that it was dealt."""
    direction: NDArray[np.float32] = array("item", "layer", "feature")
    """(label x layer x dimension) along which the log-odds of a label grow fastest, by a probe fitted to all prompts;
    as long as the mean of the label's prompts less that of all others is along it."""
    labels: Rows = table("item", "label", "prompts", "share", "accuracy")
    """The labels, how many prompts have each, which share that is, and how many of these get it (as `accuracy`)."""
    chosen: Rows = table("item", "layer")
    """Fold by fold, the layer that was best without it."""
    items: Rows = table("prompt", "text", "label", "guess", "right", "item", "unit")
    """Each prompt with its label, the one it is given at the layer chosen without its fold, its fold, and the number of
    its pair, or of itself where it has none."""
    layers: Rows = table(
        "layer", "accuracy", "lower", "upper", "control", "selectivity", "selectivity_lower", "selectivity_upper"
    )
    """Layer by layer: accuracy with its 95 % interval (Wilson), accuracy of random labels, and selectivity with its
    95 % interval (bootstrap over prompts; a pair is one; none of fewer than 5)."""
    words: Rows = word_table()
    """The words that prompts name, the tokens that hold them, and whether they are the word and nothing else."""


class LinearProbing(Probe[Options, LinearProbe]):
    """Shows: at which layers a label, such as the sense of a word or whether a statement is true, can be read from the
    residual stream by a linear rule, for prompts that the rule has not seen.

    Read: the strong curve is the share of held-out prompts that are given the right label, with its 95 % band; the
    lines across are what always saying the most frequent label would get, and what random numbers in the place of the
    model's give: what can be learned by heart. The other curves are controls: probes of random labels, which should
    stay at chance, and the model's twin with random weights, which has the words but has learned nothing; pairs that
    are held out together let both fall somewhat below chance. What is above all of them was put there by the model. A
    layer at which a label can be read need not be one where the model uses it.

    Computed: one logistic regression per layer (scikit-learn's, penalty on the squared weights fixed, softmax for more
    than two labels) on the residual stream at the prompt's word, or its last token. Prompts are split first, each label
    as frequent in every fold, halves of a pair together; dimensions are scaled to the prompts that are fitted, and each
    prompt is tested once by a probe that has not seen its fold. The layer of the main accuracy is chosen for each fold
    by probes that have not seen it either; the best layer is told beside it, and is the best of many. Random labels:
    every type gets one, dealt out among the types, with a split of its own by the same rule; a type is the word if each
    word has one label only, else the prompt; the mean of several draws. Random coordinates: probes of standard normal
    numbers, one row for each type, on the folds of the given labels; the mean of as many draws. The interval of an
    accuracy is Wilson's, which takes the prompts for independent of each other; that of a selectivity is a bootstrap
    over prompts; in both, the prompts of a pair count as one.
    """

    name = "linear_probe"
    version = 3
    question = "Which layer knows it?"
    libraries = ("sklearn.linear_model", "sklearn.model_selection")
    options = Options
    findings = LinearProbe
    sources = (literature.HEWITT_2019,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None that others share: what is read pack by pack is checked here."""
        place_prompts(case)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Each prompt once, and once more in the twin."""
        return len(case.options.prompts) * (2 if case.options.twin else 1)

    def wants_twin(self, case: Case[Options]) -> bool:
        """Whether the twin is read too."""
        return case.options.twin


@dataclass(frozen=True)
class Places:
    """Every prompt as this model reads it."""

    texts: Sequence[tuple[int, ...]]
    positions: Sequence[tuple[int, ...]]
    """Of each, the one that is read."""
    layers: tuple[int, ...] | None


def place_prompts(case: Case[Options]) -> Places:
    """Where each prompt is read.

    Raises:
        Unusable: a word is not there, a layer is none of the model's, or what it can read is not enough.
    """
    prompts = case.options.prompts
    if reason := reason_against_labels(prompts):  # of those that are left where it cannot read some
        raise Unusable(reason)
    texts, positions = zip(*find_places(case, prompts), strict=True)
    return Places(texts, positions, case.needed_layers(case.options.layers))


probe = LinearProbing()
