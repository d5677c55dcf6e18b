"""A disk that is full, or may not be written: the last bundle stays, nothing half-written is left, and a cache that
cannot be used costs time alone.
"""

import json
from pathlib import Path

import pytest

from reportgen import load
from reportgen.cache import RESULTS, Shelf
from reportgen.cli import run_command
from tests.failures.conftest import SmallDisk
from tests.tiny import save_tiny

PROBES = {
    "census": {"probe": "parameter_census"},
    "lens": {"probe": "logit_lens", "prompts": ["an apple", "a day"], "continue": 3},
}
ALL = {"census a", "lens a"}
SELDOM = [pytest.param(leaving, marks=pytest.mark.slow) for leaving in (0, 4096, 16384, 65536)]
"""Bytes that a disk has left, at each of which something else fails first."""


@pytest.fixture(scope="module")
def battery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("battery")
    file = folder / "battery.yaml"
    models = {"a": str(save_tiny(folder / "model", "llama"))}
    file.write_text(json.dumps({"title": "Tiny", "models": models, "probes": PROBES, "outputs": []}))
    return file


def run_into(battery: Path, output: Path, *options: str) -> int:
    return run_command(["run", str(battery), "-o", str(output), *options])


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"}


def read_numbers(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("results.json", "arrays.safetensors")]


@pytest.mark.parametrize("leaving", [*SELDOM, 8192])
def test_on_a_full_disk_the_last_bundle_stays_whole_and_is_marked(
    battery: Path, small_disk: SmallDisk, capsys: pytest.CaptureFixture[str], leaving: int
) -> None:
    output = small_disk.folder / "out"
    assert run_into(battery, output, "--only", "census") == 0
    before = read_all(output)
    small_disk.fill(leaving)
    capsys.readouterr()
    code = run_into(battery, output, "--no-cache")
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "internal error" not in told
    (small_disk.folder / "filler").unlink()
    assert [path.name for path in small_disk.folder.iterdir()] == ["out"]
    there = load(output)
    if code:
        assert code == 1
        assert f"{output}: the output cannot be written: No space left on device" in told
        assert read_all(output) == before
        # Without room for the reason the mark says what it can; without room for a mark, nothing is begun.
        assert there.run.get("last_run_failed") or "loaded" not in told
    else:  # there was room
        assert leaving == 65536
        assert set(there.outcomes) == set(PROBES)
    assert run_into(battery, output) == 0
    assert "last_run_failed" not in load(output).run


@pytest.mark.parametrize(
    "leaving", [pytest.param(0, marks=pytest.mark.slow), 4096, pytest.param(12288, marks=pytest.mark.slow)]
)
def test_a_cache_on_a_full_disk_costs_time_alone_and_holds_nothing_half_written(
    battery: Path, small_disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaving: int
) -> None:
    assert run_into(battery, tmp_path / "whole", "--no-cache") == 0
    monkeypatch.setenv("REPORTGEN_CACHE", str(small_disk.folder / "cache"))
    small_disk.fill(leaving)
    assert run_into(battery, tmp_path / "first") == 0
    assert not list(small_disk.folder.rglob(".writing-*"))
    small_disk.fill(1 << 20)
    assert run_into(battery, tmp_path / "second") == 0
    assert run_into(battery, tmp_path / "third") == 0
    assert set(load(tmp_path / "third").run["from_cache"]) == ALL
    for name in ("first", "second", "third"):
        assert read_numbers(tmp_path / name) == read_numbers(tmp_path / "whole")


def test_a_cache_that_may_only_be_read_is_read_and_all_else_is_measured(
    battery: Path, small_disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORTGEN_CACHE", str(small_disk.folder))
    assert run_into(battery, tmp_path / "first", "--only", "census") == 0
    small_disk.allow_reading_alone()
    assert run_into(battery, tmp_path / "second") == 0
    assert load(tmp_path / "second").run["from_cache"] == ["census a"]
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "other"))
    assert run_into(battery, tmp_path / "whole") == 0
    assert read_numbers(tmp_path / "second") == read_numbers(tmp_path / "whole")


def test_what_was_being_written_to_the_cache_when_its_process_was_killed_is_nothing(
    battery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_into(battery, tmp_path / "first") == 0
    for file in Shelf(RESULTS).files():  # as a process leaves it that is killed before the file has its name
        file.rename(file.with_name(f".writing-{file.name[:8]}"))
    assert Shelf(RESULTS).files() == []
    assert run_command(["models"]) == 0
    assert "parameter_census" not in capsys.readouterr().out
    assert run_into(battery, tmp_path / "second") == 0
    assert load(tmp_path / "second").run["from_cache"] == []
