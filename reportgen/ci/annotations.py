"""A comparison as the workflow commands that GitHub Actions turns into annotations of a run."""

from collections.abc import Sequence

from reportgen.baseline.compare import Comparison, Judgement
from reportgen.baseline.judgements import count_verdicts, shorten_text
from reportgen.baseline.verdict import Verdict
from reportgen.ci.failure import Failure
from reportgen.numerals import write_count

MOST = 10
"""Annotations of one kind that GitHub shows of a step; the others vanish without a word."""


def write_annotations(comparison: Comparison) -> list[str]:
    """Lines for stdout: errors for what failed or drifted, warnings for what is not comparable, both gated only.

    At most 10 of a kind, of which the last then says how many more there are.
    """
    deciding = [one for one in comparison.judgements if one.decides]
    errors = [one for one in deciding if one.verdict is not Verdict.NOT_COMPARABLE]
    warnings = [one for one in deciding if one.verdict is Verdict.NOT_COMPARABLE]
    return [*_commands("error", errors), *_commands("warning", warnings)]


def annotation_of_failure(failure: Failure) -> str:
    """The line for stdout where a command failed: an error, and why."""
    return write_command("error", failure.heading, failure.reason)


def _commands(command: str, judged: Sequence[Judgement]) -> list[str]:
    if len(judged) <= MOST:
        return [_annotation(command, one) for one in judged]
    left = judged[MOST - 1 :]
    more = write_command(command, f"and {write_count(len(left))} more", count_verdicts(left))
    return [*(_annotation(command, one) for one in judged[: MOST - 1]), more]


def _annotation(command: str, judgement: Judgement) -> str:
    allowed = f" ({judgement.allowed} allowed)" if judgement.allowed else ""
    prompts = f"; {judgement.prompts}" if judgement.prompts else ""
    return write_command(command, f"{judgement.path}: {judgement.verdict}", f"{judgement.told}{allowed}{prompts}")


def write_command(command: str, title: str, message: str) -> str:
    """One workflow command, its texts escaped."""
    escaped = _data(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{command} title={escaped}::{_data(message)}"


def _data(text: str) -> str:
    """A text as a workflow command takes it; the percent sign first, which the others are written with."""
    return shorten_text(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
