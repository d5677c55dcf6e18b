"""Which features of sparse dictionaries answer to a prompt, and which differ between two sets of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from reportgen.features.options import LabelledOptions, dictionaries_of, labels_of, need_of
from reportgen.features.tables import DICTIONARIES
from reportgen.model.needs import Pass
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.findings import PromptFindings
from reportgen.probing.options import Prompts, TwoSets
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, arrays, mean_of_array, metric, table
from reportgen.text.prompts import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_DRAWN = 6
"""Prompts whose strips are drawn, at each of `MOST_PLACES` dictionaries: the last ones."""


class Sides(TwoSets):
    """Two sets of prompts whose features are compared."""

    mask: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    """Texts whose words do not count, such as the instruction in front of one set: every token that spells a token of
    one of them, with or without a space before it, in upper or lower case, is left out of the comparison."""


class Options(LabelledOptions):
    """Which prompts, which dictionaries, and what is kept of their features."""

    prompts: Prompts
    """What the model reads."""
    k: Annotated[int, Field(ge=1, le=50)] = 5
    """Features kept per token."""
    top: Annotated[int, Field(ge=1, le=100)] = 10
    """Features kept per prompt and per contrast, for each dictionary."""
    tokens: Annotated[int, Field(ge=3, le=50)] = 10
    """Number of tokens named that each feature promotes, and as many that it suppresses."""
    examples: Prompts | None = None
    """Texts in which to look for density and strongest examples, in addition to the prompts and those of the contrast.
    They are held in memory; `sae_atlas` streams large texts."""
    kept: Annotated[int, Field(ge=1, le=20)] = 5
    """Examples kept per feature."""
    contrast: Sides | None = None
    """Two sets of prompts whose features are compared: `{a: FILE/SET, b: FILE/SET}`."""
    over: Literal["prompts", "generated"] = "prompts"
    """`generated`: over the tokens that the model writes after the prompts and those of the contrast, greedily; the
    prompts' own do not count. Those of `examples` are read as they are."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 24
    """Tokens to write if `over` is `generated`, unless the end token comes first."""


@dataclass(frozen=True, kw_only=True)
class Features(PromptFindings):
    """What the dictionaries say of the prompts."""

    l0: float | str = metric("features", of=mean_of_array("l0_by_token", pooled=True))
    """Number of features that fire on a token: mean over the tokens of all prompts and over the dictionaries, without
    BOS."""
    strongest_share: float | str = metric("share")
    """The strongest feature's share of a token's total activation: mean over tokens and dictionaries."""
    example_tokens: int = metric("tokens")
    """Tokens over which densities and examples are taken: the prompts', the contrast's and those of `examples`."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries, by the site that they read."""
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
    """Every feature that is named: its label with its origin and score, from the file or else made of the promoted
    tokens (its score is the share of the first ten that agree), the share of the example tokens on which it fires, its
    largest activation there, and the tokens at both ends of W_U (gain ⊙ direction)."""
    examples: Rows = table("item", "feature", "rank", "activation", "before", "token", "after")
    """The tokens on which each feature is strongest, with the text around them; equal texts count once."""
    by_token: Rows = table("prompt", "item", "position", "rank", "feature", "activation")
    """The strongest features of each token."""
    contrast: Rows = table("item", "rank", "feature", "mean_a", "mean_b", "difference", "effect")
    """The features that differ most between the sets a and b. Means over the prompts of the mean over their tokens; the
    effect is their difference over the pooled standard deviation: of the prompts' means if both sets have two prompts
    or more, else of the tokens. Ranked by its size; undefined if nothing varies."""
    controls: Rows = table("item", "deals", "effect")
    """The 95th percentile of the largest effect of any feature if the same prompts are split into two sets at random;
    no splits if a set has one prompt."""
    activations: list[NDArray[np.float32]] = arrays("item", "rank", "position", unit="activation")
    """(dictionary x rank x position) one array per prompt: its strongest features over its tokens; NaN at BOS, and
    where fewer features fire."""
    l0_by_token: list[NDArray[np.float32]] = arrays("item", "position", unit="features")
    """(dictionary x position) one array per prompt: number of features that fire on each token; NaN at BOS."""
    notes: Rows = table("kind", "name", "value")
    """What to know about the dictionaries."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens of each prompt, and after them those written."""
    written: Rows = table("prompt", "text")
    """What the model writes after each prompt, if `over` is `generated`: then every number above is over the tokens of
    these texts, and of those written after the prompts of the contrast."""
    skipped: Rows = table("prompt", "reason")
    """Prompts of the contrast that have no token to compare."""


class SaeFeatures(Probe[Options, Features]):
    """Shows: which features of sparse dictionaries fire on each token of a prompt, what activates them elsewhere, and
    which tokens they promote; and, between two sets of prompts, which features differ.

    Read: one strip per feature, the strongest first; the stronger a cell, the stronger the feature on that token. A
    feature that fires on one token only responds to the word; one that stays strong over many follows a topic, a
    language or a place in the text. Next to its number is a label that was given, or the tokens of its strongest
    examples. Promoted tokens say what it does to the answer, examples what activates it: a label should fit both. A
    label says where it comes from and may be wrong; one made of promoted tokens alone often is. An effect that shuffled
    prompts also reach says nothing.

    Computed: activations f = encode(x) as the dictionary's architecture defines it, in float32 (JumpReLU: strictly
    above its threshold); position 0 is left out if it holds BOS. What a model writes is read while it writes it.
    Promoted and suppressed tokens: largest and smallest
    W_U (gain ⊙ direction), the final norm's gain and the feature's row of the decoder; true up to a positive factor.
    Lieberum et al. 2024, "Gemma Scope"; Bricken et al. 2023, "Towards Monosemanticity".
    """

    name = "sae_features"
    version = 1
    question = "Which features fire?"
    options = Options
    findings = Features
    sources = (literature.LIEBERUM_2024, literature.BRICKEN_2023)
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Every prompt once, at the places that the dictionaries read."""
        found = dictionaries_of(case)
        labels_of(case, found)
        needs = tuple(dict.fromkeys(need_of(one) for one in found.files))
        # A step reads the token that the one before it wrote: the last of them needs a step of its own.
        steps = case.options.continue_ + 1 if case.options.over == "generated" else 1
        read = [Pass(case.tokens(prompt), needs) for prompt in case.options.examples or ()]
        return [*(Pass(case.tokens(prompt, steps), needs, steps) for prompt in prompts_of(case.options)), *read]


def prompts_of(options: Options) -> list[Prompt]:
    """The prompts, then those of the contrast: after each of which something may be written."""
    sides = [] if options.contrast is None else [*options.contrast.a, *options.contrast.b]
    return [*options.prompts, *sides]


probe = SaeFeatures()
