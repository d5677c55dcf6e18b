"""Two models of one name are told apart in every output, by their ids; the numbers keep the name they have."""

import json
import re
from pathlib import Path

import pytest

from reportgen.cli import run_command
from reportgen.results.bundle import load_bundle
from reportgen.results.section import ModelCard, tell_apart
from tests.tiny import save_tiny

LENS = "  lens: {probe: logit_lens, prompts: [an apple]}\n  census: {probe: parameter_census}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for run, seed in (("run_a", 0), ("run_b", 1)):
        save_tiny(folder / run / "checkpoint-1000", "llama", seed=seed)
    models = "\n".join(
        [
            "  a: ./run_a/checkpoint-1000",
            "  b: ./run_b/checkpoint-1000",
            "  half: {source: ./run_a/checkpoint-1000, dtype: bfloat16, name: Half as exact}",
        ]
    )
    battery = folder / "names.yaml"
    battery.write_text(f"models:\n{models}\nprobes:\n{LENS}\noutputs: [html, figures]\n")
    assert run_command(["run", str(battery), "--quiet"]) == 0
    return folder / "names"


def test_each_model_has_a_name_of_its_own(bundle: Path) -> None:
    names = {id: card.name for id, card in load_bundle(bundle).models.items()}
    assert names == {"a": "checkpoint-1000 (a)", "b": "checkpoint-1000 (b)", "half": "Half as exact"}
    stored = json.loads((bundle / "results.json").read_text())["models"]
    assert {id: card["name"] for id, card in stored.items()} == {
        "a": "checkpoint-1000", "b": "checkpoint-1000", "half": "Half as exact",
    }  # fmt: skip


def test_every_output_uses_it(bundle: Path) -> None:
    page = (bundle / "report.html").read_text()
    assert "checkpoint-1000 (a)" in page
    assert "checkpoint-1000 (b)" in page
    assert "Half as exact" in page
    named = re.findall(r"<(?:figcaption|th|h\d|strong|title|td)\b[^>]*>(?:<[^>]+>)*checkpoint-1000(.{4})", page)
    assert named
    assert set(named) == {" (a)", " (b)"}  # what is told of a source stands elsewhere


def test_a_comparison_with_itself_names_each(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["compare", str(bundle), str(bundle), "--format", "html"]) == 0
    (page,) = bundle.parent.glob("names-comparison/*.html")
    assert "checkpoint-1000 (b)" in page.read_text()


def test_names_that_differ_stay_as_they_are() -> None:
    cards = [ModelCard("a", "X", "L", 1), ModelCard("b", "Y", "L", 1), ModelCard("c", "X", "L", 1)]
    assert {id: card.name for id, card in tell_apart(cards).items()} == {"a": "X (a)", "b": "Y", "c": "X (c)"}
