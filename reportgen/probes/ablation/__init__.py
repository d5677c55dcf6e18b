"""What a model loses without one of its heads, MLPs, attentions or blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.ablation.parts import WRITES, Kind, Part, Text
from reportgen.probes.ablation.reducers import Total
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import ProbeOptions, Prompts, SpecialTokens
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, mean_of_rows, metric, table
from reportgen.text.answer_tokens import answer_ids, reason_against_answer
from reportgen.text.contrasts import find_contrasts, reasons_against
from reportgen.text.prompts import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Options(ProbeOptions):
    """Which texts, what is ablated, and what takes its place."""

    prompts: Prompts
    """Texts whose loss is measured."""
    components: list[Kind] = Field(default=["heads", "attention", "mlp", "blocks"], min_length=1)
    """What is ablated, one at a time: single heads, all heads of a block (its attention), MLPs, whole blocks."""
    method: Literal["zero", "mean"] = "zero"
    """`zero`: nothing is written; `mean`: what the component writes on average."""
    mean_over: Prompts | None = None
    """Texts over whose positions the mean is taken; by default the `prompts` themselves."""
    blocks: Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = "all"
    """The blocks whose components are ablated, counted from 0."""
    answers: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    """The token expected after each text, with its leading space: one for all texts, or one per text. Its probability
    is followed too. By default the `answers` of the prompts themselves, of several tokens by their first; of several
    answers the sum."""
    special_tokens: SpecialTokens = "exclude"
    """Whether special tokens (BOS) take part: components are ablated at them, they enter the mean, and predicting them
    counts."""

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        if len(self.answers) not in (0, 1, len(self.prompts)):
            raise ValueError(
                f"answers: {len(self.answers)} tokens for {len(self.prompts)} prompts; give one, or one per prompt"
            )
        if self.mean_over is not None and self.method != "mean":
            raise ValueError("mean_over: it is used only with `method: mean`")
        return self


@dataclass(frozen=True, kw_only=True)
class Ablations(Findings):
    """What ablation gives."""

    loss: float = metric("nat", "lower", of=mean_of_rows("texts", "loss", pooled=True))
    """Mean cross-entropy per predicted token, over all texts together, of the unchanged model."""
    largest_head: float | str = metric("nat")
    """The largest value of `heads`."""
    largest_mlp: float | str = metric("nat")
    """The largest value of `mlp`."""
    largest_attention: float | str = metric("nat")
    """The largest value of `attention`."""
    heads: NDArray[np.float64] = array("block", "head", unit="nat")
    """(block x head) change of `loss` without this head. Here and in the next ones NaN if it was not asked for."""
    attention: NDArray[np.float64] = array("block", unit="nat")
    """(block) change of `loss` without what attention writes in that block."""
    mlp: NDArray[np.float64] = array("block", unit="nat")
    """(block) change of `loss` without what the MLP writes in that block."""
    blocks: NDArray[np.float64] = array("block", unit="nat")
    """(block) change of `loss` without attention and MLP together."""
    text_heads: NDArray[np.float64] = array("prompt", "block", "head", unit="nat")
    """(text x block x head) change of each text's own mean loss without this head. Weighted by the texts' predicted
    tokens, these and the next ones have `heads` and so on as their means."""
    text_attention: NDArray[np.float64] = array("prompt", "block", unit="nat")
    """(text x block) the same without what attention writes in that block."""
    text_mlp: NDArray[np.float64] = array("prompt", "block", unit="nat")
    """(text x block) the same without what the MLP writes in that block."""
    text_blocks: NDArray[np.float64] = array("prompt", "block", unit="nat")
    """(text x block) the same without attention and MLP together."""
    answer_heads: NDArray[np.float64] = array("prompt", "block", "head", unit="probability")
    """(prompt x block x head) change of the answer's probability after the text without this head; NaN after a text
    without an answer. If no text has one, this array and the next ones have no prompts."""
    answer_attention: NDArray[np.float64] = array("prompt", "block", unit="probability")
    """(prompt x block) the same without what attention writes in that block."""
    answer_mlp: NDArray[np.float64] = array("prompt", "block", unit="probability")
    """(prompt x block) the same without what the MLP writes in that block."""
    answer_blocks: NDArray[np.float64] = array("prompt", "block", unit="probability")
    """(prompt x block) the same without attention and MLP together."""
    largest: Rows = table("component", "rank", "block", "head", "change")
    """The components that are missed most, by kind: change of the loss in nats per token."""
    texts: Rows = table("prompt", "predicted", "loss", "answer_id", "answer", "probability")
    """For each text: how many of its tokens are predicted, their mean loss, and the answer's probability, all of the
    unchanged model. Several answers have no id, and their probability is the sum."""
    skipped: Rows = table("prompt", "reason")
    """Texts that cannot be used in this model, and components that cannot be measured in it."""
    prompts: Rows = prompt_table()
    """The texts as this model reads them."""


class Ablation(Probe[Options, Ablations]):
    """Shows: how much worse the model predicts a text, token by token, without one of its parts: a head, what attention
    or the MLP of a block writes, or a whole block.

    Read: above 0 the part is missed, in nats per token (0.69 nats halve the probability of every token); near 0 the
    rest of the model does without it; below 0 the text is predicted better without it. One cell per head, blocks from
    top to bottom, and one curve each for attention, MLPs and whole blocks. Ablating one part at a time does not show
    what works alone: a part whose place another can take is not missed. With answers, the same is shown for the
    probability of one token after the text.

    Computed: the mean of −ln p (float32) over the predicted tokens of all texts: with the ablation, minus without it.
    `method: zero` puts 0 in the component's place, `method: mean` its own mean over all positions of the texts (or of
    `mean_over`), summed in float64. A head is a slice of the input to attention's output projection, whose bias stays;
    attention and MLP are what is added to the stream, after any norm of their own; a norm after the heads is computed
    again. By default special tokens (BOS) keep what is written at them, are left out of the mean, and are not counted
    where they are predicted. Of five texts or more, curves of the loss have a 95 % band: a bootstrap over texts, whose
    losses and tokens are drawn together (2,000 resamples; percentiles from 20 texts on, below BCa).
    """

    name = "ablation"
    version = 1
    question = "What would the model lose without its parts?"
    reads_answers = True
    options = Options
    findings = Ablations

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once as it is, and what the means are taken over."""
        _check(case)
        texts = usable_texts(case)
        if not texts:
            raise Unusable("; ".join(self.skipped_rows(case).values()))
        return [
            *(Pass(text.tokens, (last_need(case),)) for text in texts),
            *(Pass(tokens, total_needs(case, tokens), partial=True) for tokens in _list_mean_texts(case)),
        ]

    def further_passes(self, case: Case[Options]) -> int:
        """One a component and text."""
        return len(list_parts(case)) * len(usable_texts(case))

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Texts in which nothing is predicted, and those whose answer is no token of this model."""
        return reasons_against_texts(case)


def last_need(case: Case[Options]) -> Need:
    """The stream after the last block."""
    return Need(Site.RESIDUAL, "all", (case.last_layer,))


def _is_special(case: Case[Options], token: int) -> bool:
    return case.options.special_tokens == "exclude" and token in case.tokenizer.special_ids


def positions_to_ablate(case: Case[Options], tokens: Sequence[int]) -> tuple[int, ...]:
    """The positions at which components are ablated, and over which means are taken."""
    return tuple(at for at, token in enumerate(tokens) if not _is_special(case, token))


def read_texts(case: Case[Options]) -> list[Text | str]:
    """(prompt) as this model reads it, or why it cannot be used."""
    prompts, answers = case.options.prompts, case.options.answers
    texts: list[str | None] = [*answers] or [None]
    if len(texts) < len(prompts):
        texts *= len(prompts)
    return [_read_text(case, at, *both) for at, both in enumerate(zip(prompts, texts, strict=True))]


def _read_text(case: Case[Options], at: int, prompt: Prompt, answer: str | None) -> Text | str:
    tokens = case.tokens(prompt)
    predicted = tuple(at for at in range(1, len(tokens)) if not _is_special(case, tokens[at]))
    if not predicted:
        return f"nothing is predicted in {case.tokenizer.show_joined(tokens)}"
    if answer is None:
        (own,) = find_contrasts(case.tokenizer, [prompt])
        return Text(at, tokens, predicted, own.right if own else ())
    refused = reason_against_answer(case.tokenizer, answer)
    return refused or Text(at, tokens, predicted, answer_ids(case.tokenizer, answer))


def reasons_against_texts(case: Case[Options]) -> dict[str, str]:
    """What a text is called -> why it cannot be used, or, if it says itself what is right after it, why that is not
    followed: its loss is measured all the same.
    """
    read = zip(case.options.prompts, read_texts(case), strict=True)
    own = {} if case.options.answers else reasons_against(case.tokenizer, case.options.prompts)
    return {**own, **{prompt.called: text for prompt, text in read if isinstance(text, str)}}


def usable_texts(case: Case[Options]) -> list[Text]:
    """The texts that this model can read."""
    return [text for text in read_texts(case) if isinstance(text, Text)]


def _check(case: Case[Options]) -> None:
    """What is known of the model alone.

    Raises:
        Unusable: a block that it has not, or no attention where that is ablated.
    """
    if set(case.options.components) != {"mlp"}:
        case.require_attention()
    case.named_blocks(case.options.blocks)


def list_parts(case: Case[Options]) -> list[Part]:
    """Everything that is ablated, each once, from the first block on: neighbours share what lies below."""
    kinds = dict.fromkeys(case.options.components)
    return [
        part
        for block in case.named_blocks(case.options.blocks)
        for kind in kinds
        for part in (
            [Part(kind, block, head) for head in range(case.facts.heads or 0)]
            if kind == "heads"
            else [Part(kind, block)]
        )
    ]


def _list_mean_texts(case: Case[Options]) -> list[tuple[int, ...]]:
    """(text) tokens of what the means are taken over; nothing where none are needed."""
    if case.options.method == "zero":
        return []
    if case.options.mean_over is None:
        return [text.tokens for text in usable_texts(case)]
    texts = [case.tokens(prompt) for prompt in case.options.mean_over]
    if not any(positions_to_ablate(case, tokens) for tokens in texts):
        raise Unusable("mean_over: its texts hold nothing but special tokens")
    return texts


def total_needs(case: Case[Options], tokens: Sequence[int]) -> tuple[Need, ...]:
    """What sums the components over a text, for the mean that takes their place."""
    positions, blocks = positions_to_ablate(case, tokens), case.named_blocks(case.options.blocks)
    sites = dict.fromkeys(site for kind in case.options.components for site in WRITES[kind])
    return tuple(Need(site, positions, blocks, Total()) for site in sites) if positions else ()


probe = Ablation()
