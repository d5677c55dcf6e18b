"""Pairs of prompts between which a model is patched, and the places at which it can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reportgen.model.needs import Site
from reportgen.probing.case import Case
from reportgen.text.answer_tokens import answer_ids, reason_against_answer
from reportgen.text.contrasts import find_contrasts, reason_against_contrast
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer

CLEAN, CORRUPTED = "clean", "corrupted"
SiteName = Literal["residual", "attention", "mlp", "heads"]
SITES = {
    "residual": Site.RESIDUAL,
    "attention": Site.ATTENTION_WRITE,
    "mlp": Site.MLP_WRITE,
    "heads": Site.HEADS,
}


@dataclass(frozen=True)
class PromptPair:
    """Two prompts that a model can be patched between."""

    index: int
    """Among all pairs of the battery."""
    clean: tuple[int, ...]
    corrupted: tuple[int, ...]
    right: int
    wrong: int
    first: int
    """The first position at which the tokens differ."""

    @property
    def last(self) -> int:
        """The last position, the same of both prompts."""
        return len(self.clean) - 1

    @property
    def differing(self) -> tuple[int, ...]:
        """The first position that differs, and all after it."""
        return tuple(range(self.first, len(self.clean)))


@dataclass(frozen=True)
class Place:
    """What is patched by one pass."""

    site: SiteName
    index: int
    """Layer or block."""
    at: int
    """Position, or head."""


def prompts_by_pair(prompts: Sequence[Prompt]) -> dict[str | None, list[Prompt]]:
    """Name of a pair -> its prompts."""
    found: dict[str | None, list[Prompt]] = {}
    for prompt in prompts:
        found.setdefault(prompt.pair, []).append(prompt)
    return found


def pair_up(prompts: Sequence[Prompt]) -> list[tuple[Prompt, Prompt]]:
    """(pair) clean and corrupted."""
    return [(one, other) if one.group == CLEAN else (other, one) for one, other in prompts_by_pair(prompts).values()]


def name_own_answers(clean: Prompt, corrupted: Prompt) -> tuple[str, str] | None:
    """The correct and the incorrect answer of a pair as its prompts name them; None where they do not."""
    wrong = clean.not_ or corrupted.answers
    return (clean.answers[0], wrong[0]) if clean.answers and wrong else None


def read_own_answers(tokenizer: TextTokenizer, clean: Prompt, corrupted: Prompt) -> tuple[int, int] | str:
    """The tokens that begin these two, or why a model with this tokenizer does not tell them apart."""
    right, wrong = name_own_answers(clean, corrupted) or ("", "")
    asked = Prompt.model_validate({"text": clean.called, "answers": right, "not": wrong})
    (own,) = find_contrasts(tokenizer, [asked])
    return (own.right[0], own.wrong[0]) if own else reason_against_contrast(tokenizer, asked)


def read_answers(tokenizer: TextTokenizer, right: str, wrong: str) -> tuple[int, int] | str:
    """The tokens that the correct and the incorrect answer are, or why they cannot be used."""
    refused = "; ".join(filter(None, (reason_against_answer(tokenizer, text) for text in (right, wrong))))
    if refused:
        return refused
    (one,), (other,) = answer_ids(tokenizer, right), answer_ids(tokenizer, wrong)
    if one == other:
        return f"the correct and the incorrect answer are the same token: {tokenizer.show(one)!r}"
    return one, other


def read_pair(
    case: Case[Any], at: int, prompts: tuple[Prompt, Prompt], answers: tuple[int, int] | str
) -> PromptPair | str:
    """Two prompts in a model's tokens and the tokens of the two answers, or why they cannot be used."""
    clean, corrupted = map(case.tokens, prompts)
    show = case.tokenizer
    if len(clean) != len(corrupted):
        return (
            f"the clean prompt is {len(clean)} tokens, the corrupted one {len(corrupted)}: "
            f"{show.show_joined(clean)} / {show.show_joined(corrupted)}"
        )
    first = first_difference(clean, corrupted)
    if first is None:
        return f"the clean and the corrupted prompt are the same tokens: {show.show_joined(clean)}"
    return answers if isinstance(answers, str) else PromptPair(at, clean, corrupted, *answers, first)


def first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The first position at which two sequences of one length differ; None where they are the same."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), None)
