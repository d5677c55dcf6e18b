"""MLPs as key-value memories (Geva et al. 2021, 2022): which ones speak, what they say, what sets them off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings
from reportgen.probing.options import Layers, ProbeOptions, Prompts, SpecialTokens
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


Key = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, which memories, and where to look for what activates them."""

    prompts: Prompts
    """What the model reads."""
    position: Annotated[int, Field(ge=0)] | None = None
    """The position whose memories are read, counted from 0; by default the last of each prompt."""
    blocks: Layers = "all"
    """Blocks, counted from 0."""
    k: Annotated[int, Field(ge=1, le=20)] = 5
    """Memories kept per block."""
    tokens: Annotated[int, Field(ge=1, le=50)] = 5
    """Tokens listed at either end of a value."""
    texts: Prompts | None = None
    """A set of texts in which to look for the prefixes that activate memories."""
    keys: list[Key] = Field(default=[])
    """The memories to look for there, each as [block, feature]; by default the strongest of each block after the first
    prompt."""
    prefixes: Annotated[int, Field(ge=1, le=50)] = 5
    """Prefixes kept per key."""
    special_tokens: SpecialTokens = "exclude"
    """Whether a prefix may end with a special token, such as BOS alone."""

    @model_validator(mode="after")
    def _check_keys_have_texts(self) -> Self:
        if self.keys and self.texts is None:
            raise ValueError("keys: name the texts in which to look for them")
        return self


@dataclass(frozen=True, kw_only=True)
class Memories(PromptFindings):
    """What is read of the memories."""

    strongest_share: float = metric("share")
    """Mean over prompts and blocks of the strongest memory's share of all strength in its block."""
    telling_blocks: float = metric("block")
    """Mean over prompts of the number of blocks in which one of the strongest memories promotes the model's answer or a
    word of the prompt (four letters or more in common, from the beginning)."""
    strength: NDArray[np.float32] = array("prompt", "block", "rank", unit="norm")
    """(prompt x block x rank) |m| * ‖v‖ of the strongest memories: coefficient times norm of the value vector."""
    memories: Rows = table("prompt", "block", "rank", "feature", "coefficient", "strength", "speaks_for", "word")
    """The strongest memories. The coefficient m is the input of the down projection: act(x·g)(x·u) in a gated MLP,
    where it may be negative; a memory with m < 0 promotes the bottom tokens of its value. `word` is the first of its
    tokens that is the answer, or spells a word of the prompt."""
    readings: Rows = table("block", "feature", "end", "rank", "token_id", "token", "score")
    """The tokens at both ends of W_U v, where v is the value: its column of the down projection, each number times the
    gain of the norm after the MLP if there is one."""
    triggers: Rows = table("block", "feature", "rank", "text", "position", "prefix", "coefficient")
    """The prefixes of the texts after which the coefficient of a memory is largest in magnitude."""
    answers: Rows = table("prompt", "position", "answer_id", "answer")
    """The model's own most likely token after the position."""


@dataclass(frozen=True)
class StrongestCoefficients:
    """A reducer that keeps the positions at which some memories are set off most; nothing else of the text."""

    keys: tuple[tuple[int, int], ...]
    """(block, feature)"""
    most: int
    left_out: tuple[int, ...] = ()
    """Positions that do not count."""

    def init(self) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """Nothing seen."""
        return {}

    def update(
        self, state: dict[tuple[int, int], list[tuple[float, int]]], value: Tensor, *, index: int, step: int
    ) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """One block's (position x feature) coefficients of the text."""
        features = [feature for block, feature in self.keys if block == index and feature < value.shape[1]]
        for feature, column in zip(features, value[:, features].float().T.tolist(), strict=True):
            seen = [(m, position) for position, m in enumerate(column) if position not in self.left_out]
            state[index, feature] = select_largest(seen, self.most)
        return state

    def merge(
        self,
        one: dict[tuple[int, int], list[tuple[float, int]]],
        other: dict[tuple[int, int], list[tuple[float, int]]],
    ) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """The largest of both."""
        return {key: select_largest([*one.get(key, []), *other.get(key, [])], self.most) for key in {**one, **other}}

    def finish(
        self, state: dict[tuple[int, int], list[tuple[float, int]]]
    ) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """Key -> (coefficient, position), by size."""
        return state


def select_largest(seen: Sequence[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    """The coefficients of largest size with their places; equal ones in their order."""
    return sorted(seen, key=lambda one: -abs(one[0]))[:most]


class FfnMemory(Probe[Options, Memories]):
    """Shows: which memories of each MLP respond to the prompt most, which tokens their value vectors promote, and what
    else activates them.

    Read: one row per block, one column per memory, the strongest first; the cell shows the first token that it
    promotes, or the one that is outlined: the answer, or a word of the prompt. Its shade is its strength. Values of low
    blocks seldom read as words. A memory is known by its prefixes: what the texts that activate it have in common.

    Computed: an MLP is read as keys and values: the coefficient m of a memory is its activation at the input of the
    down projection, act(x·g) (x·u) in a gated MLP; its value v is its column there. Strength is |m|·‖v‖; tokens are
    those at both ends of W_U v, without the final norm; if a norm follows the MLP (Gemma), each number of v is first
    multiplied by that norm's gain. A negative coefficient swaps the ends. Geva et al. 2021, "Transformer Feed-Forward
    Layers Are Key-Value Memories"; 2022, "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in
    the Vocabulary Space".
    """

    name = "ffn_memory"
    version = 1
    question = "What do the MLPs remember?"
    options = Options
    findings = Memories
    sources = (literature.GEVA_2021, literature.GEVA_2022)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once at one position; the texts too where it is known what to look for."""
        _check_keys(case)
        texts = [case.tokens(text) for text in case.options.texts or ()]
        first = [Pass(tokens, needs_of(case, tokens)) for tokens in map(case.tokens, case.options.prompts)]
        return first + (passes_of_texts(case, texts, named_keys(case)) if case.options.keys else [])


def _check_keys(case: Case[Options]) -> None:
    case.named_blocks([block for block, _ in case.options.keys])
    features = case.facts.features
    unknown = [key for key in case.options.keys if features is not None and key[1] >= features]
    if features is not None and unknown:
        block, feature = unknown[0]
        raise Unusable(f"there is no memory {block}.{feature}: features go from 0 to {features - 1}")


def needs_of(case: Case[Options], tokens: Sequence[int]) -> tuple[Need, Need]:
    """The coefficients of the memories, and what they write."""
    at = (case.named_position(case.options.position, tokens),)
    return Need(Site.MEMORIES, at, case.named_blocks(case.options.blocks)), Need(Site.FINAL, at)


def named_keys(case: Case[Options]) -> tuple[tuple[int, int], ...]:
    """The memories that the battery names."""
    return tuple(dict.fromkeys((block, feature) for block, feature in case.options.keys))


def passes_of_texts(
    case: Case[Options], texts: Sequence[tuple[int, ...]], keys: tuple[tuple[int, int], ...]
) -> list[Pass]:
    """The passes of the texts in which triggers are looked for."""
    return [Pass(tokens, (trigger_need(case, tokens, keys),)) for tokens in texts]


def trigger_need(case: Case[Options], tokens: Sequence[int], keys: tuple[tuple[int, int], ...]) -> Need:
    """The places of a text at which the named memories are strongest."""
    special = case.tokenizer.special_ids if case.options.special_tokens == "exclude" else frozenset()
    left_out = tuple(position for position, token in enumerate(tokens) if token in special)
    blocks = tuple(sorted({block for block, _ in keys}))
    return Need(Site.MEMORIES, "all", blocks, StrongestCoefficients(keys, case.options.prefixes, left_out))


probe = FfnMemory()
