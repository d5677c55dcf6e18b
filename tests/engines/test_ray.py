"""A Ray cluster: the bytes of a run on this machine, whatever is lost on the way."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reportgen.engines.task import EngineFailed
from reportgen.errors import BatteryError
from reportgen.workflows import side_by_side
from reportgen.workflows.report import run
from tests.engines.conftest import CENSUS, LENS, Write, find_processes, read_numbers
from tests.tiny import save_tiny

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")

HOLDS_CLUSTER = """
import sys, time
import ray
ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False, configure_logging=False,
         _temp_dir=sys.argv[1])
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def hold_cluster() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address of a cluster of three CPUs, and the process that it ends with."""
    folder = tempfile.mkdtemp(prefix="ray-")
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS_CLUSTER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True, env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip(), child
    finally:
        child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            child.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a cluster is entered with: not the user's own."""
    file = tmp_path_factory.mktemp("ray") / "token"
    file.write_text("0" * 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
        yield


@pytest.fixture(scope="module")
def cluster(token: None) -> Iterator[str]:
    with hold_cluster() as (address, _):
        yield address


@pytest.mark.parametrize("only", ["a", pytest.param("abc", marks=pytest.mark.slow)])
def test_a_worker_is_killed_and_the_report_is_whole(
    cluster: str, write: Write, tmp_path: Path, fresh_cache: Path, only: str
) -> None:
    battery = write(LENS, CENSUS, only=only)
    told: list[str] = []

    def kill_first(line: str) -> None:
        told.append(line)
        if len(told) == 2:  # one is at work: the worker of one of them is killed, and with it the process it waits for
            parts = find_processes("part_process", fresh_cache)
            outer = next(id for id, parent in parts.items() if parent not in parts)
            os.kill(parts[outer], signal.SIGKILL)

    run(battery, tmp_path / "ray", engine="ray", address=cluster, cache=False, progress=kill_first)
    assert told[0] == f"2 probes on {', '.join(only)}, on the Ray cluster {cluster}"
    lost = [line for line in told if "its worker was lost; started again" in line]
    assert len(lost) == 1
    assert {f"lens on {id}: ok" for id in only} <= {*told}
    run(battery, tmp_path / "local", cache=False)
    assert read_numbers(tmp_path / "ray") == read_numbers(tmp_path / "local")
    assert find_processes("part_process", fresh_cache) == {}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["battery.yaml", "local", "ray"]


def test_what_no_node_has_is_refused_at_once(cluster: str, write: Write, tmp_path: Path) -> None:
    wanted = (
        r"a takes 64 CPUs, 0 GPUs and 0\.\d GB of memory, and no node .*\n  the largest node has 3 CPUs, 0 GPUs and"
    )
    with pytest.raises(BatteryError, match=wanted):
        run(write(CENSUS), tmp_path / "none", engine="ray", address=cluster, threads=64)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_workers_with_another_cache_send_their_numbers_all_the_same(
    cluster: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    battery = write(LENS, CENSUS)
    run(write(LENS, CENSUS, only="a"), tmp_path / "before")  # one of them is known here, and not there
    battery = write(LENS, CENSUS)
    elsewhere = {"REPORTGEN_CACHE": str(tmp_path / "elsewhere")}
    monkeypatch.setattr(side_by_side, "list_variables", lambda: elsewhere)
    bundle = run(battery, tmp_path / "ray", engine="ray", address=cluster)
    assert bundle.run["from_cache"] == []
    run(battery, tmp_path / "local", cache=False)
    assert read_numbers(tmp_path / "ray") == read_numbers(tmp_path / "local")


@pytest.mark.slow
def test_a_battery_that_a_worker_does_not_see_fails_with_that_reason(
    cluster: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = side_by_side._make_task
    missing = tmp_path / "elsewhere.yaml"
    monkeypatch.setattr(
        side_by_side,
        "_make_task",
        lambda name, *of: made(name, *of) if name != "b" else made(name, *of).__class__(
            **{**vars(made(name, *of)), "needs": (missing,)}
        ),
    )  # fmt: skip
    told: list[str] = []
    bundle = run(write(CENSUS), tmp_path / "ray", engine="ray", address=cluster, cache=False, progress=told.append)
    assert bundle.failed
    assert f"b: {missing} is not there on {platform.node()}" in told
    assert bundle["census"]["b"].reason.startswith("its files are not there on the node")
    assert bundle["census"]["a"].status == bundle["census"]["c"].status == "ok"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_matrix_on_three_workers_has_the_bytes_of_a_local_run(cluster: str, tmp_path: Path) -> None:
    for step in range(12):
        save_tiny(tmp_path / "ckpt" / f"step-{step:02}", "llama", seed=step)
    battery = tmp_path / "battery.yaml"
    battery.write_text(
        "matrix:\n  models: {run: {source: ckpt/step-*}}\n  dtype: [float32, bfloat16]\n"
        f"probes:\n{LENS}\n{CENSUS}\noutputs: []\n"
    )
    bundle = run(battery, tmp_path / "ray", engine="ray", address=cluster, cache=False)
    assert len(bundle.models) == 24
    assert not bundle.failed
    run(battery, tmp_path / "local", cache=False)
    assert read_numbers(tmp_path / "ray") == read_numbers(tmp_path / "local")


@pytest.mark.slow
def test_where_the_head_is_lost_what_was_finished_is_kept(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    battery = write(LENS, CENSUS)
    with hold_cluster() as (address, holder):

        def kill_head(line: str) -> None:
            if line.startswith("lens on") and line.endswith("ok"):
                with suppress(ProcessLookupError):
                    os.killpg(holder.pid, signal.SIGKILL)

        with pytest.raises(EngineFailed, match=r"the cluster was lost .*\n  what was finished is in the cache"):
            run(battery, tmp_path / "ray", engine="ray", address=address, progress=kill_head)
    assert not (tmp_path / "ray").exists()
    assert run(battery, tmp_path / "again").run["from_cache"]


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match=r"on the Ray cluster 127\.0\.0\.1:1: it cannot be reached"):
        run(write(CENSUS), tmp_path / "none", engine="ray", address="127.0.0.1:1", cache=False)


HEARS_INTERRUPTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from reportgen.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_a_cluster_of_our_own_outlives_the_run(
    write: Write, fresh_cache: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", HEARS_INTERRUPTS, "run", str(write(LENS, CENSUS)), "--engine", "ray", "--no-cache"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"CI": "1"}) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "loaded and proven" in line:
                assert find_processes("raylet", fresh_cache)
                child.send_signal(number)
                break
        child.stderr.read()
    assert child.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    # Agents of Ray's own try for a minute to tell a head that is gone of a raylet that is.
    assert wait_until(lambda: not find_processes("", fresh_cache), 120)
    if number == signal.SIGINT:
        assert sorted(p.name for p in tmp_path.iterdir()) == ["battery.yaml"]


def wait_until(true: Callable[[], bool], seconds: int = 30) -> bool:
    for _ in range(10 * seconds):
        if true():
            return True
        time.sleep(0.1)
    return False
