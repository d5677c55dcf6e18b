"""A representation told in words: put into another prompt, which the model then goes on with (Patchscopes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.options import Layers, ProbeOptions, Prompts
from reportgen.probing.patch_targets import OneTarget, OutOfRange, Place, Target, Targets, place_of
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, mean_of_rows, metric, table
from reportgen.text.prompts import Prompt
from reportgen.text.words import WordNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_DRAWN = 4
"""Prompts whose answers are drawn."""
Words = list[Annotated[str, Field(min_length=1)]]


class AnswerOptions(ProbeOptions):
    """What is asked of which representations."""

    prompts: Prompts
    """Texts whose representations are read; at the last token of a prompt's `word`, else at its last."""
    position: Annotated[int, Field(ge=0)] | None = None
    """Position, in every prompt, instead of its word or its last token."""
    targets: Targets = Field(default=["describe"], validate_default=True)
    """What is asked: ids in the shipped set patchscopes/targets (describe, identity, secret, …), mappings
    {id, text, word | position, until}, or the name FILE/SET of a prompt set."""
    layers: Layers = "all"
    """Layers from which representations are taken."""
    target_layers: Literal["same"] | Layers = "same"
    """Layers at which they are inserted: each at its own, or every one at each of these."""
    continue_: Annotated[int, Field(ge=1, le=64, alias="continue")] = 12
    """Tokens that the model writes, unless the end token comes first."""
    expect: Words | dict[str, Words] = Field(default=[])
    """Words that show that a representation was named, in any case; for every prompt, or by a prompt's id or text."""

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        ids = [target.id for target in self.targets]
        twice = next((id for at, id in enumerate(ids) if id in ids[:at]), None)
        if twice is not None:
            raise ValueError(f"two targets are called {twice!r}")
        named = [name for prompt in self.prompts for name in (prompt.id, prompt.text) if name is not None]
        unknown = next((name for name in self.expect if isinstance(self.expect, dict) and name not in named), None)
        if unknown is not None:
            raise ValueError(f"expect: no prompt has the id or the text {unknown!r}")
        words = self.expect.values() if isinstance(self.expect, dict) else [self.expect]
        for target, word in product(self.targets, [word for some in words for word in some]):
            if names(target.text or "", [word]):
                raise ValueError(
                    f"expect: {word!r} occurs in the target {target.id!r} itself, so finding it would say nothing"
                )
        return self

    def expected_words(self, prompt: Prompt) -> Sequence[str]:
        """The words that tell that this prompt's representation was named."""
        if not isinstance(self.expect, dict):
            return self.expect
        return self.expect.get(prompt.id or "", self.expect.get(prompt.text or "", []))


class Options(AnswerOptions):
    """Which representations, what is asked of them, and at which layers."""

    identity_prompts: Prompts | None = None
    """Texts over which precision@1 and surprisal of the identity prompt are measured, from each of `layers` into each
    of `target_layers` (into each of `layers` if that is `same`)."""
    identity: OneTarget = Field(default="identity", validate_default=True)
    """The identity prompt."""


@dataclass(frozen=True, kw_only=True)
class PatchedAnswers(PromptFindings):
    """What patchscopes give."""

    named_share: float | str = metric("share", "higher", of=mean_of_rows("answers", "named", pooled=True))
    """Share of the answers that contain an expected word, over prompts with such words, targets and layers; a target
    that names it unpatched is left out."""
    first_layer: float | str = metric("layer")
    """Mean over prompts with an expected word in some answer of the first source layer whose answer contains one."""
    precision: float | str = metric("share", "higher")
    """Mean of `precision_by_layer` over all pairs of layers."""
    surprisal: float | str = metric("nat", "lower")
    """Mean of `surprisal_by_layer` over all pairs of layers."""
    precision_by_layer: NDArray[np.float32] = array("layer", "item", unit="share")
    """(source layer x target layer) share of the identity prompt's texts whose most likely next token, in the unpatched
    model, is also the most likely after the patched identity prompt. Empty if it was not asked for."""
    surprisal_by_layer: NDArray[np.float32] = array("layer", "item", unit="nat")
    """(source layer x target layer) mean over the texts of -ln p(token) after the patched identity prompt, of the token
    that is most likely after the text in the unpatched model."""
    answers: Rows = table("prompt", "target", "layer", "target_layer", "text", "answer", "named")
    """What was written with the representation of `layer` at `target_layer`: all of it, and the part up to `until` or
    the end of the first line; whether that contains an expected word (empty if none is expected)."""
    unpatched: Rows = table("target", "text", "answer")
    """The control: how each target continues when nothing is put into it."""
    tokens: Rows = table("prompt", "target", "layer", "target_layer", "step", "token_id", "token")
    """The tokens of every answer."""
    targets: Rows = table("target", "text", "tokens", "position", "token", "word_tokens")
    """The targets: the exact text, its tokens, the position that is overwritten, and how many tokens the word has of
    which that is the last. The identity prompt of the layer maps comes last, if it was asked for."""
    sources: Rows = table("prompt", "position", "token", "word_tokens")
    """Where each prompt's representation is taken."""
    words: Rows = word_table()
    """The words that prompts name, the tokens that hold them, and whether they are the word and nothing else."""


class Patchscope(Probe[Options, PatchedAnswers]):
    """Shows: what a representation contains, in the model's own words. The vector of one token after one layer takes
    the place of a token of another prompt, which asks what it is, and the model continues.

    Read: one row per layer from which the vector was taken, from the embedding at the bottom; across, the tokens that
    the model writes. Shaded cells hold a token that occurs nowhere in the target itself: a row without shade may merely
    copy the target; outlined ones hold an expected word. Low layers know the last word only, high ones are about to
    write the next token and answer no question. What is said beyond the patched vector's reach (a profession, a date)
    may be made up. The maps: whether the identity prompt gives back the token with which the text itself continues;
    into the last layer that is the logit lens.

    Computed: the residual stream before the final norm replaces that at one position of the target while the prompt
    passes, never at tokens written after it (Ghandeharioun et al. 2024); decoding is greedy. A word of several tokens
    is taken, and overwritten, at its last. precision@1: share of texts whose most likely next token is also the patched
    prompt's; surprisal: -ln p, under the patched prompt, of the unpatched model's most likely token.
    """

    name = "patchscope"
    version = 1
    question = "What does a representation say about itself?"
    options = Options
    findings = PatchedAnswers
    sources = (literature.GHANDEHARIOUN_2024,)
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once; each target once as it is; each text of the layer maps once."""
        options = case.options
        pairs = layer_pairs(case, options)
        stream = tuple(dict.fromkeys(layer for layer, _ in pairs))
        if options.identity_prompts is not None:
            target_place(case, options.identity)
        return [
            *(Pass(p.ids, (stream_need(p, stream),)) for p in source_places(case, options)),
            *(Pass(p.ids, (), options.continue_ + 1) for p in target_places(case, options)),
            *(Pass(p.ids, needs_of(p, stream)) for p in identity_places(case)),
        ]

    def further_passes(self, case: Case[Options]) -> int:
        """Every prompt, target and pair of layers; every text of the layer maps and pair of layers."""
        options = case.options
        maps = len(options.identity_prompts or ()) * len(map_pairs(case))
        return len(options.prompts) * len(options.targets) * len(layer_pairs(case, options)) + maps


def names(text: str, words: Sequence[str]) -> bool:
    """Whether a text holds one of these words, whatever their case."""
    return any(word.casefold() in text.casefold() for word in words)


def layer_pairs(case: Case[Any], options: AnswerOptions) -> list[tuple[int, int]]:
    """(source layer, target layer) of every answer."""
    layers = case.named_layers(options.layers)
    if options.target_layers == "same":
        return [(layer, layer) for layer in layers]
    return list(product(layers, case.named_layers(options.target_layers)))


def map_layers(case: Case[Options]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Source layers and target layers of the map."""
    layers, into = case.named_layers(case.options.layers), case.options.target_layers
    return layers, layers if into == "same" else case.named_layers(into)


def map_pairs(case: Case[Options]) -> list[tuple[int, int]]:
    """(source layer, target layer) of every cell of the map."""
    return list(product(*map_layers(case)))


def _place(case: Case[Any], prompt: Prompt, position: int | None) -> Place:
    try:
        return place_of(case.tokenizer, prompt, position)
    except (OutOfRange, WordNotFound) as error:
        raise Unusable(str(error)) from error


def source_places(case: Case[Any], options: AnswerOptions) -> list[Place]:
    """Where the representations are taken."""
    for prompt in options.prompts:
        case.tokens(prompt)
    return [_place(case, prompt, options.position) for prompt in options.prompts]


def target_place(case: Case[Any], target: Target, steps: int = 1) -> Place:
    """Where a representation is put in."""
    case.tokens(target, steps)
    return _place(case, target, target.position)


def target_places(case: Case[Any], options: AnswerOptions) -> list[Place]:
    """(target) where representations are put in."""
    return [target_place(case, target, options.continue_ + 1) for target in options.targets]


def identity_places(case: Case[Options]) -> list[Place]:
    """The places of the identity prompts."""
    prompts = case.options.identity_prompts or []
    for prompt in prompts:
        case.tokens(prompt)
    return [_place(case, prompt, None) for prompt in prompts]


def stream_need(place: Place, layers: tuple[int, ...]) -> Need:
    """The residual stream at one place."""
    return Need(Site.RESIDUAL, (place.position,), layers)


def needs_of(place: Place, layers: tuple[int, ...]) -> tuple[Need, Need]:
    """The rows that are read, and those that are put in their place."""
    return stream_need(place, layers), Need(Site.FINAL, (place.position,))


probe = Patchscope()
