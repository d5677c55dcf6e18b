"""Two models of one name are called by their ids in every output; the numbers keep the name they have."""

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
    assert names == {"a": "a", "b": "b", "half": "Half as exact"}
    stored = json.loads((bundle / "results.json").read_text())["models"]
    assert {id: card["name"] for id, card in stored.items()} == {
        "a": "checkpoint-1000", "b": "checkpoint-1000", "half": "Half as exact",
    }  # fmt: skip


def test_every_output_uses_it(bundle: Path) -> None:
    page = (bundle / "report.html").read_text()
    assert "<strong><bdi>a</bdi></strong>" in page
    assert "Half as exact" in page
    assert "<bdi>checkpoint-1000</bdi>" in page  # once of each, where it is told what was compared
    assert page.count("<bdi>checkpoint-1000</bdi>") == 2
    named = re.findall(r"<(?:figcaption|th|h\d|strong|title|td|desc)\b[^>]*>(?:<[^>]+>)*[^<]*checkpoint-1000", page)
    assert not named


def test_a_comparison_with_itself_names_each(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["compare", str(bundle), str(bundle), "--format", "html"]) == 0
    (page,) = bundle.parent.glob("names-comparison/*.html")
    assert "checkpoint-1000" not in re.sub(r"<(script|style)\b.*?</\1>", "", page.read_text(), flags=re.DOTALL)


def test_names_that_differ_stay_as_they_are() -> None:
    assert _names(a="X", b="Y", c="X") == {"a": "a", "b": "Y", "c": "c"}


def test_no_folder_is_called_by_the_id_of_another() -> None:
    """`gone` lies nowhere and is called by its id; a folder of that name must not be."""
    assert _names(gone="gone", other="gone") == {"gone": "gone", "other": "other"}
    assert _names(before="after", after="step-9") == {"before": "before", "after": "step-9"}
    assert _names(a="b", b="a", c="c") == {"a": "a", "b": "b", "c": "c"}


def test_a_folder_that_is_not_there_is_called_by_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny(tmp_path / "here" / "model")
    battery = tmp_path / "b.yaml"
    battery.write_text("models: {a: ./here/model, b: ./gone/model, model: ./gone/other}\nprobes:\n" + LENS)
    assert run_command(["run", str(battery), "--format", "html"]) == 3
    names = {id: card.name for id, card in load_bundle(tmp_path / "b").models.items()}
    assert names == {"a": "a", "b": "b", "model": "model"}
    assert "a loaded and proven" in capsys.readouterr().err


def _names(**own: str) -> dict[str, str]:
    return {id: card.name for id, card in tell_apart(ModelCard(id, name, "L", 1) for id, name in own.items()).items()}
