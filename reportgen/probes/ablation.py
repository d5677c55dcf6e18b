"""What a model loses without one of its heads, MLPs, attentions or blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import digits, listed, say, sentences
from reportgen.model.needs import ByIndex, Edit, Need, Operation, Pass, Site, Unmeasurable
from reportgen.probing.probe import Case, Later, Probe, ProbeOptions, Prompts, SpecialTokens, Unusable
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.answer_tokens import answer_ids, no_answer
from reportgen.text.characters import mark_space
from reportgen.text.prompts import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

AT_ONCE = 16_384
"""Tokens of ablated passes whose rows are held at a time: all variants of a long text would not fit into memory."""
BARELY = 0.1
"""Nats a token below which nothing is said to be missed."""
STANDS_OUT = 2.0
"""Times the second most missed head from which one is said to stand out."""
KEPT = 5
"""Most missed components of each kind that the table names."""
TOLD = 3
"""Heads that a statement names."""

Kind = Literal["heads", "attention", "mlp", "blocks"]
_WRITES = {
    "heads": (Site.HEADS,),
    "attention": (Site.ATTENTION_WRITE,),
    "mlp": (Site.MLP_WRITE,),
    "blocks": (Site.ATTENTION_WRITE, Site.MLP_WRITE),
}
_WHOLE = ("attention", "mlp", "blocks")


class Options(ProbeOptions):
    """Which texts, what is ablated, and what stands in its place."""

    prompts: Prompts
    """Texts whose loss is measured."""
    components: list[Kind] = Field(default=["heads", "attention", "mlp", "blocks"], min_length=1)
    """What is ablated, one at a time: single heads, all heads of a block (its attention), MLPs, whole blocks."""
    method: Literal["zero", "mean"] = "zero"
    """`zero`: nothing is written; `mean`: what the component writes on average."""
    mean_over: Prompts | None = None
    """Texts over whose positions the mean is taken; the `prompts` themselves where none are given."""
    blocks: Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = "all"
    """The blocks whose components are ablated, counted from 0."""
    answers: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    """The token expected behind each text, with its leading space: one for all texts, or one a text. Its probability
    is followed too."""
    special_tokens: SpecialTokens = "exclude"
    """Whether components are ablated at special tokens (BOS) too, these enter the mean, and predicting them counts."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if len(self.answers) not in (0, 1, len(self.prompts)):
            raise ValueError(
                f"answers: {len(self.answers)} tokens for {len(self.prompts)} prompts; give one, or one a prompt"
            )
        if self.mean_over is not None and self.method != "mean":
            raise ValueError("mean_over: it is of use with `method: mean` alone")
        return self


@dataclass(frozen=True)
class Total(ByIndex):
    """A reducer that keeps the sum of a site's rows over the positions it is given, in float64."""

    def update(self, state: dict[int, Tensor], value: Tensor, *, index: int, step: int) -> dict[int, Tensor]:
        """One layer's or block's (position x width) rows."""
        state[index] = value.cpu().double().sum(0)  # not every accelerator has float64
        return state


@dataclass(frozen=True, kw_only=True)
class Ablations(Findings):
    """What ablation gives."""

    loss: float = metric("nat", "lower")
    """Mean cross-entropy a predicted token, over all texts together, of the model as it is."""
    largest_head: float | str = metric("nat")
    """The largest of `heads`."""
    largest_mlp: float | str = metric("nat")
    """The largest of `mlp`."""
    largest_attention: float | str = metric("nat")
    """The largest of `attention`."""
    heads: NDArray[np.float64] = array("block", "head", unit="nat")
    """(block x head) change of `loss` without this head. NaN, as in the next ones, where it was not asked for."""
    attention: NDArray[np.float64] = array("block", unit="nat")
    """(block) change of `loss` without what attention writes there."""
    mlp: NDArray[np.float64] = array("block", unit="nat")
    """(block) change of `loss` without what the MLP writes there."""
    blocks: NDArray[np.float64] = array("block", unit="nat")
    """(block) change of `loss` without both."""
    answer_heads: NDArray[np.float64] = array("prompt", "block", "head", unit="probability")
    """(prompt x block x head) change of the answer's probability behind the text without this head. Of no prompts,
    as the next ones, where no answers were given."""
    answer_attention: NDArray[np.float64] = array("prompt", "block", unit="probability")
    """(prompt x block) the same without what attention writes there."""
    answer_mlp: NDArray[np.float64] = array("prompt", "block", unit="probability")
    """(prompt x block) the same without what the MLP writes there."""
    answer_blocks: NDArray[np.float64] = array("prompt", "block", unit="probability")
    """(prompt x block) the same without both."""
    largest: Rows = table("component", "rank", "block", "head", "change")
    """The components that are missed most, kind by kind: change of the loss in nats a token."""
    texts: Rows = table("prompt", "predicted", "loss", "answer_id", "answer", "probability")
    """Of each text the number of tokens that are predicted, their mean loss, and the answer's probability, all of the
    model as it is."""
    skipped: Rows = table("prompt", "reason")
    """Texts that cannot be used in this model, and components that cannot be measured in it."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The texts as this model reads them."""


class Ablation(Probe[Options, Ablations]):
    """Shows: how much worse the model predicts a text, token by token, without one of its parts: a head, what attention
    or the MLP of a block writes, or a whole block.

    Read: above 0 the part is missed, in nats a token (0.69 nats halve the probability of every token); near 0 the rest
    does without it; below 0 the text is predicted better without it. One cell a head, blocks downwards, and one curve
    each for attention, MLPs and whole blocks. What is missed alone is not what does the work alone: parts that stand in
    for each other are missed by nobody. With answers, the same of the probability of one token behind the text.

    Computed: the mean of −ln p (float32) over the predicted tokens of all texts, with the ablation less without it.
    `method: zero` puts 0, `method: mean` the component's own mean over all positions of the texts (or of `mean_over`),
    summed in float64. A head is a slice of what enters attention's output projection, whose bias stays; attention and
    MLP are what reaches the stream, behind any norm of theirs; a norm behind heads is computed anew. By default special
    tokens (BOS) keep what is written at them, are left out of the mean, and are not counted where they are predicted.
    """

    name = "ablation"
    version = 1
    question = "What would the model lose without its parts?"
    options = Options
    findings = Ablations

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once as it is, and what the means are taken over."""
        _check(case)
        texts = _kept(case)
        if not texts:
            raise Unusable("; ".join(self.skipped_rows(case).values()))
        return [
            *(Pass(text.tokens, (_last(case),)) for text in texts),
            *(Pass(tokens, _totals(case, tokens), partial=True) for tokens in _averaged(case)),
        ]

    def further_passes(self, case: Case[Options]) -> int:
        """One a component and text."""
        return len(_parts(case)) * len(_kept(case))

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Texts in which nothing is predicted, and those whose answer is no token of this model."""
        read = zip(case.options.prompts, _read(case), strict=True)
        return {prompt.called: text for prompt, text in read if isinstance(text, str)}

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[Ablations]:
        """The components of one text after the other, some at a time; those that can be measured in this model."""
        without = _not_measurable(case, model)
        case = _of_components(case, [kind for kind in case.options.components if kind not in without])
        texts, parts, last = _kept(case), _parts(case), _last(case)
        means = _means(case, captured[len(texts) :])
        read = []
        for text, clean in zip(texts, captured, strict=False):
            found = [_read_losses(model, text, clean.kept(last, 0))]
            for some in _portions(parts, len(text.tokens)):
                ablated = yield [
                    Pass(text.tokens, (last,), edits=_edits(case, text.tokens, part, means, model.anatomy.heads or 1))
                    for part in some
                ]
                found.append(_read_losses(model, text, [single.kept(last, 0)[0] for single in ablated]))
            read.append(_joined(text, found))
        return _found(case, read, without)

    def figures(self, section: Section) -> Iterable[Figure]:
        """Heads as a map, attention, MLPs and blocks as curves, of the loss; the same of each answer."""
        ok = section.ok()
        yield from _drawn(section, {subject: _View.of_loss(outcome) for subject, outcome in ok.items()})
        for prompt in range(max((len(outcome.tables["texts"].rows) for outcome in ok.values()), default=0)):
            views = {subject: _View.of_answer(outcome, prompt) for subject, outcome in ok.items()}
            yield from _drawn(section, {subject: view for subject, view in views.items() if view is not None})

    def statement(self, section: Section) -> str:
        """Which head stands out, if any does, and the MLP, attention and block that are missed most."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Text:
    """A text in a model's tokens."""

    prompt: int
    """Among all prompts of the battery."""
    tokens: tuple[int, ...]
    predicted: tuple[int, ...]
    """Positions whose token is predicted, from the one before."""
    answer: int | None


@dataclass(frozen=True)
class _Part:
    """What one pass does without."""

    kind: Kind
    block: int
    head: int | None = None


@dataclass(frozen=True)
class _Losses:
    """What was read of one text: of the model as it is first, then of every part."""

    text: _Text
    summed: NDArray[np.float64]
    """(1 + part) sum of the losses of its predicted tokens."""
    answer: NDArray[np.float64]
    """(1 + part) probability of the answer; NaN where there is none."""


def _last(case: Case[Options]) -> Need:
    """The stream after the last block."""
    return Need(Site.RESIDUAL, "all", (case.facts.layers or 0,))


def _special(case: Case[Options], token: int) -> bool:
    return case.options.special_tokens == "exclude" and token in case.tokenizer.special_ids


def _changed_at(case: Case[Options], tokens: Sequence[int]) -> tuple[int, ...]:
    """The positions at which components are ablated, and over which means are taken."""
    return tuple(at for at, token in enumerate(tokens) if not _special(case, token))


def _read(case: Case[Options]) -> list[_Text | str]:
    """(prompt) as this model reads it, or why it cannot be used."""
    prompts, answers = case.options.prompts, case.options.answers
    texts: list[str | None] = [*answers] or [None]
    if len(texts) < len(prompts):
        texts *= len(prompts)
    return [_readable(case, at, *both) for at, both in enumerate(zip(prompts, texts, strict=True))]


def _readable(case: Case[Options], at: int, prompt: Prompt, answer: str | None) -> _Text | str:
    tokens = case.tokens(prompt)
    predicted = tuple(at for at in range(1, len(tokens)) if not _special(case, tokens[at]))
    if not predicted:
        return f"nothing is predicted in {case.tokenizer.show_joined(tokens)}"
    if answer is None:
        return _Text(at, tokens, predicted, None)
    refused = no_answer(case.tokenizer, answer)
    return refused or _Text(at, tokens, predicted, answer_ids(case.tokenizer, answer)[0])


def _kept(case: Case[Options]) -> list[_Text]:
    return [text for text in _read(case) if isinstance(text, _Text)]


def _check(case: Case[Options]) -> None:
    """What is known of the model alone.

    Raises:
        Unusable: a block that it has not, or no attention where that is ablated.
    """
    facts = case.facts
    if facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    if facts.heads is None and set(case.options.components) != {"mlp"}:
        raise Unusable(f"the architecture {facts.architecture} has no attention")
    asked = case.options.blocks
    beyond = [] if asked == "all" else [block for block in asked if block >= facts.layers]
    if beyond:
        raise Unusable(f"block {beyond[0]} is out of range: blocks go from 0 to {facts.layers - 1}")


def _not_measurable(case: Case[Options], model: LoadedModel) -> dict[Kind, str]:
    """The components that cannot be ablated in this model, each with the reason.

    Raises:
        Unmeasurable: none of them can be.
    """
    from reportgen.model.capture.edit import Scale
    from reportgen.model.capture.shared_passes import reason_against_pass

    reasons: dict[Kind, str] = {}
    for kind in dict.fromkeys(case.options.components):
        edits = tuple(Edit(site, block, Scale(0.0)) for block in _blocks(case) for site in _WRITES[kind])
        if reason := reason_against_pass(model, Pass((), (), edits=edits)):
            reasons[kind] = reason
    if len(reasons) == len(set(case.options.components)):
        raise Unmeasurable(next(iter(reasons.values())))
    return reasons


def _of_components(case: Case[Options], components: Sequence[Kind]) -> Case[Options]:
    return replace(case, options=case.options.model_copy(update={"components": list(components)}))


def _blocks(case: Case[Options]) -> tuple[int, ...]:
    asked = case.options.blocks
    return tuple(range(case.facts.layers or 0)) if asked == "all" else tuple(sorted(set(asked)))


def _parts(case: Case[Options]) -> list[_Part]:
    """Everything that is ablated, each once, from the first block on: neighbours share what lies below."""
    kinds = dict.fromkeys(case.options.components)
    return [
        part
        for block in _blocks(case)
        for kind in kinds
        for part in (
            [_Part(kind, block, head) for head in range(case.facts.heads or 0)]
            if kind == "heads"
            else [_Part(kind, block)]
        )
    ]


def _portions(parts: Sequence[_Part], length: int) -> Iterator[Sequence[_Part]]:
    together = max(1, AT_ONCE // length)
    for start in range(0, len(parts), together):
        yield parts[start : start + together]


def _averaged(case: Case[Options]) -> list[tuple[int, ...]]:
    """(text) tokens of what the means are taken over; nothing where none are needed."""
    if case.options.method == "zero":
        return []
    if case.options.mean_over is None:
        return [text.tokens for text in _kept(case)]
    texts = [case.tokens(prompt) for prompt in case.options.mean_over]
    if not any(_changed_at(case, tokens) for tokens in texts):
        raise Unusable("mean_over: its texts hold nothing but special tokens")
    return texts


def _totals(case: Case[Options], tokens: Sequence[int]) -> tuple[Need, ...]:
    positions, blocks = _changed_at(case, tokens), _blocks(case)
    sites = dict.fromkeys(site for kind in case.options.components for site in _WRITES[kind])
    return tuple(Need(site, positions, blocks, Total()) for site in sites) if positions else ()


def _means(case: Case[Options], captured: Sequence[Captured]) -> dict[tuple[Site, int], Tensor]:
    """What each component writes on average, in float32; empty where zeros take its place."""
    summed: dict[tuple[Site, int], Tensor] = {}
    count = 0
    for single in captured:
        count += len(_changed_at(case, single.tokens))
        for need in _totals(case, single.tokens):
            for block, total in zip(_blocks(case), single.values[need], strict=True):
                before = summed.get((need.site, block))
                summed[need.site, block] = total if before is None else before + total
    return {place: (total / count).float() for place, total in summed.items()}


def _edits(
    case: Case[Options], tokens: Sequence[int], part: _Part, means: Mapping[tuple[Site, int], Tensor], heads: int
) -> tuple[Edit, ...]:
    """What a pass without one part changes."""
    positions = _changed_at(case, tokens)
    return tuple(
        Edit(site, part.block, _operation(means.get((site, part.block)), part.head, heads), positions, part.head)
        for site in _WRITES[part.kind]
    )


def _operation(mean: Tensor | None, head: int | None, heads: int) -> Operation:
    from reportgen.model.capture.edit import Replace, Scale

    if mean is None:
        return Scale(0.0)
    size = len(mean) // heads
    return Replace(mean if head is None else mean[head * size : (head + 1) * size])


def _read_losses(model: LoadedModel, text: _Text, passes: Sequence[Tensor]) -> _Losses:
    """Of some passes of one text, (position x width) each: rows that are asked go through the unembedding together."""
    import numpy as np
    import torch

    from reportgen.model.measures.token_loss import token_losses

    asked = [at - 1 for at in text.predicted]
    targets = [text.tokens[at] for at in text.predicted]
    if text.answer is not None:
        asked, targets = [*asked, len(text.tokens) - 1], [*targets, text.answer]
    rows = torch.cat([stream[asked] for stream in passes])
    losses = token_losses(model, rows, torch.tensor(targets * len(passes), device=rows.device))
    by_pass: NDArray[np.float64] = losses.double().cpu().numpy().reshape(len(passes), -1)
    answer = np.full(len(passes), np.nan) if text.answer is None else np.exp(-by_pass[:, -1])
    return _Losses(text, by_pass[:, : len(text.predicted)].sum(1), answer)


def _joined(text: _Text, found: Sequence[_Losses]) -> _Losses:
    import numpy as np

    return _Losses(text, np.concatenate([one.summed for one in found]), np.concatenate([one.answer for one in found]))


def _found(case: Case[Options], read: Sequence[_Losses], without: Mapping[Kind, str]) -> Ablations:
    import numpy as np

    parts, show = _parts(case), case.tokenizer
    losses = np.sum([one.summed for one in read], axis=0) / sum(len(one.text.predicted) for one in read)
    change = _arranged(case, parts, losses[1:] - losses[0])
    answered = [one for one in read if one.text.answer is not None]
    by_prompt = [_arranged(case, parts, one.answer[1:] - one.answer[0]) for one in answered]
    # A prompt axis of length 0 where there are no answers.
    answers = {
        kind: np.stack([one[kind] for one in by_prompt]) if by_prompt else empty[None][:0]
        for kind, empty in change.items()
    }
    return Ablations(
        coordinates={"block": _blocks(case)},
        loss=float(losses[0]),
        largest_head=_largest(change["heads"], without.get("heads")),
        largest_mlp=_largest(change["mlp"], without.get("mlp")),
        largest_attention=_largest(change["attention"], without.get("attention")),
        heads=change["heads"],
        attention=change["attention"],
        mlp=change["mlp"],
        blocks=change["blocks"],
        answer_heads=answers["heads"],
        answer_attention=answers["attention"],
        answer_mlp=answers["mlp"],
        answer_blocks=answers["blocks"],
        largest=_ranked(parts, losses[1:] - losses[0]),
        texts=[
            [row, len(one.text.predicted), float(one.summed[0] / len(one.text.predicted)), one.text.answer,
             *((None, None) if one.text.answer is None else (show.show(one.text.answer), float(one.answer[0])))]
            for row, one in enumerate(read)
        ],
        skipped=_left_out(case, without),
        prompts=case.prompt_rows([case.options.prompts[one.text.prompt] for one in read]),
    )  # fmt: skip


def _left_out(case: Case[Options], without: Mapping[Kind, str]) -> Rows:
    read = zip(case.options.prompts, _read(case), strict=True)
    rows: Rows = [[prompt.called, text] for prompt, text in read if isinstance(text, str)]
    return rows + [[kind, reason] for kind, reason in without.items()]


def _arranged(case: Case[Options], parts: Sequence[_Part], values: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Kind -> (block) values, of heads (block x head); NaN where a kind was not asked for."""
    import numpy as np

    blocks, heads = _blocks(case), case.facts.heads or 0
    found = {kind: np.full((len(blocks), heads) if kind == "heads" else len(blocks), np.nan) for kind in _WRITES}
    for part, value in zip(parts, values, strict=True):
        row = blocks.index(part.block)
        found[part.kind][row if part.head is None else (row, part.head)] = value
    return found


def _largest(change: NDArray[Any], reason: str | None) -> float | str:
    return reason or "they were not ablated" if _unmeasured(change) else float(change.max())


def _unmeasured(change: NDArray[Any]) -> bool:
    return bool((change != change).all())


def _ranked(parts: Sequence[_Part], change: NDArray[Any]) -> Rows:
    """Rows of the `largest` table; equal ones in the order of the model."""
    rows: Rows = []
    for kind in _WRITES:
        own = [(part, float(value)) for part, value in zip(parts, change, strict=True) if part.kind == kind]
        own.sort(key=lambda one: -one[1])
        rows += [[kind, rank, part.block, part.head, value] for rank, (part, value) in enumerate(own[:KEPT], 1)]
    return rows


@dataclass(frozen=True)
class _View:
    """What is drawn of one model: changes of the loss, or of one answer's probability."""

    name: str
    what: str
    unit: str
    heads: NDArray[Any]
    kinds: Mapping[str, NDArray[Any]]
    """Attention, MLP or block -> (block)."""
    blocks: Sequence[int]

    @classmethod
    def of_loss(cls, outcome: Outcome) -> _View:
        values = {kind: outcome.arrays[kind].values for kind in _WRITES}
        return cls._of(
            outcome, "loss", _title(outcome), say("ablation.nats", "change of the loss (nats a token)"), values
        )

    @classmethod
    def of_answer(cls, outcome: Outcome, prompt: int) -> _View | None:
        records = outcome.tables["texts"].records()
        if prompt >= len(records) or records[prompt]["answer_id"] is None:
            return None
        record, texts = records[prompt], outcome.tables["prompts"].column("text")
        title = say(
            "ablation.answer.title",
            "“{answer}” after “{prompt}”, one part less",
            answer=mark_space(str(record["answer"])),
            prompt=texts[prompt],
        )
        values = {kind: outcome.arrays[f"answer_{kind}"].values[prompt] for kind in _WRITES}
        unit = say("ablation.probability", "change of the answer's probability")
        return cls._of(outcome, f"answer-{prompt}", title, unit, values)

    @classmethod
    def _of(cls, outcome: Outcome, name: str, what: str, unit: str, values: Mapping[str, NDArray[Any]]) -> _View:
        kinds = {_kind(kind): values[kind] for kind in _WHOLE if not _unmeasured(values[kind])}
        return cls(name, what, unit, values["heads"], kinds, outcome.arrays["heads"].along("block"))


def _title(outcome: Outcome) -> str:
    if outcome.options["method"] == "mean":
        return say("ablation.mean.title", "one part at a time replaced by its mean")
    return say("ablation.zero.title", "one part at a time set to zero")


def _kind(kind: str) -> str:
    if kind == "attention":
        return say("ablation.attention", "attention")
    if kind == "mlp":
        return say("ablation.mlp", "MLP")
    return say("ablation.block", "whole block")


def _drawn(section: Section, views: Mapping[str, _View]) -> Iterator[Figure]:
    """Maps and curves of all models on shared scales."""
    with_heads = {subject: view for subject, view in views.items() if not _unmeasured(view.heads)}
    most = max((float(abs(view.heads).max()) for view in with_heads.values()), default=0.0)
    for subject, view in with_heads.items():
        yield _map(section.name(subject), subject, view, most)
    with_kinds = {subject: view for subject, view in views.items() if view.kinds}
    every = [float(value) for view in with_kinds.values() for values in view.kinds.values() for value in values]
    room = 0.05 * ((max(every) - min(every)) or 1.0) if every else 0.0
    for subject, view in with_kinds.items():
        yield _curves(section.name(subject), subject, view, (min(0.0, *every) - room, max(0.0, *every) + room))


def _map(name: str, subject: str, view: _View, most: float) -> HeatMap:
    import numpy as np

    row, head = np.unravel_index(abs(view.heads).argmax(), view.heads.shape)
    rows = list(view.blocks)
    every = rows == list(range(len(rows)))
    return HeatMap(
        name=f"{view.name}-heads",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=view.what),
        alt=say(
            "ablation.map.alt",
            "{what} for each head of {model}; most: head {block}.{head}, {value}",
            what=view.unit,
            model=name,
            block=rows[row],
            head=head,
            value=digits(f"{view.heads[row, head]:+.3g}"),
        ),
        values=view.heads,
        # Rows of a heat map count from 0: where only some blocks were asked for, the axis names them.
        row_label=say("figure.block", "block")
        if every
        else say("ablation.some_blocks", "blocks {blocks}", blocks=listed([str(block) for block in rows])),
        column_label=say("figure.head", "head"),
        value_label=view.unit,
        scale="diverging",
        value_range=(-most, most),
    )


def _curves(name: str, subject: str, view: _View, shared: tuple[float, float]) -> Curves:
    curves = [
        Curve(label=kind, x=list(view.blocks), y=values.tolist(), group=kind) for kind, values in view.kinds.items()
    ]
    ends = [
        say(
            "ablation.curve",
            "{curve}: most in block {block}, {value}",
            curve=curve.label,
            block=curve.x[max(range(len(curve.y)), key=lambda at: abs(curve.y[at]))],
            value=digits(f"{max(curve.y, key=abs):+.3g}"),
        )
        for curve in curves
    ]
    return Curves(
        name=f"{view.name}-blocks",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=view.what),
        alt=say(
            "ablation.curves.alt",
            "{what} for each block of {model}: {curves}",
            what=view.unit,
            model=name,
            curves=listed(ends),
        ),
        x_label=say("figure.block", "block"),
        y_label=view.unit,
        curves=curves,
        references={say("ablation.nothing", "no change"): 0.0},
        y_range=shared,
    )


def _part(record: Mapping[str, Any]) -> str:
    """A component, with what the loss rises by without it."""
    values = {"block": record["block"], "head": record["head"], "change": digits(f"{record['change']:+.2f}")}
    if record["component"] == "heads":
        return say("ablation.part.head", "head {block}.{head} ({change})", **values)
    if record["component"] == "attention":
        return say("ablation.part.attention", "the attention of block {block} ({change})", **values)
    if record["component"] == "mlp":
        return say("ablation.part.mlp", "the MLP of block {block} ({change})", **values)
    return say("ablation.part.block", "all of block {block} ({change})", **values)


def _seen(name: str, outcome: Outcome) -> str:
    """What one model misses most."""
    records = outcome.tables["largest"].records()
    loss = digits(f"{outcome.metrics['loss'].value or 0.0:.2f}")
    least = digits(f"{BARELY}")
    if all(record["change"] < BARELY for record in records):
        return say(
            "ablation.nothing_missed",
            "No clear statement about {model}: without any one of its parts the loss ({loss} nats a token) rises by "
            "less than {least}.",
            model=name,
            loss=loss,
            least=least,
        )
    heads = [record for record in records if record["component"] == "heads"]
    whole = [record for record in records if record["component"] != "heads" and record["rank"] == 1]
    told = []
    if whole:
        told.append(
            say(
                "ablation.missed",
                "Most missed in {model}, in nats a token over a loss of {loss}: {parts}.",
                model=name,
                loss=loss,
                parts=listed([_part(record) for record in whole]),
            )
        )
    if heads:
        told.append(_of_heads(name, heads, least))
    return sentences(told)


def _of_heads(name: str, heads: Sequence[Mapping[str, Any]], least: str) -> str:
    """Whether one head of a model stands out, several are missed, or none is."""
    largest = [_part(record) for record in heads[:TOLD]]
    first, second = (heads[at]["change"] if at < len(heads) else 0.0 for at in (0, 1))
    if first < BARELY:
        return say(
            "ablation.no_head",
            "No single head of {model} is missed by {least}; the most: {heads}.",
            model=name,
            least=least,
            heads=listed(largest),
        )
    if first >= STANDS_OUT * second:
        return say(
            "ablation.one_head",
            "Among the heads of {model} one stands out: {heads}.",
            model=name,
            heads=listed(largest[:1]),
        )
    return say("ablation.some_heads", "The heads of {model} missed most: {heads}.", model=name, heads=listed(largest))


probe = Ablation()
