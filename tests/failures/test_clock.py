"""A clock that jumps, and files from the future: no number changes, and what was found is found again."""

import itertools
import json
import os
import time
from pathlib import Path

import pytest

from reportgen import load
from reportgen.cache import make_room
from reportgen.cli import run_command
from reportgen.results.holding import LONG_AGO, make_folder_beside, restore
from tests.tiny import save_tiny

DAY = 24 * 60 * 60.0
PROBES = {
    "census": {"probe": "parameter_census"},
    "lens": {"probe": "logit_lens", "prompts": ["an apple"], "timeout": 60},
}


@pytest.fixture
def battery(tmp_path: Path) -> Path:
    file = tmp_path / "battery.yaml"
    models = {"a": str(save_tiny(tmp_path / "model", "llama"))}
    file.write_text(json.dumps({"title": "Tiny", "models": models, "probes": PROBES, "outputs": []}))
    return file


def run_into(battery: Path, output: Path, *options: str) -> int:
    return run_command(["run", str(battery), "-o", str(output), "--quiet", *options])


def read_numbers(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("results.json", "arrays.safetensors")]


def jump(monkeypatch: pytest.MonkeyPatch, *by: float) -> None:
    """Each time that it is asked the clock is so many seconds off, in turn."""
    real, real_ns, off = time.time, time.time_ns, itertools.cycle(by)
    monkeypatch.setattr(time, "time", lambda: real() + next(off))
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(next(off) * 1e9))


@pytest.mark.parametrize(
    "by",
    [
        pytest.param((3650 * DAY,), marks=pytest.mark.slow),
        pytest.param((-3650 * DAY,), marks=pytest.mark.slow),
        (0.0, 2 * DAY, -2 * DAY),
    ],
)
def test_a_clock_that_jumps_changes_no_number_and_loses_nothing(
    battery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: tuple[float, ...]
) -> None:
    assert run_into(battery, tmp_path / "whole", "--no-cache") == 0
    with monkeypatch.context() as patch:
        jump(patch, *by)
        assert run_into(battery, tmp_path / "first") == 0
    assert run_into(battery, tmp_path / "second") == 0
    assert set(load(tmp_path / "second").run["from_cache"]) == {"census a", "lens a"}
    assert all(seconds >= 0 for seconds in load(tmp_path / "first").run["durations"].values())
    assert read_numbers(tmp_path / "whole") == read_numbers(tmp_path / "first") == read_numbers(tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["battery.yaml", "first", "model", "second", "whole"]


def test_files_from_the_future_are_files(battery: Path, tmp_path: Path, fresh_cache: Path) -> None:
    assert run_into(battery, tmp_path / "first") == 0
    future = time.time() + 3650 * DAY
    shelves = [file for file in fresh_cache.rglob("*") if file.is_file() and "/fonts/" not in str(file)]
    for file in [*(tmp_path / "model").iterdir(), *shelves]:
        os.utime(file, (future, future))
    assert run_into(battery, tmp_path / "second") == 0
    assert read_numbers(tmp_path / "first") == read_numbers(tmp_path / "second")
    make_room(0)  # the oldest first: there is no end to it where all are of the future
    assert run_into(battery, tmp_path / "third") == 0
    assert load(tmp_path / "third").run["from_cache"] == []


def test_a_stage_in_use_is_left_alone_however_old_the_clock_says_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_folder_beside(tmp_path / "out") as stage:
        (stage / "half").write_text("half")
        jump(monkeypatch, LONG_AGO + DAY)
        restore(tmp_path / "out")
        assert (stage / "half").read_text() == "half"
