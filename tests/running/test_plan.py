"""What is known before the first model is loaded: every pass, every reason against one, and what nobody can have."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError, ModelError
from reportgen.running.plan import make_plan
from reportgen.running.planned import Plan, PlannedCase
from tests.tiny import save_tiny

LENS = {"probe": "logit_lens", "prompts": ["an apple"], "continue": 2}
HEADS = {"probe": "attention_grid", "prompts": ["an apple"], "heads": [[0, 0]]}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def without_bos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "without", bos=False)


def plan_for(models: Mapping[str, object], probes: Mapping[str, Any]) -> Plan:
    sources = {id: str(source) for id, source in models.items()}
    return make_plan(read_battery(json.dumps({"models": sources, "probes": probes})))


def case_of(plan: Plan, model: str, probe: str) -> PlannedCase:
    (case,) = (case for one in plan.models if one.id == model for case in one.cases if case.entry.id == probe)
    return case


def test_a_prompt_that_two_probes_ask_for_is_counted_once_with_the_longer_trace(tiny: Path) -> None:
    plan = plan_for({"m": tiny}, {"lens": LENS, "heads": HEADS})
    (lens,), (heads,) = (case_of(plan, "m", id).passes for id in ("lens", "heads"))
    assert lens.tokens == heads.tokens
    assert (lens.steps, heads.steps) == (2, 1)
    assert plan.models[0].prompts == 1
    assert plan.models[0].tokens == len(lens.tokens) + 1


def test_models_are_asked_in_their_own_tokens(tiny: Path, without_bos: Path) -> None:
    plan = plan_for({"m": tiny, "n": without_bos}, {"lens": LENS})
    with_bos, without = (case_of(plan, id, "lens").passes[0].tokens for id in ("m", "n"))
    assert with_bos == (0, *without)


def test_a_probe_is_asked_for_its_own_models_alone_and_a_model_of_nobody_is_left_out(tiny: Path) -> None:
    plan = plan_for(
        {"m": tiny, "n": tiny, "o": tiny}, {"lens": {**LENS, "models": ["m"]}, "heads": {**HEADS, "models": ["m", "n"]}}
    )
    assert [(one.id, [case.entry.id for case in one.cases]) for one in plan.models] == [
        ("m", ["lens", "heads"]),
        ("n", ["heads"]),
    ]


def test_a_pair_has_its_cases_and_each_of_its_models_its_half(tiny: Path, without_bos: Path) -> None:
    plan = plan_for(
        {"m": tiny, "n": without_bos},
        {"drift": {"probe": "drift", "base": "m", "other": "n", "prompts": ["an apple a day"]}},
    )
    (pair,) = plan.pairs
    assert [case.subject for case in pair.cases] == ["m..n"]
    assert [one.cases for one in plan.models] == [(), ()]
    halves = [one.cases[0] for one in pair.models]
    assert [half.models for half in halves] == [("m",), ("n",)]
    assert pair.cases[0].passes == halves[0].passes + halves[1].passes


def test_what_no_model_can_have_is_a_mistake_and_what_one_cannot_a_reason(tiny: Path, without_bos: Path) -> None:
    talking = {"probe": "logit_lens", "prompts": [{"messages": [{"role": "user", "content": "an apple"}]}]}
    with pytest.raises(BatteryError, match=r"probes\.talk: .*chat template"):
        plan_for({"m": tiny, "n": without_bos}, {"talk": talking, "lens": LENS})
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    chatting = save_tiny(tiny.parent / "chatting", chat_template=template)
    plan = plan_for({"m": tiny, "n": chatting}, {"talk": talking})
    assert "chat template" in case_of(plan, "m", "talk").skipped
    assert not case_of(plan, "n", "talk").skipped
    assert case_of(plan, "n", "talk").passes


def test_a_model_that_is_not_there_fails_and_the_others_are_planned(tiny: Path, tmp_path: Path) -> None:
    plan = plan_for({"gone": tmp_path / "gone", "m": tiny}, {"lens": LENS})
    gone, there = plan.models
    assert "gone" in gone.failed
    assert gone.readied is None
    assert not gone.cases[0].passes
    assert there.cases[0].passes


def test_a_battery_without_a_usable_model_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model a: (.*\n)+.*model b: "):
        plan_for({"a": tmp_path / "a", "b": tmp_path / "b"}, {"lens": LENS})


def test_sources_that_cannot_be_meant_are_told_all_at_once() -> None:
    with pytest.raises(BatteryError) as raised:
        plan_for({"a": "demo:nothing", "b": "demo:neither"}, {"lens": LENS})
    assert [str(mistake).partition(":")[0] for mistake in raised.value.mistakes] == ["models.a", "models.b"]


def test_a_plan_needs_no_torch(tiny: Path) -> None:
    written = json.dumps({"models": {"m": str(tiny)}, "probes": {"lens": LENS, "heads": HEADS}})
    program = (
        "import sys; from reportgen.battery.reader import read_battery; from reportgen.running.plan import make_plan;"
        "plan = make_plan(read_battery(sys.argv[1])); assert plan.models[0].prompts == 1;"
        "print(sorted({'torch', 'transformers', 'matplotlib', 'weasyprint'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program, written], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
