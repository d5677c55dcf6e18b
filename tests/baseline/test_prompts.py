"""What the prompts behind a metric say beside the tolerance's verdict."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from reportgen.baseline.compare import Comparison, compare
from reportgen.baseline.judgements import describe_morning
from reportgen.baseline.prompts import PromptsChange
from reportgen.baseline.record import record
from reportgen.baseline.tolerance import ToleranceEntry
from reportgen.baseline.verdict import Verdict
from reportgen.ci.annotations import write_annotations
from reportgen.ci.junit import write_junit
from reportgen.ci.markdown import write_markdown
from reportgen.probes.registry import find
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Metric, Outcome, Table
from reportgen.results.section import ModelCard

VERSION = find("right_answer").version


def asked(right: Sequence[float], column: str = "is_right", metric: str = "accuracy", **changed: Any) -> Bundle:
    """A night of a probe whose accuracy is the mean over these prompts."""
    cells = [bool(one) for one in right] if column == "is_right" else [float(one) for one in right]
    rows = [[at, f"q{at}", cell] for at, cell in enumerate(cells)]
    known: dict[str, Any] = {
        "metrics": {metric: Metric(float(np.mean(right)), "share", "higher")},
        "tables": {"answers": Table(("prompt", "asked", column), rows)},
    }
    outcome = Outcome("right_answer", VERSION, {}, ("m",), "ok", **known | changed)
    return Bundle(None, "Night", {"m": ModelCard("m", "Model", "Llama", 2)}, {"quiz": {"m": outcome}}, {})


def compare_nights(before: Bundle, after: Bundle, **tolerance: Any) -> Comparison:
    return compare(before, after, {"quiz.m.accuracy": ToleranceEntry(**tolerance)} if tolerance else {}, {})


def find_prompts(comparison: Comparison) -> PromptsChange | None:
    (found,) = (one.change for one in comparison.judgements if one.change is not None and one.change.kind == "metric")
    return found.prompts


def turn(right: Sequence[int], *places: int) -> list[int]:
    return [1 - one if at in places else one for at, one in enumerate(right)]


TWENTY = [1] * 14 + [0] * 6


def test_prompts_that_moved_are_named_and_so_few_show_no_change() -> None:
    found = compare_nights(asked(TWENTY), asked(turn(TWENTY, 1, 4, 19)))
    told = find_prompts(found)
    assert told is not None
    assert told.judged == "open"
    assert told.told == (
        "3 of 20 prompts moved beyond the tolerance (“q1” 1 → 0, “q4” 1 → 0, “q19” 0 → 1), mean difference −0.050, "
        "95 % interval −0.20 to +0.10, p 1.0: the prompts show neither a change nor that there is none"
    )
    assert found.exit_code == 4  # the verdict is the tolerance's all the same


def test_where_most_prompts_moved_one_way_they_show_a_change() -> None:
    told = find_prompts(compare_nights(asked([1] * 10), asked([0] * 8 + [1] * 2)))
    assert told is not None
    assert told.judged == "differ"
    assert told.told.endswith("p 0.0078: the prompts show a change")
    assert "8 of 10 prompts moved beyond the tolerance (“q0” 1 → 0, " in told.told
    assert ", 5 more)" in told.told


def flip_signs(differences: Sequence[float]) -> float:
    """By the definition: the share of all ways to flip signs whose sum is at least as far from 0."""
    reached = [
        abs(sum(map(float.__mul__, signs, differences))) for signs in product((1.0, -1.0), repeat=len(differences))
    ]
    return sum(one >= abs(sum(differences)) - 1e-12 for one in reached) / len(reached)


def test_the_same_prompts_are_pairs() -> None:
    """Two samples that are not paired would hardly tell these apart: the prompts differ far more than the nights."""
    before = np.array([0.1, 0.9, 0.3, 0.7, 0.5, 0.2, 0.8, 0.4])
    after = before - np.array([0.03, 0.02, 0.04, 0.03, 0.02, 0.05, 0.01, 0.03])
    nights = [asked(one, "probability", "right_probability") for one in (before, after)]
    told = find_prompts(compare(nights[0], nights[1], {}, {}))
    assert told is not None
    assert told.difference.p == pytest.approx(flip_signs(list(after - before)))
    assert told.difference.mean == pytest.approx(float(after.mean() - before.mean()))
    assert told.judged == "differ"


def test_no_change_is_an_interval_within_the_tolerance_and_never_a_large_p() -> None:
    flat = np.full(30, 0.5)
    noise = np.where(np.arange(30) % 2, 0.004, -0.004)
    nights = [asked(one, "probability", "right_probability") for one in (flat, flat + noise)]
    path = "quiz.m.right_probability"
    quiet = compare(*nights, {path: ToleranceEntry(abs=0.003, rel=0.0)}, {})
    told = find_prompts(quiet)  # the mean is the same, and each prompt moved
    assert told is not None
    assert (told.judged, len(told.moved)) == ("same", 30)
    assert told.told.endswith("the prompts show no change beyond 0.0030, the tolerance")
    tight = find_prompts(compare(*nights, {path: ToleranceEntry(abs=0.0001, rel=0.0)}, {}))
    assert tight is not None
    assert tight.difference.p > 0.05
    assert tight.judged == "open"


def test_fewer_than_five_prompts_cannot_tell() -> None:
    told = find_prompts(compare_nights(asked([1, 1, 0, 0]), asked([0, 1, 0, 0])))
    assert told is not None
    assert told.told == (
        "1 of 4 prompts moved beyond the tolerance (“q0” 1 → 0), mean difference −0.25: fewer than 5 prompts cannot "
        "tell whether others would move"
    )


def test_nothing_is_said_where_no_prompt_moved_or_nobody_looks() -> None:
    assert find_prompts(compare_nights(asked(TWENTY), asked(TWENTY))) is None
    nights = [asked(one, "probability", "right_probability") for one in (np.full(6, 0.5), np.full(6, 0.50001))]
    assert find_prompts(compare(nights[0], nights[1], {}, {})) is None


def test_prompts_that_turned_both_ways_are_told_though_their_mean_stayed() -> None:
    found = compare_nights(asked(TWENTY), asked(turn(TWENTY, 0, 19)))
    told = find_prompts(found)
    assert told is not None
    assert [one.name for one in told.moved] == ["q0", "q19"]
    assert {one.verdict for one in found.judgements if one.change and one.change.kind == "metric"} == {Verdict.SAME}


def test_of_a_probe_of_another_version_nothing_is_known_of_its_prompts() -> None:
    nights = [
        asked(right, metrics={"accuracy": Metric(value)}) for right, value in ((TWENTY, 0.7), (TWENTY[::-1], 0.3))
    ]
    for night in nights:
        object.__setattr__(night.outcomes["quiz"]["m"], "version", VERSION + 1)
    assert find_prompts(compare(nights[0], nights[1], {}, {})) is None


def test_every_text_says_it() -> None:
    found = compare_nights(asked(TWENTY), asked(turn(TWENTY, 1, 4)))
    begins = "2 of 20 prompts moved beyond the tolerance (“q1” 1 → 0, “q4” 1 → 0), mean difference −0.10, 95 % interval"
    lines = describe_morning(found)
    at = next(number for number, line in enumerate(lines) if line.startswith("  quiz.m.accuracy: worse"))
    assert lines[at + 1].startswith(f"    {begins}")
    assert begins in write_junit(found)
    assert begins in write_markdown(found)
    assert any(begins.replace("%", "%25") in line for line in write_annotations(found))
    changes = {one["name"]: one for one in record(found)["compared"][0]["changes"]}
    told = changes["accuracy"]["prompts"]
    assert (told["count"], told["judged"], told["mean"]) == (20, "open", pytest.approx(-0.1))
    assert told["moved"] == [{"name": "q1", "before": 1.0, "after": 0.0}, {"name": "q4", "before": 1.0, "after": 0.0}]
