import json
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen.battery.reader import read_battery
from reportgen.running.memory import estimate_memory
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.plan import make_plan
from reportgen.running.planned import PlannedModel

MEASURED = """
import sys
from reportgen.battery.reader import read_battery
from reportgen.running.execute import execute
from reportgen.running.plan import make_plan
execute(make_plan(read_battery(sys.argv[1])))
peak, = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""
LENS = {"probe": "logit_lens", "prompts": ["The capital of France is"], "continue": 3}
LONG = {"probe": "attention_grid", "prompts": ["The apple is green. " * 160]}
GIGABYTE = 10**9


def plan_model(source: str, probes: dict[str, object], **model: str) -> tuple[str, PlannedModel]:
    written = json.dumps({"models": {"m": {"source": source, **model}}, "probes": probes})
    (only,) = make_plan(read_battery(written), cache=OutcomeCache()).models
    return written, only


@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
@pytest.mark.parametrize(
    ("probe", "dtype"),
    [
        (LENS, "auto"),
        pytest.param(LONG, "auto", marks=pytest.mark.slow),
        pytest.param(LENS, "bfloat16", marks=pytest.mark.slow),
    ],
    ids=["lens", "long prompt", "narrower than its file"],
)
def test_the_estimate_is_near_the_peak_and_the_peak_near_the_weights(
    smollm2_folder: Path, probe: object, dtype: str
) -> None:
    written, model = plan_model("demo:smollm2-135m-instruct", {"p": probe}, dtype=dtype)
    program = [sys.executable, "-c", MEASURED, written]
    ran = subprocess.run(program, capture_output=True, text=True, check=True)
    peak, weights = int(ran.stdout), 4 * 134_515_008
    assert 0.75 * peak <= estimate_memory(model) <= 1.6 * peak
    assert peak <= weights + 1.0 * GIGABYTE


def test_weights_that_are_converted_take_room_twice_while_they_load(smollm2_folder: Path) -> None:
    own, narrow, quantised = (
        estimate_memory(plan_model("demo:smollm2-135m-instruct", {"p": LENS}, dtype=dtype)[1])
        for dtype in ("float32", "bfloat16", "int8")
    )
    assert narrow - own == 2 * 134_515_008
    assert quantised - own == 134_515_008


def test_a_shape_alone_takes_no_weights(smollm2_folder: Path) -> None:
    _, shape = plan_model(f"config:{smollm2_folder / 'config.json'}", {"p": {"probe": "parameter_census"}})
    assert estimate_memory(shape) < 0.5 * GIGABYTE
