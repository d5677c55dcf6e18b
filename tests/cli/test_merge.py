"""A battery run in parts: joined, they are the bundle of one run; alone, nobody takes them for one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import save_tiny

LENS = "  lens: {probe: logit_lens, prompts: [an apple, 天氣], continue: 2}"
HEADS = "  heads: {probe: attention_grid, prompts: [an apple], models: [c, a]}"
TEXTS = "[an apple a day, the apple of my eye]"
DRIFT = f"  drift: {{probe: similarity_between_models, base: c, other: a, prompts: {TEXTS}, k: 1}}"
CENSUS = "  census: {probe: parameter_census}"
NUMBERS = ("results.json", "arrays.safetensors")
Call = Callable[..., Any]


@pytest.fixture
def models(tiny_models: dict[str, Path], tmp_path: Path) -> dict[str, object]:
    return {**tiny_models, "c": save_tiny(tmp_path / "tiny-qwen", "qwen2", seed=2)}


@pytest.fixture
def battery(write_battery: Call, models: dict[str, object]) -> Path:
    written: Path = write_battery(LENS, CENSUS, DRIFT, HEADS, models=models, outputs=["html"])
    return written


@pytest.fixture
def undrawn(write_battery: Call, models: dict[str, object]) -> Path:
    """The same without a page."""
    written: Path = write_battery(LENS, CENSUS, DRIFT, HEADS, models=models, outputs=[])
    return written


def run_parts(reportgen: Call, battery: Path, parts: int, *options: object) -> list[Path]:
    for number in range(1, parts + 1):
        ended = reportgen("run", battery, "--part", f"{number}/{parts}", "--no-cache", *options)
        assert ended.code == 0, ended.err
    return [battery.with_name(f"{battery.stem}-part-{number}-of-{parts}") for number in range(1, parts + 1)]


def statuses(folder: Path) -> dict[str, dict[str, str]]:
    results = json.loads((folder / "results.json").read_text())["results"]
    return {id: {subject: one["status"] for subject, one in by.items()} for id, by in results.items()}


@pytest.mark.parametrize("parts", [*(pytest.param(one, marks=pytest.mark.slow) for one in (1, 2)), 4])
def test_joined_parts_are_the_bytes_of_one_run(reportgen: Call, battery: Path, tmp_path: Path, parts: int) -> None:
    assert reportgen("run", battery, "--no-cache").code == 0
    whole, joined = battery.with_suffix(""), tmp_path / "joined"
    ended = reportgen("merge", *reversed(run_parts(reportgen, battery, parts)), "-o", joined)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [str(joined / name) for name in ("report.html", "results.json")]
    for name in (*NUMBERS, "report.html"):
        assert (joined / name).read_bytes() == (whole / name).read_bytes(), name
    run, of_whole = (json.loads((folder / "run.json").read_text()) for folder in (joined, whole))
    assert "part" not in run
    assert set(run["durations"]) == set(of_whole["durations"])
    assert {key: run[key] for key in ("versions", "machine", "tolerances", "battery")} == {
        key: of_whole[key] for key in ("versions", "machine", "tolerances", "battery")
    }


def test_a_part_says_so_and_measures_its_own_alone(reportgen: Call, battery: Path) -> None:
    first, second = run_parts(reportgen, battery, 2)
    told = [json.loads((folder / "run.json").read_text())["part"] for folder in (first, second)]
    assert [(one["this"], one["of"]) for one in told] == [(1, 2), (2, 2)]
    for number, (folder, one) in enumerate(zip((first, second), told, strict=True), 1):
        measured = {s for by in statuses(folder).values() for s, status in by.items() if status == "ok"}
        assert measured == set(one["split"][number - 1])
        assert f"Part {number} of 2 of this report" in (folder / "report.html").read_text()


def test_who_reads_runs_refuses_a_part(reportgen: Call, battery: Path, tmp_path: Path) -> None:
    (part, *_) = run_parts(reportgen, battery, 2)
    for command in (
        ("compare", part, part),
        ("baseline", "accept", part, "--reason", "x"),
        ("history", part, "-o", tmp_path / "history.html"),
    ):
        ended = reportgen(*command)
        assert ended.code == 1
        assert "it is part 1 of 2 of its battery" in ended.err
    assert not (tmp_path / "baselines").exists()


def test_missing_parts_are_named_and_nothing_is_written(reportgen: Call, battery: Path, tmp_path: Path) -> None:
    parts = run_parts(reportgen, battery, 4)
    ended = reportgen("merge", parts[0], parts[2], "-o", tmp_path / "joined")
    assert ended.code == 3
    assert [line.split(" (")[0] for line in ended.err.splitlines()[:2]] == [
        "error: part 2 of 4 is missing", "error: part 4 of 4 is missing",
    ]  # fmt: skip
    assert "--allow-missing" in ended.err
    assert not (tmp_path / "joined").exists()


def test_where_they_may_be_missing_what_they_measure_has_failed(reportgen: Call, undrawn: Path, tmp_path: Path) -> None:
    assert reportgen("run", undrawn, "--no-cache").code == 0
    parts = run_parts(reportgen, undrawn, 4)
    split = json.loads((parts[0] / "run.json").read_text())["part"]["split"]
    lost = split.index(["b"])
    there = [folder for number, folder in enumerate(parts) if number != lost]
    ended = reportgen("merge", *there, "-o", tmp_path / "joined", "--allow-missing")
    assert ended.code == 3
    whole, joined = (
        json.loads((folder / "results.json").read_text()) for folder in (undrawn.with_suffix(""), tmp_path / "joined")
    )
    reason = f"part {lost + 1} was missing when the parts were joined"
    assert joined["models"]["b"]["failed"] == reason
    for id, by_subject in joined["results"].items():
        for subject, outcome in by_subject.items():
            if subject == "b":
                assert outcome["status"] == "failed"
                assert outcome["metrics"] == {}
            else:
                assert outcome["metrics"] == whole["results"][id][subject]["metrics"]


def edit_run(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a part with another run.json."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy)
    run = json.loads((copy / "run.json").read_text())
    change(run)
    (copy / "run.json").write_text(json.dumps(run))
    return copy


def test_what_does_not_belong_together_is_refused(
    reportgen: Call, write_battery: Call, models: dict[str, object], undrawn: Path, tmp_path: Path
) -> None:
    first, second = run_parts(reportgen, undrawn, 2)
    joined = tmp_path / "joined"

    def refused(told: str, *parts: Path, code: int = 1) -> None:
        ended = reportgen("merge", *parts, "-o", joined)
        assert (ended.code, told in ended.err) == (code, True), ended.err
        assert not joined.exists()

    refused("it is part 1 of 2, and so is", first, first)
    whole = tmp_path / "whole"
    assert reportgen("run", undrawn, "-o", whole).code == 0
    refused("it is no part of a battery", first, whole)
    others = run_parts(reportgen, undrawn, 3)
    refused("divided in another way", first, others[1])
    torch = edit_run(second, lambda run: run["versions"].update(torch="1.0"))
    refused("it was measured with torch 1.0", first, torch)
    shutil.rmtree(torch)
    refused("its last run failed", first, edit_run(second, lambda run: run.update(last_run_failed="x")), code=3)
    other = write_battery(LENS.replace("2}", "1}"), CENSUS, DRIFT, HEADS, models=models, outputs=[])
    other = other.rename(tmp_path / "other.yaml")
    refused("it is of another battery", first, run_parts(reportgen, other, 2)[1])
    assert reportgen("merge", first, second, "-o", second).code == 2


def test_models_that_differ_between_parts_are_refused(reportgen: Call, undrawn: Path, tmp_path: Path) -> None:
    parts = run_parts(reportgen, undrawn, 4)
    split = json.loads((parts[0] / "run.json").read_text())["part"]["split"]
    of_pair = parts[split.index(["c..a"])]
    results = json.loads((of_pair / "results.json").read_text())
    results["models"]["a"]["threads"] = 63
    (of_pair / "results.json").write_text(json.dumps(results))
    ended = reportgen("merge", *parts, "-o", tmp_path / "joined")
    assert ended.code == 1
    assert "model a is not the same as in" in ended.err
    assert "threads" in ended.err


def test_a_model_that_fails_is_the_same_card(
    reportgen: Call, write_battery: Call, models: dict[str, object], tmp_path: Path
) -> None:
    broken = save_tiny(tmp_path / "broken", "llama", seed=3)
    (broken / "model.safetensors").write_bytes(b"none")
    battery = write_battery(LENS, CENSUS, DRIFT.replace("c,", "d,"), models={**models, "d": broken})
    assert reportgen("run", battery, "--no-cache").code == 3
    parts = []
    for number in (1, 2, 3):
        parts.append(tmp_path / f"part-{number}")
        asked = ("--part", f"{number}/3", "--no-cache", "-o", parts[-1])
        assert reportgen("run", battery, *asked).code in (0, 3)
    ended = reportgen("merge", *parts, "-o", tmp_path / "joined")
    assert ended.code == 3, ended.err
    for name in NUMBERS:
        assert (tmp_path / "joined" / name).read_bytes() == (battery.with_suffix("") / name).read_bytes(), name


@pytest.mark.parametrize("part", ["0/2", "3/2", "2", "1/x", "-1/2", "9/9"])
def test_what_is_no_part_is_refused_before_anything_runs(
    reportgen: Call, battery: Path, tmp_path: Path, part: str
) -> None:
    ended = reportgen("run", battery, f"--part={part}", "-o", tmp_path / "part")
    assert ended.code == 2
    assert "error: --part: " in ended.err
    assert not (tmp_path / "part").exists()
