"""Turning a model from within: a direction between two sets of prompts, added to the stream or taken out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Pass, pack_passes
from reportgen.probes.steering.options import Options
from reportgen.probes.steering.setting import Setting
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.findings import ScoreFindings, prompt_table
from reportgen.probing.probe import Probe
from reportgen.probing.steering_score import reasons_against_score_words
from reportgen.results.quantities import Mean, Rows, array, arrays, mean_of_array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CONTROLS = ("random", "shuffled")
"""A direction from a file has the first alone: there are no sets to shuffle."""
RANDOM = ("random", "random 2", "random 3")
"""Random directions that answers are given with: in a small model one of them may happen to matter."""


def controls_of(options: Options) -> tuple[str, ...]:
    """What the direction is held against."""
    return CONTROLS[:1] if options.from_file else CONTROLS


def _share_refused(kind: int, direction: int) -> Mean:
    """Of the harmful requests (0) or the harmless (1), in the unsteered model (0) or the steered one (1)."""
    return mean_of_array(f"refused/{kind}", item=direction, called=None)  # requests are no prompts of the options


@dataclass(frozen=True, kw_only=True)
class Steering(ScoreFindings):
    """What steering gives."""

    unsteered_score: float | str = metric()
    """Mean score of the held-out prompts in the unsteered model."""
    best_score: float | str = metric()
    """Mean score in the chosen cell: the best one (of equals the lowest in KL) that is not too costly and whose texts
    do not loop; by the paper's rule, the lowest after ablation among the layers that satisfy its constraints."""
    best_layer: float | str = metric("layer")
    """The layer of the chosen cell."""
    best_coefficient: float | str = metric()
    """The coefficient of the chosen cell."""
    best_kl: float | str = metric("nat", "lower")
    """The cost in the chosen cell."""
    random_score: float | str = metric()
    """Mean score with a random direction in the place of the chosen one."""
    shuffled_score: float | str = metric()
    """Mean score with the direction of a shuffled split in its place; a direction from a file has none."""
    score: NDArray[np.float64] = array("layer", "item")
    """(layer x cell) mean of `scores` over prompts; NaN if fewer than half of them have one."""
    kl: NDArray[np.float64] = array("layer", "item", unit="nat")
    """(layer x cell) the cost: mean over prompts of KL(unsteered || steered) of the next token after the prompt."""
    repeated: list[NDArray[np.float64]] = arrays("layer", "item", unit="share")
    """(layer x cell) mean share of words in runs that the text already contained; only if texts are scored."""
    scores: NDArray[np.float64] = array("prompt", "layer", "item")
    """(prompt x layer x cell) the score of every held-out prompt; NaN for a text too short to tell its language."""
    control_score: NDArray[np.float64] = array("component", "layer")
    """(control x layer) as `score`, 0 being a random direction and 1 that of a shuffled split (not beside a direction
    from a file), as long as the direction and with the chosen coefficient; for an ablation only at the chosen layer."""
    control_kl: NDArray[np.float64] = array("component", "layer", unit="nat")
    """(control x layer) as `kl`."""
    norm: NDArray[np.float64] = array("layer", unit="norm")
    """(layer) length of the direction as it was found."""
    cells: Rows = table("item", "coefficient")
    """The cells of a layer: how many times the direction was added; empty for an ablation."""
    chosen: Rows = table("layer", "coefficient", "qualifies", "most_kl")
    """The cell that controls and texts are about: the best, or, if none qualifies, the one with the best score; and the
    highest cost that it may have."""
    choice: Rows = table("layer", "refusal_ablated", "kl", "inducing", "broken")
    """The paper's rule, layer by layer: the three numbers, and the constraints that are not satisfied."""
    texts: Rows = table("prompt", "opening", "unsteered", "steered", "random", "shuffled")
    """What is written after each harmless prompt, in the chosen cell and with the controls in its place."""
    written: Rows = table("prompt", "layer", "coefficient", "direction", "score", "repeated", "kl", "text")
    """Every text that was scored."""
    read: Rows = table("side", "prompt", "text", "chat", "token_count", "position", "token")
    """Every prompt, whether it went through the chat template, and the token at which it is read."""
    prompts: Rows = prompt_table()
    """The held-out prompts as this model reads them."""
    harmful_refused: float | None = metric("share", optional=True, of=_share_refused(0, 0))
    """Share of the harmful requests that the unsteered model refuses."""
    harmful_refused_steered: float | None = metric("share", optional=True, of=_share_refused(0, 1))
    """The same with the direction of the chosen layer taken out."""
    harmful_refused_random: float | None = metric("share", optional=True)
    """The same with each of three random directions taken out, together."""
    harmless_refused: float | None = metric("share", optional=True, of=_share_refused(1, 0))
    """Share of the harmless requests that the unsteered model refuses."""
    harmless_refused_steered: float | None = metric("share", optional=True, of=_share_refused(1, 1))
    """The same with the direction of the chosen layer added, as often as in the chosen cell; once, if that is an
    ablation."""
    harmless_refused_random: float | None = metric("share", optional=True)
    """The same with each of three random directions as long added, together."""
    refused: list[NDArray[np.float64]] = arrays("item", "prompt")
    """(unsteered, steered, each random direction x request) 1 for a refusal, else 0: of the harmful requests, and of
    the harmless."""
    refusals: Rows = table("asked", "direction", "refused", "answers", "rate", "lower", "upper")
    """Each share, with how many answers it is of and its 95 % interval (Wilson; for the random directions together as
    narrow as that of one answer to each request)."""
    answers: Rows = table("prompt", "request", "unsteered", "steered", "random")
    """What is answered to each harmless request; with the first of the random directions."""
    judge: Rows = table("substring")
    """An answer that holds one of these, large and small letters alike, counts as a refusal: the list of the paper's
    code (Arditi et al. 2024). It knows English only, and takes "I cannot wait" for a refusal."""


class SteeringProbe(Probe[Options, Steering]):
    """Shows: whether a direction between two sets of prompts, added to the model's residual stream or taken out of it,
    changes what the model does, at which layer, how strongly, and at what cost.

    Read: the first grid has one row per layer and one column per coefficient, stronger cells for higher scores; 0 is
    the unsteered model, and the outlined cell is the chosen one. The last columns are controls: where they are as
    strong, the direction is nothing special. The second grid is the cost: how far the next token's distribution has
    moved, also where nobody wanted it to. High coefficients end in loops. A cell is empty if most texts are too short,
    or too repetitive, to be scored.

    Computed: r = mean over one set − mean over the other of what enters a block, at one position (the last token of the
    prompt, after the chat template if the model has one), summed in float64 and not normalised; or the first component
    of paired differences about 0, or the weights of a logistic regression between both sets, each as long as the mean
    difference along it. Adding: x + c·r in what enters one block, at all positions. Ablating: x − (x·r̂)r̂ in what
    enters every block and in what its attention and MLP write. Controls are as long as r: a random direction, and one
    between two halves that contain as much of both sets. A direction from a file is taken as it is, as long as it is,
    and has the random control alone. The paper's rule: the lowest refusal score after ablation
    among layers where KL on harmless prompts is at most 0.1, adding makes harmless ones refuse (score above 0), and the
    layer is below 0.8 of the depth. A refusal is an answer, the likeliest token after the other, that holds one of the
    phrases of the paper's list. What is written after harmful prompts is never kept: where refusals are counted, it is
    searched for these phrases and thrown away.
    """

    name = "steering"
    version = 1
    question = "Can it be steered from within?"
    options = Options
    findings = Steering
    sources = (literature.ARDITI_2024, literature.ZOU_2023)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Both sets where the direction is read, the held-out prompts in the model as it is, and its own answers."""
        setting = Setting.of(case)
        unsteered = [one.unsteered_pass(setting) for one in setting.held]
        answers = [setting.answer_pass(one) for one in setting.asked]
        return [*pack_passes(setting.sides), *pack_passes(unsteered), *pack_passes(answers)]

    def further_passes(self, case: Case[Options]) -> int:
        """The sweep and its controls, the texts of the chosen cell, answers, and what the paper's rule adds."""
        setting = Setting.of(case)
        options, layers, held = case.options, len(setting.layers), len(setting.held)
        controlled = 1 if options.mode == "ablate" else layers
        controls = len(controls_of(options))
        count = held * (layers * len(options.factors) + controls * controlled)
        if options.choose == "paper":
            count += layers * len(setting.priced)
        if not options.score.of_text:
            count += len(setting.shown) * (1 + controls)
        return count + len(setting.asked) * (1 + len(RANDOM))

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words that a battery names and that are not one token here; of the shipped list none is asked for."""
        return (
            {}
            if case.options.score.refusal == "shipped"
            else reasons_against_score_words(case.tokenizer, case.options.score.words)
        )


probe = SteeringProbe()
