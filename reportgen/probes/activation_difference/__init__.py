"""What a narrow fine-tune leaves on texts that have nothing to do with it: the mean difference of two streams, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.patchscope import target_place
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import Layers, PairOptions, Prompts
from reportgen.probing.pairs import require_same_reading
from reportgen.probing.patch_targets import OneTarget, Place
from reportgen.probing.probe import PairProbe
from reportgen.probing.steering_score import HARMFUL
from reportgen.results.quantities import Findings, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 6
"""Texts from which on halves of them can be drawn in 20 ways."""
DRAWS = 20
"""Random relabellings: an effect that is beyond all of them is one in twenty by chance."""

MOVED = 50
"""Tokens kept whose logits rise or fall most."""
SPREAD = 5
"""Layers at which Patchscope reads where none are named."""
Scales = Annotated[list[Annotated[float, Field(gt=0, le=100, strict=False)]], Field(max_length=8)]


class Options(PairOptions):
    """Which two models, `other` being the tuned one, on which texts."""

    prompts: Prompts = Field(default="unrelated/texts", validate_default=True)
    """Texts that have nothing to do with what other was tuned for, at least 6; an even number of them makes the control
    exact."""
    positions: Annotated[int, Field(ge=1, le=32)] = 5
    """k: how many tokens at the beginning of each text are looked at; a BOS before them is none of them."""
    top_k: Annotated[int, Field(ge=1, le=50)] = 10
    """Tokens kept of each reading."""
    patchscope_scale: Scales = Field(default=[1.0, 2.0])
    """How many times the norm of other's stream δ is made long where Patchscope reads it; without any it does not."""
    patchscope_layers: Layers | None = None
    """Layers whose δ Patchscope reads; by default five, evenly spread between the embedding and the last layer."""
    patchscope_tokens: Annotated[int, Field(ge=1, le=32)] = 4
    """Tokens that other writes after the identity prompt with δ in it."""
    identity: OneTarget = Field(default="identity", validate_default=True)
    """The identity prompt, in which δ takes the place of a token."""
    scale: Scales = Field(default=[])
    """How many times its own norm base's stream is moved along δ while base writes; without any nothing is written."""
    steered_layer: Annotated[int, Field(ge=0)] | None = None
    """The layer, of those that enter a block, whose δ is added there; by default the one in the middle."""
    openings: Prompts = Field(default="unrelated/openings", validate_default=True)
    """What base goes on from, where it writes."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 24
    """Tokens that it writes; the likeliest follows each time."""

    @model_validator(mode="after")
    def _check_openings(self) -> Self:
        if any(opening.group == HARMFUL for opening in self.openings):
            raise ValueError("openings: after harmful prompts nothing is written")
        return self


@dataclass(frozen=True, kw_only=True)
class ActivationDifference(Findings):
    """What base and other differ by at the first tokens of unrelated texts."""

    texts: int = metric("texts")
    """n: unrelated texts that the difference is a mean over."""
    strongest_layer: int | str = metric("layer")
    """The layer at which the mean difference is largest beside the stream's norm, on average over the positions."""
    strongest_norm: float = metric("share of the norm")
    """The mean difference at that layer, as a share of the norm of base's stream, mean over the positions."""
    times_relabelled: float | str = metric("times")
    """How many times the largest of 20 random relabellings that is at that layer."""
    norm: NDArray[np.float64] = array("layer", "position", unit="share of the norm")
    """(layer x position) ‖δ‖ / mean over texts of ‖h_base‖. Position 0 is the first token of the text: a BOS before it
    is not counted."""
    relabelled_norm: NDArray[np.float64] = array("layer", "position", unit="share of the norm")
    """(layer x position) the control: the largest of the same over 20 random relabellings, in each of which base and
    other change places in half of the texts."""
    top: Rows = table("layer", "position", "rank", "token_id", "token", "probability")
    """The likeliest tokens where δ alone is read by other's logit lens; nothing where δ is 0."""
    top_relabelled: Rows = table("draw", "layer", "position", "rank", "token_id", "token", "probability")
    """The control: the same of the mean difference of the first relabelling (draw 0), and of its mirror image (draw 1),
    in which the other half of the texts changes places: its difference is the opposite one."""
    gains: Rows = table("direction", "rank", "token_id", "token", "change")
    """The 50 tokens whose logits rise most (`up`) and fall most (`down`): other's less base's, mean over texts and
    positions, less the mean change of all tokens, which no probability sees."""
    gains_relabelled: Rows = table("direction", "rank", "token_id", "token", "change")
    """The control: the same of the first relabelling."""
    patched: Rows = table("direction", "layer", "position", "scale", "rank", "token_id", "token", "probability")
    """The likeliest next tokens after the identity prompt in other: as the prompt is (direction `none`), and with δ
    (`difference`), the first relabelling's (`relabelled`) or its mirror image's (`mirrored`) in it, at each scale."""
    patched_text: Rows = table("direction", "layer", "position", "scale", "text")
    """How other goes on from it, the likeliest token after the other."""
    written: Rows = table("opening", "direction", "scale", "text")
    """What base writes after each opening: by itself (direction `none`), with δ added to its stream (`difference`), and
    with the first relabelling's (`relabelled`), at each scale."""
    prompts: Rows = prompt_table()
    """The texts as both models read them."""


class ActivationDifferenceProbe(PairProbe[Options, ActivationDifference]):
    """Shows: what a tuned model carries into texts that have nothing to do with its tuning: the mean difference of its
    stream from its base's at their first tokens, and the words that this difference alone points to.

    Read: the grid shows, layer by layer and token by token of a text's beginning, what the difference says where it is
    read as if it were the stream; a deeper colour is a larger difference. Words of one subject in many cells are what
    the tuning was about. The grid of the control looks alike where they are chance: there, base and other have
    changed places in half of the texts, so that all they share cancels. Only a difference well above the control's
    says something; what a difference of this model reads as, whichever way it points, are often rare fragments of
    words. Patchscope asks other itself what the difference is; a tuned model may speak of its subject whatever it is
    given, so that only words count that it gives for no control. The bars show the tokens that the tuned model holds
    for likelier, whatever the text.

    Computed: the mean over texts of h_other − h_base, called δ, of the residual stream after each block at the k-th
    token of the text, in float64; a BOS is not counted (activation-difference lens, Minder et al. 2025, arXiv
    2510.13900). Its norm is told beside the mean norm of base's stream at the same place. Read: other's final norm,
    with its learned scale (and its shift, where the architecture has one), is applied to δ as to a row of the stream,
    then other's unembedding, softcap and softmax, in float32; a norm that divides by the row's own size makes the
    length of δ play no part. Logits: each model's own, a token's change less the mean change of all tokens. Control: 20
    relabellings by seed, in each of which base and other change places in a random half of the texts, rounded down;
    norms are the largest of the 20, tokens those of the first and of its mirror image. Patchscope: δ takes the place of
    other's stream at the marked token of the identity prompt, at its own layer, while the prompt passes, and the next
    token is read. It is made a multiple of the mean norm that other's stream has at that layer at the last of the
    looked-at tokens; at the first there may be an attention sink. The paper tries many multiples and three prompts, and
    a language model chooses; here all multiples are kept, and the smallest is drawn at which a word is read in at least
    two cells, and twice as many as any word of a control's own. Written, where `scale` asks for it: at one layer, at
    every position of an opening and of what follows it, δ of the last of the looked-at tokens is added to base's
    stream, at a multiple of the mean norm that the stream has there.
    """

    name = "activation_difference"
    version = 1
    question = "What does the tuned model carry into unrelated texts?"
    options = Options
    findings = ActivationDifference
    sources = (literature.MINDER_2025, literature.GHANDEHARIOUN_2024)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once, its first tokens at every layer and as the unembedding reads them."""
        prompts = case.options.prompts
        if len(prompts) < FEWEST:
            raise Unusable(f"{len(prompts)} texts: a random half of them changes places, which needs at least {FEWEST}")
        if case.options.scale:
            steered_layer(case)
        if case.options.patchscope_scale:
            patched_place(case)
            patched_layers(case)
        return [Pass(case.tokens(prompt), needs_of(case, index)) for index, prompt in enumerate(prompts)]

    def further_passes(self, case: Case[Options]) -> int:
        """Base writes: each opening by itself, and with two directions at each scale. Other goes on from the identity
        prompt: as it is, and with three directions at each layer, position and scale.
        """
        options = case.options
        if case.model == options.base:
            return len(options.openings) * (1 + 2 * len(options.scale)) if options.scale else 0
        cells = len(patched_layers(case)) * options.positions * len(options.patchscope_scale)
        return 1 + 3 * cells if options.patchscope_scale else 0

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses models of other sizes, or that read the texts as other tokens."""
        require_same_reading(base, other, base.options.prompts)


def needs_of(case: Case[Options], prompt: int) -> tuple[Need, Need]:
    """The stream at every layer, and what the unembedding reads, at the first tokens of a text.

    Raises:
        Unusable: the text has fewer.
    """
    tokens, wanted = case.tokens(case.options.prompts[prompt]), case.options.positions
    special = case.tokenizer.special_ids
    first = next((at for at, token in enumerate(tokens) if token not in special), len(tokens))
    if len(tokens) - first < wanted:
        raise Unusable(f"text {prompt} has {len(tokens) - first} tokens, and {wanted} are looked at (`positions`)")
    places = tuple(range(first, first + wanted))
    return Need(Site.RESIDUAL, places), Need(Site.FINAL, places)


def steered_layer(case: Case[Options]) -> int:
    """The layer at which δ is added where base writes.

    Raises:
        Unusable: no block reads it.
    """
    asked, blocks = case.options.steered_layer, case.last_layer
    if asked is not None and asked >= blocks:
        raise Unusable(f"layer {asked} enters no block: layers that do go from 0 to {blocks - 1}")
    return blocks // 2 if asked is None else asked


def patched_layers(case: Case[Options]) -> tuple[int, ...]:
    """The layers whose δ Patchscope reads. At the last one it would be the logit lens: the spread ends before it."""
    asked, last = case.options.patchscope_layers, case.last_layer
    if asked is not None:
        return case.named_layers(asked)
    return tuple(sorted({max(1, round(last * step / (SPREAD + 1))) for step in range(1, SPREAD + 1)}))


def patched_place(case: Case[Options]) -> Place:
    """The token of the identity prompt in whose place δ is put."""
    return target_place(case, case.options.identity, case.options.patchscope_tokens + 1)


probe = ActivationDifferenceProbe()
