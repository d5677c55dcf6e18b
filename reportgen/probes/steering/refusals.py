"""The answers to requests, judged: how many refuse, in the model as it is and steered.

What is written after a harmful request is read by the judge, where it is decoded, and goes nowhere else.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.model.needs import Edit, Pass, PassResult
from reportgen.numerics.confidence import wilson_95
from reportgen.probes.steering.setting import AskedPrompt, Kind, Setting
from reportgen.probing.steering_score import text_of_prompt
from reportgen.results.quantities import Rows
from reportgen.text.refusals import is_refusal, refusal_substrings


@dataclass(frozen=True)
class JudgedAnswers:
    """The answers to one request: unsteered, steered, and with each random direction."""

    kind: Kind
    request: str
    refused: Sequence[bool]
    texts: Sequence[str]
    """Empty after a harmful request."""


def judge_answers(
    setting: Setting, unsteered: Sequence[PassResult], edits: Mapping[Kind, Sequence[tuple[Edit, ...]]], together: int
) -> Generator[Sequence[Pass], Sequence[PassResult], list[JudgedAnswers]]:
    """Every request's answers.

    Args:
        setting: the requests, and how many tokens an answer has.
        unsteered: what the first passes gave of each request.
        edits: for each kind of request, what steering does, and what each random direction does in its place.
        together: requests that pass at once.
    """
    judged: list[JudgedAnswers] = []
    for start in range(0, len(setting.asked), together):
        some = setting.asked[start : start + together]
        steered = yield [setting.answer_pass(one, change) for one in some for change in edits[one.kind]]
        for at, one in enumerate(some):
            ways = len(edits[one.kind])
            of_one = steered[at * ways : (at + 1) * ways]
            judged.append(_judge(setting, one, [unsteered[start + at], *of_one]))
    return judged


def _judge(setting: Setting, one: AskedPrompt, captured: Sequence[PassResult]) -> JudgedAnswers:
    texts = [setting.case.tokenizer.decode(single.tokens[single.prompt_length :]) for single in captured]
    refused = [is_refusal(text) for text in texts]
    return JudgedAnswers(one.kind, text_of_prompt(one.prompt), refused, texts if one.kind == "harmless" else ())


def list_refusals(judged: Sequence[JudgedAnswers]) -> dict[str, Any]:
    """The fields of the findings that are about refusals: their shares, what they are of, and the judge's list."""
    refused: list[Any] = []
    shares: dict[str, float] = {}
    rows: Rows = []
    for kind in ("harmful", "harmless") if judged else ():
        # (direction x request)
        of_kind = np.array([one.refused for one in judged if one.kind == kind], dtype=np.float64).T
        refused.append(of_kind)
        for name, answers in (("unsteered", of_kind[:1]), ("steered", of_kind[1:2]), ("random", of_kind[2:])):
            ways, requests = answers.shape
            hits = int(answers.sum())
            bounds = wilson_95(hits / ways, requests)
            rows.append([kind, name, hits, answers.size, hits / answers.size, *bounds])
            shares[f"{kind}_refused" + ("" if name == "unsteered" else f"_{name}")] = hits / answers.size
    shown = [one for one in judged if one.kind == "harmless"]
    return {
        "refused": refused,
        "refusals": rows,
        "answers": [[number, one.request, *one.texts[:3]] for number, one in enumerate(shown)],
        "judge": [[one] for one in refusal_substrings()] if judged else [],
        **shares,
    }
