"""Models that cannot be used: one clear message, 1 where none is left, 3 beside a good one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError

from reportgen.cli import run_command
from tests.tiny import save_tiny

Call = Callable[..., object]
CENSUS = "  census: {probe: parameter_census}"


def missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return str(folder / "nowhere")


def save_truncated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    weights = save_tiny(folder) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return str(folder)


def save_corrupt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (save_tiny(folder) / "model.safetensors").write_bytes(b"not weights at all")
    return str(folder)


def no_causal_lm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    config = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    (save_tiny(folder) / "config.json").write_text(json.dumps(config))
    return str(folder)


def no_offsets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (save_tiny(folder) / "tokenizer.json").unlink()
    return str(folder)


def of_a_billion_layers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    config = save_tiny(folder) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 10**9}))
    return f"config:{config}"


def offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return "nobody/nothing-of-this-name"


def refuse_download(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*arguments: object, **options: object) -> None:
        answer = httpx2.Response(403, request=httpx2.Request("GET", "https://hub.invalid"))
        raise GatedRepoError("gated", response=answer)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    return "meta-llama/Llama-3.2-3B"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "nowhere"),
        (save_truncated, "model.safetensors"),
        (save_corrupt, "model.safetensors"),
        (no_causal_lm, "BertForMaskedLM"),
        (no_offsets, "tokenizer.json"),
        (of_a_billion_layers, "num_hidden_layers is 1000000000, where a model has a whole number up to 1,000"),
        (offline, "HF_HUB_OFFLINE"),
        (refuse_download, "hf auth login"),
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


def without_its_token(parts: dict[str, Any]) -> None:
    parts["post_processor"]["special_tokens"].clear()


def with_a_word_more(parts: dict[str, Any]) -> None:
    parts["model"]["vocab"]["zebra"] = 320
    added = parts["added_tokens"]
    added.append(added[0] | {"id": 320, "content": "zebra", "special": False})


def exchange_parts(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    file = save_tiny(folder) / "tokenizer.json"
    parts = json.loads(file.read_text())
    change(parts)
    file.write_text(json.dumps(parts))
    return folder


def test_a_tokenizer_that_panics_is_a_failed_model_beside_a_good_one(
    write_battery: Call, tiny_models: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = exchange_parts(tmp_path / "bad", without_its_token)
    probes = (CENSUS, "  top: {probe: next_token, prompts: [an apple, a day]}")
    alone = run_command(["run", str(write_battery(*probes, models={"bad": bad})), "--quiet"])
    err = capfd.readouterr().err
    assert alone == 1
    assert "the tokenizer fails on 'an apple'" in err
    assert len(err.splitlines()) <= 3
    battery = write_battery(*probes, models={"bad": bad, "good": tiny_models["a"]})
    beside = run_command(["run", str(battery), "--quiet"])
    assert beside == 3
    assert "panicked" not in capfd.readouterr().err
    results = json.loads((tmp_path / "battery" / "results.json").read_text())["results"]
    assert [results[probe][id]["status"] for probe in ("census", "top") for id in ("bad", "good")] == [
        "failed",
        "ok",
    ] * 2


def test_a_prompt_with_a_token_beyond_the_embedding_is_left_out_and_the_others_run(
    reportgen: Call, write_battery: Call, tmp_path: Path
) -> None:
    larger = exchange_parts(tmp_path / "larger", with_a_word_more)
    battery = write_battery(
        "  top: {probe: next_token, prompts: [a zebra, an apple]}",
        "  strip: {probe: tokenization, prompts: [a zebra]}",
        models={"larger": larger},
    )
    reason = "token 'zebra' (320) has no row in the model's embedding of 320 rows"
    assert f"top (next_token): 1 prompt; 1 prompt left out: {reason}" in reportgen("plan", battery).out
    assert reportgen("run", battery, "--quiet").code == 0
    results = json.loads((tmp_path / "battery" / "results.json").read_text())["results"]
    top = results["top"]["larger"]
    assert top["options"]["prompts"] == [{"text": "an apple"}]
    assert top["tables"]["skipped"]["rows"] == [["a zebra", reason]]
    assert results["strip"]["larger"]["status"] == "ok"


@pytest.mark.parametrize(
    "probe",
    [
        "{probe: next_token, prompts: [a zebra]}",
        "{probe: nearest_tokens, texts: [zebra]}",
        "{probe: concept_sum, concepts: [{texts: [zebra]}]}",
        "{probe: embedding_arithmetic, pairs: [[zebra, apple]], pool: mean}",
        "{probe: attribution, prompts: [an apple], answers: [zebra]}",
        "{probe: activation_patching, answers: [[zebra, a]], prompts: [{text: an apple, pair: p, group: clean}, "
        "{text: an eye, pair: p, group: corrupted}]}",
    ],
)
def test_what_no_model_has_a_row_for_is_told_before_anything_runs(
    reportgen: Call, write_battery: Call, tmp_path: Path, probe: str
) -> None:
    battery = write_battery(f"  one: {probe}", models={"larger": exchange_parts(tmp_path / "larger", with_a_word_more)})
    ended = reportgen("plan", battery)
    assert ended.code == 2
    assert "token 'zebra' (320) has no row in the model's embedding of 320 rows" in ended.err


def test_a_chat_template_that_would_not_end_is_a_skipped_card(
    reportgen: Call, write_battery: Call, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    bomb = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x"
    models = {"bomb": save_tiny(tmp_path / "bomb", chat_template=bomb), "good": tiny_models["a"]}
    chats = ", ".join(f"{{messages: [{{role: user, content: chat {at}}}]}}" for at in range(20))
    battery = write_battery(
        CENSUS, f"  top: {{probe: next_token, models: [bomb], prompts: [{chats}, text]}}", models=models
    )
    ended = reportgen("plan", battery)
    assert ended.code == 2
    assert "the model's chat template computes more than a prompt can need" in ended.err
