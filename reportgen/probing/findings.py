"""What the findings of several probes have in common: the prompts that were read, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reportgen.results.quantities import Findings, Rows, table


def prompt_table() -> Any:
    """A field of texts as a model reads them, which `Case.prompt_rows` fills."""
    return table("prompt", "text", "tokens", "token_count")


def word_table() -> Any:
    """A field of words as a model reads them in their sentences, which `Case.word_rows` fills: `tokens` are those that
    hold something of the word, and `fit` says whether they are the word (`exact`), hold more (`inside`), or end in
    bytes that are no whole character (`bytes`).
    """
    return table("prompt", "word", "tokens", "fit")


@dataclass(frozen=True, kw_only=True)
class PromptFindings(Findings):
    """Findings about the prompts of the battery."""

    prompts: Rows = prompt_table()
    """The prompts as this model reads them."""


@dataclass(frozen=True, kw_only=True)
class HeadFindings(Findings):
    """Findings about heads that the battery names."""

    skipped: Rows = table("head", "reason")
    """Heads asked for that this model does not have."""


@dataclass(frozen=True, kw_only=True)
class ScoreFindings(Findings):
    """Findings about a score made of words."""

    skipped: Rows = table("text", "reason")
    """Words of the score that are not one token in this model."""


def reason_rows(reasons: Mapping[str, str]) -> Rows:
    """Rows of a `skipped` table: what was left out, and why."""
    return [[what, reason] for what, reason in reasons.items()]
