"""Turning a model from within: a direction between two sets of prompts, added to the stream or taken out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Draw, Need, Pass, Site, pack_passes
from reportgen.probes.steering.options import Options
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import ScoreFindings, prompt_table
from reportgen.probing.probe import Probe
from reportgen.probing.steering_score import reasons_against_words
from reportgen.results.quantities import Rows, array, arrays, metric, table
from reportgen.text.prompts import Message, Prompt
from reportgen.text.refusals import refusal_tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CONTROLS = ("random", "shuffled")


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
    """Mean score with the direction of a shuffled split in its place."""
    score: NDArray[np.float64] = array("layer", "item")
    """(layer x cell) mean of `scores` over prompts; NaN if fewer than half of them have one."""
    kl: NDArray[np.float64] = array("layer", "item", unit="nat")
    """(layer x cell) the cost: mean over prompts of KL(unsteered || steered) of the next token after the prompt."""
    repeated: list[NDArray[np.float64]] = arrays("layer", "item", unit="share")
    """(layer x cell) mean share of words in runs that the text already contained; only if texts are scored."""
    scores: NDArray[np.float64] = array("prompt", "layer", "item")
    """(prompt x layer x cell) the score of every held-out prompt; NaN for a text too short to tell its language."""
    control_score: NDArray[np.float64] = array("component", "layer")
    """(control x layer) as `score`, 0 being a random direction and 1 that of a shuffled split, as long as the direction
    and with the chosen coefficient; for an ablation only at the chosen layer."""
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
    of paired differences about 0, as long as their mean along it. Adding: x + c·r in what enters one block, at all
    positions. Ablating: x − (x·r̂)r̂ in what enters every block and in what its attention and MLP write. Controls are
    as long as r: a random direction, and one between two halves that contain as much of both sets. After harmful
    prompts nothing is written. The paper's rule: the lowest refusal score after ablation among layers where KL on
    harmless prompts is at most 0.1, adding makes harmless ones refuse (score above 0), and the layer is below 0.8 of
    the depth.
    """

    name = "steering"
    version = 1
    question = "Can it be steered from within?"
    options = Options
    findings = Steering
    sources = (literature.ARDITI_2024, literature.ZOU_2023)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Both sets where the direction is read, then the held-out prompts in the model as it is."""
        setting = Setting.of(case)
        unsteered = [one.unsteered_pass(setting) for one in setting.held]
        return [*pack_passes(setting.sides), *pack_passes(unsteered)]

    def further_passes(self, case: Case[Options]) -> int:
        """The sweep and its controls, the texts of the chosen cell, and what the paper's rule adds."""
        setting = Setting.of(case)
        options, layers, held = case.options, len(setting.layers), len(setting.held)
        controlled = 1 if options.mode == "ablate" else layers
        count = held * (layers * len(options.factors) + len(CONTROLS) * controlled)
        if options.choose == "paper":
            count += layers * len(setting.priced)
        if not options.score.of_text:
            count += len(setting.shown) * (1 + len(CONTROLS))
        return count

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words that a battery names and that are not one token here; of the shipped list none is asked for."""
        return (
            {}
            if case.options.score.refusal == "shipped"
            else reasons_against_words(case.tokenizer, case.options.score.words)
        )


@dataclass(frozen=True)
class HeldOutPrompt:
    """One held-out prompt."""

    index: int
    """Among `prompts`, then `harmless`."""
    prompt: Prompt
    tokens: tuple[int, ...]
    written: bool
    """Whether something is written after it, to be shown."""

    def unsteered_pass(self, setting: Setting) -> Pass:
        """The model as it is."""
        options = setting.case.options
        steps = options.continue_ + 1 if self.written else 1
        return Pass(self.tokens, setting.needs, steps, setting.draw)


@dataclass(frozen=True)
class Setting:
    """What follows from the battery, a tokenizer and a configuration."""

    case: Case[Options]
    blocks: int
    layers: tuple[int, ...]
    sides: Sequence[Pass]
    """Of `towards`, `away`, and the target of a cosine."""
    side_need: Sequence[Need]
    held: Sequence[HeldOutPrompt]
    counted: frozenset[int]
    """Tokens whose mass is a score."""
    needs: tuple[Need, ...]

    @classmethod
    def of(cls, case: Case[Options]) -> Setting:
        """Checks everything that can be.

        Raises:
            Unusable: says what this model cannot have.
        """
        options = case.options
        blocks = case.last_layer
        layers = tuple(range(blocks)) if options.layers == "all" else tuple(sorted(set(options.layers)))
        if layers[-1] >= blocks:
            raise Unusable(f"layer {layers[-1]} cannot be steered: what enters a block are layers 0 to {blocks - 1}")
        counted = _counted_tokens(case)
        if options.score.kind in ("tokens", "refusal") and not counted:
            reasons = reasons_against_words(case.tokenizer, options.score.words).values()
            raise Unusable(f"no word of the score is one token: {'; '.join(reasons)}")
        wanted = (*layers, blocks) if options.score.kind == "cosine" else layers
        target = options.score.cosine if isinstance(options.score.cosine, list) else []
        sides = [case.tokens(wrap_as_chat(case, prompt)) for prompt in (*options.towards, *options.away, *target)]
        needs = [Need(Site.RESIDUAL, (read_position(options, len(tokens)),), wanted) for tokens in sides]
        held = [
            HeldOutPrompt(at, wrap_as_chat(case, prompt), (), not options.is_withheld(prompt))
            for at, prompt in enumerate((*options.prompts, *(options.harmless or ())))
        ]
        final = (Need(Site.FINAL, "last"),)
        last = (Need(Site.RESIDUAL, "last", (blocks,)),) if options.score.kind == "cosine" else ()
        return cls(
            case,
            blocks,
            layers,
            [Pass(tokens, (need,)) for tokens, need in zip(sides, needs, strict=True)],
            needs,
            [
                HeldOutPrompt(one.index, one.prompt, case.tokens(one.prompt, options.continue_ + 1), one.written)
                for one in held
            ],
            counted,
            final + last,
        )

    @property
    def scored(self) -> Sequence[HeldOutPrompt]:
        """The prompts that the score is of."""
        return self.held[: len(self.case.options.prompts)]

    @property
    def priced(self) -> Sequence[HeldOutPrompt]:
        """The prompts that the price is of."""
        return self.held[len(self.scored) :] or self.held

    @property
    def shown(self) -> Sequence[HeldOutPrompt]:
        """The prompts after which texts are shown."""
        return [one for one in self.priced if one.written]

    @property
    def draw(self) -> Draw | None:
        """How the tokens after a prompt are drawn."""
        options = self.case.options
        return None if options.temperature is None else Draw(options.temperature, None, None, options.seed, 0)


def read_position(options: Options, length: int) -> int:
    """Where a prompt of either set is read, from its beginning."""
    back = -1 if options.position == "last" else options.position
    if -back > length:
        raise Unusable(f"position {back} is before the start of a prompt of {length} tokens")
    return length + back


def wrap_as_chat(case: Case[Options], prompt: Prompt) -> Prompt:
    """A text as what a user says, where the model is one to chat with."""
    if case.options.chat == "never" or prompt.text is None or not case.tokenizer.has_chat_template:
        return prompt
    said = (Message(role="user", content=prompt.text),)
    return prompt.model_copy(update={"text": None, "messages": said})


def _counted_tokens(case: Case[Options]) -> frozenset[int]:
    return refusal_tokens(case.tokenizer, case.options.score.words)


probe = SteeringProbe()
