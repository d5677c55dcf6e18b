"""How long a probe may take where its battery does not say it: so long that only what hangs is ended."""

from reportgen.model.files.facts import ModelFacts
from reportgen.running.planned import PlannedCase

AT_LEAST = 1800.0
"""Seconds for anything: a machine that does much else, a disk far away."""
A_SECOND = 5e8
"""Multiplications that any machine does in a second; one core of today's does ten times as many."""
A_FURTHER_PASS = 512
"""Tokens of a pass that is chosen by the numbers of the first, whose prompt is not known yet."""


def choose_seconds(case: PlannedCase) -> float:
    """Seconds that a probe may take on a subject: its `timeout`, else by the tokens that are to pass and the model."""
    if case.entry.keys.timeout is not None:
        return case.entry.keys.timeout
    return AT_LEAST + count_multiplications(case) / A_SECOND


def count_multiplications(case: PlannedCase) -> int:
    """Multiplications that the passes of a case take, roughly: each of their tokens meets each weight once."""
    first = sum(len(single.tokens) + single.steps for single in case.passes)
    tokens = first + case.further * A_FURTHER_PASS
    return tokens * sum(estimate_weights(side.case.facts) for side in case.sides)


def estimate_weights(facts: ModelFacts) -> int:
    """Weights that a token passes, roughly: 12 d² a block (attention 4, MLP 8), and the unembedding."""
    width = facts.hidden_size or 0
    return 12 * width**2 * (facts.layers or 0) + width * (facts.vocabulary or 0)
