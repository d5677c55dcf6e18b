"""Which components gave the answer its logit (direct logit attribution, Elhage et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import digits, listed, say, sentences, unit_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts, Unusable, prompt_labels
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.measures.direct_parts import Parts
    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

KEPT = 12
"""Parts of each logit that the table names."""
TOLD = 3
"""Parts that a statement names."""
MOSTLY = 2 / 3
"""Share of what all heads and MLPs add and take away from which one kind is said to do most of it."""
LARGE = 0.25
"""Share of a logit from which a part is worth naming."""
MOST_TOLD = 2
"""Prompts of a model that a statement is about."""
EMBEDDING, HEAD, MLP, BIAS = "embedding", "head", "mlp", "bias"

Texts = list[Annotated[str, Field(min_length=1)]]


class Options(ProbeOptions):
    """Which prompts, and which token's logit is taken apart."""

    prompts: Prompts
    """What the model reads; the logit is that of the token after it."""
    answers: Texts = Field(default=[])
    """The token whose logit is taken apart, with its leading space: one for all prompts, or one a prompt. The model's
    own likeliest token where none is given."""
    against: Texts = Field(default=[])
    """The token whose logit is subtracted from that: one for all prompts, or one a prompt. None where none is given."""
    pool: Literal["mean", "last"] | None = None
    """What stands for an answer of several tokens: the mean of their rows of the unembedding, or the row of the last.
    Without it, such an answer's prompt is skipped with its tokens shown."""

    @model_validator(mode="after")
    def _one_a_prompt(self) -> Self:
        for name in ("answers", "against"):
            count = len(getattr(self, name))
            if count not in (0, 1, len(self.prompts)):
                raise ValueError(f"{name}: {count} tokens for {len(self.prompts)} prompts; give one, or one a prompt")
        return self


@dataclass(frozen=True, kw_only=True)
class Attribution(Findings):
    """What direct logit attribution gives."""

    mlp_share: float = metric("share")
    """Mean over prompts of sum |MLPs| / (sum |heads| + sum |MLPs|): how much of what is added to the logit and taken
    from it, the MLPs do."""
    mean_logit: float = metric("logit")
    """Mean over prompts of the logit that is taken apart."""
    logit: NDArray[np.float32] = array("prompt", unit="logit")
    """(prompt) the logit of the answer, before softcap and output scaling; less that of the other token."""
    embedding: NDArray[np.float32] = array("prompt", unit="logit")
    """(prompt) part of what enters block 0."""
    heads: NDArray[np.float32] = array("prompt", "block", "head", unit="logit")
    """(prompt x block x head) part of what each head writes."""
    mlp: NDArray[np.float32] = array("prompt", "block", unit="logit")
    """(prompt x block) part of what each MLP writes, its bias included."""
    bias: NDArray[np.float32] = array("prompt", unit="logit")
    """(prompt) part of the biases of attention's output projections, of norms and of the unembedding."""
    answers: Rows = table("prompt", "answer_id", "answer", "against_id", "against", "logit", "sum")
    """What was taken apart, and the sum of its parts; an answer of several tokens has no id."""
    parts: Rows = table("prompt", "rank", "part", "block", "head", "logit")
    """The twelve largest parts of each logit, by size."""
    skipped: Rows = table("prompt", "reason")
    """Prompts whose answer is no token of this model."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class DirectLogitAttribution(Probe[Options, Attribution]):
    """Shows: how much of the answer's logit each head and each MLP has written by itself, directly.

    Read: one cell a head, blocks downwards; one curve each for attention and MLPs over the blocks. A part above 0
    speaks for the answer (in a contrast: for it and against the other token), one below 0 speaks against it. A head
    that only prepares what later ones read has no part of its own.

    Computed: every component's write to the residual stream at the last position, times the unembedding row of the
    answer (or the difference of two rows), with the final norm's scale frozen at its actual value, before softcap and
    output scaling; norms behind a component are folded in, frozen too. Embedding, heads, MLPs and biases sum to the
    logit. Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
    """

    name = "attribution"
    version = 1
    question = "Which components write the answer?"
    options = Options
    findings = Attribution

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, its last position alone."""
        if case.facts.heads is None:
            raise Unusable(f"the architecture {case.facts.architecture} has no attention")
        needs = _needs(case)
        kept = _kept(case)
        if not kept:
            raise Unusable("; ".join(self.skipped_rows(case).values()))
        return [Pass(case.tokens(case.options.prompts[prompt]), needs) for prompt in kept]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Answers that are no token of this model, or several where no pooling is asked for."""
        texts = dict.fromkeys([*case.options.answers, *case.options.against])
        return {text: reason for text in texts if (reason := _refused(case, text))}

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Attribution:
        """One direction a prompt, then every component of all prompts together."""
        import torch

        from reportgen.model.measures.direct_parts import Seen, direct_parts

        ends, heads, mlp, final = _needs(case)
        normed = torch.cat([single.kept(final, 0)[0] for single in captured])
        kept = _kept(case)
        asked = [_asked(case, model, prompt, row) for prompt, row in zip(kept, normed, strict=True)]
        seen = Seen(
            embedding=torch.cat([single.kept(ends, 0)[0] for single in captured]),
            last=torch.cat([single.kept(ends, 0)[1] for single in captured]),
            heads=_by_block(captured, heads),
            mlp=_by_block(captured, mlp),
        )
        directions, biases = torch.stack([one.direction for one in asked]), torch.stack([one.bias for one in asked])
        parts = direct_parts(model, seen, directions, biases)
        return _found(case, asked, parts, (normed.float() * directions).sum(-1) + biases)

    def figures(self, section: Section) -> Iterable[Figure]:
        """Curves of attention and MLPs a prompt, and a heat map of heads; one scale a prompt for all models."""
        ok = section.ok()
        for prompt in range(max((len(outcome.arrays["logit"].values) for outcome in ok.values()), default=0)):
            shown = {subject: found for subject, found in ok.items() if prompt < len(found.arrays["logit"].values)}
            most = max(float(abs(o.arrays["heads"].values[prompt]).max()) for o in shown.values())
            blocks = [_by_kind(outcome, prompt) for outcome in shown.values()]
            low = min(min(min(values) for values in kinds.values()) for kinds in blocks)
            high = max(max(max(values) for values in kinds.values()) for kinds in blocks)
            room = 0.05 * (high - low or 1.0)
            for subject, outcome in shown.items():
                yield _curves(section.name(subject), subject, outcome, prompt, (low - room, high + room))
            for subject, outcome in shown.items():
                yield _map(section.name(subject), subject, outcome, prompt, most)

    def statement(self, section: Section) -> str:
        """Whether heads or MLPs do most, and the largest parts, of each model's first prompts."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Asked:
    """The logit that is taken apart after one prompt."""

    prompt: int
    ids: tuple[int, ...]
    against: tuple[int, ...]
    direction: Tensor
    """(width)"""
    bias: Tensor


def _needs(case: Case[Options]) -> tuple[Need, Need, Need, Need]:
    if case.facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    return (
        Need(Site.RESIDUAL, "last", (0, case.facts.layers)),
        Need(Site.HEADS, "last"),
        Need(Site.MLP_WRITE, "last"),
        Need(Site.FINAL, "last"),
    )


def _text_for(texts: Sequence[str], prompt: int) -> str | None:
    return None if not texts else texts[0] if len(texts) == 1 else texts[prompt]


def _refused(case: Case[Options], text: str) -> str:
    ids = _ids(case, text)
    if not ids:
        return f"{text!r} has no tokens"
    if len(ids) > 1 and case.options.pool is None:
        return f"{text!r} is {len(ids)} tokens: {case.tokenizer.show_joined(ids)} (pool: mean accepts several)"
    return case.tokenizer.no_row(ids)


def _ids(case: Case[Options], text: str) -> tuple[int, ...]:
    return case.tokenizer.encode(text, special_tokens=False).ids


def _kept(case: Case[Options]) -> list[int]:
    """The prompts whose answers this model has."""
    return [prompt for prompt in range(len(case.options.prompts)) if not _reason(case, prompt)]


def _reason(case: Case[Options], prompt: int) -> str:
    texts = (_text_for(case.options.answers, prompt), _text_for(case.options.against, prompt))
    return "; ".join(reason for text in texts if text is not None and (reason := _refused(case, text)))


def _asked(case: Case[Options], model: LoadedModel, prompt: int, normed: Tensor) -> _Asked:
    from reportgen.model.network.loaded import likeliest

    answer, against = (_text_for(texts, prompt) for texts in (case.options.answers, case.options.against))
    if answer is None:
        logits = next(model.final_logits(normed[None]))[1]
        ids: tuple[int, ...] = (int(likeliest(logits, 1)[1][0, 0]),)
    else:
        ids = _ids(case, answer)
    others = () if against is None else _ids(case, against)
    direction, bias = _row(model, ids, case.options.pool)
    if others:
        other, other_bias = _row(model, others, case.options.pool)
        direction, bias = direction - other, bias - other_bias
    return _Asked(prompt, ids, others, direction, bias)


def _row(model: LoadedModel, ids: Sequence[int], pool: str | None) -> tuple[Tensor, Tensor]:
    from reportgen.model.measures.direct_parts import unembedding_rows

    rows, biases = unembedding_rows(model, ids)
    return (rows.mean(0), biases.mean(0)) if pool == "mean" else (rows[-1], biases[-1])


def _by_block(captured: Sequence[Captured], need: Need) -> list[Tensor]:
    """(block) (prompt x width)"""
    import torch

    return [torch.cat(rows) for rows in zip(*(single.kept(need, 0) for single in captured), strict=True)]


def _found(case: Case[Options], asked: Sequence[_Asked], parts: Parts, logits: Tensor) -> Attribution:
    import numpy as np

    heads, mlp, embedding, bias, logit, total = (
        values.float().cpu().numpy()
        for values in (parts.heads, parts.mlp, parts.embedding, parts.bias, logits, parts.total)
    )
    by_heads, by_mlp = np.abs(heads).sum((1, 2)), np.abs(mlp).sum(1)
    show = case.tokenizer
    rows: Rows = [
        [row, one.ids[0] if len(one.ids) == 1 else None, show.show_joined(one.ids),
         one.against[0] if len(one.against) == 1 else None, show.show_joined(one.against) if one.against else None,
         float(value), float(summed)]
        for row, (one, value, summed) in enumerate(zip(asked, logit, total, strict=True))
    ]  # fmt: skip
    measured = [one.prompt for one in asked]
    return Attribution(
        coordinates={} if measured == list(range(len(case.options.prompts))) else {"prompt": measured},
        mlp_share=float((by_mlp / (by_heads + by_mlp)).mean()),
        mean_logit=float(logit.mean()),
        logit=logit,
        embedding=embedding,
        heads=heads,
        mlp=mlp,
        bias=bias,
        answers=rows,
        parts=[
            [row, rank, *part]
            for row in range(len(asked))
            for rank, part in enumerate(_largest(embedding[row], heads[row], mlp[row], bias[row]), 1)
        ],
        skipped=[
            [case.tokenizer.prompt_text(prompt), reason]
            for at, prompt in enumerate(case.options.prompts)
            if (reason := _reason(case, at))
        ],
        prompts=case.prompt_rows([case.options.prompts[prompt] for prompt in measured]),
    )


def _largest(embedding: Any, heads: NDArray[Any], mlp: NDArray[Any], bias: Any) -> Rows:
    """(part, block, head, logit) of the largest parts, by size; equal ones in the order of the model."""
    every: Rows = [[EMBEDDING, None, None, float(embedding)], [BIAS, None, None, float(bias)]]
    for block in range(len(mlp)):
        every += [[HEAD, block, head, float(value)] for head, value in enumerate(heads[block])]
        every.append([MLP, block, None, float(mlp[block])])
    return sorted(every, key=lambda part: -abs(float(part[-1] or 0.0)))[:KEPT]


def _measured(outcome: Outcome) -> list[str]:
    """(prompt) what a figure calls each prompt that was measured: the same, whichever others were skipped."""
    labels = prompt_labels(outcome)
    return [labels[prompt] for prompt in outcome.arrays["logit"].along("prompt")]


def _about(outcome: Outcome, prompt: int) -> str:
    """The answer, with what it is contrasted with, and its prompt."""
    record = outcome.tables["answers"].records()[prompt]
    values = {"answer": mark_space(str(record["answer"])), "prompt": _measured(outcome)[prompt]}
    if record["against"] is None:
        return say("attribution.answer", "“{answer}” after “{prompt}”", **values)
    return say(
        "attribution.contrast",
        "“{answer}” rather than “{against}” after “{prompt}”",
        against=mark_space(str(record["against"])),
        **values,
    )


def _part(record: Mapping[str, Any]) -> str:
    """What a part is called."""
    if record["part"] == EMBEDDING:
        return say("attribution.part.embedding", "the embedding")
    if record["part"] == BIAS:
        return say("attribution.part.bias", "the biases")
    if record["part"] == MLP:
        return say("attribution.part.mlp", "MLP {block}", block=record["block"])
    return say("attribution.part.head", "head {block}.{head}", block=record["block"], head=record["head"])


def _largest_told(outcome: Outcome, prompt: int) -> list[str]:
    records = [record for record in outcome.tables["parts"].records() if record["prompt"] == prompt][:TOLD]
    return [
        say("attribution.part.value", "{part} ({value})", part=_part(record), value=digits(f"{record['logit']:+.2f}"))
        for record in records
    ]


def _map(name: str, subject: str, outcome: Outcome, prompt: int, most: float) -> HeatMap:
    return HeatMap(
        name=f"heads-{prompt}",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=_about(outcome, prompt)),
        alt=say(
            "attribution.map.alt",
            "What each head of {model} adds to the logit of {answer}. The largest parts of all: {parts}",
            model=name,
            answer=_about(outcome, prompt),
            parts=listed(_largest_told(outcome, prompt)),
        ),
        values=outcome.arrays["heads"].values[prompt],
        row_label=say("figure.block", "block"),
        column_label=say("figure.head", "head"),
        value_label=unit_of("logit"),
        scale="diverging",
        value_range=(-most, most),
    )


def _by_kind(outcome: Outcome, prompt: int) -> dict[str, list[float]]:
    """Attention and MLP -> (block) their parts."""
    return {
        say("attribution.attention", "attention"): outcome.arrays["heads"].values[prompt].sum(-1).tolist(),
        say("attribution.mlp", "MLP"): outcome.arrays["mlp"].values[prompt].tolist(),
    }


def _curves(name: str, subject: str, outcome: Outcome, prompt: int, shared: tuple[float, float]) -> Curves:
    kinds = _by_kind(outcome, prompt)
    curves = [Curve(label=kind, x=list(range(len(y))), y=y, group=kind) for kind, y in kinds.items()]
    ends = [
        say(
            "attribution.curve",
            "{curve}: most in block {block}, {value}",
            curve=curve.label,
            block=max(enumerate(curve.y), key=lambda place: abs(place[1]))[0],
            value=digits(f"{max(curve.y, key=abs):+.2f}"),
        )
        for curve in curves
    ]
    return Curves(
        name=f"blocks-{prompt}",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=_about(outcome, prompt)),
        alt=say(
            "attribution.curves.alt",
            "What attention and MLP of each block of {model} add to the logit: {curves}",
            model=name,
            curves=listed(ends),
        ),
        x_label=say("figure.block", "block"),
        y_label=say("attribution.logit", "part of the logit"),
        curves=curves,
        references={say("attribution.nothing", "nothing"): 0.0},
        y_range=shared,
    )


def _seen(name: str, outcome: Outcome) -> str:
    """What one model's first prompts show."""
    import numpy as np

    told = []
    for prompt in range(min(MOST_TOLD, len(outcome.arrays["logit"].values))):
        heads, mlp = outcome.arrays["heads"].values[prompt], outcome.arrays["mlp"].values[prompt]
        logit = float(outcome.arrays["logit"].values[prompt])
        largest = next(record for record in outcome.tables["parts"].records() if record["prompt"] == prompt)
        share = float(np.abs(mlp).sum() / ((np.abs(mlp).sum() + np.abs(heads).sum()) or 1.0))
        values = {
            "model": name,
            "answer": _about(outcome, prompt),
            "logit": digits(f"{logit:.1f}"),
            "parts": listed(_largest_told(outcome, prompt)),
            "share": digits(f"{max(share, 1 - share):.0%}"),
        }
        if abs(float(largest["logit"])) < LARGE * abs(logit):
            told.append(
                say(
                    "attribution.many_hands",
                    "In {model}, no single component makes {answer} (logit {logit}): the largest parts are {parts}.",
                    **values,
                )
            )
        elif share >= MOSTLY:
            told.append(
                say(
                    "attribution.mlps",
                    "In {model}, the MLPs do {share} of what is added and taken away for {answer} (logit {logit}); "
                    "the largest parts: {parts}.",
                    **values,
                )
            )
        elif share <= 1 - MOSTLY:
            told.append(
                say(
                    "attribution.heads",
                    "In {model}, the heads do {share} of what is added and taken away for {answer} (logit {logit}); "
                    "the largest parts: {parts}.",
                    **values,
                )
            )
        else:
            told.append(
                say(
                    "attribution.both",
                    "In {model}, heads and MLPs both make {answer} (logit {logit}); the largest parts: {parts}.",
                    **values,
                )
            )
    return sentences(told)


probe = DirectLogitAttribution()
