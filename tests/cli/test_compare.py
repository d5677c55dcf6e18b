import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from safetensors.numpy import load_file, save_file

Call = Callable[..., Any]
PROBES = (
    "  lens: {probe: logit_lens, prompts: [an apple], continue: 2}",
    "  near: {probe: nearest_tokens, ids: [5, 9], k: 3}",
    "  census: {probe: parameter_census}",
)


@pytest.fixture
def bundle(reportgen: Call, write_battery: Call, tmp_path: Path) -> Path:
    battery = write_battery(*PROBES)
    assert reportgen("run", battery, "-o", tmp_path / "night").code == 0
    return tmp_path / "night"


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "other"))


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = bundle / "results.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content, ensure_ascii=False))


def move(bundle: Path, by: float, at: int = 2) -> None:
    """Moves the lens' entropy of model a from a layer on."""
    tensors = load_file(bundle / "arrays.safetensors")
    tensors["lens/a/entropy"][..., at:] += by
    save_file(tensors, bundle / "arrays.safetensors")


def test_a_bundle_and_itself_are_the_same(reportgen: Call, bundle: Path) -> None:
    ended = reportgen("compare", bundle, bundle, "--format", "html", "--quiet")
    assert ended.code == 0, ended.err
    folder = bundle.with_name("night-comparison")
    assert ended.out.splitlines()[-2:] == [str(folder / "comparison.json"), str(folder / "comparison.html")]
    assert json.loads((folder / "comparison.json").read_text())["verdict"] == "same"


def test_drift_names_its_first_layer_everywhere(reportgen: Call, bundle: Path, copy: Path, tmp_path: Path) -> None:
    move(copy, 0.5)
    files = ("--junit", tmp_path / "x" / "junit.xml", "--markdown", tmp_path / "summary.md")
    ended = reportgen("compare", bundle, copy, "--format", "html", *files)
    assert ended.code == 4, ended.err
    page = (copy.with_name("other-comparison") / "comparison.html").read_text()
    for text in (ended.out, page, (tmp_path / "summary.md").read_text(), (tmp_path / "x" / "junit.xml").read_text()):
        assert "layer 2" in text
    suites = list(JUnitXml.fromfile(str(tmp_path / "x" / "junit.xml")))
    assert {suite.name: suite.failures for suite in suites} == {"a": 1, "b": 0}


def test_another_version_of_a_probe_is_exit_5(reportgen: Call, bundle: Path, copy: Path) -> None:
    edit(copy, lambda content: content["results"]["lens"]["a"].update(version=2))
    assert reportgen("compare", bundle, copy, "--format", "html").code == 5


def test_a_vanished_metric_and_one_that_is_undefined_are_exit_4(reportgen: Call, bundle: Path, copy: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        metrics = content["results"]["census"]["a"]["metrics"]
        del metrics["layers"]
        metrics["heads"] |= {"value": None, "state": "undefined", "reason": "NaN"}

    edit(copy, change)
    ended = reportgen("compare", bundle, copy, "--format", "html")
    assert ended.code == 4
    record = json.loads((copy.with_name("other-comparison") / "comparison.json").read_text())
    assert {"vanished", "undefined"} <= {change["verdict"] for one in record["compared"] for change in one["changes"]}


def test_a_failed_probe_is_exit_3_before_all_else(reportgen: Call, bundle: Path, copy: Path) -> None:
    move(copy, 0.5)
    edit(copy, lambda content: content["results"]["near"]["a"].update(status="failed", reason="out of memory"))
    assert reportgen("compare", bundle, copy, "--format", "html").code == 3


def test_the_battery_says_what_is_tolerated(reportgen: Call, bundle: Path, copy: Path) -> None:
    move(copy, 0.5)
    run = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(run | {"tolerances": {"lens.a.entropy": {"abs": 0.6}}}))
    assert reportgen("compare", bundle, copy, "--format", "html").code == 0
    (copy / "run.json").write_text(json.dumps(run | {"tolerances": {"lens.a.entropy": {"abs": "wide"}}}))
    ended = reportgen("compare", bundle, copy)
    assert (ended.code, len(ended.err.splitlines())) == (1, 2)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda bundle: (bundle / "results.json").write_text('{"schema": 1, "mod'), "results.json"),
        (lambda bundle: save_file({}, bundle / "arrays.safetensors"), "lacks the tensor"),
        (lambda bundle: edit(bundle, lambda content: content.update(schema=0)), "schema 0"),
        (lambda bundle: (bundle / "results.json").unlink(), "no such file"),
    ],
)
def test_a_damaged_bundle_is_told_in_a_line(
    reportgen: Call, bundle: Path, copy: Path, damage: Callable[[Path], object], told: str
) -> None:
    damage(copy)
    for pair in ((bundle, copy), (copy, bundle)):
        ended = reportgen("compare", *pair)
        assert ended.code == 1
        assert told in ended.err
        assert len(ended.err.splitlines()) <= 2
    assert not copy.with_name("other-comparison").exists()


def test_what_cannot_be_compared_leaves_nothing_green(
    reportgen: Call, bundle: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    junit, summary, folder = tmp_path / "junit.xml", tmp_path / "summary.md", tmp_path / "other-comparison"
    asked = ("--format", "html", "--junit", junit, "--markdown", summary)
    assert reportgen("compare", bundle, copy, *asked).code == 0
    (folder / "comparison.pdf").write_text("older")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step"))
    (copy / "results.json").write_text('{"schema": 1, "mod')
    ended = reportgen("compare", bundle, copy, *asked)
    assert ended.code == 1
    assert ended.out.startswith("::error title=Could not be compared::")
    ((case,),) = [list(suite) for suite in JUnitXml.fromfile(str(junit))]
    assert "the bundle is damaged" in case.result[0].message
    assert JUnitXml.fromfile(str(junit)).errors == 1
    page = (folder / "comparison.html").read_text()
    for text in (summary.read_text(), (tmp_path / "step").read_text(), page):
        assert "Could not be compared" in text
        assert "the bundle is damaged" in text
        assert str(tmp_path) not in text
    record = json.loads((folder / "comparison.json").read_text())
    assert (record["verdict"], record["exit_code"]) == ("could not be compared", 1)
    assert sorted(file.name for file in folder.iterdir()) == ["comparison.html", "comparison.json"]
    shutil.rmtree(copy)
    shutil.copytree(bundle, copy)
    assert reportgen("compare", bundle, copy, *asked).code == 0
    assert json.loads((folder / "comparison.json").read_text())["verdict"] == "same"
    assert JUnitXml.fromfile(str(junit)).errors == 0


def test_an_error_of_ours_leaves_nothing_green(
    reportgen: Call, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("compare", bundle, bundle, "--format", "html", "--junit", tmp_path / "junit.xml")
    assert reportgen(*asked).code == 0

    def broken(*given: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr("reportgen.workflows.comparison.compared", broken)
    assert reportgen(*asked).code == 1
    assert JUnitXml.fromfile(str(tmp_path / "junit.xml")).errors == 1
    assert "a bug" in (tmp_path / "night-comparison" / "comparison.html").read_text()


def test_a_missing_bundle_is_not_begun_by_the_report_of_its_absence(reportgen: Call, bundle: Path) -> None:
    """With a JUnit file alone in it, the folder would be refused by the run that makes it."""
    missing = bundle.with_name("missing")
    assert reportgen("compare", bundle, missing, "--junit", missing / "junit.xml").code == 1
    assert not missing.exists()


def test_one_file_that_cannot_be_written_does_not_take_the_other(reportgen: Call, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.xml").mkdir()
    asked = ("--junit", tmp_path / "folder.xml", "--markdown", tmp_path / "x.md")
    ended = reportgen("compare", bundle, bundle, "--format", "html", *asked)
    assert (ended.code, "cannot be written" in ended.err) == (1, True)
    assert (tmp_path / "x.md").exists()


def test_a_name_that_is_too_long_is_one_line(reportgen: Call, bundle: Path, tmp_path: Path) -> None:
    for command in ("compare", bundle, bundle), ("figures", bundle), ("history", bundle):
        ended = reportgen(*command, "-o", tmp_path / ("x" * 300))
        assert (ended.code, "File name too long" in ended.err) == (1, True), ended.err
        assert "internal error" not in ended.err


def test_a_record_of_somebody_elses_makes_no_comparison(reportgen: Call, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "comparison.json").write_text('{"mine": 1}')
    assert reportgen("compare", bundle, bundle, "-o", tmp_path / "mine").code == 1
    assert (tmp_path / "mine" / "comparison.json").read_text() == '{"mine": 1}'


def test_a_folder_that_holds_something_else_is_left_alone(reportgen: Call, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    ended = reportgen("compare", bundle, bundle, "-o", tmp_path / "mine")
    assert ended.code == 1
    assert "not a comparison" in ended.err
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_workflow_gets_its_summary_and_annotations(
    reportgen: Call, bundle: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(copy, 0.5)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    ended = reportgen("compare", bundle, copy, "--format", "html")
    assert any(line.startswith("::error") and "layer 2" in line for line in ended.out.splitlines())
    assert "layer 2" in (tmp_path / "summary").read_text()


def test_a_summary_that_a_workflow_cannot_write_is_told_and_the_verdict_stands(
    reportgen: Call, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary"))
    ended = reportgen("compare", bundle, bundle, "--format", "html", "--quiet")
    assert ended.code == 0
    assert [line for line in ended.out.splitlines() if line.startswith("::")] == [
        "::warning title=The summary of this step was not written::GITHUB_STEP_SUMMARY names no file that can be "
        "written, or one that is full: --markdown FILE writes another"
    ]


def test_a_bundle_of_a_newer_version_says_how_it_can_be_read(reportgen: Call, bundle: Path, copy: Path) -> None:
    edit(copy, lambda content: content.update(schema=99))
    ended = reportgen("compare", copy, bundle)
    assert ended.code == 1
    first, remedy = ended.err.splitlines()
    assert first.endswith("a bundle of schema 99; this version reads 1 to 2")
    assert remedy == "  read it with a newer reportgen, or make it again with reportgen run"


def test_a_baseline_is_accepted_calibrated_and_compared_with(
    reportgen: Call, write_battery: Call, tmp_path: Path
) -> None:
    battery = write_battery(*PROBES)
    bundle = battery.with_suffix("")
    assert reportgen("run", battery).code == 0
    accepted = reportgen("baseline", "accept", bundle, "--reason", "first", "--by", "Ada")
    assert accepted.code == 0, accepted.err
    baseline = tmp_path / "baselines" / "battery"
    assert accepted.out.strip() == str(baseline)
    calibrated = reportgen("baseline", "calibrate", battery, "--runs", "3", "--quiet")
    assert calibrated.code == 0, calibrated.err
    (tolerances,) = baseline.glob("tolerances*.yaml")
    assert calibrated.out.strip() == str(tolerances)
    assert "lens.a.entropy" in tolerances.read_text()
    assert reportgen("run", battery, "--threads", "1").code == 0
    ended = reportgen("compare", baseline, bundle, "--format", "html", "--quiet")
    assert ended.code == 0, ended.out
    assert "tolerances were not measured" not in ended.out
    move(bundle, 1e-3)
    assert reportgen("compare", baseline, bundle, "--format", "html", "--quiet").code == 4


def test_a_bundle_from_another_machine_is_compared_with_the_widest_tolerances_and_says_so(
    reportgen: Call, bundle: Path, copy: Path, tmp_path: Path
) -> None:
    assert reportgen("baseline", "accept", bundle, "--reason", "first", "--by", "Ada").code == 0
    baseline = tmp_path / "baselines" / "night"
    for kind, bound in (("x86_64-amd-epyc-cpu", 0.001), ("x86_64-other-cpu", 0.6)):
        (baseline / f"tolerances-{kind}.yaml").write_text(f"lens.a.entropy: {{abs: {bound}, rel: 0.0}}\n")
    move(copy, 0.5)
    told = {}
    for cpu in ("AMD EPYC", "Neoverse-N1"):
        run = json.loads((copy / "run.json").read_text())
        run["machine"] |= {"processor": "x86_64", "cpu": cpu}
        (copy / "run.json").write_text(json.dumps(run))
        ended = reportgen("compare", baseline, copy, "--format", "html", "--markdown", tmp_path / "x.md")
        told[cpu] = (ended.code, ended.out.splitlines()[1], (tmp_path / "x.md").read_text())
    assert told["AMD EPYC"][0] == 4
    assert "not measured on" not in told["AMD EPYC"][2]
    assert told["Neoverse-N1"][0] == 0
    expected = "olerances were not measured on x86_64-neoverse-n1-cpu, but on x86_64-amd-epyc-cpu, x86_64-other-cpu"
    assert expected in told["Neoverse-N1"][1]
    assert expected in told["Neoverse-N1"][2].replace("\\", "")


def test_a_report_does_not_become_a_baseline_by_mistake(reportgen: Call, bundle: Path, copy: Path) -> None:
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    ended = reportgen("baseline", "accept", bundle, "--reason", "x", "--to", copy)
    assert ended.code == 1
    assert "the folder holds a bundle that is not a baseline\n  name an empty or new folder with --to" in ended.err
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before


@pytest.mark.parametrize(
    ("git", "user", "by", "told"),
    [
        ("Ada L.", "ada", None, "accepted by Ada L. (git's user.name; --by names another)"),
        ("", "ada", None, "accepted by ada (the user of this machine; --by names another)"),
        ("", "", None, "accepted without a name: --by gives one"),
        ("Ada L.", "ada", "Grace", ""),
    ],
)
def test_who_accepts_is_kept_and_said(
    reportgen: Call, bundle: Path, monkeypatch: pytest.MonkeyPatch, git: str, user: str, by: str | None, told: str
) -> None:
    def nobody() -> str:
        if not user:
            raise KeyError("uid not found")
        return user

    for name, value in (("COUNT", "1"), ("KEY_0", "user.name"), ("VALUE_0", git)):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    monkeypatch.setattr("getpass.getuser", nobody)
    ended = reportgen("baseline", "accept", bundle, "--reason", "first", *(("--by", by) if by else ()))
    assert (ended.code, ended.err.strip()) == (0, told)
    name = by or git or user
    text = (bundle.parent / "baselines" / "night" / "accepted.yaml").read_text()
    assert (f"  by: {name}\n" in text) if name else ("by:" not in text)


def test_only_a_complete_bundle_becomes_a_baseline(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    battery = write_battery(*PROBES)
    assert reportgen("run", battery, "--only", "near").code == 0
    ended = reportgen("baseline", "accept", battery.with_suffix(""), "--reason", "first")
    assert ended.code == 1
    assert "only near of its probes were run" in ended.err
    assert not (tmp_path / "baselines").exists()
