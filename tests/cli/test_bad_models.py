"""Models that cannot be used: one clear message, 1 where none is left, 3 beside a good one."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError
from tiny import save_tiny

Call = Callable[..., object]
CENSUS = "  census: {probe: parameter_census}"


def missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return str(folder / "nowhere")


def truncated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    weights = save_tiny(folder) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return str(folder)


def corrupt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (save_tiny(folder) / "model.safetensors").write_bytes(b"not weights at all")
    return str(folder)


def no_causal_lm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    config = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    (save_tiny(folder) / "config.json").write_text(json.dumps(config))
    return str(folder)


def no_offsets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (save_tiny(folder) / "tokenizer.json").unlink()
    return str(folder)


def offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return "nobody/nothing-of-this-name"


def gated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*arguments: object, **options: object) -> None:
        answer = httpx2.Response(403, request=httpx2.Request("GET", "https://hub.invalid"))
        raise GatedRepoError("gated", response=answer)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    return "meta-llama/Llama-3.2-3B"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "nowhere"),
        (truncated, "model.safetensors"),
        (corrupt, "model.safetensors"),
        (no_causal_lm, "BertForMaskedLM"),
        (no_offsets, "tokenizer.json"),
        (offline, "HF_HUB_OFFLINE"),
        (gated, "hf auth login"),
    ],
)
def test_exit_codes(
    reportgen: Call,
    write_battery: Call,
    tiny_models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path, pytest.MonkeyPatch], str],
    message: str,
) -> None:
    source = make(tmp_path / "bad", monkeypatch)
    alone = reportgen("run", write_battery(CENSUS, models={"bad": source}), "--quiet")
    assert alone.code == 1
    assert message in alone.err
    assert "Traceback" not in alone.err
    assert len(alone.err.splitlines()) <= 3
    assert not (tmp_path / "battery").exists()

    beside = reportgen("run", write_battery(CENSUS, models={"good": tiny_models["a"], "bad": source}), "--quiet")
    assert beside.code == 3
    results = json.loads((tmp_path / "battery" / "results.json").read_text())["results"]["census"]
    assert results["good"]["status"] == "ok"
    assert results["bad"]["status"] == "failed"
    assert message in results["bad"]["reason"]
