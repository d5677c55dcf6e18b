"""What a model writes token by token, and what each of its layers would have written (the seahorse trace)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Draw, Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.findings import PromptFindings
from reportgen.probing.followed import followed_table
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, arrays, mean_of_rows, metric, table
from reportgen.text.answer_tokens import reasons_against_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_DRAWN = 6
"""Traces of a model that are drawn."""


class Options(ProbeOptions):
    """After which prompts, how far, and how each token is chosen."""

    seed: int = 0
    """Seed for sampling, if a `temperature` is given; each attempt draws different numbers from it."""
    prompts: Prompts
    """What the model reads."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 12
    """Tokens to write, unless the end token comes first."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 1
    """Traces per prompt; more than one only with sampling."""
    temperature: Annotated[float, Field(gt=0, le=100, strict=False)] | None = None
    """Samples each token at this temperature; without it decoding is greedy."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Samples only among this many of the most likely tokens."""
    top_p: Annotated[float, Field(gt=0, le=1, strict=False)] | None = None
    """Samples only from the smallest set of most likely tokens with at least this total probability; after `top_k`."""
    k: Annotated[int, Field(ge=1, le=100)] = 5
    """Tokens named per cell of the grid."""

    follow: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=12)
    """Words that are followed through the layers at every step, with their leading space where the text
    would have one (" sea" and "sea" are two tokens): rank and probability of each, or of its first token if it has
    several."""

    @model_validator(mode="after")
    def _check_temperature(self) -> Self:
        if self.temperature is None:
            given = [name for name, is_so in (("attempts", self.attempts > 1), ("top_k", self.top_k is not None),
                                              ("top_p", self.top_p is not None)) if is_so]  # fmt: skip
            if given:
                raise ValueError(f"{' and '.join(given)}: without a temperature decoding is greedy")
        return self


@dataclass(frozen=True, kw_only=True)
class Generation(PromptFindings):
    """What the generation lens gives."""

    mean_length: float = metric("tokens", of=mean_of_rows("attempts", "length"))
    """Mean over attempts of the number of tokens written, without the end token."""
    emoji_share: float = metric("share")
    """Share of the attempts that contain an emoji."""
    settling_layer: float | str = metric("layer")
    """Mean, over written tokens that are the model's own most likely ones, of the first layer from which they lead to
    the end."""
    retries: float = metric("retries")
    """Mean over attempts of the number of emoji that are tried again: an emoji that follows, with at most 16 tokens
    between, one that is not among the prompt's `answers`; another emoji on the same line, or any at all after a word
    that takes the first back ("wait", "不對")."""
    self_corrections: float = metric("retries")
    """Mean over attempts of the number of those retries that come after such a word."""
    right: float | str = metric("share", "higher")
    """Share of the attempts, after prompts with `answers`, whose text contains one of them: not inside a longer word or
    number, upper and lower case alike."""
    rank: NDArray[np.float32] = array("prompt", "item", "step", "layer", unit="rank")
    """(prompt x attempt x step x layer) rank, from 1, that each layer gives to the token that was written; NaN after a
    trace has ended."""
    probability: NDArray[np.float32] = array("prompt", "item", "step", "layer", unit="probability")
    """(prompt x attempt x step x layer) probability that each layer gives to the token that was written."""
    entropy: NDArray[np.float32] = array("prompt", "item", "step", "layer", unit="nat")
    """(prompt x attempt x step x layer) -sum p ln p of each layer's distribution."""
    written: Rows = table("prompt", "attempt", "step", "position", "token_id", "token", "shown", "settled")
    """The tokens written: each alone, and as shown after those before it (the token that completes a character shows
    it); and the first layer from which it leads to the end, empty if it does not lead."""
    characters: Rows = table("prompt", "attempt", "position", "last_position", "tokens", "bytes", "character", "kind")
    """Emoji, characters spread over several tokens (`joined`), and bytes that do not form a character (`fragment`):
    where they begin and end, and what each of their tokens adds."""
    attempts: Rows = table("prompt", "attempt", "length", "ended", "text")
    """Each trace: tokens before the end token, whether the end token came, and the text."""
    top: Rows = table("prompt", "attempt", "step", "layer", "rank", "token_id", "token", "probability")
    """The k most likely tokens of every layer's distribution before each written token."""
    tried_again: Rows = table("prompt", "attempt", "position", "wrong", "again", "between", "takes_back")
    """The retries: where the second emoji begins, both emoji, the tokens between them, and the word that takes the
    first back, empty if there is none."""
    answered: Rows = table(
        "prompt", "attempt", "right", "openings", "step", "layer", "token", "own_step", "own_layer", "own_token"
    )
    """Each attempt after a prompt with answers: the answer that its text contains, empty if none; how many tokens a
    right answer may begin with (0 if only bytes of many characters do: then nothing can be told); the first step before
    which some layer expects the first token of an answer (with or without a space before it), the lowest such layer and
    that token, of layers from a quarter of the depth on; and the same of the last layer, with the layer from which it
    leads there. Empty if none ever does."""
    followed: Rows = followed_table()
    """The words that are followed, the token of each that is, and how many tokens the word has."""
    follow_rank: list[NDArray[np.float32]] = arrays("step", "item", "layer", unit="rank")
    """(step x item x layer) rank, from 1, of each followed token before each written one, one array per attempt in the
    order of that table; none unless asked for."""
    follow_probability: list[NDArray[np.float32]] = arrays("step", "item", "layer", unit="probability")
    """(step x item x layer) probability of each followed token before each written one, one array per attempt."""
    skipped: Rows = table("text", "reason")
    """Words to follow that have no token in this model."""


class GenerationLens(Probe[Options, Generation]):
    """Shows: what the model writes token by token, each appended before the next is predicted, and which token every
    layer would have written in its place.

    Read: one column per written token, one row per layer, from the embedding at the bottom to the model's own answer at
    the top; the stronger a cell, the more likely its token. Outlined cells hold the token that was written. A character
    whose bytes are several tokens is shown above the one that completes it: `<F0 9F>`, `<90>`, `<A0>→🐠`. A layer may
    hold a word (seahorse) for which the last layer has no token: what is written is what is nearest. The curves follow
    the tokens of the first emoji. Where it is known what is right, a layer may expect the answer before the text gets
    there; the first token of a number of several digits may begin another number.

    Computed: the logit lens at the last position of every step. Decoding is greedy, or samples from softmax(logits /
    temperature), cut by top_k, then by top_p, with random numbers that depend on the seed and the attempt alone. Bytes
    are joined along tokens that follow each other, never between the guesses of cells.
    """

    name = "generation_lens"
    version = 1
    question = "What does it write, and what did its layers have in mind?"
    options = Options
    findings = Generation
    sources = (literature.NOSTALGEBRAIST_2020, literature.HOLTZMAN_2020)
    drawn = ("attempts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt with its steps, once an attempt."""
        options, needs = case.options, needs_of(case)
        return [
            Pass(case.tokens(prompt, options.continue_), needs, options.continue_, _draw(options, attempt))
            for prompt in options.prompts
            for attempt in range(options.attempts)
        ]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words to follow that have no token."""
        return reasons_against_words(case.tokenizer, case.options.follow)


def needs_of(case: Case[Options]) -> tuple[Need, Need]:
    """The whole stream, and what chooses the next token."""
    return Need(Site.RESIDUAL, "last", tuple(range(case.last_layer))), Need(Site.FINAL, "last")


def _draw(options: Options, attempt: int) -> Draw | None:
    if options.temperature is None:
        return None
    return Draw(options.temperature, options.top_k, options.top_p, options.seed, attempt)


probe = GenerationLens()
