"""Which features of one model's sparse dictionaries another checkpoint of it uses more, and which less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from reportgen.features.options import LabelledOptions, dictionaries_of, first_counted, labels_of, need_of
from reportgen.features.tables import DICTIONARIES
from reportgen.model.needs import Pass
from reportgen.numerics.feature_changes import FEWEST
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import PairOptions, Prompts
from reportgen.probing.probe import PairProbe
from reportgen.results.quantities import Findings, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Options(LabelledOptions, PairOptions):
    """Which two models, which dictionaries (base's), on which prompts."""

    prompts: Prompts
    """What both models read: at least three, because a difference is judged against its spread over the prompts."""
    top: Annotated[int, Field(ge=1, le=100)] = 10
    """Features kept per dictionary: those that rise most, and as many that fall most."""
    tokens: Annotated[int, Field(ge=3, le=50)] = 10
    """Number of tokens named that each feature promotes in base, and as many that it suppresses."""
    kept: Annotated[int, Field(ge=1, le=20)] = 5
    """Examples kept per feature."""

    @model_validator(mode="after")
    def _check_prompt_count(self) -> Self:
        if len(self.prompts) < FEWEST:
            raise ValueError(f"prompts: a spread over prompts needs at least {FEWEST} of them")
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
    """Share of base's variance that the dictionaries leave unexplained, mean over dictionaries."""
    fvu_other: float | str = metric("share", "lower")
    """The same for other."""
    positions: int = metric("positions")
    """Tokens of all prompts that count, without BOS."""
    in_common_by_item: NDArray[np.float32] = array("item", unit="share of the features")
    """(dictionary) features in common, mean over the tokens on which any fires."""
    in_common_moved: NDArray[np.float32] = array("item", unit="share of the features")
    """(dictionary) the control: each token in base compared with the one in other that is half the text further on."""
    fvu_base_by_item: NDArray[np.float32] = array("item", unit="share of the variance")
    """(dictionary) FVU = Σ‖x - x̂‖² / Σ‖x - x̄‖² over the tokens, in base."""
    fvu_other_by_item: NDArray[np.float32] = array("item", unit="share of the variance")
    """(dictionary) the same in other, x̄ its own mean."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries, by the site that they read."""
    changed: Rows = table("item", "firing", "changed", "chance", "flips", "equal", "reason")
    """For each dictionary: features that fire in either model; how many of them changed; the 95th percentile of how
    many would have if each prompt's differences had a random sign, and over how many draws; whether all activations are
    equal; and, if it is not measurable in other, why."""
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
    """Every feature that is named: its label with its origin and score, from the file or else made of the promoted
    tokens; the share of the tokens on which it fires and its largest activation, in the model in which it is stronger;
    and the tokens at both ends of W_U (gain ⊙ direction), those of base."""
    examples: Rows = table("item", "feature", "rank", "activation", "before", "token", "after")
    """The tokens on which each feature is strongest, in the model in which it is stronger, with the text around them;
    equal ones count once."""
    notes: Rows = table("kind", "name", "value")
    """What to know about the dictionaries."""
    prompts: Rows = prompt_table()
    """The prompts as both models read them."""


class SaeContrast(PairProbe[Options, Contrast]):
    """Shows: in terms of base's own sparse features, what a fine-tune or another change of the weights does: which
    features fire more on the same text and which less, and how many still fire where they did.

    Read: the share in common says how far the same features respond to the same tokens; at 1 they all do, and at the
    height of the control nothing is left of it. Next to it, the variance that the dictionary leaves unexplained: if it
    leaves much more in other than in base, other has directions that the dictionary does not know, and what its
    features are called cannot be relied on. The bars are the features that changed, with what they are called in base.
    Hundreds of features are tested together, so some seem to have changed by chance: a change is reported only where
    there are more than that, and as many as chance gives may be among the bars.

    Computed: both models read the same tokens; the same dictionary encodes both, in float32; BOS at position 0 is left
    out. A feature has changed if the |difference| of its mean activation exceeds 2 standard errors over the prompts
    (paired, n - 1) and 10⁻⁴ of the larger mean. By chance: the 95th percentile of the number of changed features over
    up to 200 random sign flips of the prompts' differences. In common: |both| / |either| (Jaccard) of the features that
    fire on a token. A dictionary whose FVU in other exceeds that in base by more than 0.2 is called not measurable.
    Promoted tokens: largest W_U (gain ⊙ direction) of base.
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
                raise Unusable(f"they cannot be compared: they split prompt {index} into different tokens")


probe = SaeContrast()
