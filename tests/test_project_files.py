"""What a visitor reads first, and what the platform reads: it is well-formed, and names what there is."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from reportgen.cli import COMMANDS
from reportgen.documents.yaml_source import read_source

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PAGES = [GITHUB / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")]
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
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
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
    for script in scripts(workflow):
        for line in script.splitlines():
            words = shlex.split(line)
            if words[:1] == ["make"]:
                assert words[1] in TARGETS
            if words and words[0].endswith("bin/reportgen"):
                assert words[1] in {*COMMANDS, "--version"}
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
