"""A concept as a direction between two sets of prompts, and where texts stand along it, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Pass
from reportgen.probes.concept_directions.options import (
    Options,
    Sides,
    direction_file_of,
    reason_against_sides,
    sides_of,
)
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, arrays, metric, table
from reportgen.text.prompts import Prompt
from reportgen.training.places import find_place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_DRAWN = 6
"""Texts whose strips are drawn."""
RANDOM = 40
"""Random directions that a value is held against."""


@dataclass(frozen=True, kw_only=True)
class ConceptDirections(PromptFindings):
    """What the direction gives."""

    projection: float | str = metric("spread")
    """Mean over the tokens of all texts of their value along the direction: h·v / ‖v‖ less the point midway between
    the means of both sets, in spreads of the sets; above 0 towards the first set. None where the direction comes from a
    file: 0 is then the mean of the texts' own tokens."""
    random_projection: float | str = metric("spread")
    """What 95 % of random directions stay within: the same of each, its size, whatever its sign."""
    standing_out: float | str | None = metric("share", optional=True)
    """Share of the tokens that are further out than 95 % of random directions put them; only where the direction comes
    from a file."""
    random_standing_out: float | str | None = metric("share", optional=True)
    """What 95 % of random directions stay within: the same share of each of them. On average it is 5 %."""
    layer: int = metric("layer")
    """The layer at which the texts are followed: of those tried the one of the highest `layer_auc`, of equals the one
    of the largest `layer_separation`, then the first; chosen on the prompts that it is told of. Of a direction from a
    file the one that is asked for."""
    auc: float | str = metric("", "higher")
    """Held-out AUC at that layer: the chance that a prompt of the first set stands further along the direction than one
    of the second, each placed on a direction found without its fold. 0.5 knows nothing. A
    direction from a file has none, as there are no sets."""
    shuffled_auc: float | str = metric()
    """The same where the sets are shuffled together, at the best layer of each draw, mean over the draws."""
    separation: float | str = metric("spread", "higher")
    """Difference of the sets' mean held-out positions there, in spreads: standard deviations within the sets."""
    layer_auc: NDArray[np.float64] | None = array("layer", optional=True)
    """(layer) held-out AUC; not of a direction from a file."""
    layer_shuffled: NDArray[np.float64] | None = array("layer", optional=True)
    """(layer) the same of shuffled sets, mean over the draws."""
    layer_separation: NDArray[np.float64] | None = array("layer", unit="spread", optional=True)
    """(layer) `separation` of each layer; NaN where the sets have no spread."""
    direction: NDArray[np.float32] = array("layer", "feature")
    """(layer x dimension) the direction found with all prompts, as long as it was found; or that of the file."""
    values: list[NDArray[np.float64]] = arrays("position", unit="spread")
    """(position) of each text, the value of each of its tokens; NaN at the first token and at special tokens, where
    models keep what is not about the text."""
    random_values: list[NDArray[np.float64]] = arrays("position", unit="spread")
    """(position) what 95 % of random directions stay within at the token, whatever their sign."""
    texts: Rows = table("prompt", "asked", "tokens", "written", "mean", "random")
    """Each text: what it is called, tokens that count, those of them that the model wrote, their mean value, and what
    95 % of random directions stay within."""
    tokens: Rows = table("prompt", "position", "token", "value", "random", "written")
    """Each token of the texts with its value, empty where it does not count, what 95 % of random directions stay
    within, and whether the model wrote it."""
    sides: Rows = table("item", "side", "text", "value")
    """Each prompt of both sets with its held-out position at that layer, in spreads; empty where the direction comes
    from a file."""
    words: Rows = word_table()
    """The words at which the sets are read, the tokens that hold them, and whether they are the word and nothing else;
    only with `read: last`."""


class ConceptDirection(Probe[Options, ConceptDirections]):
    """Shows: how far each token of a text lies along a direction that stands for a concept, and from which layer on the
    model has such a direction.

    Read: the curve is how well the direction separates prompts of both sets that it has not seen; 0.5 is chance, and
    what shuffled sets reach is drawn with it. In the strips every token has the colour of its value: one side of the
    scale is towards the first set, the other towards the second, white is midway. A token is outlined where it is
    further out than 95 % of random directions would put it: only there is the direction more than any other. A strip
    tells where the model's state resembles the sets, not why.

    Computed: v is the mean of one set's rows less that of the other's (or a linear probe's weights), each row the mean
    of the residual stream over a prompt's tokens (or its word or last token). The layer is the one of the highest AUC
    on held-out prompts: split first, halves of a pair together, every prompt placed on the direction that is found
    without its fold. A token's value is h·v / ‖v‖, less the point midway between the means of both sets, in units of
    the spread: the standard deviation of held-out prompts within the sets. A random direction of the same length has a
    middle and a spread of its own, by the same rule. The first token of a text and special tokens are left out
    everywhere. A direction from a file is followed at the layer that is named; it has no held-out AUC, as there are no
    sets to separate. For it, and for the random directions, 0 is the mean of the tokens that are given, and the unit
    their standard deviation: a value tells how far a token is from the texts' others, and random directions whether
    that is more than any direction would show.
    """

    name = "concept_directions"
    version = 1
    question = "Where in a text is the concept?"
    libraries = ("sklearn.linear_model", "sklearn.model_selection")
    options = Options
    findings = ConceptDirections
    sources = (literature.CHEN_2025, literature.ZOU_2023)
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None that others share; whether everything can be read is checked here."""
        if case.options.from_file:
            _check_file(case)
        else:
            place_sides(case)
        read_texts(case)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Both sets, unless the direction comes from a file; then the texts."""
        return len(sides_of(case.options).prompts) + len(case.options.prompts)


@dataclass(frozen=True)
class Places:
    """Both sets as this model reads them."""

    sides: Sides
    texts: list[tuple[int, ...]]
    positions: list[tuple[int, ...]]
    """Of each, those that are read."""
    layers: tuple[int, ...] | None


def place_sides(case: Case[Options]) -> Places:
    """Where each prompt of both sets is read.

    Raises:
        Unusable: a word is not there, a prompt has no token that counts, or too few prompts can be read.
    """
    sides = sides_of(case.options)
    if reason := reason_against_sides(sides):  # of those that are left where it cannot read some
        raise Unusable(reason)
    texts = [case.tokens(prompt) for prompt in sides.prompts]
    positions = [_place(case, prompt, tokens) for prompt, tokens in zip(sides.prompts, texts, strict=True)]
    return Places(sides, texts, positions, case.needed_layers(case.options.layers))


def _check_file(case: Case[Options]) -> None:
    """Refuses a model that the file does not fit.

    Raises:
        Unusable: it has another width, or other layers.
    """
    case.named_layers(case.options.layers)
    direction_file_of(case.options).require_fit(case)


def read_texts(case: Case[Options]) -> list[tuple[int, ...]]:
    """(text) the tokens of those along which the direction is followed.

    Raises:
        Unusable: one has no token that counts.
    """
    texts = [case.tokens(prompt, case.options.continue_ + 1) for prompt in case.options.prompts]
    for prompt, tokens in zip(case.options.prompts, texts, strict=True):
        if not case.options.continue_:
            _require_counted(case, prompt, tokens)
    return texts


def counted_positions(case: Case[Options], tokens: Sequence[int]) -> tuple[int, ...]:
    """All but the first and those of special tokens."""
    special = case.tokenizer.special_ids
    return tuple(at for at, token in enumerate(tokens) if at and token not in special)


def _require_counted(case: Case[Options], prompt: Prompt, tokens: Sequence[int]) -> tuple[int, ...]:
    found = counted_positions(case, tokens)
    if not found:
        raise Unusable(f"{prompt.called!r} has no token behind its first")
    return found


def _place(case: Case[Options], prompt: Prompt, tokens: Sequence[int]) -> tuple[int, ...]:
    """The positions over which a prompt of a set is read."""
    if case.options.read == "mean":
        return _require_counted(case, prompt, tokens)
    return (find_place(case, prompt, len(tokens)),)


probe = ConceptDirection()
