"""A bundle with every kind of failure tells no path of the machine: only run.json does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import save_tiny

Call = Callable[..., Any]


@pytest.fixture
def battery(tmp_path: Path, tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """One good model, and one of each kind of those that cannot be used; files that probes cannot use."""
    folder = tmp_path / "private" / "battery"
    models = folder / "models"
    shutil.copytree(tiny_models["a"], models / "good")
    for name in ("cut", "no_tokenizer", "bad_tokenizer", "other_sizes", "lacking", "quantised"):
        shutil.copytree(tiny_models["a"], models / name)
    weights = (models / "cut" / "model.safetensors").read_bytes()
    (models / "cut" / "model.safetensors").write_bytes(weights[:-10])
    (models / "no_tokenizer" / "tokenizer.json").unlink()
    (models / "bad_tokenizer" / "tokenizer.json").write_text("{")
    change(models / "other_sizes", intermediate_size=41)
    change(models / "lacking", num_hidden_layers=4)
    change(models / "quantised", quantization_config={"quant_method": "unheard_of", "bits": 4})
    (models / "config.json").write_text("[")
    (models / "a.gguf").write_bytes(b"GGUF" + bytes(100))
    outside = save_tiny(tmp_path / "private" / "elsewhere")
    (outside / "config.json").write_text("{")
    (models / "linked").symlink_to(outside, target_is_directory=True)
    (folder / "sae").mkdir()
    (folder / "lens.safetensors").write_bytes(b"no lens")
    (folder / "text.jsonl").write_text("{")
    named = {one.name: f"./models/{one.name}" for one in models.iterdir() if one.is_dir()}
    named |= {"missing": "models/missing/it", "config": "config:models/config.json", "gguf": "./models/a.gguf"}
    probes = {
        "census": {"probe": "parameter_census"},
        "lens": {"probe": "logit_lens", "prompts": ["an apple"], "tuned_lens": "lens.safetensors"},
        "gone": {"probe": "logit_lens", "prompts": ["an apple"], "tuned_lens": "gone.safetensors"},
        "sae": {"probe": "sae_features", "prompts": ["an apple"], "dictionaries": "./sae"},
        "text": {"probe": "sae_quality", "text_file": "text.jsonl", "dictionaries": "./sae"},
    }
    file = folder / "battery.yaml"
    written = {"models": named, "probes": probes, "outputs": []}
    file.write_text(json.dumps(written))
    monkeypatch.chdir(tmp_path)
    return file


def change(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def keep(battery: Path, *probes: str) -> None:
    content = json.loads(battery.read_text())
    content["probes"] = {id: content["probes"][id] for id in probes}
    battery.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "formats", [("html", "figures", "pptx"), pytest.param(("pdf", "slides"), marks=pytest.mark.slow)]
)
def test_no_output_but_run_json_tells_where_a_model_lies(
    reportgen: Call, battery: Path, tmp_path: Path, formats: tuple[str, ...]
) -> None:
    from pypdf import PdfReader

    keep(battery, "census")
    chosen = [argument for one in formats for argument in ("--format", one)]
    ended = reportgen("run", battery, "-o", tmp_path / "out", "--quiet", *chosen)
    assert ended.code == 3, ended.err
    results = json.loads((tmp_path / "out" / "results.json").read_text())["results"]["census"]
    reasons = {id: outcome["reason"] for id, outcome in results.items() if outcome["status"] != "ok"}
    assert set(reasons) >= {"cut", "no_tokenizer", "bad_tokenizer", "other_sizes", "lacking", "missing", "config",
                            "gguf", "linked"}  # fmt: skip
    assert reasons["cut"].startswith("models/cut/model.safetensors: the weights are truncated")
    assert all(len(reason.splitlines()) == 1 for reason in reasons.values())
    for file in (tmp_path / "out").rglob("*"):
        if file.is_dir() or file.name == "run.json":
            continue
        if file.suffix == ".pptx":
            shutil.unpack_archive(file, tmp_path / "unpacked", "zip")
            content = b"".join(part.read_bytes() for part in (tmp_path / "unpacked").rglob("*") if part.is_file())
        elif file.suffix == ".pdf":
            content = "".join(page.extract_text() for page in PdfReader(file).pages).encode()
        else:
            content = file.read_bytes()
        for secret in (str(tmp_path), tmp_path.name, "private"):
            assert secret.encode() not in content, (file.name, secret)


SLOW = pytest.mark.slow


@pytest.mark.parametrize("probe", ["lens", "gone", pytest.param("sae", marks=SLOW), pytest.param("text", marks=SLOW)])
def test_a_probe_whose_files_cannot_be_used_tells_them_as_the_battery_does(
    reportgen: Call, battery: Path, tmp_path: Path, probe: str
) -> None:
    keep(battery, "census", probe)
    ended = reportgen("run", battery, "-o", tmp_path / "out", "--quiet", "--format", "html")
    assert ended.code == 2  # no model can run it
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out").exists()
