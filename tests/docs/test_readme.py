"""The README, and what pages of docs/ promise: their examples do what they say."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click import Context
from PIL import Image

import reportgen
from reportgen.battery.reader import load_battery, read_battery
from reportgen.cli import reportgen as reportgen_group
from reportgen.cli import run_command
from reportgen.documents.yaml_source import read_source
from reportgen.errors import BundleError
from reportgen.look.theme import read_theme
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from tests.docs.blocks import ROOT, blocks_of, shell_lines
from tests.tiny import save_tiny

README = (ROOT / "README.md").read_text()


def texts(language: str, page: str) -> list[str]:
    return [block.text for block in blocks_of(language, page=page)]


def commands(page: str) -> list[str]:
    lines = [line for block in blocks_of("sh", page=page) for line in shell_lines(block)]
    return [line for line in lines if line.startswith("reportgen ")]


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 135


def test_the_readme_counts_the_probes() -> None:
    from reportgen.probes import registry

    (told,) = re.findall(r"\[(\d+) probes\]", README)
    assert int(told) == len(registry.names())


def test_links_of_the_readme_lead_to_what_a_checkout_has() -> None:
    linked = [one.partition("#") for one in re.findall(r"\]\(([^)\s]+)\)", README) if not re.match(r"https?:", one)]
    assert len(linked) > 30
    assert [path for path, _, _ in linked if path and not (ROOT / path).is_file()] == []
    wrong = [(path, title) for path, _, title in linked if title and title not in anchors_of(path or "README.md")]
    assert wrong == []


def anchors_of(page: str) -> set[str]:
    """What a link can name of a page: its titles as GitHub and MkDocs spell them, in lower case, joined by dashes."""
    titles = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_pictures_of_the_readme_are_light_and_legible() -> None:
    sizes = {}
    for name in re.findall(r"\(docs/images/([\w-]+\.png)\)", README):
        file = ROOT / "docs" / "images" / name
        sizes[name] = file.stat().st_size
        with Image.open(file) as picture:
            assert picture.width >= 700, name
    assert len(sizes) == 7
    assert max(sizes.values()) <= 150_000
    assert sum(sizes.values()) <= 800_000


def test_badges_say_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    licence, python = ((ROOT / "docs" / "images" / f"{one}.svg").read_text() for one in ("licence", "python"))
    assert f">{project['license']}<" in licence
    assert f">{project['requires-python'].removeprefix('>=')} and newer<" in python


def test_the_battery_is_ten_lines_and_is_ready_to_run(tmp_path: Path) -> None:
    (battery,), (tolerances, _) = texts("yaml", "README.md"), texts("yaml", "docs/how-to/ci.md")
    assert len(battery.splitlines()) <= 10
    (tmp_path / "battery.yaml").write_text(battery)
    plan = make_plan(load_battery(tmp_path / "battery.yaml"))
    assert [model.id for model in plan.models] == ["llama", "gemma"]
    battery = battery.replace("probes:\n", "probes:\n  map: {probe: pca_map, prompts: lecture/words}\n")
    assert set(read_battery(battery + tolerances).tolerances) == {"weather.*.entropy", "map.*"}
    assert all(case.sides and not case.skipped for model in plan.models for case in model.cases)


def test_the_commands_for_ci_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    probes = "probes: {weather: {probe: logit_lens, prompts: [an apple]}}\noutputs: []"
    model = save_tiny(tmp_path / "tiny")
    (tmp_path / "reports" / "nightly.yaml").write_text(f"models: {{gemma: {model}}}\n{probes}\n")
    lines = [*commands("docs/how-to/ci.md"), *(line for line in commands("README.md") if "nightly" in line)]
    assert len(lines) == 5
    for line in lines:
        assert run_command(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    assert (tmp_path / "junit.xml").is_file()
    assert "same" in (tmp_path / "summary.md").read_text().lower()


def test_the_workflow_runs_commands_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = read_source((ROOT / ".github" / "workflows" / "nightly.yml").read_text(), "nightly.yml").value
    steps = [step["run"] for step in workflow["jobs"]["compare"]["steps"] if "run" in step]
    commands = [shlex.split(run)[1:] for run in steps if "bin/reportgen" in run]
    assert [command[0] for command in commands] == ["nightly"]
    for command in commands:
        known = reportgen_group.get_command(Context(reportgen_group), command[0])
        assert known is not None
        known.make_context(command[0], command[1:])
        for path in (
            ROOT / argument for argument in command[1:] if argument.endswith(".yaml") or "baselines" in argument
        ):
            assert path.exists()


def test_the_action_example_gives_what_the_action_takes() -> None:
    action = read_source((ROOT / "action.yml").read_text(), "action.yml").value
    workflow = read_source(texts("yaml", "docs/how-to/ci.md")[1], "ci.md").value
    (step,) = (step for step in workflow["jobs"]["inside"]["steps"] if "with" in step)
    assert {name for name, one in action["inputs"].items() if one.get("required")} <= set(step["with"])
    assert set(step["with"]) <= set(action["inputs"])
    assert workflow["permissions"]["pull-requests"] == "write"


def test_the_test_example_is_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    probes = "probes: {census: {probe: parameter_census}}\noutputs: []"
    (tmp_path / "reports" / "nightly.yaml").write_text(f"models: {{gemma: {save_tiny(tmp_path / 'tiny')}}}\n{probes}\n")
    reportgen.run("reports/nightly.yaml", "reports/baselines/nightly")
    written: dict[str, Any] = {}
    exec(compile(texts("python", "docs/how-to/ci.md")[0], "ci.md", "exec"), written)
    written["test_the_inside_is_as_accepted"](reportgen.run)
    with pytest.raises(BundleError):
        written["test_the_inside_is_as_accepted"](lambda battery: tmp_path / "gone")


def test_the_python_example_reads_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "tiny")
    probes = "probes: {weather: {probe: logit_lens, prompts: [天氣]}}"
    (tmp_path / "battery.yaml").write_text(f"models: {{gemma: {tmp_path / 'tiny'}}}\n{probes}\n")
    reportgen.run("battery.yaml", formats=[])
    exec(compile(texts("python", "docs/how-to/python.md")[0], "python.md", "exec"), {})
    assert capsys.readouterr().out == "('layer',) nat (4,)\n"
    assert (tmp_path / "grid.svg").read_text().startswith("<svg")
    shown = commands("docs/how-to/slides-and-look.md")
    assert len(shown) == 4
    for line in shown:
        assert run_command(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    assert (tmp_path / "battery-figures-slides" / "weather-gemma-grid-0.svg").exists()
    assert '<html lang="zh-TW"' in (tmp_path / "battery" / "report.html").read_text()
    assert (tmp_path / "battery" / "slides.pdf").exists()


def test_the_theme_example_is_a_theme(tmp_path: Path) -> None:
    (tmp_path / "lab.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (tmp_path / "lab.yaml").write_text(texts("yaml", "docs/how-to/slides-and-look.md")[0])
    theme = read_theme("lab.yaml", tmp_path)
    assert (theme.models, theme.text) == (("#7a0019", "#2f5d8a"), 10)
    assert theme.logo.startswith("data:image/svg+xml;base64,")


def test_the_probe_example_is_a_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.probes import registry

    example = tmp_path / "stream_norms.py"
    example.write_text(texts("python", "docs/how-to/add-a-probe.md")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    import stream_norms

    known = registry.find
    monkeypatch.setattr(
        "reportgen.probes.registry.find", lambda name: stream_norms.probe if name == "stream_norms" else known(name)
    )
    from tests.runs import run_probes

    outcome = run_probes(
        {"m": save_tiny(tmp_path / "tiny")}, {"n": {"probe": "stream_norms", "prompts": ["an apple"]}}
    ).outcomes["n"]["m"]
    assert outcome.status == "ok", outcome.reason
    assert outcome.arrays["norms"].values.shape == (1, 4)
    assert np.all(outcome.arrays["norms"].values > 0)
    section = Section("n", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert outcome.metrics["last_norm"].value == pytest.approx(outcome.arrays["norms"].values[0, -1])
    assert stream_norms.probe.statement(section).startswith("Tiny ends at ")
    (figure,) = stream_norms.probe.figures(section)
    assert list(figure.curves[0].y) == outcome.arrays["norms"].values[0].tolist()
