"""Where every head of every block looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reportgen.figures.describe import AttentionHead, Figure, HeadMosaic
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.attention import SINK_THRESHOLD, bin_edges, binned, row_entropy, sink_importance
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts, Unusable
from reportgen.results.quantities import Array, Findings, Outcome, Rows, array, arrays, metric, table
from reportgen.results.section import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

LONGEST_WHOLE = 256
"""Tokens up to which every weight is kept; longer prompts are kept in this many bins."""
_ROWS = 64
MANY = 0.5
"""Share of all heads from which most of them are said to have their sink on the first token."""
FEW = 0.1
"""Share of all heads below which hardly any is said to."""
GATHERED = 2 / 3
"""Share of the other heads that a few blocks must hold to be named."""
MOST_BLOCKS = 4
FEWEST_OTHERS = 4
"""Heads without a sink below which their blocks are no pattern."""

Head = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, and which heads are shown large."""

    prompts: Prompts
    """What the model reads."""
    heads: list[Head] = Field(default=[])
    """Heads shown large, each as [block, head], counted from 0."""


@dataclass(frozen=True)
class Reduced:
    """What is kept of the patterns of one block, or of one of its heads."""

    weights: Tensor
    """(head x query x key), or bins of both; of one head without the first dim."""
    sink: Tensor
    """(head)"""
    entropy: Tensor
    """(head)"""


@dataclass(frozen=True)
class Bins:
    """A reducer that turns each block's patterns into what is kept, while the pass runs."""

    bins: int = LONGEST_WHOLE

    def init(self) -> dict[int, Reduced]:
        """No block seen."""
        return {}

    def update(self, state: dict[int, Reduced], value: Tensor, *, index: int, step: int) -> dict[int, Reduced]:
        """One block's (head x query x key) patterns, head by head: what is computed of them stays small."""
        import torch

        heads = [self._reduced(head.float()) for head in value]
        state[index] = Reduced(
            torch.stack([head.weights for head in heads]),
            torch.stack([head.sink for head in heads]),
            torch.stack([head.entropy for head in heads]),
        )
        return state

    def _reduced(self, pattern: Tensor) -> Reduced:
        """What is kept of one head's (query x key) pattern."""
        import torch

        if len(pattern) <= self.bins:
            return Reduced(pattern, sink_importance(pattern), row_entropy(pattern))
        # Some rows at a time: pieces of a whole pattern's size leave holes that the next ones do not fit.
        entropies = [row_entropy(rows) * len(rows) for rows in torch.split(pattern, _ROWS)]
        entropy = torch.stack(entropies).sum() / len(pattern)
        return Reduced(binned(pattern, self.bins), sink_importance(pattern), entropy)

    def merge(self, one: dict[int, Reduced], other: dict[int, Reduced]) -> dict[int, Reduced]:
        """The blocks of both."""
        return {**one, **other}

    def finish(self, state: dict[int, Reduced]) -> list[Reduced]:
        """Block by block."""
        return [state[block] for block in sorted(state)]


_NEED = Need(Site.ATTENTION, "all", reducer=Bins())


@dataclass(frozen=True, kw_only=True)
class Attention(Findings):
    """What the attention grid gives."""

    sink_share: float = metric("share")
    """Share of heads whose sink importance exceeds 0.3, over all prompts."""
    mean_entropy: float = metric("nat")
    """Mean of `entropy` over all heads and prompts."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens that stand on both axes."""
    skipped: Rows = table("head", "reason")
    """Named heads that this model does not have."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""
    weights: list[NDArray[np.float32]] = arrays("block", "head", "query", "key", unit="weight")
    """(block x head x query x key) attention after the softmax; rows sum to 1, the future is exactly 0. Beyond 256
    tokens, 256 bins of both axes: keys of a bin summed, queries averaged."""
    sink: NDArray[np.float32] = array("prompt", "block", "head", unit="weight")
    """(prompt x block x head) importance of position 0: mean over all queries of the weight on it (Gu et al. 2024)."""
    entropy: NDArray[np.float32] = array("prompt", "block", "head", unit="nat")
    """(prompt x block x head) mean over queries of the entropy of their row."""


class AttentionGrid(Probe[Options, Attention]):
    """Shows: how much each token (row) attends to each token before it (column), in every head of every block.

    Read: one small square a head, blocks along one edge, heads along the other; dark is much weight. A dark first
    column is a head that parks its attention on the first token (a sink); a dark diagonal looks at the token itself,
    one below it at the token before. Named heads are shown large, with their tokens.

    Computed: the weights after the softmax, as the model computes them (eager attention); rows sum to 1 and nothing
    is attended ahead. Sink importance of a head: its mean weight on position 0 over all queries (Gu et al. 2024);
    above 0.3 the head is called a sink head.
    """

    name = "attention_grid"
    version = 1
    question = "Where do the heads look?"
    options = Options
    findings = Attention

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, reduced while it passes."""
        if case.facts.heads is None:
            raise Unusable(f"the architecture {case.facts.architecture} has no attention")
        return [Pass(case.tokens(prompt), (_NEED,)) for prompt in case.options.prompts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Named heads out of range."""
        facts, refused = case.facts, {}
        for block, head in case.options.heads:
            if facts.layers is not None and block >= facts.layers:
                refused[f"{block}.{head}"] = f"blocks go from 0 to {facts.layers - 1}"
            elif facts.heads is not None and head >= facts.heads:
                refused[f"{block}.{head}"] = f"heads go from 0 to {facts.heads - 1}"
        return refused

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Attention:
        """Stacks what the reducer kept."""
        import numpy as np

        reduced: list[list[Reduced]] = [single.values[_NEED] for single in captured]
        tokens: Rows = []
        for prompt, single in enumerate(captured):
            shown = case.tokenizer.show_sequence(single.tokens)
            tokens += [[prompt, position, token] for position, token in enumerate(shown)]
        sink = np.stack([_stack([block.sink for block in blocks]) for blocks in reduced])
        entropy = np.stack([_stack([block.entropy for block in blocks]) for blocks in reduced])
        return Attention(
            coordinates=model.attention_coordinates,
            sink_share=float((sink > SINK_THRESHOLD).mean()),
            mean_entropy=float(entropy.mean()),
            tokens=tokens,
            skipped=[[head, reason] for head, reason in _absent(case, model, self.skipped_rows(case)).items()],
            prompts=case.prompt_rows(case.options.prompts),
            weights=[_stack([block.weights for block in blocks]) for blocks in reduced],
            sink=sink,
            entropy=entropy,
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """Every head as one mosaic, named heads large."""
        tokens = {subject: _tokens(outcome) for subject, outcome in section.ok().items()}
        for subject, outcome in section.ok().items():
            for prompt, text in enumerate(outcome.tables["prompts"].column("text")):
                patterns = outcome.arrays[f"weights/{prompt}"]
                places = _places(tokens[subject][prompt], patterns.values.shape[-1])
                yield _mosaic(section.name(subject), subject, patterns, places, prompt, text, outcome)
        for block, head in _named_heads(section):
            for subject, outcome in section.ok().items():
                for prompt in range(len(outcome.tables["prompts"].rows)):
                    patterns = outcome.arrays[f"weights/{prompt}"]
                    if block in patterns.along("block") and head in patterns.along("head"):
                        yield _large(
                            section.name(subject), subject, patterns, tokens[subject][prompt], prompt, block, head
                        )

    def statement(self, section: Section) -> str:
        """How many heads park on the first token of the longest prompt, and in which blocks the others are."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


def _absent(case: Case[Options], model: LoadedModel, refused: Mapping[str, str]) -> dict[str, str]:
    """Named heads that the model does not have, beside those that its configuration refuses."""
    known = {f"{block}.{head}": block for block, head in case.options.heads if f"{block}.{head}" not in refused}
    return {**refused, **{head: told for head, block in known.items() if (told := model.no_attention(block))}}


def _seen(name: str, outcome: Outcome) -> str:
    """How many of one model's heads have their sink on the first token."""
    import numpy as np

    counts = outcome.tables["prompts"].column("token_count")
    longest = int(np.argmax(counts))
    # Attention spread evenly over what it may see has the importance H(T) / T: short prompts pass for sinks.
    if sum(1 / n for n in range(1, counts[longest] + 1)) / counts[longest] > SINK_THRESHOLD:
        return say_count(
            "attention_grid.no_clear_statement",
            "No clear statement about {model}: a prompt of {count} token is too short to tell a sink.",
            "No clear statement about {model}: a prompt of {count} tokens is too short to tell a sink.",
            counts[longest],
            model=name,
        )
    sinks, blocks = outcome.arrays["sink"].values[longest] > SINK_THRESHOLD, outcome.arrays["sink"].along("block")
    values = {
        "model": name,
        "many": digits(f"{int(sinks.sum()):,}"),
        "all": digits(f"{sinks.size:,}"),
        "token": next(r["token"] for r in outcome.tables["tokens"].records() if r["prompt"] == longest),
        "tokens": digits(f"{counts[longest]:,}"),
    }
    if sinks.mean() >= MANY:
        most = say(
            "attention_grid.most_sink",
            "In {model}, {many} of {all} heads park their attention on the first of {tokens} tokens, “{token}”.",
            **values,
        )
        return sentences([most, _others(sinks, blocks)])
    if sinks.mean() <= FEW:
        return say(
            "attention_grid.few_sink",
            "In {model}, hardly any head parks its attention on the first token, “{token}”: {many} of {all}.",
            **values,
        )
    return say(
        "attention_grid.some_sink",
        "In {model}, some heads park their attention on the first of {tokens} tokens, “{token}”: {many} of {all}.",
        **values,
    )


def _others(sinks: NDArray[Any], numbers: Sequence[int]) -> str:
    """The few blocks that hold most heads without a sink; nothing where they are few or everywhere."""
    import numpy as np

    by_block = (~sinks).sum(1)
    largest = np.argsort(-by_block, kind="stable")[:MOST_BLOCKS]
    held = np.cumsum(by_block[largest])
    if by_block.sum() < FEWEST_OTHERS or held[-1] < GATHERED * by_block.sum():
        return ""
    enough = int(np.argmax(held >= GATHERED * by_block.sum())) + 1
    blocks = sorted(numbers[int(block)] for block in largest[:enough])
    return say_count(
        "attention_grid.others",
        "The heads that do not are mostly in block {blocks}.",
        "The heads that do not are mostly in blocks {blocks}.",
        len(blocks),
        blocks=listed([str(block) for block in blocks]),
    )


def _stack(tensors: Sequence[Tensor]) -> NDArray[np.float32]:
    import torch

    stacked: NDArray[np.float32] = torch.stack(list(tensors)).cpu().numpy()
    return stacked


def _mosaic(
    name: str, subject: str, patterns: Array, places: list[str], prompt: int, text: str, outcome: Outcome
) -> HeadMosaic:
    sink = outcome.arrays["sink"].values[prompt]
    return HeadMosaic(
        name=f"heads-{prompt}",
        subject=(subject,),
        title=say("attention_grid.mosaic.title", "{model}: where all heads look", model=name),
        alt=say(
            "attention_grid.mosaic.alt",
            "Attention patterns of {blocks} blocks × {heads} heads of {model} on “{text}”; on average {share} of the "
            "weight goes to the first token",
            blocks=patterns.values.shape[0],
            heads=patterns.values.shape[1],
            model=name,
            text=text,
            share=digits(f"{sink.mean():.0%}"),
        ),
        patterns=patterns.values,
        blocks=patterns.coordinates.get("block", ()),
        value_label=_weight_label(),
        pooled_label=say("figure.pooled", "{label} (largest of {pooled} x {pooled} a pixel)"),
        axes=say("attention_grid.mosaic.axes", "↓ head · → block · in each: ↓ query, → key"),
        queries=places,
        keys=places,
    )


def _named_heads(section: Section) -> list[tuple[int, int]]:
    heads = (head for outcome in section.ok().values() for head in outcome.options["heads"])
    return list(dict.fromkeys((block, head) for block, head in heads))


def _tokens(outcome: Outcome) -> dict[int, list[str]]:
    """Prompt -> its tokens."""
    found: dict[int, list[str]] = {}
    for record in outcome.tables["tokens"].records():
        found.setdefault(record["prompt"], []).append(str(record["token"]))
    return found


def _places(tokens: list[str], count: int) -> list[str]:
    """What stands on both axes of a pattern: the tokens, or the positions in each of `count` bins."""
    if len(tokens) <= count:
        return tokens
    return [f"{a}–{b - 1}" if b - a > 1 else str(a) for a, b in pairwise(bin_edges(len(tokens), count))]


def _large(
    name: str, subject: str, patterns: Array, tokens: list[str], prompt: int, block: int, head: int
) -> AttentionHead:
    pattern = patterns.sel(block=block, head=head).values
    places = _places(tokens, len(pattern))
    return AttentionHead(
        name=f"head-{block}-{head}-{prompt}",
        subject=(subject,),
        title=_large_title(name, block, head, len(tokens), len(pattern)),
        alt=say(
            "attention_grid.head.alt",
            "Attention of block {block}, head {head} of {model}: {looks}",
            block=block,
            head=head,
            model=name,
            looks=listed([_look(q, places[int(row.argmax())]) for q, row in zip(places, pattern, strict=True)]),
        ),
        pattern=pattern,
        value_label=_weight_label(),
        axes=say("attention_grid.head.axes", "↓ query (the token that looks) · → key (what it looks at)"),
        queries=places,
        keys=places,
    )


def _large_title(name: str, block: int, head: int, tokens: int, bins: int) -> str:
    if tokens <= bins:
        return say(
            "attention_grid.head.title",
            "{model}: where block {block}, head {head} looks",
            model=name,
            block=block,
            head=head,
        )
    return say(
        "attention_grid.head.binned_title",
        "{model}: where block {block}, head {head} looks, {tokens} tokens in {bins} bins",
        model=name,
        block=block,
        head=head,
        tokens=digits(f"{tokens:,}"),
        bins=bins,
    )


def _weight_label() -> str:
    return say("attention_grid.weight", "attention weight")


def _look(query: str, key: str) -> str:
    return say("attention_grid.look", "{query} looks at {key}", query=query, key=key)


probe = AttentionGrid()
