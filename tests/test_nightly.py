"""The real Gemma, and a copy with seeded noise in one matrix of a middle block: found, and told where it begins."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from junitparser import JUnitXml
from safetensors.numpy import load_file, save_file

from reportgen.cli import run_command

BLOCK = 9
PROBES = {
    "weather": {"probe": "logit_lens", "prompts": ["今天天氣真", "The capital of France is"], "top_k": 5},
    "apple": {"probe": "word_similarity", "word": "apple", "prompts": "lecture/apple"},
    "heads": {"probe": "attention_grid", "prompts": ["The apple is green."]},
    "map": {"probe": "pca_map", "prompts": "lecture/words"},
    "nearest": {"probe": "nearest_tokens", "texts": ["apple"], "k": 5},
}


@pytest.fixture(scope="module")
def noisy(gemma_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Noise of 1 % of the norm of one MLP matrix."""
    folder = tmp_path_factory.mktemp("models") / "noisy"
    folder.mkdir()
    for file in gemma_folder.iterdir():
        if file.suffix != ".safetensors":
            shutil.copyfile(file, folder / file.name)
    tensors = load_file(gemma_folder / "model.safetensors")
    name = f"model.layers.{BLOCK}.mlp.down_proj.weight"
    matrix = tensors[name]
    noise = np.random.default_rng(0).normal(size=matrix.shape).astype(np.float32)
    tensors[name] = matrix + noise * (0.01 * np.linalg.norm(matrix) / np.linalg.norm(noise))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    del tensors, matrix, noise
    yield folder
    shutil.rmtree(folder)


def bundle(folder: Path, source: str) -> Path:
    battery = {"title": "Night", "models": {"gemma": source}, "probes": PROBES, "outputs": []}
    folder.mkdir()
    (folder / "night.yaml").write_text(json.dumps(battery))
    assert run_command(["run", str(folder / "night.yaml"), "--quiet"]) == 0
    return folder / "night"


@pytest.mark.real
def test_noise_in_one_matrix_is_found_and_the_first_layer_named(
    noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = bundle(tmp_path / "before", "demo:gemma-3-270m"), bundle(tmp_path / "after", str(noisy))
    files = ["--junit", str(tmp_path / "junit.xml"), "--markdown", str(tmp_path / "summary.md")]
    assert run_command(["compare", str(before), str(after), *files, "--quiet"]) == 4
    first = f"layer {BLOCK + 1}"
    page = after.with_name("night-comparison") / "comparison.html"
    head = page.read_text().partition("</header>")[0]
    assert first in head
    assert first in (tmp_path / "summary.md").read_text()[:600]
    (suite,) = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert suite.failures > 0
    assert first in (tmp_path / "junit.xml").read_text()[:3000]
    assert first in capsys.readouterr().out
    # The embedding is untouched.
    record = json.loads((page.parent / "comparison.json").read_text())
    assert {one["verdict"] for one in record["compared"] if one["probe_id"] == "nearest"} == {"same"}
