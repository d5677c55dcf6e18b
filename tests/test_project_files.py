"""What a visitor reads first, and what the platform reads: it is well-formed, and names what there is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reportgen.cli import COMMANDS
from reportgen.documents.yaml_source import read_source
from tests import release_check
from tests.pinned_versions import PROJECT, ROOT, fold, read_bounds, read_pins
from tests.release_check import UNRELEASED, find_faults, read_changelog, read_citation

GITHUB = ROOT / ".github"
TARGETS = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PAGES = [GITHUB / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")]
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
MAY_WRITE = {
    ("release", "attest"): {"id-token": "write", "attestations": "write"},
    ("release", "publish"): {"id-token": "write"},
    ("release", "announce"): {"contents": "write"},
}
"""Workflow and job -> what it may do beyond reading. None of these jobs checks the project out or runs its code."""
CITATION_KEYS = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords",
    "license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact",
    "repository-code", "title", "type", "url", "version",
}  # fmt: skip
"""Of the Citation File Format, version 1.2.0."""


def read(file: Path) -> Any:
    source = read_source(file.read_text(encoding="utf-8"), file)
    assert not source.mistakes([])
    return source.value


def scripts(workflow: Any) -> list[str]:
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_targets_and_commands_that_there_are(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"\b(?:reportgen|tests|requirements)/[\w./]*\w", text):
        if "TAG" not in path:
            assert (ROOT / path).exists(), path
    assert set(re.findall(r"(?:^|`)make (\w+)", text, re.MULTILINE)) <= TARGETS
    for command in re.findall(r"(?:`|/)reportgen (?:--debug )?(\w+)", text):
        assert command in COMMANDS
    for module in re.findall(r"python -m (tests[\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (GITHUB / link).is_file(), link


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.name)
def test_a_form_is_one_and_asks_for_the_doctor(file: Path) -> None:
    form = read(file)
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "body", "labels", "title"}
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["type"] == "textarea" and field["attributes"]["label"] for field in form["body"])
    (doctor,) = (field for field in form["body"] if field["id"] == "doctor")
    assert "reportgen doctor" in doctor["attributes"]["label"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_asks_for_targets_that_there_are_and_may_only_read(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90
        assert job.get("permissions", {}) == MAY_WRITE.get((file.stem, name), {})
        assert job.get("needs", name) in workflow["jobs"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert re.fullmatch(r"[\w-]+/[\w-]+@[\w./-]+", step.get("uses", "a/b@v1"))
    for script in scripts(workflow):
        for line in script.splitlines():
            words = shlex.split(line)
            if words[:1] == ["make"]:
                assert words[1] in TARGETS
            if words and words[0].endswith("bin/reportgen"):
                assert words[1] in {*COMMANDS, "--version"}
            if words[1:2] == ["-m"] and words[2].startswith("tests."):
                assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file()
        assert "${{" not in script, "what strangers write reaches a shell in its environment alone"


def test_every_python_that_is_supported_is_tested() -> None:
    tested = read(GITHUB / "workflows" / "ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert f">={tested[0]}" == PROJECT["requires-python"]
    assert tested == ["3.11", "3.12", "3.13", "3.14"]


def test_dependabot_looks_at_actions_and_libraries() -> None:
    settings = read(GITHUB / "dependabot.yml")
    assert settings["version"] == 2
    assert {one["package-ecosystem"] for one in settings["updates"]} == {"github-actions", "pip"}


def test_the_citation_is_one_and_of_this_version() -> None:
    citation = read(ROOT / "CITATION.cff")
    assert {"authors", "cff-version", "message", "title"} <= set(citation) <= CITATION_KEYS
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert set(citation["keywords"]) <= set(PROJECT["keywords"])


def test_both_names_of_the_command_are_one_program() -> None:
    assert PROJECT["scripts"] == dict.fromkeys(["reportgen", PROJECT["name"]], "reportgen.cli:main")


def test_one_version_stands_in_the_project_the_changelog_and_the_citation() -> None:
    assert read_changelog()[0].removesuffix(UNRELEASED) == PROJECT["version"]
    assert read_citation() == PROJECT["version"]


def test_a_tag_of_another_version_is_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    version = PROJECT["version"]
    monkeypatch.setattr(release_check, "read_changelog", lambda: (version, "What is new."))
    assert find_faults(f"v{version}") == []
    assert "pyproject.toml" in find_faults("v99.0.0")[0]
    monkeypatch.setattr(release_check, "read_changelog", lambda: (version + UNRELEASED, ""))
    monkeypatch.setattr(release_check, "read_citation", lambda: "0.0.1")
    assert [fault.split(" ")[0] for fault in find_faults(f"v{version}")] == ["CHANGELOG.md", "CITATION.cff"]


def test_the_check_of_a_tag_needs_nothing_installed() -> None:
    command = [sys.executable, "-S", "-m", "tests.release_check", "v99.0.0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("the tag is v99.0.0")


def test_publishing_wants_an_approval_and_what_may_write_runs_none_of_our_code() -> None:
    jobs = read(GITHUB / "workflows" / "release.yml")["jobs"]
    assert [name for name, job in jobs.items() if "environment" in job] == ["publish"]
    for _, name in MAY_WRITE:
        assert not any(step.get("uses", "").startswith("actions/checkout") for step in jobs[name]["steps"])
    assert [step["uses"] for step in jobs["publish"]["steps"]] == [
        "actions/download-artifact@v4", "pypa/gh-action-pypi-publish@release/v1",
    ]  # fmt: skip


def test_the_lowest_versions_are_those_that_are_promised() -> None:
    assert read_pins("lowest.txt") == read_bounds()


def test_the_lock_is_the_versions_that_were_tested_each_file_by_its_hash() -> None:
    constraints, lock, of_torch = (read_pins(file) for file in ("constraints.txt", "lock.txt", "lock-torch.txt"))
    assert lock.items() <= constraints.items(), "make lock"
    assert of_torch["torch"] == constraints["torch"]
    assert not set(lock) & set(of_torch)
    assert not set(of_torch) & set(constraints) - {"torch"}
    assert set(read_bounds()) <= {*lock, "torch"}, "make lock"
    for file, pins in (("lock.txt", lock), ("lock-torch.txt", of_torch)):
        entries = re.split(r"^(?=\w)", (ROOT / "requirements" / file).read_text(), flags=re.MULTILINE)[1:]
        assert [fold(entry.partition("==")[0]) for entry in entries] == list(pins)
        assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
        assert not re.search(r"://|^-", "".join(entries), re.MULTILINE), "an index is everybody's own"


def test_every_library_is_explained() -> None:
    rows = re.findall(r"^\| `([\w.-]+)` \|", (ROOT / "docs/explanation/dependencies.md").read_text(), re.MULTILINE)
    assert sorted(map(fold, rows)) == sorted(read_bounds())
    extras = re.findall(
        r"^\| `lm-reportgen\[(\w+)\]` \|", (ROOT / "docs/explanation/dependencies.md").read_text(), re.M
    )
    assert sorted(extras) == sorted(set(PROJECT["optional-dependencies"]) - {"dev", "docs"})
