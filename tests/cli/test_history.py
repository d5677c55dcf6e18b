import json
import os
import subprocess
import sys
import time

import pytest

from tests.baseline.nights_written import date, write_night, write_nights


def test_a_line_a_step_the_page_and_its_data(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.2] * 19 + [1.5] * 6 + [1.1] * 6)
    ended = reportgen("history", nights)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"night {date(25)}: weather.gemma.entropy stepped from 1.50 to 1.10",
        "night 2026-11-20: weather.gemma.entropy stepped from 1.20 to 1.50",
        str(nights / "history.html"),
        str(nights / "history.json"),
    ]
    assert (nights / "history.html").read_text().startswith("<!DOCTYPE html>")
    assert len(json.loads((nights / "history.json").read_text())["nights"]) == 31
    assert sorted(file.name for file in nights.iterdir() if not file.is_dir()) == ["history.html", "history.json"]


def test_the_page_lies_where_it_is_asked_for(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0] * 3)
    ended = reportgen("history", nights, "-o", tmp_path / "pages" / "ours.html")
    assert ended.out.splitlines() == [str(tmp_path / "pages" / "ours.html"), str(tmp_path / "pages" / "ours.json")]
    assert (tmp_path / "pages" / "ours.html").exists()
    assert not (nights / "history.html").exists()


def test_a_watched_value_is_drawn_and_a_slip_leaves_the_page_as_it_was(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0] * 6)
    ended = reportgen("history", nights, "--watch", "weather.*.entropy@layer=2")
    assert (ended.code, ended.err) == (0, "")
    content = json.loads((nights / "history.json").read_text())
    assert content["metrics"]["weather.gemma.entropy@layer=2"]["values"] == [2.0] * 6
    page = (nights / "history.html").read_text()
    assert "entropy, layer 2" in page
    for watch, told in (
        ("weather.*.entropy", "its dims are layer: layer is not among those named"),
        ("weather.*.entropy@layer=9", "weather.gemma.entropy: no layer 9: it goes from 0 to 2"),
        ("weather.*.entropi@layer=1", "no bundle has an array of that name\n  Did you mean 'weather.gemma.entropy'?"),
        ("weather.*.entropy@layr=1", "'layr=1' is not one dim with its place\n  Did you mean 'layer'?"),
        ("entropy@layer=1", "it does not name PROBE.MODEL.ARRAY"),
    ):
        refused = reportgen("history", nights, "--watch", watch)
        assert (refused.code, refused.out) == (2, "")
        assert told in refused.err
    assert (nights / "history.html").read_text() == page


def test_the_tolerances_of_a_battery_hold(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0] * 10 + [1.1] * 10)
    battery = tmp_path / "battery.yaml"
    battery.write_text(
        "models: {gemma: demo:gemma-3-270m}\nprobes: {weather: {probe: logit_lens, prompts: [a]}}\n"
        "tolerances: {'weather.*.entropy': {abs: 0.2}}\n"
    )
    assert "stepped" in reportgen("history", nights).out
    assert "stepped" not in reportgen("history", nights, "--battery", battery).out


def test_a_bundle_that_cannot_be_read_is_named_and_the_others_are_shown(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0] * 3)
    (nights / "night-1" / "results.json").write_text('{"schema": 1')
    ended = reportgen("history", nights)
    assert ended.code == 3
    (line,) = ended.err.splitlines()
    assert line.startswith("left out: night-1/results.json: the bundle is damaged: ")
    assert "Bundles that could not be read" in (nights / "history.html").read_text()


def test_a_night_whose_last_run_failed_is_left_out(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0] * 3)
    run = json.loads((nights / "night-1" / "run.json").read_text())
    (nights / "night-1" / "run.json").write_text(json.dumps(run | {"last_run_failed": "it is gone"}))
    ended = reportgen("history", nights)
    assert (ended.code, len(json.loads((nights / "history.json").read_text())["nights"])) == (3, 2)
    assert "its last run failed, and what is there is older: it is gone" in ended.err
    assert "its last run failed" in (nights / "history.html").read_text()


def test_an_older_page_does_not_go_on_as_though_it_were_of_today(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0])
    assert reportgen("history", nights).code == 0
    (nights / "night-0" / "results.json").write_text("{")
    assert reportgen("history", nights).code == 1
    page, data = (nights / "history.html").read_text(), json.loads((nights / "history.json").read_text())
    assert "No history could be made" in page
    assert "no bundle below it can be read" in page
    assert data["nights"] == []
    assert "no bundle below it can be read" in data["reason"]
    assert str(tmp_path) not in page


@pytest.mark.parametrize("name", ["results.html", "history.html", "thesis.html"])
def test_somebody_elses_file_is_not_written_over(reportgen, tmp_path, name):
    nights = write_nights(tmp_path / "nights", [1.0])
    place = nights / "night-0" if name == "results.html" else tmp_path
    if name != "results.html":
        (place / name).write_text("years of work")
    before = {file: file.read_bytes() for file in place.iterdir() if file.is_file()}
    ended = reportgen("history", nights, "-o", place / name)
    assert (ended.code, ended.out) == (1, "")
    assert "it is there already, and was not written by reportgen history" in ended.err
    assert {file: file.read_bytes() for file in place.iterdir() if file.is_file()} == before


@pytest.mark.parametrize("make", [False, True])
def test_no_bundle_is_an_error_of_two_lines(reportgen, tmp_path, make):
    folder = tmp_path / "nights"
    if make:
        folder.mkdir()
    ended = reportgen("history", folder)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 2)
    assert ended.err.startswith(f"error: {folder}: ")


def test_a_page_that_cannot_be_written_is_an_error(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0] * 3)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.html").mkdir()
    for page in (tmp_path / "file" / "page.html", tmp_path / "folder.html", tmp_path / "page.json"):
        ended = reportgen("history", nights, "-o", page)
        assert (ended.code, ended.out) == (1, ""), page
        assert ended.err.startswith("error: "), page


def test_checkpoints_by_name(reportgen, tmp_path):
    for step in range(12):
        write_night(tmp_path / f"checkpoint-{step}", 11 - step, {"entropy": 1.0 if step < 10 else 2.0})
    ended = reportgen("history", tmp_path, "--order", "name")
    assert ended.out.splitlines()[0] == "bundle checkpoint-10: weather.gemma.entropy stepped from 1 to 2"


def test_torch_is_never_imported(tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0] * 3)
    program = (
        "import sys; from reportgen.cli import run_command; code = run_command(sys.argv[1:]);"
        "print(code, sorted({'torch', 'transformers', 'sklearn', 'weasyprint'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "history", str(nights)], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.stdout.splitlines()[-1] == "0 []"


@pytest.mark.slow
def test_a_thousand_nights_take_less_than_ten_seconds(reportgen, tmp_path):
    nights = write_nights(tmp_path / "nights", [1.0 + 1e-6 * (night % 7) for night in range(1000)])
    begun = time.process_time()
    assert reportgen("history", nights).code == 0
    assert time.process_time() - begun < 10
