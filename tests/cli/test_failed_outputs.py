"""An output that cannot be made: the command says so and ends with 1, and all that could be made is there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CENSUS = "  census: {probe: parameter_census}"
Call = Callable[..., Any]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*arguments: object) -> bytes:
        raise ValueError("exceeded the limit of 255")

    monkeypatch.setattr("reportgen.report.slides.powerpoint.write_powerpoint", raises)


@pytest.mark.usefixtures("broken")
def test_a_run_leaves_its_bundle_with_all_other_outputs(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    ended = reportgen("run", write_battery(CENSUS, outputs=["html", "pptx"]))
    assert ended.code == 1
    assert "slides.pptx could not be made: exceeded the limit of 255" in ended.err
    assert "internal error" not in ended.err
    assert {file.name for file in (tmp_path / "battery").iterdir()} == {
        "report.html", "results.json", "arrays.safetensors", "run.json",
    }  # fmt: skip
    assert "report.html" in json.loads((tmp_path / "battery" / "run.json").read_text())["files"]


def test_a_rendering_replaces_what_it_could_make_and_leaves_nothing_old_of_the_rest(
    reportgen: Call, write_battery: Call, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert reportgen("run", write_battery(CENSUS, outputs=["html", "pptx"])).code == 0
    page = tmp_path / "battery" / "report.html"
    page.write_text("old")
    request.getfixturevalue("broken")
    ended = reportgen("render", tmp_path / "battery", "--format", "html", "--format", "pptx", "--stamp")
    assert ended.code == 1
    assert "slides.pptx could not be made" in ended.err
    assert page.read_text() != "old"
    assert not (tmp_path / "battery" / "slides.pptx").exists()
