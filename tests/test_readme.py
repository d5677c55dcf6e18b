"""The README's blocks run."""

import re
from pathlib import Path

import numpy as np
import pytest
import readme_blocks
from tiny import save_tiny

import reportgen
from reportgen.battery import load_battery
from reportgen.plan import make_plan
from reportgen.probes.base import ModelCard, Section

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_what_the_program_says_of_itself_is_current() -> None:
    assert readme_blocks.written(README) == README, "run: python tests/readme_blocks.py"


def test_the_make_targets_exist() -> None:
    named = {word for block in blocks("sh") for word in re.findall(r"make (\w+)", block)}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named == {"report", "test"}
    assert named <= targets


def test_the_battery_is_ten_lines_and_is_ready_to_run(tmp_path: Path) -> None:
    (battery,) = blocks("yaml")
    assert len(battery.splitlines()) <= 10
    (tmp_path / "battery.yaml").write_text(battery)
    plan = make_plan(load_battery(tmp_path / "battery.yaml"))
    assert [model.id for model in plan.models] == ["llama", "gemma"]
    assert all(case.case is not None and not case.skipped for model in plan.models for case in model.cases)


def test_the_python_example_reads_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "tiny")
    probes = "probes: {weather: {probe: logit_lens, prompts: [天氣]}}"
    (tmp_path / "battery.yaml").write_text(f"models: {{gemma: {tmp_path / 'tiny'}}}\n{probes}\n")
    reportgen.run("battery.yaml", formats=[])
    exec(compile(blocks("python")[0], "README", "exec"), {})
    assert capsys.readouterr().out == "('prompt', 'step', 'layer') nat (1, 1, 4)\n"


def test_the_probe_example_is_a_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen import registry

    example = tmp_path / "stream_norms.py"
    example.write_text(blocks("python")[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    import stream_norms

    known = registry.find
    monkeypatch.setattr(
        "reportgen.registry.find", lambda name: stream_norms.probe if name == "stream_norms" else known(name)
    )
    from running import run_probes

    outcome = run_probes(
        {"m": save_tiny(tmp_path / "tiny")}, {"n": {"probe": "stream_norms", "prompts": ["an apple"]}}
    ).outcomes["n"]["m"]
    assert outcome.status == "ok", outcome.reason
    assert outcome.arrays["norms"].values.shape == (1, 4)
    assert np.all(outcome.arrays["norms"].values > 0)
    section = Section("n", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    (figure,) = stream_norms.probe.figures(section)
    assert list(figure.curves[0].y) == outcome.arrays["norms"].values[0].tolist()
