"""`reportgen run` as a user meets it: outcomes, exit codes, what is left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LENS = "  lens: {probe: logit_lens, prompts: [an apple, 天氣], continue: 2}"
CENSUS = "  census: {probe: parameter_census}"
HELP = [sys.executable, "-m", "reportgen", "--help"]
Call = Callable[..., object]


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_run_ends_by_saying_where_the_report_lies(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    battery = write_battery(LENS, CENSUS, outputs=["html", "pdf", "figures"])
    ended = reportgen("run", battery)
    assert ended.code == 0, ended.err
    folder = tmp_path / "battery"
    assert ended.out.splitlines() == [str(folder / n) for n in ("report.html", "report.pdf", "results.json")]
    made = files(folder)
    assert {"results.json", "arrays.safetensors", "run.json", "report.html", "report.pdf"} <= set(made)
    for extension in ("svg", "png", "pdf"):
        assert f"figures/lens-a-grid-0.{extension}" in made
        assert f"figures/census-a+b-components.{extension}" in made
    assert json.loads((folder / "run.json").read_text())["files"] == made
    first, second, third, *_ = ended.err.splitlines()
    assert first.strip() == "2 probes on a, b"
    assert re.fullmatch(r"4 prompts, \d+ tokens to pass; the first model is being loaded", second.strip())
    assert third.strip().endswith("loaded and proven")
    assert "lens on a: ok" in ended.err
    assert "lens on b: ok" in ended.err


def test_quiet_prints_only_where_it_lies(reportgen: Call, write_battery: Call) -> None:
    ended = reportgen("run", write_battery(CENSUS), "--quiet")
    assert ended.err == ""
    assert ended.out.endswith("results.json\n")


def test_only_and_format(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    ended = reportgen("run", write_battery(LENS, CENSUS), "--only", "census", "--format", "html", "-o", tmp_path / "x")
    assert ended.code == 0, ended.err
    assert files(tmp_path / "x") == ["arrays.safetensors", "report.html", "results.json", "run.json"]
    assert list(json.loads((tmp_path / "x" / "results.json").read_text())["results"]) == ["census"]


def test_two_runs_are_the_same_bytes(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    battery = write_battery(LENS, "  heads: {probe: attention_grid, prompts: [an apple]}", outputs=["html", "figures"])
    for name in ("one", "two"):
        assert reportgen("run", battery, "-o", tmp_path / name).code == 0
    for file in files(tmp_path / "one"):
        if file != "run.json":
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_dtype_is_for_every_model(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    assert reportgen("run", write_battery(LENS), "--dtype", "bfloat16").code == 0
    models = json.loads((tmp_path / "battery" / "results.json").read_text())["models"]
    assert [model["dtype"] for model in models.values()] == ["bfloat16", "bfloat16"]


def test_a_wrong_battery_ends_with_2_and_runs_nothing(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    battery = write_battery("  lens: {probe: logit_lense, prompts: [x]}", "  census: {probe: parameter_census, k: 1}")
    ended = reportgen("run", battery)
    assert ended.code == 2
    assert f"{battery}:5: " in ended.err
    assert "logit_lens" in ended.err
    assert f"{battery}:6: " in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "battery").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Missing argument 'BATTERY'"),
        (["run", "x.yaml", "--format", "docx"], "unknown format 'docx'. Known: html"),
        (["rnu"], "No such command 'rnu'"),
        (["run", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_usage_ends_with_2(reportgen: Call, arguments: list[str], message: str) -> None:
    ended = reportgen(*arguments)
    assert ended.code == 2
    assert message in ended.err


def test_a_text_wrong_for_every_model_ends_with_2(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    ended = reportgen("run", write_battery("  w: {probe: word_similarity, word: pear, prompts: [an apple, my eye]}"))
    assert ended.code == 2
    assert "probes.w: the word 'pear' is not in the sentence 'an apple'" in ended.err
    assert not (tmp_path / "battery").exists()


def test_a_failed_model_is_a_card_and_ends_with_3(
    reportgen: Call, write_battery: Call, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    battery = write_battery(LENS, models={"good": tiny_models["a"], "gone": tmp_path / "nowhere"}, outputs=["html"])
    ended = reportgen("run", battery)
    assert ended.code == 3
    results = json.loads((tmp_path / "battery" / "results.json").read_text())["results"]["lens"]
    assert results["good"]["status"] == "ok"
    assert results["gone"]["status"] == "failed"
    assert "nowhere" in results["gone"]["reason"]
    page = (tmp_path / "battery" / "report.html").read_text()
    assert "nowhere" in page


def test_no_model_left_ends_with_1_and_leaves_nothing(
    reportgen: Call, write_battery: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address) or [])
    ended = reportgen("run", write_battery(LENS, models={"gone": tmp_path / "nowhere"}))
    assert asked == [], "a missing folder asked the hub"
    assert ended.code == 1
    assert "nowhere" in ended.err
    assert len(ended.err.splitlines()) <= 3
    assert not (tmp_path / "battery").exists()


def test_a_run_whose_models_are_gone_marks_the_bundle_it_leaves_until_a_run_ends_well(
    reportgen: Call, write_battery: Call, tmp_path: Path
) -> None:
    folder = tmp_path / "battery"
    assert reportgen("run", write_battery(CENSUS)).code == 0
    good = (folder / "results.json").read_bytes()
    gone = write_battery(CENSUS, models={"gone": tmp_path / "nowhere"})
    assert reportgen("run", gone).code == 1
    run = json.loads((folder / "run.json").read_text())
    assert "nowhere" in run["last_run_failed"]
    assert str(tmp_path) not in run["last_run_failed"]
    assert (folder / "results.json").read_bytes() == good
    ended = reportgen("compare", folder, folder)
    assert (ended.code, len(ended.err.splitlines())) == (3, 2)
    assert "its last run failed, and what is there is older: " in ended.err
    assert not (tmp_path / "battery-comparison").exists()
    assert reportgen("baseline", "accept", folder, "--reason", "why not").code == 3
    assert reportgen("run", write_battery("  census: {probe: parameter_censu}")).code == 2
    assert "last_run_failed" in json.loads((folder / "run.json").read_text())
    assert reportgen("run", write_battery(CENSUS)).code == 0
    assert "last_run_failed" not in json.loads((folder / "run.json").read_text())
    assert reportgen("compare", folder, folder, "--format", "html").code == 0


def test_one_output_that_fails_ends_with_1_and_the_bundle_is_written(
    reportgen: Call, write_battery: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.outputs import make as outputs

    folder = tmp_path / "battery"

    def lacking(*given: object, **options: object) -> list[str]:
        written = outputs.write_outputs(*given, **options)  # type: ignore[arg-type]
        raise outputs.OutputsFailed(written, {"pptx": "it is too large"})

    battery = write_battery(CENSUS, outputs=["html"])
    assert reportgen("run", battery).code == 0
    (folder / "report.html").write_text("older")
    monkeypatch.setattr("reportgen.workflows.report.write_outputs", lacking)
    for command in (("run", battery), ("render", folder, "--format", "html")):
        ended = reportgen(*command)
        assert ended.code == 1
        assert "slides.pptx could not be made" in ended.err
        assert (folder / "report.html").read_text() != "older"
        assert not {"last_run_failed", "last_render_failed"} & set(json.loads((folder / "run.json").read_text()))


def test_formats_stand_in_one_list_or_in_several_options(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    folder = tmp_path / "battery"
    assert reportgen("run", write_battery(CENSUS), "--format", "html, figures").code == 0
    both = files(folder)
    assert {"report.html", "figures/census-a+b-components.svg"} <= set(both)
    assert reportgen("run", write_battery(CENSUS), "--format", "html", "--format", "figures,html").code == 0
    assert files(folder) == both
    (folder / "report.html").unlink()
    assert reportgen("render", folder, "--format", "figures,html").code == 0
    assert files(folder) == both
    ended = reportgen("compare", folder, folder, "--format", "html,svg")
    assert (ended.code, "unknown format 'svg'. Known: html, pdf" in ended.err) == (2, True)


def test_an_output_that_is_no_bundle_ends_with_1_before_anything_runs(
    reportgen: Call, write_battery: Call, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("x")
    ended = reportgen("run", write_battery(LENS), "-o", tmp_path / "thesis")
    assert ended.code == 1
    assert "the folder holds something that is not a bundle" in ended.err
    assert "lens on" not in ended.err
    assert files(tmp_path / "thesis") == ["chapter.tex"]


def test_a_failure_while_writing_keeps_the_last_good_bundle(
    reportgen: Call, write_battery: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    battery = write_battery(CENSUS)
    assert reportgen("run", battery).code == 0
    before = {p: (tmp_path / "battery" / p).read_bytes() for p in files(tmp_path / "battery")}

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reportgen.workflows.report.write_outputs", full)
    ended = reportgen("run", battery)
    assert ended.code == 1
    assert "No space left on device" in ended.err
    after = {p: (tmp_path / "battery" / p).read_bytes() for p in files(tmp_path / "battery")}
    assert "No space left on device" in json.loads(after.pop("run.json"))["last_run_failed"]
    assert after == {p: content for p, content in before.items() if p != "run.json"}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_an_internal_error_is_a_line_and_ends_with_1(
    reportgen: Call, write_battery: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr("reportgen.workflows.report.write_outputs", broken)
    ended = reportgen("run", write_battery(CENSUS), "--quiet")
    assert ended.code == 1
    assert ended.err.splitlines()[0] == "internal error: LookupError: a bug"


# A job that a script starts in the background ignores Ctrl-C, and so would its children.
HEARS_INTERRUPTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from reportgen.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_ends_with_130_and_leaves_nothing_half_written(
    write_battery: Call, tmp_path: Path, number: signal.Signals
) -> None:
    battery = write_battery(LENS, outputs=["html", "pdf", "figures"])
    command = [sys.executable, "-c", HEARS_INTERRUPTS, "run", str(battery)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"CI": "1"}) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "lens on a" in line:
                child.send_signal(number)
                break
        rest = child.stderr.read()
    assert child.returncode == 130, rest
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["battery.yaml"]


def test_plan_counts_what_would_pass(reportgen: Call, write_battery: Call) -> None:
    heads = "  heads: {probe: attention_grid, prompts: [an apple], heads: [[1, 3]]}"
    ended = reportgen("plan", write_battery(LENS, heads, CENSUS))
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    # "an apple" is shared by lens and heads: two distinct prompts; tokens: 3 + 7 with BOS, and a step each
    assert lines[0].startswith("a: tiny-llama, 2 prompts, ")
    assert lines[1] == "  lens (logit_lens): 2 prompts"
    assert lines[3] == "  census (parameter_census): no prompt; reads the weights"


def test_render_makes_the_pages_anew(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    folder = tmp_path / "battery"
    assert reportgen("run", write_battery(LENS, outputs=["html", "figures"])).code == 0
    before = {p: (folder / p).read_bytes() for p in files(folder)}
    ended = reportgen("render", folder, "--format", "html", "--format", "figures")
    assert ended.code == 0, ended.err
    assert {p: (folder / p).read_bytes() for p in files(folder)} == before
    assert reportgen("render", folder, "--format", "html", "--stamp").code == 0
    assert (folder / "report.html").read_bytes() != before["report.html"]
    assert files(folder) == list(before)  # the figures stay
    assert reportgen("render", folder, "--format", "html", "--quiet").out == f"{folder / 'report.html'}\n"
    assert reportgen("render", folder, "--format", "figures", "--quiet").out == "", (
        "pages that were not made are not told"
    )
    assert json.loads((folder / "run.json").read_text())["files"] == list(before)


def test_a_rendering_that_fails_leaves_the_old_pages_and_marks_them(
    reportgen: Call, write_battery: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "battery"
    assert reportgen("run", write_battery(CENSUS, outputs=["html"])).code == 0
    before = {p: (folder / p).read_bytes() for p in files(folder)}

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("reportgen.workflows.report.write_outputs", full)
        assert reportgen("render", folder, "--format", "html").code == 1
    assert {p: (folder / p).read_bytes() for p in files(folder)} == before | {
        "run.json": (folder / "run.json").read_bytes()
    }
    assert "No space left on device" in json.loads((folder / "run.json").read_text())["last_render_failed"]
    ended = reportgen("compare", folder, folder)
    assert (ended.code, "its last render failed" in ended.err) == (3, True)
    assert reportgen("render", folder, "--format", "html").code == 0
    assert {p: (folder / p).read_bytes() for p in files(folder)} == before


def test_rendering_what_is_no_bundle_ends_with_1(reportgen: Call, tmp_path: Path) -> None:
    ended = reportgen("render", tmp_path)
    assert ended.code == 1
    assert "results.json: there is no such file" in ended.err


def test_without_pango_everything_but_the_pdf_is_made(
    reportgen: Call, write_battery: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "weasyprint.py").write_text("raise OSError('cannot load library')")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    ended = reportgen("run", write_battery(CENSUS, outputs=["html", "pdf"]))
    assert ended.code == 0
    assert "report.pdf left out: the PDF needs Pango: libpango-1.0-0" in ended.err
    assert "report.html" in files(tmp_path / "battery")
    assert "report.pdf" not in files(tmp_path / "battery")


def test_help_answers_about_as_soon_as_python_and_click_start() -> None:
    least = [sys.executable, "-c", "import click"]
    times: dict[bool, list[float]] = {True: [], False: []}
    for ours in (True, False) * 5:
        started = time.monotonic()
        subprocess.run(HELP if ours else least, capture_output=True, check=True)
        times[ours].append(time.monotonic() - started)
    assert min(times[True]) < 6 * min(times[False]), "something that takes long is imported"
    told = subprocess.run(HELP, capture_output=True, text=True, check=True).stdout
    for name in ("run", "plan", "render", "probes", "models", "init", "schema"):
        assert f"  {name} " in told


def test_sources_that_cannot_be_meant_are_told_all_at_once_with_their_lines(
    reportgen: Call, write_battery: Call
) -> None:
    battery = write_battery(CENSUS, models={"a": "demo:gemma-3-27m", "b": "nonsense"})
    ended = reportgen("run", battery)
    assert ended.code == 2
    assert f"{battery}:2: models.a: " in ended.err
    assert "gemma-3-270m" in ended.err
    assert f"{battery}:3: models.b: " in ended.err


def test_a_device_that_is_none_ends_with_2(reportgen: Call, write_battery: Call) -> None:
    ended = reportgen("run", write_battery(CENSUS), "--device", "junk")
    assert ended.code == 2
    assert "--device" in ended.err


def test_a_probe_without_any_usable_model_does_not_take_the_others_down(
    reportgen: Call, write_battery: Call, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    words = "  word: {probe: word_similarity, word: apple, prompts: [an apple, the apple], models: [gone]}"
    models = {"good": tiny_models["a"], "gone": tmp_path / "nowhere"}
    ended = reportgen("run", write_battery(CENSUS, words, models=models, outputs=["html", "figures"]))
    assert ended.code == 3, ended.err
    assert "figures/census-good-components.svg" in files(tmp_path / "battery")


def test_ids_with_hyphens_never_share_a_file(
    reportgen: Call, write_battery: Call, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    heads = "{probe: attention_grid, prompts: [an apple]"
    models = {"b-c": tiny_models["a"], "c": tiny_models["b"]}
    battery = write_battery(f"  a: {heads}, models: [b-c]}}", f"  a-b: {heads}, models: [c]}}", models=models)
    assert reportgen("run", battery, "--format", "figures").code == 0
    drawn = [file for file in files(tmp_path / "battery") if file.endswith(".svg")]
    assert drawn == ["figures/a-b-c-heads-0-2.svg", "figures/a-b-c-heads-0.svg"]


def test_a_damaged_number_is_no_internal_error(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    assert reportgen("run", write_battery(LENS)).code == 0
    results = tmp_path / "battery" / "results.json"
    content = json.loads(results.read_text())
    content["results"]["lens"]["a"]["tables"]["prompts"]["rows"] = []
    content["results"]["lens"]["a"]["options"] = {}
    results.write_text(json.dumps(content))
    ended = reportgen("render", tmp_path / "battery", "--format", "html")
    assert ended.code == 1
    assert "internal error" not in ended.err
    assert "its outputs cannot be made" in ended.err


@pytest.mark.parametrize("method", ["figures", "statement"])
def test_a_probe_that_cannot_be_shown_is_a_failed_card_and_keeps_its_numbers(
    reportgen: Call, write_battery: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    from reportgen.probes.logit_lens import LogitLens

    def broken(*arguments: object) -> None:
        raise LookupError("no such column")

    monkeypatch.setattr(LogitLens, method, broken)
    ended = reportgen("run", write_battery(LENS, CENSUS, outputs=["html"]))
    assert ended.code == 3, ended.err
    results = json.loads((tmp_path / "battery" / "results.json").read_text())["results"]
    assert results["census"]["a"]["status"] == "ok"
    assert results["lens"]["a"]["status"] == "failed"
    assert results["lens"]["a"]["reason"] == "measured, but it cannot be shown: LookupError: no such column"
    assert results["lens"]["a"]["tables"]["top"]["rows"]
    assert "no such column" in (tmp_path / "battery" / "report.html").read_text()
