"""kill -9 at a random moment: what was there stays whole, what was finished is not measured again, and the next run has
every byte that a run has which nobody kills.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from reportgen import load
from reportgen.cli import run_command
from tests.failures.forked_runs import CAREFUL, Asked
from tests.tiny import save_tiny

PROBES = {
    "census": {"probe": "parameter_census"},
    "lens": {"probe": "logit_lens", "prompts": ["an apple", "a day"], "continue": 3},
    "heads": {"probe": "attention_grid", "prompts": ["an apple"]},
    "map": {"probe": "pca_map", "prompts": ["an apple", "a day", "my eye"]},
}
NUMBERS = ("results.json", "arrays.safetensors")


@pytest.fixture(scope="module")
def battery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("battery")
    families = {"a": "llama", "b": "gemma3"}
    # Threads are written out: some runs are made in this process, others in processes of another environment.
    models = {id: {"source": str(save_tiny(folder / id, family)), "threads": 1} for id, family in families.items()}
    file = folder / "battery.yaml"
    file.write_text(json.dumps({"title": "Tiny", "models": models, "probes": PROBES, "outputs": []}))
    return file


def run_forked(how: str, runs: Iterable[Asked], folder: Path, environment: dict[str, str]) -> list[Any]:
    """What became of runs in processes that share their imports."""
    told, found = folder / "told.json", folder / "found.json"
    told.write_text(json.dumps({"how": how, "runs": [asdict(one) for one in runs]}))
    program = [sys.executable, "-m", "tests.failures.forked_runs", str(told), str(found)]
    ended = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr
    answers: list[Any] = json.loads(found.read_text())
    return answers


def list_finished(log: Path) -> set[str]:
    """The pieces of work that a run has told of: "probe model"."""
    lines = log.read_text().splitlines() if log.exists() else []
    return {line.removesuffix(": ok").replace(" on ", " ") for line in lines if line.endswith(": ok")}


def read_numbers(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in NUMBERS]


def ask_for_runs(battery: Path, folder: Path, cache: Path, seed: int, formats: Sequence[str]) -> Asked:
    """A run with a cache and a place of its own."""
    place = folder / cache.name
    place.mkdir()
    return Asked(str(battery), str(place / "out"), str(cache), str(folder / f"{cache.name}.log"), seed, formats)


@pytest.mark.parametrize(
    ("count", "formats"), [(2, []), pytest.param(20, ["--format", "html"], marks=pytest.mark.slow)]
)
def test_a_run_killed_at_random_moments_is_completed_by_the_next(
    battery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caches: Callable[[str], Path],
    count: int, formats: list[str],
) -> None:  # fmt: skip
    old = tmp_path / "old"
    assert run_command(["run", str(battery), "-o", str(old), "--only", "census", "--quiet"]) == 0
    seeds = [random.SystemRandom().randrange(10**9) for _ in range(count)]
    whole = ask_for_runs(battery, tmp_path, caches("whole"), 0, formats)
    killed = [ask_for_runs(battery, tmp_path, caches(f"of-{seed}"), seed, formats) for seed in seeds]
    for one in killed[1::2]:  # an earlier bundle lies there
        shutil.copytree(old, one.output)
    found = run_forked("kill", [whole, *killed], tmp_path, os.environ | CAREFUL)
    numbers, earlier = read_numbers(Path(whole.output)), read_numbers(old)
    for at, (asked, how) in enumerate(zip(killed, found, strict=True)):
        told = f"seed {asked.seed}, killed after {how['moment']:.3f} s"  # with it the moment can be tried again
        monkeypatch.setenv("REPORTGEN_CACHE", asked.cache)
        output, finished = Path(asked.output), list_finished(Path(asked.log))
        assert how["code"] in (-9, 0), f"{told}: {Path(asked.log).read_text()}"
        if at % 2 or output.exists():
            there = load(output)
            assert read_numbers(output) in (numbers, earlier), told
            if read_numbers(output) == earlier:  # whoever relies on it is told, unless nothing had begun
                assert there.run.get("last_run_failed") or not finished, told
        assert run_command(["run", str(battery), "-o", str(output), "--quiet", *formats]) == 0, told
        assert read_numbers(output) == numbers, told
        assert set(load(output).run["from_cache"]) >= finished, told
        assert (output / "report.html").exists() == bool(formats), told
        assert [path.name for path in output.parent.iterdir()] == ["out"], told


@pytest.mark.slow
def test_two_runs_of_a_battery_at_once_leave_one_whole_bundle(
    battery: Path, tmp_path: Path, caches: Callable[[str], Path]
) -> None:
    shared, output = str(caches("shared")), tmp_path / "place" / "out"
    runs = [Asked(str(battery), str(output), shared, str(tmp_path / f"{at}.log")) for at in range(2)]
    alone = Asked(str(battery), str(tmp_path / "alone"), str(caches("alone")), str(tmp_path / "alone.log"))
    assert run_forked("together", [*runs, alone], tmp_path, os.environ | CAREFUL) == [0, 0, 0]
    assert read_numbers(output) == read_numbers(tmp_path / "alone")
    assert load(output).run.get("last_run_failed") is None
    assert [path.name for path in output.parent.iterdir()] == ["out"]
    assert run_command(["run", str(battery), "-o", str(output), "--quiet"]) == 0
