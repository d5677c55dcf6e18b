"""What the layers hand on: the shape and the norms of the residual stream, and that nothing in it looks ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.options import Layers, ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.probing.word_places import find_words
from reportgen.results.quantities import Rows, array, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_PROMPTS = 2
"""Prompts whose norms are drawn."""


class Options(ProbeOptions):
    """Which prompts, at which layers."""

    prompts: Prompts
    """What the model reads. Prompts that begin with the same token are compared: those of one `pair`, or all of them if
    no prompt names a pair."""
    layers: Layers = "all"
    """Layers kept, counted from 0 = embedding."""
    words: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=8)
    """Words whose vectors are shown as numbers, in every prompt that contains them: at the last token of the first
    occurrence, or of that which the prompt's `index` names."""
    numbers: Annotated[int, Field(ge=1, le=32)] = 8
    """How many numbers of such a vector are shown: its first ones."""
    numbers_at: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=8)] = Field(default=[0, 1])
    """At which of the layers kept they are shown."""


@dataclass(frozen=True, kw_only=True)
class States(PromptFindings):
    """What hidden states gives."""

    prefix_difference: float | str = metric("difference", "lower")
    """Largest difference of any number of the residual stream before the first token that differs, over all pairs,
    layers and positions: exactly 0 in a model that does not look ahead."""
    last_norm: float = metric("norm")
    """Median over all positions of all prompts of the norm of the stream after the last layer kept."""
    norms: list[NDArray[np.float32]] = arrays("layer", "position", unit="norm")
    """(layer x position) Euclidean norm of the residual stream, one array per prompt. The embedding is taken as it
    enters the first block: Gemma's is multiplied by the square root of the width there."""
    differences: list[NDArray[np.float32]] = arrays("layer", "position", unit="difference")
    """(layer x position) largest absolute difference of any number of the two streams, one array per pair, as far as
    the shorter prompt goes."""
    prefix: NDArray[np.int64] = array("pair", unit="tokens")
    """(pair) number of tokens with which both prompts begin, BOS included."""
    pairs: Rows = table("pair", "prompt_a", "prompt_b", "prefix", "prefix_difference", "prefix_share", "difference")
    """What the pairs have in common: tokens; the largest difference within those, and the same as a share of the norm
    there; the largest difference at the first token that differs (empty if there is none)."""
    shapes: Rows = table("prompt", "layer", "shape", "dtype", "median_norm", "largest_norm", "largest_at")
    """The residual stream after each layer: positions x width, its number format, its median norm, and its largest norm
    with where it is."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens of each prompt."""
    vectors: list[NDArray[np.float32]] = arrays("item", "layer", "component", unit="activation")
    """(item x layer x component) the first numbers of a word's vector in every prompt that contains it, one array per
    word; none unless asked for."""
    occurrences: Rows = table("word", "item", "text", "prompt", "position", "token")
    """Where the words are whose vectors are shown: `item` counts the prompts that contain one."""
    words: Rows = word_table()
    """These words, the tokens that hold them, and whether they are the word and nothing else."""
    skipped: Rows = table("text", "reason")
    """Words asked for that no prompt contains."""


class HiddenStates(Probe[Options, States]):
    """Shows: the vectors in the residual stream after each layer, how long they are at every position, and that later
    text changes nothing before it.

    Read: in the first grids, a stronger cell is a longer vector; in many models the first token grows to an enormous
    length, and all heads then rest on it. In the grids of two prompts, 0 in an outlined cell is exact: both prompts
    have the same vector there, number by number. From the first different token on, everything differs, even where the
    words are the same again: the same word in another context is another vector.

    Computed: the residual stream before the final norm; its Euclidean norm in float32. For two prompts that begin
    alike: the largest absolute difference over the width, at every layer and position. Kernels round differently for
    another number of tokens, so the shorter prompt is padded at its end with its own last token, which a causal model
    cannot see from earlier positions, and both pass in one shape. Routed experts still receive another number of
    tokens: there the difference may be rounding, up to 10⁻⁵ of the norm.
    """

    name = "hidden_states"
    version = 1
    question = "What is in the residual stream, and is the model causal?"
    options = Options
    findings = States
    drawn = ("prompts", MOST_PROMPTS)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, those that are compared in one shape."""
        need = need_of(case)
        check_layers_of_numbers(case)
        return [Pass(tokens, (need,)) for tokens in _fill_to_longest(read_prompts_in_full(case))]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words whose vectors cannot be shown."""
        return find_words(case).missing


def check_layers_of_numbers(case: Case[Options]) -> None:
    """Refuses layers at which no numbers can be shown.

    Raises:
        Unusable: one of them is not kept, or the model does not have it.
    """
    asked = case.named_layers(case.options.numbers_at) if case.options.words else ()
    kept = case.needed_layers(case.options.layers)
    lost = [layer for layer in asked if kept is not None and layer not in kept]
    if lost:
        raise Unusable(f"numbers_at: layer {lost[0]} is not among the `layers` that are kept")


@dataclass(frozen=True)
class Prompt:
    """A prompt as a model reads it, and the name of the pair that it is compared in."""

    tokens: tuple[int, ...]
    pair: str


def need_of(case: Case[Options]) -> Need:
    """The residual stream at all positions of the layers asked for."""
    return Need(Site.RESIDUAL, "all", case.needed_layers(case.options.layers))


def read_prompts_in_full(case: Case[Options]) -> list[Prompt]:
    """The prompts; one that names no pair while others do is compared with none."""
    prompts = case.options.prompts
    named = any(prompt.pair for prompt in prompts)
    return [
        Prompt(case.tokens(prompt), prompt.pair or (f"alone {at}" if named else ""))
        for at, prompt in enumerate(prompts)
    ]


def _fill_to_longest(read: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """The tokens that pass: prompts that are compared with each other are as long as the longest of them."""
    longest: dict[tuple[str, int], int] = {}
    for one in read:
        group = one.pair, one.tokens[0]
        longest[group] = max(longest.get(group, 0), len(one.tokens))
    return [one.tokens + one.tokens[-1:] * (longest[one.pair, one.tokens[0]] - len(one.tokens)) for one in read]


probe = HiddenStates()
