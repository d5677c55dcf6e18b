"""The pytest plugin as a repository that uses it sees it: in a pytest of its own."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

import reportgen
from reportgen.testing import assert_same
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]
TESTS = """
from reportgen.testing import assert_same

def test_runs(reportgen_bundle):
    bundle = reportgen_bundle("night.yaml")
    assert bundle["census"]["a"].metrics["total_parameters"].value > 0
    assert_same(bundle, "baselines/night")

def test_runs_once(reportgen_bundle):
    assert reportgen_bundle("night.yaml") is reportgen_bundle("./night.yaml")
    assert not list(reportgen_bundle("night.yaml").path.glob("*.html"))
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A pytest that knows no plugin but ours."""
    outside = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    outside.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-p", "reportgen.testing.plugin", "-q", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *arguments], cwd=folder, env=outside, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with a model, a battery, its accepted baseline, and tests."""
    model = save_tiny(tmp_path / "tiny", "llama")
    probes = {"lens": {"probe": "logit_lens", "prompts": ["an apple"]}, "census": {"probe": "parameter_census"}}
    battery = {"models": {"a": str(model)}, "probes": probes, "outputs": ["html"]}
    (tmp_path / "night.yaml").write_text(json.dumps(battery))
    reportgen.run(tmp_path / "night.yaml", tmp_path / "baselines" / "night", formats=[])
    (tmp_path / "test_night.py").write_text(TESTS)
    return tmp_path


def test_a_model_as_it_was_passes(repository: Path) -> None:
    ran = run_pytest(repository)
    assert ran.returncode == 0, ran.stdout
    assert "2 passed" in ran.stdout


def test_another_model_fails_as_the_morning_reads(repository: Path) -> None:
    file = repository / "tiny" / "model.safetensors"
    tensors = load_file(file)
    tensors["model.layers.0.mlp.down_proj.weight"] = tensors["model.layers.0.mlp.down_proj.weight"] * 1.5
    save_file(tensors, file, {"format": "pt"})
    ran = run_pytest(repository)
    assert ran.returncode == 1
    told = [line.removeprefix("E").strip() for line in ran.stdout.splitlines() if line.startswith("E")]
    assert told[0].startswith("AssertionError: Drifted: ")
    assert told[0].endswith("changed: weights of a")
    assert told[1].startswith("from layer 1 of a (tiny): lens, ")
    assert told[-1].startswith("Find what moved it, or accept it if it is meant: reportgen baseline accept night")
    assert "reportgen/workflows" not in ran.stdout  # no trace of ours
    assert "1 passed, 1 failed" in ran.stdout or "1 failed, 1 passed" in ran.stdout


def test_another_question_is_told_as_such(repository: Path) -> None:
    battery = json.loads((repository / "night.yaml").read_text())
    battery["probes"]["lens"]["prompts"] = ["an apple a day"]
    (repository / "night.yaml").write_text(json.dumps(battery))
    ran = run_pytest(repository)
    assert "AssertionError: Not comparable: 1 not comparable" in ran.stdout
    assert "lens.a: not comparable: another option prompts: 0 was “an apple” and is “an apple a day”" in ran.stdout


def test_a_wrong_battery_fails_with_its_mistakes_alone(repository: Path) -> None:
    battery = json.loads((repository / "night.yaml").read_text())
    battery["probes"]["lens"]["promts"] = battery["probes"]["lens"].pop("prompts")
    (repository / "night.yaml").write_text(json.dumps(battery))
    ran = run_pytest(repository)
    assert ran.returncode == 1
    assert "the battery did not run" in ran.stdout
    assert "promts" in ran.stdout
    assert "Traceback" not in ran.stdout
    assert "reportgen/" not in ran.stdout.replace("reportgen/testing", "")


def test_the_plugin_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_light.py").write_text(
        "import sys\n\ndef test_light(request):\n"
        "    import reportgen.testing\n"
        "    assert request.config.pluginmanager.hasplugin('reportgen.testing.plugin')\n"
        "    heavy = 'torch numpy matplotlib pydantic transformers jinja2 safetensors click'.split()\n"
        "    assert not set(heavy) & set(sys.modules)\n"
        "    assert 'reportgen.workflows' not in sys.modules\n"
    )
    ran = run_pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout


def test_pytest_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"reportgen": "reportgen.testing.plugin"}
    assert project["name"] not in {name.partition(">")[0] for name in project["dependencies"]}
    assert not any(name.startswith("pytest") for name in project["dependencies"])  # whoever has it, has it


def test_a_bundle_and_itself_are_the_same_wherever_it_is_named(repository: Path) -> None:
    place = repository / "baselines" / "night"
    for one in (place, str(place), reportgen.load(place)):
        assert_same(one, place)
