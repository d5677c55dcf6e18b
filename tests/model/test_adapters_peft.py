"""Models with an adapter merged into them against peft itself, which runs in an environment of its own: `make peft`."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-peft" / "bin" / "python"
MLP = ["q_proj", "v_proj", "up_proj", "down_proj"]

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="peft is not installed: make peft")

CASES = {
    "attention and MLP": ("gemma3", {"r": 3, "lora_alpha": 5, "target_modules": MLP}),
    "Conv1D": ("gpt2", {"r": 3, "lora_alpha": 5, "target_modules": ["c_attn", "c_proj", "c_fc"]}),
    "square Conv1D": ("gpt2", {"r": 3, "lora_alpha": 5, "target_modules": ["attn.c_proj"], "fan_in_fan_out": True}),
    "rank-stabilised": ("llama", {"r": 4, "lora_alpha": 6, "target_modules": MLP, "use_rslora": True}),
    "patterns": (
        "llama",
        {
            "r": 2, "target_modules": MLP, "use_rslora": True, "rank_pattern": {"q_proj": 5, r"layers\.1\.mlp\..*": 3},
            "alpha_pattern": {"^model.layers.0.self_attn.v_proj": 9, "down_proj": 1},
        },
    ),
    "some blocks": ("qwen2", {"r": 2, "target_modules": MLP, "layers_to_transform": [0, 2]}),
    "regular expression": ("llama", {"r": 2, "target_modules": r".*\.(q|o)_proj"}),
    "biases of the maps": ("gpt2", {"r": 2, "target_modules": ["c_attn"], "bias": "lora_only"}),
    "all biases": ("gpt2", {"r": 2, "target_modules": ["c_attn"], "bias": "all"}),
    "both ends": ("llama", {"r": 2, "target_modules": ["embed_tokens", "lm_head", "q_proj"]}),
    "whole modules": ("llama", {"r": 2, "target_modules": MLP, "modules_to_save": ["lm_head", "embed_tokens", "norm"]}),
    "one end of two that are tied": (
        "gemma3", {"r": 2, "target_modules": MLP, "modules_to_save": ["embed_tokens"]},
    ),
    "the other end": ("gemma3", {"r": 2, "target_modules": MLP, "modules_to_save": ["lm_head"]}),
    "more tokens": ("llama", {"r": 2, "target_modules": MLP}, 331),
    "more tokens, tied": ("gemma3", {"r": 2, "target_modules": MLP}, 331),
    "fewer tokens, whole modules": (
        "llama", {"r": 2, "target_modules": MLP, "modules_to_save": ["embed_tokens", "lm_head"]}, 317,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which peft left its adapters, and what came of them."""
    root = tmp_path_factory.mktemp("peft")
    for family in {family for family, *_ in CASES.values()}:
        save_tiny(root / family, family)
    cases = [
        {"name": name, "base": str(root / family), "settings": settings, "rows": rows[0] if rows else None}
        for name, (family, settings, *rows) in CASES.items()
    ]
    (root / "cases.json").write_text(json.dumps(cases))
    script = ROOT / "tests" / "reference" / "peft_merged.py"
    run = subprocess.run(
        [PYTHON, "-W", "ignore", script, root], check=False, capture_output=True, text=True, timeout=250
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return root


@pytest.mark.parametrize("name", CASES)
def test_merged_logits_equal_those_of_peft(theirs: Path, name: str) -> None:
    held = load_file(theirs / "logits.safetensors")
    expected, base, ids = (held[f"{name}{part}"] for part in ("", ".base", ".ids"))
    model = load(locate(parse_source(f"{theirs / CASES[name][0]} + {theirs / name}")), threads=1)
    with torch.no_grad():
        found = model.network(ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found - base).abs().max() > 0.1
