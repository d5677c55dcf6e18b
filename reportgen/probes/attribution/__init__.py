"""Which components gave the answer its logit (direct logit attribution, Elhage et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, mean_of_array, metric, table
from reportgen.text.contrasts import Contrast, find_contrasts, reason_against_contrast, reasons_against

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Texts = list[Annotated[str, Field(min_length=1)]]


class Options(ProbeOptions):
    """Which prompts, and which token's logit is decomposed."""

    prompts: Prompts
    """What the model reads; the logit is that of the token after it. A prompt may say by itself which: see
    `answers`."""
    answers: Texts = Field(default=[])
    """The token whose logit is decomposed, with its leading space: one for all prompts, or one per prompt. By default
    the first of the prompt's own `answers` (of several tokens, the first of them), and where it has none the model's
    own most likely token."""
    against: Texts = Field(default=[])
    """The token whose logit is subtracted from that: one for all prompts, or one per prompt. By default the first of
    the prompt's own `not`, where its `answers` are used too; else none."""
    pool: Literal["mean", "last"] | None = None
    """What represents an answer of several tokens: the mean of their rows of the unembedding, or the row of the last.
    Without it, such an answer's prompt is skipped with its tokens shown."""

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        for name in ("answers", "against"):
            count = len(getattr(self, name))
            if count not in (0, 1, len(self.prompts)):
                raise ValueError(f"{name}: {count} tokens for {len(self.prompts)} prompts; give one, or one per prompt")
        return self


@dataclass(frozen=True, kw_only=True)
class Attribution(PromptFindings):
    """What direct logit attribution gives."""

    mlp_share: float = metric("share", of_asked=True)
    """Mean over prompts of sum |MLPs| / (sum |heads| + sum |MLPs|): the MLPs' share of all that is added to the logit
    or taken from it."""
    mean_logit: float = metric("logit", of=mean_of_array("logit"), of_asked=True)
    """Mean over prompts of the logit that is decomposed."""
    logit: NDArray[np.float32] = array("prompt", unit="logit")
    """(prompt) the logit of the answer, before softcap and output scaling; minus that of the other token in a
    contrast."""
    embedding: NDArray[np.float32] = array("prompt", unit="logit")
    """(prompt) contribution of what enters block 0."""
    heads: NDArray[np.float32] = array("prompt", "block", "head", unit="logit")
    """(prompt x block x head) contribution of what each head writes."""
    mlp: NDArray[np.float32] = array("prompt", "block", unit="logit")
    """(prompt x block) contribution of what each MLP writes, including its bias."""
    bias: NDArray[np.float32] = array("prompt", unit="logit")
    """(prompt) contribution of the biases of attention's output projections, of norms and of the unembedding."""
    answers: Rows = table("prompt", "answer_id", "answer", "against_id", "against", "logit", "sum")
    """What was decomposed, and the sum of its contributions; an answer of several tokens has no id."""
    parts: Rows = table("prompt", "rank", "part", "block", "head", "logit")
    """The twelve largest contributions to each logit, by magnitude."""
    skipped: Rows = table("prompt", "reason")
    """Prompts whose answer is not a token of this model."""


class DirectLogitAttribution(Probe[Options, Attribution]):
    """Shows: how much of the answer's logit each head and each MLP writes directly.

    Read: one cell per head, blocks from top to bottom; one curve each for attention and MLPs over the blocks. A
    contribution above 0 is for the answer (in a contrast: for it and against the other token), one below 0 against it.
    A head that only prepares what later ones read contributes nothing of its own.

    Computed: every component's write to the residual stream at the last position, times the unembedding row of the
    answer (or the difference of two rows), with the final norm's scale frozen at its actual value, before softcap and
    output scaling; norms after a component are folded in, frozen too. Embedding, heads, MLPs and biases sum to the
    logit. Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
    """

    name = "attribution"
    version = 1
    question = "Which components write the answer?"
    reads_answers = True
    options = Options
    findings = Attribution
    sources = (literature.ELHAGE_2021,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, its last position alone."""
        case.require_attention()
        needs = needs_of(case)
        kept = usable_prompts(case)
        if not kept:
            raise Unusable("; ".join(self.skipped_rows(case).values()))
        return [Pass(case.tokens(case.options.prompts[prompt]), needs) for prompt in kept]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Answers that are no token of this model, or several where no pooling is asked for."""
        texts = dict.fromkeys([*case.options.answers, *case.options.against])
        named = {text: reason for text in texts if (reason := _reason_against_text(case, text))}
        return named if case.options.answers else {**named, **reasons_against(case.tokenizer, case.options.prompts)}


def needs_of(case: Case[Options]) -> tuple[Need, Need, Need, Need]:
    """The parts of the last position's logit, and where they are read out."""
    return (
        Need(Site.RESIDUAL, "last", (0, case.last_layer)),
        Need(Site.HEADS, "last"),
        Need(Site.MLP_WRITE, "last"),
        Need(Site.FINAL, "last"),
    )


def text_for(texts: Sequence[str], prompt: int) -> str | None:
    """The answer of a prompt: its own, or the one of all prompts."""
    return None if not texts else texts[0] if len(texts) == 1 else texts[prompt]


def _reason_against_text(case: Case[Options], text: str) -> str:
    ids = ids_of(case, text)
    if not ids:
        return f"{text!r} has no tokens"
    if len(ids) > 1 and case.options.pool is None:
        return f"{text!r} is {len(ids)} tokens: {case.tokenizer.show_joined(ids)} (pool: mean accepts several)"
    return case.tokenizer.reason_against_tokens(ids)


def ids_of(case: Case[Options], text: str) -> tuple[int, ...]:
    """The tokens of an answer."""
    return case.tokenizer.encode(text, special_tokens=False).ids


def usable_prompts(case: Case[Options]) -> list[int]:
    """The prompts whose answers this model has."""
    return [prompt for prompt in range(len(case.options.prompts)) if not refusal_of(case, prompt)]


def refusal_of(case: Case[Options], prompt: int) -> str:
    """Why the answers of a prompt cannot be used in this model; empty where they can."""
    texts = (text_for(case.options.answers, prompt), text_for(case.options.against, prompt))
    told = [_reason_against_text(case, text) for text in texts if text is not None]
    if not case.options.answers:
        told.append(reason_against_contrast(case.tokenizer, case.options.prompts[prompt]))
    return "; ".join(filter(None, told))


def find_asked(case: Case[Options], prompt: int) -> Contrast:
    """The tokens of the answer whose logit is decomposed, none for the model's own, and of what it is contrasted with;
    each as the battery names them for the probe, else the first of those that the prompt names.
    """
    named = [text_for(texts, prompt) for texts in (case.options.answers, case.options.against)]
    own = None if case.options.answers else find_contrasts(case.tokenizer, [case.options.prompts[prompt]])[0]
    of_prompt = (own.right[:1], own.wrong[:1]) if own else ((), ())
    return Contrast(
        *(found if text is None else ids_of(case, text) for text, found in zip(named, of_prompt, strict=True))
    )


probe = DirectLogitAttribution()
