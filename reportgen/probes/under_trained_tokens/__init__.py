"""Which tokens of the vocabulary a model has hardly seen in training, and cannot even repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, metric, table

NEXT = Need(Site.FINAL, "last")
UNUSED_ASKED = 10
"""Known unused tokens that are asked for, too: those should not be repeated."""
SLOT = "{}"
PROMPTS: tuple[tuple[str, str, int, str], ...] = (
    ("This machine prints exactly what it is given.\n", "Given: «{}». Printed: «{}».\n", 3, "Given: «{}». Printed: «"),
    ("One and the same entry on every line:\n", "{}\n", 6, ""),
    ("The teacher says a word, and the child repeats it.\n", "", 0, "Teacher: «{}»\nChild: «"),
)
"""(beginning, what is repeated, how often, end) of each prompt: the token stands in each slot, and follows the end."""


class Options(ProbeOptions):
    """How many tokens are looked at, and what counts as repeated."""

    candidates: Annotated[int, Field(ge=1, le=5000)] = 100
    """Tokens asked for: those whose rows lie nearest to the unused ones. Each costs three short passes."""
    controls: Annotated[int, Field(ge=0, le=1000)] = 20
    """Ordinary tokens, drawn at random from the half of the vocabulary that lies farther, asked for in the same way."""
    threshold: Annotated[float, Field(gt=0, lt=1, strict=False)] = 0.01
    """Probability below which a token is not repeated, in the prompt in which it is likeliest."""


@dataclass(frozen=True, kw_only=True)
class UnderTrained(Findings):
    """Which tokens lie near to unused ones, and which of them the model does not repeat."""

    known_unused: int = metric("tokens")
    """Tokens of the vocabulary that no training text can have held: reserved by their name, rows that the tokenizer has
    no token for, bytes that UTF-8 never has; where there are none, special tokens whose rows are alike."""
    candidates_asked: int = metric("tokens")
    """Tokens nearest to these that the model was asked to repeat."""
    under_trained: int = metric("tokens", "lower")
    """Those of them that it does not repeat: in no prompt is the token's probability as high as the threshold."""
    under_trained_ordinary: int = metric("tokens", "lower")
    """The ordinary ones among these: not special, no bytes of an incomplete character, and read from some text."""
    false_alarms: float | str = metric("share", "lower")
    """Share of the ordinary tokens drawn at random that it does not repeat: how often the test is wrong."""
    unused_not_repeated: float = metric("share", "higher")
    """Share of the known unused tokens, up to 10 of them drawn, that it does not repeat: how often the test is right
    about these."""
    unused: Rows = table("reason", "tokens", "token")
    """The known unused tokens by how that is known, how many they are, and one of them."""
    candidates: Rows = table(
        "rank", "token_id", "token", "kind", "distance", "repeat_probability", "confirmed", "written"
    )
    """The tokens nearest to the unused ones: what each is; cosine distance of its row of the unembedding to the mean of
    theirs, without the first principal component of the table; its highest probability where it was to be repeated;
    whether that is below the threshold; and the likeliest token there in the first prompt."""
    controls: Rows = table(
        "group", "token_id", "token", "kind", "distance", "repeat_probability", "confirmed", "written"
    )
    """The same of known unused tokens (group `unused`) and of ordinary ones drawn at random (group `random`)."""
    kinds: Rows = table("kind", "candidates", "confirmed")
    """The candidates by what they are, and how many of these the model does not repeat."""
    distances: Rows = table("distance", "unused", "others")
    """Histogram: share of the known unused tokens, and of all others, whose distance lies in a bin, by its middle."""
    prompts: Rows = table("prompt", "text")
    """How the model was asked, with the first candidate in each place."""


class UnderTrainedTokens(Probe[Options, UnderTrained]):
    """Shows: tokens that the tokenizer has but the model has hardly seen: their rows lie where those of unused tokens
    lie, and the model cannot repeat them when it is told to.

    Read: the curve counts, from the nearest token on, how many are not repeated: while it follows the diagonal, all of
    them are under-trained; where it turns flat, the model has learned them. The list names the nearest. A text that
    holds such a token makes the model stumble, and a tokenizer with many of them was made from other texts than the
    model. Bytes of an incomplete character and unreachable tokens, which no text is cut into, are told apart from
    ordinary ones: nobody meets them by chance. Ordinary tokens drawn at random show how often the test is wrong: a
    model that cannot repeat those says little about the others.

    Computed: after Land & Bartolo 2024. Known unused tokens are found by their name, as rows beyond the tokenizer's, or
    as bytes that UTF-8 never has; where there are none, special tokens whose rows have a cosine of 0.999 with two other
    special tokens take their place. Distance: 1 − cosine of a token's row of the unembedding (the embedding table
    where the two are tied) with the mean of theirs, both without the first principal component of the table. The
    nearest tokens are put, by their ids, into three prompts of our own that ask for a repetition, each once through the
    model; the next token's probability is the model's own.
    """

    name = "under_trained_tokens"
    version = 1
    question = "Which tokens has the model hardly seen?"
    options = Options
    findings = UnderTrained
    sources = (literature.LAND_2024,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: which tokens are asked for depends on the weights. Refuses prompts that do not fit."""
        prompts = [fill_slots(case, prompt, 0) for prompt in range(len(PROMPTS))]
        longest, most = max(map(len, prompts)), case.facts.context_length
        if most is not None and longest > most:
            raise Unusable(f"a prompt of {longest} tokens exceeds the context of {most}")
        if reason := case.tokenizer.reason_against_tokens(token for prompt in prompts for token in prompt):
            raise Unusable(reason)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Every prompt with each token that is asked for, at most."""
        options = case.options
        return len(PROMPTS) * (options.candidates + options.controls + UNUSED_ASKED)


def fill_slots(case: Case[Options], prompt: int, token: int) -> tuple[int, ...]:
    """A prompt as token ids, with a token in its slots; what stands between them is cut by itself.

    The token is put there by its id, so that one that no text is cut into can be asked for as well.
    """
    beginning, repeated, times, end = PROMPTS[prompt]
    first, *others = (beginning + repeated * times + end).split(SLOT)
    ids = list(case.tokenizer.encode(first).ids)
    for text in others:
        ids += [token, *(case.tokenizer.encode(text, special_tokens=False).ids if text else ())]
    return tuple(ids)


probe = UnderTrainedTokens()
