from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reportgen.running.memory import estimate_memory
from reportgen.running.plan import make_plan
from tests.tiny import save_tiny

DRIFT = "  moved: {probe: drift, base: a, other: moved, prompts: [an apple a day, my eye]}"


@pytest.fixture
def models(tiny_models: dict[str, Path], tmp_path: Path) -> dict[str, object]:
    return {**tiny_models, "moved": save_tiny(tmp_path / "moved", seed=3)}


def test_a_pair_is_counted_after_the_models_alone(
    reportgen: Callable[..., Any], write_battery: Callable[..., Path], models: dict[str, object]
) -> None:
    lens = "  lens: {probe: logit_lens, prompts: [an apple], models: [a]}"
    unlike = "  unlike: {probe: drift, base: a, other: b, prompts: [an apple a day]}"
    battery = write_battery(lens, DRIFT, unlike, models=models)
    lines = reportgen("plan", battery).out.splitlines()
    assert lines[2:] == [
        "b: tiny-gemma, only in a pair",
        "moved: moved, only in a pair",
        *lines[4:6],
        "a..b: nothing to run",
        "  unlike (drift): skipped: they cannot be compared: they split prompt 0 into different tokens",
    ]
    assert lines[0].startswith("a: tiny-llama, 1 prompt, ")
    assert lines[4].startswith("a..moved: 2 prompts, ")
    assert " tokens to pass each of the two; takes about " in lines[4]
    assert lines[5] == "  moved (drift): 2 prompts"
    assert reportgen("run", battery).code == 0
    assert reportgen("plan", battery).out.splitlines()[4:6] == [
        "a..moved: nothing to run: everything is in the cache",
        "  moved (drift): in the cache",
    ]


def test_a_pair_without_one_of_its_models_says_so(
    reportgen: Callable[..., Any], write_battery: Callable[..., Path], models: dict[str, object], tmp_path: Path
) -> None:
    ended = reportgen("plan", write_battery(DRIFT, models={**models, "moved": tmp_path / "nowhere"}))
    assert ended.code == 0
    assert ended.out.splitlines()[-2:] == ["a..moved: cannot be run without moved", "  moved (drift): cannot be run"]


def test_the_memory_of_a_pair_is_that_of_both(smollm2_folder: Path) -> None:
    from reportgen.battery.reader import read_battery

    probes = "{d: {probe: drift, base: a, other: b, prompts: [The capital of France]}}"
    text = f"models: {{a: {smollm2_folder}, b: {{source: {smollm2_folder}, dtype: bfloat16}}}}\nprobes: {probes}"
    (pair,) = make_plan(read_battery(text)).pairs
    base, other = map(estimate_memory, pair.models)
    assert other - base == 2 * 134_515_008, "narrower than its file, and there in both forms while it loads"
    assert pair.models[0].tokens == pair.models[1].tokens > 0
