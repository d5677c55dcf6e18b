"""Models measured at the same time: the bytes of one run; a model whose process ends is a failed card."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reportgen.engines import local
from reportgen.engines.task import Task
from reportgen.errors import BatteryError, ModelError
from reportgen.probes import registry
from reportgen.processes import talking_child
from reportgen.processes.supervision import explain_end
from reportgen.results.bundle import load_bundle
from reportgen.running import memory
from reportgen.workflows.measuring import BatteryChoice
from reportgen.workflows.part_process import PartTask, read_task
from reportgen.workflows.report import run
from tests.third_party import bring_probe
from tests.tiny import save_tiny

LENS = "  lens: {probe: logit_lens, prompts: [an apple, 天氣], continue: 2}"
CENSUS = "  census: {probe: parameter_census}"
TEXTS = "[an apple a day, the apple of my eye]"
PAIR = f"  pair: {{probe: similarity_between_models, base: a, other: c, prompts: {TEXTS}, k: 1}}"
KILLED = "the process was ended by signal 9, perhaps because memory ran out"
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    families = {"a": "llama", "b": "gemma3", "c": "qwen2"}
    return {id: save_tiny(folder / f"tiny-{id}", family, seed=at) for at, (id, family) in enumerate(families.items())}


def write_battery(folder: Path, models: dict[str, Path], *probes: str) -> Path:
    lines = ["models:", *(f"  {id}: {source}" for id, source in models.items()), "probes:", *probes]
    file = folder / "battery.yaml"
    file.write_text("\n".join([*lines, "outputs: []", ""]))
    return file


@pytest.fixture
def write(tmp_path: Path, models: dict[str, Path]) -> Write:
    return lambda *probes: write_battery(tmp_path, models, *probes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> Path:
    """The bundle of one run in one process."""
    folder = tmp_path_factory.mktemp("whole")
    run(write_battery(folder, models, LENS, CENSUS, PAIR), folder / "whole", cache=False)
    return folder / "whole"


def read_numbers(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("results.json", "arrays.safetensors")]


def read_statuses(folder: Path) -> dict[str, str]:
    results = json.loads((folder / "results.json").read_text())["results"]
    return {f"{id} {subject}": one["status"] for id, by in results.items() for subject, one in by.items()}


@pytest.mark.parametrize(("jobs", "cache"), [(2, True), pytest.param(3, False, marks=pytest.mark.slow)])
def test_side_by_side_they_give_the_bytes_of_one_run(
    write: Write, whole: Path, tmp_path: Path, jobs: int, cache: bool
) -> None:
    battery = write(LENS, CENSUS, PAIR)
    told: list[str] = []
    beside = tmp_path / "beside"
    run(battery, beside, jobs=jobs, cache=cache, progress=told.append)
    assert read_numbers(beside) == read_numbers(whole)
    assert told[0] == f"3 probes on a, b, c, {jobs} at the same time"
    assert {f"{id} on {subject}: ok" for id in ("lens", "census") for subject in "abc"} | {"pair on a..c: ok"} <= {
        *told
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["battery.yaml", "beside"]
    if cache:  # what the processes found is there for the next run
        again = run(battery, tmp_path / "again", jobs=jobs)
        assert len(again.run["from_cache"]) == 7
        assert read_numbers(tmp_path / "again") == read_numbers(whole)


def test_a_model_whose_process_is_killed_is_a_failed_card_and_the_others_are_whole(
    write: Write, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = local.start_task

    def start_and_kill(task: Task) -> Any:
        one = started(task)
        if task.name == "b":
            os.kill(one.process.pid, signal.SIGKILL)
        return one

    monkeypatch.setattr(local, "start_task", start_and_kill)
    bundle = run(write(LENS, CENSUS), tmp_path / "killed", jobs=2, cache=False)
    assert bundle.failed
    assert bundle.models["b"].facts["failed"] == KILLED
    unharmed = load_bundle(whole).outcomes
    for id, by_subject in bundle.outcomes.items():
        assert list(by_subject) == ["a", "b", "c"]
        for subject, found in by_subject.items():
            if subject == "b":
                assert (found.status, found.reason, found.metrics, found.arrays) == ("failed", KILLED, {}, {})
            else:
                assert found.status == unharmed[id][subject].status == "ok"
                assert found.metrics == unharmed[id][subject].metrics
    assert "part" not in bundle.run


def test_where_every_process_ends_there_is_no_bundle(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = "import sys; sys.exit(7)"
    monkeypatch.setattr(talking_child, "open_child", lambda *args, **options: start_python(ends))
    with pytest.raises(ModelError, match=r"model a: the process ended without a message \(exit code 7\)"):
        run(write(LENS), tmp_path / "none", jobs=2, cache=False)
    assert not (tmp_path / "none").exists()


def start_python(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def bring(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(folder)
    registry._points.cache_clear()
    yield lambda name, how: bring_probe(folder, name, how)
    registry._points.cache_clear()
    for module in [module for module in sys.modules if module.startswith("third_party_")]:
        del sys.modules[module]


@pytest.mark.slow
def test_a_probe_that_ends_the_process_fails_alone(write: Write, bring: Callable[..., None], tmp_path: Path) -> None:
    bring("ends", "run: end")
    run(write(LENS, "  odd: {probe: ends, prompts: [an apple]}"), tmp_path / "beside", jobs=3, cache=False)
    statuses = read_statuses(tmp_path / "beside")
    assert statuses == {f"lens {id}": "ok" for id in "abc"} | {f"odd {id}": "failed" for id in "abc"}


def test_models_that_do_not_fit_together_are_refused_with_the_numbers(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"a": 5_000_000_000, "b": 2_000_000_000, "c": 4_000_000_000}
    monkeypatch.setattr(memory, "estimate_memory", lambda model: sizes[model.id])
    monkeypatch.setattr(memory, "read_free_memory", lambda: 9_500_000_000)
    told = r"--jobs 3: .* up to 11\.0 GB of memory \(a 5\.0, c 4\.0, b 2\.0\), and 9\.5 GB are free\n  --jobs 2 fits"
    with pytest.raises(BatteryError, match=told):
        run(write(LENS), tmp_path / "none", jobs=3, cache=False)
    monkeypatch.setattr(memory, "read_free_memory", lambda: 6_000_000_000)
    with pytest.raises(BatteryError, match="one after the other, without --jobs"):
        run(write(LENS), tmp_path / "none", jobs=2, cache=False)
    assert not (tmp_path / "none").exists()


def test_a_pair_takes_the_memory_of_both_but_of_one_interpreter(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.battery.reader import load_battery
    from reportgen.running.plan import make_plan

    monkeypatch.setattr(memory, "estimate_memory", lambda model: memory.INTERPRETER + ord(model.id))
    found = memory.estimate_pieces(make_plan(load_battery(write(LENS, PAIR))))
    assert found["a"] == memory.INTERPRETER + ord("a")
    assert found["a..c"] == memory.INTERPRETER + ord("a") + ord("c")


def test_free_memory_is_read_as_linux_tells_it(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:       16000 kB\nMemFree:  1 kB\nMemAvailable:    8000 kB\n")
    assert memory.read_free_memory(file) == 8000 * 1024
    file.write_text("MemTotal:       16000 kB\n")
    assert memory.read_free_memory(file) is None
    assert memory.read_free_memory(tmp_path / "nowhere") is None


def test_jobs_and_part_do_not_go_together(write: Write) -> None:
    with pytest.raises(BatteryError, match="do not go together"):
        run(write(LENS), jobs=2, part="1/2")


def test_a_task_arrives_as_it_was_told() -> None:
    task = PartTask(BatteryChoice(Path("b.yaml"), ("x",), "cpu", None, 3), "1/2", False)
    assert read_task(json.loads(json.dumps(task.dump()))) == task


@pytest.mark.parametrize(("code", "told"), [(-9, KILLED), (-11, "the process was ended by signal 11")])
def test_how_a_process_ended(code: int, told: str) -> None:
    assert explain_end(code) == told


HEARS_INTERRUPTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from reportgen.cli import main
main()
"""


def list_processes(of: str) -> list[int]:
    """Processes that measure a part, with this text in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if b"part_process" in (place / "cmdline").read_bytes() and of.encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_none_of_the_processes_outlives_the_run(
    write: Write, fresh_cache: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", HEARS_INTERRUPTS, "run", str(write(LENS, CENSUS)), "--jobs", "2", "--no-cache"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"CI": "1"}) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "on a: ok" in line or "on b: ok" in line or "on c: ok" in line:
                assert list_processes(str(fresh_cache))
                child.send_signal(number)
                break
        child.stderr.read()
    assert child.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    for _ in range(100):
        if not list_processes(str(fresh_cache)):
            break
        time.sleep(0.1)
    assert list_processes(str(fresh_cache)) == []
    if number == signal.SIGINT:
        assert sorted(p.name for p in tmp_path.iterdir()) == ["battery.yaml"]
