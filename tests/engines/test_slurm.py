"""An array job, with the executor of submitit that runs its jobs on this machine."""

import os
import signal
import sys
from pathlib import Path

import pytest
import submitit

from reportgen.engines import slurm
from reportgen.engines.task import Demand, EngineFailed, Task
from reportgen.errors import BatteryError
from reportgen.workflows.report import run
from tests.engines.conftest import CENSUS, LENS, Write, find_processes, read_numbers


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "open_executor", lambda logs: submitit.AutoExecutor(folder=logs, cluster="local"))


@pytest.mark.slow
def test_jobs_give_the_bytes_of_one_run(here: None, write: Write, tmp_path: Path) -> None:
    battery = write(LENS, CENSUS)
    told: list[str] = []
    run(battery, tmp_path / "jobs", engine="slurm", slurm=["time=30", "partition=x"], cache=False, progress=told.append)
    run(battery, tmp_path / "local", cache=False)
    assert read_numbers(tmp_path / "jobs") == read_numbers(tmp_path / "local")
    assert told[0] == "2 probes on a, b, c, as an array job of Slurm"
    assert {f"lens on {id}: ok" for id in "abc"} <= {*told}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["battery.yaml", "jobs", "local"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_a_job_that_is_killed_is_a_failed_card_with_the_last_line_of_its_log(
    here: None, write: Write, tmp_path: Path, fresh_cache: Path
) -> None:
    told: list[str] = []

    def kill_first(line: str) -> None:
        told.append(line)
        if "loaded and proven" in line and not any("loaded" in earlier for earlier in told[:-1]):
            parts = find_processes("part_process", fresh_cache)
            os.kill(parts[next(id for id, parent in parts.items() if parent not in parts)], signal.SIGKILL)

    bundle = run(write(LENS), tmp_path / "jobs", engine="slurm", cache=False, progress=kill_first)
    failed = [one for one in bundle["lens"].values() if one.status == "failed"]
    assert len(failed) == 1
    assert failed[0].reason.startswith("its job ")
    assert failed[0].reason.endswith("Loading pickle file") or "submitit" in failed[0].reason
    assert any((tmp_path / "jobs-slurm").iterdir())


def test_what_is_asked_of_slurm() -> None:
    assert slurm.read_settings(["partition=gpu", "time=90"]) == {"partition": "gpu", "time": 90}
    with pytest.raises(BatteryError, match="'colour=red' is not KEY=VALUE"):
        slurm.read_settings(["colour=red"])
    with pytest.raises(BatteryError, match="write memory in whole GB"):
        slurm.read_settings(["memory=1.5"])


def test_one_request_covers_the_largest_task(tmp_path: Path) -> None:
    def make(name: str, demand: Demand) -> Task:
        return Task(name, "m", {}, tmp_path, demand, {}, tmp_path)

    engine = slurm.SlurmEngine({"at_once": 3, "qos": "low"}, tmp_path)
    asked = engine._ask_for([make("a", Demand(8, 0, 1_000_000_000)), make("b", Demand(2, 1, 7_000_000_000))])
    assert (asked["cpus_per_task"], asked["gpus_per_node"], asked["mem_gb"]) == (8, 1, 9)
    assert (asked["slurm_array_parallelism"], asked["slurm_qos"]) == (3, "low")


def test_without_its_commands_slurm_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineFailed, match="no sbatch on this machine"):
        slurm.open_executor(tmp_path)
