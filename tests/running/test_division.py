"""A plan divided into parts: every case once, the same on every machine, the parts of about the same size."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reportgen.battery.fingerprint import fingerprint_of
from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.running import division
from reportgen.running.division import divide_plan, estimate_work
from reportgen.running.execute import execute
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.plan import make_plan, make_plan_afresh
from reportgen.running.planned import Plan
from tests.tiny import save_tiny

LENS = {"probe": "logit_lens", "prompts": ["an apple"]}
DRIFT = {"probe": "drift", "base": "a", "other": "b", "prompts": ["an apple a day", "I ate an apple"]}
MakePlan = Callable[..., Plan]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def plan_for(tiny: Path) -> MakePlan:
    def make(probes: Mapping[str, Any], cache: OutcomeCache | None = None) -> Plan:
        models = {id: str(tiny) for id in "abc"}
        return make_plan(read_battery(json.dumps({"models": models, "probes": probes})), cache=cache)

    return make


def test_work_is_tokens_times_weights_and_the_weights_once(plan_for: MakePlan) -> None:
    work = estimate_work(plan_for({"lens": LENS, "drift": DRIFT}))
    width, layers, rows, tokens = 24, 3, 320, 5  # of tests.tiny: <bos>, "an", " ", "app", "le" or alike
    weights = 12 * width**2 * layers + width * rows
    assert list(work) == ["a", "b", "c", "a..b"]
    passed = (work["a"] - 1) / weights - 1
    case = plan_for({"lens": LENS}).cases[0]
    assert passed == len(case.passes[0].tokens) + case.passes[0].steps
    assert passed <= tokens + 1
    assert work["a..b"] > 2 * weights


def test_the_largest_go_first_each_to_the_part_with_the_least(
    plan_for: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_for({"lens": LENS})
    monkeypatch.setattr(division, "estimate_work", lambda plan: {"a": 3, "b": 2, "c": 2, "a..b": 3, "d": 2})
    # 3 | 3, then 2 | 2, then the last 2: by hand
    assert divide_plan(plan, 2) == (("a", "b", "d"), ("c", "a..b"))
    monkeypatch.setattr(division, "estimate_work", lambda plan: {"a": 2, "b": 2, "c": 9, "d": 2})
    assert divide_plan(plan, 2) == (("c",), ("a", "b", "d"))


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_every_subject_is_in_one_part_and_none_is_empty(plan_for: MakePlan, parts: int) -> None:
    plan = plan_for({"lens": LENS, "drift": DRIFT})
    split = divide_plan(plan, parts)
    assert len(split) == parts
    assert all(split)
    assert sorted(subject for part in split for subject in part) == sorted(plan.subjects)


def test_more_parts_than_pieces_are_refused(plan_for: MakePlan) -> None:
    with pytest.raises(BatteryError, match=r"5 parts, but the work is 4 pieces \(a, b, c, a\.\.b\)"):
        divide_plan(plan_for({"lens": LENS, "drift": DRIFT}), 5)


def test_what_a_machine_has_in_its_cache_changes_no_division(plan_for: MakePlan) -> None:
    many = {**LENS, "prompts": ["an apple a day", "the apple of my eye", "I ate an apple"], "models": ["a"]}
    probes = {"many": many, "lens": LENS}
    before = divide_plan(plan_for(probes), 2)
    assert before == (("a",), ("b", "c"))
    cache = OutcomeCache()
    execute(plan_for(probes).narrow_to(["a"]), cache=cache)
    kept = plan_for(probes, cache)
    assert divide_plan(kept, 2) != before
    assert divide_plan(make_plan_afresh(kept), 2) == before


def test_a_fingerprint_is_of_what_is_measured(tiny: Path) -> None:
    written: dict[str, Any] = {"title": "t", "models": {"a": str(tiny)}, "probes": {"lens": LENS}}

    def fingerprint(**changed: Any) -> str:
        return fingerprint_of(read_battery(json.dumps(written | changed)))

    known = fingerprint()
    assert fingerprint(theme="dark", outputs=[]) == known
    assert fingerprint(title="u") != known
    assert fingerprint(probes={"lens": LENS | {"continue": 2}}) != known
    assert fingerprint(models={"a": {"source": str(tiny), "dtype": "bfloat16"}}) != known
    assert fingerprint(batch=2) != known
