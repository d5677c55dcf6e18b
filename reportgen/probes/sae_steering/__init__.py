"""Turning a model by one feature of a sparse dictionary: clamped or scaled while the model reads and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.features.options import dictionaries_of, first_counted, need_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.sae_steering.options import Options
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, ScoreFindings
from reportgen.probing.probe import Probe
from reportgen.probing.steering_score import Score, reasons_against_score_words
from reportgen.results.quantities import Rows, array, metric, table
from reportgen.text.prompts import Prompt
from reportgen.text.refusals import refusal_tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.sae.files import DictionaryFiles


FINAL = Need(Site.FINAL, "last")


@dataclass(frozen=True, kw_only=True)
class FeatureSteering(PromptFindings, ScoreFindings):
    """What the feature does."""

    largest_activation: float = metric("activation")
    """Largest activation of the feature on the prompts and `texts`, without BOS."""
    fires: float = metric("share")
    """Share of their tokens on which it fires."""
    unsteered_score: float | str = metric()
    """Mean score of the prompts in the unsteered model."""
    best_score: float | str = metric()
    """Mean score at the chosen strength: the best one (of equals the lowest in KL) that is not too costly and, if texts
    are scored, whose texts do not loop."""
    best_strength: float | str = metric()
    """The chosen strength, as the battery names it."""
    best_kl: float | str = metric("nat", "lower")
    """The cost at the chosen strength."""
    control_score: float | str = metric()
    """Mean score with an equally large step along another feature's direction."""
    score: NDArray[np.float64] = array("item")
    """(strength) mean score; NaN if fewer than half of the prompts have one."""
    kl: NDArray[np.float64] = array("item", unit="nat")
    """(strength) the cost: mean over prompts of KL(unsteered || steered) of the next token after the prompt."""
    control: NDArray[np.float64] = array("item")
    """(strength) as `score`, with the control."""
    control_kl: NDArray[np.float64] = array("item", unit="nat")
    """(strength) as `kl`, with the control."""
    repeated: NDArray[np.float64] = array("item", unit="share")
    """(strength) mean share of words in runs that the text already contained."""
    scores: NDArray[np.float64] = array("prompt", "item")
    """(prompt x strength) the score of each prompt."""
    strengths: Rows = table("item", "strength", "value")
    """Each strength as the battery names it, and the activation at which the feature is then held; none for a scale."""
    chosen: Rows = table("item", "qualifies", "most_kl")
    """The strength at which the texts are written: the best, or, if none qualifies, the one with the best score."""
    feature: Rows = table("layer_label", "site", "index", "feature", "role", "promoted", "suppressed", "link")
    """The feature, and the one whose direction is the control: drawn at random among those that fire on the prompts
    and `texts`."""
    texts: Rows = table("prompt", "opening", "unsteered", "steered", "control")
    """What is written after each prompt, at the chosen strength and with the control in its place."""
    written: Rows = table("prompt", "item", "by", "score", "repeated", "kl", "text")
    """Every prompt in the unsteered model (no strength), and at every strength with the feature and with the
    control."""


class SaeSteering(Probe[Options, FeatureSteering]):
    """Shows: what the model says if one feature of a sparse dictionary is held at an activation that it would not have,
    and whether that is more than any other feature would do.

    Read: the score follows the strength if the feature does what it is said to do; the control, an equally large step
    along another feature's direction, should leave it where it was. The cost tells how far the next token's
    distribution has moved as a whole: where the control costs as much and the score stays, the feature is about the
    score. High strengths break the text; a scale changes nothing where the feature is silent.

    Computed: the stream becomes x + (a′ − a) d at every position except BOS, of the prompt and of what is written, with
    a the activation of the feature in what the dictionary reads there, a′ the clamped or scaled one, d its row of the
    decoder: what the dictionary does not reconstruct of x stays as it is. The control adds at each position an equally
    long vector along the direction of a feature drawn by the seed. Cost: KL(unsteered || steered) at the last position
    of the prompt. The score `promoted` is the probability there of the ten tokens of largest W_U (gain ⊙ d). After
    harmful prompts nothing is written. Templeton et al. 2024, "Scaling Monosemanticity".
    """

    name = "sae_steering"
    version = 1
    question = "What does a feature do to the answer?"
    options = Options
    findings = FeatureSteering
    sources = (literature.TEMPLETON_2024,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """The prompts in the model as it is, and the texts up to the dictionary."""
        setting = Setting.of(case)
        own = [Pass(one.tokens, (FINAL, setting.need), one.steps) for one in setting.held]
        return [*own, *(Pass(tokens, (setting.need,)) for tokens in setting.texts)]

    def further_passes(self, case: Case[Options]) -> int:
        """Each prompt at each strength, by the feature and by the control."""
        return 2 * len(case.options.prompts) * len(case.options.strengths)

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words that a battery names and that are not one token here; of the shipped list none is asked for."""
        score = case.options.score
        return (
            {}
            if isinstance(score, Score) and score.refusal == "shipped"
            else reasons_against_score_words(case.tokenizer, case.options.words)
        )


@dataclass(frozen=True)
class HeldOutPrompt:
    """One prompt."""

    index: int
    prompt: Prompt
    tokens: tuple[int, ...]
    first: int
    """The first position that is changed: 1 behind BOS."""
    steps: int
    """1 where nothing is written after it."""


@dataclass(frozen=True)
class Setting:
    """What follows from the battery, a tokenizer, a configuration and the dictionary's files."""

    case: Case[Options]
    files: DictionaryFiles
    held: Sequence[HeldOutPrompt]
    texts: Sequence[tuple[int, ...]]
    counted: frozenset[int]
    """Tokens whose mass is a score, where they are named."""

    @classmethod
    def of(cls, case: Case[Options]) -> Setting:
        """Checks everything that can be.

        Raises:
            Unusable: says what this model cannot have.
        """
        options, files = case.options, dictionaries_of(case).files
        if len(files) > 1:
            names = ", ".join(f"{one.name} at {one.place}" for one in files)
            raise Unusable(
                f"a feature is of one dictionary, and there are {len(files)} ({names}): choose one by `layers`, or "
                "name its own folder"
            )
        if options.feature >= files[0].features:
            raise Unusable(f"feature {options.feature} is out of range: they go from 0 to {files[0].features - 1}")
        counted = refusal_tokens(case.tokenizer, options.words)
        if options.kind in ("tokens", "refusal") and not counted:
            reasons = reasons_against_score_words(case.tokenizer, options.words).values()
            raise Unusable(f"no word of the score is one token: {'; '.join(reasons)}")
        held = []
        for index, prompt in enumerate(options.prompts):
            steps = 1 if options.is_withheld(prompt) else options.continue_ + 1
            tokens = case.tokens(prompt, steps)
            first = first_counted(case, tokens)
            if first == len(tokens):
                raise Unusable(f"prompt {index} has no token beside BOS")
            held.append(HeldOutPrompt(index, prompt, tokens, first, steps))
        return cls(case, files[0], held, [case.tokens(text) for text in options.texts or ()], counted)

    @property
    def need(self) -> Need:
        """What the dictionary reads."""
        return need_of(self.files)


probe = SaeSteering()
