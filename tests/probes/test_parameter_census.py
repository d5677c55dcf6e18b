import json
from math import prod
from pathlib import Path

import pytest
import transformers
from transformers import Gemma3Config, Gemma3TextConfig, LlamaConfig, SiglipVisionConfig

from reportgen.probes.parameter_census.run import component_of
from tests.runs import run_probes
from tests.shrunk import save_shrunk
from tests.tiny import random_model

CENSUS = {"census": {"probe": "parameter_census"}}

LLAMA_3_2_3B = LlamaConfig(
    vocab_size=128_256,
    hidden_size=3072,
    intermediate_size=8192,
    num_hidden_layers=28,
    num_attention_heads=24,
    num_key_value_heads=8,
    head_dim=128,
    tie_word_embeddings=True,
    architectures=["LlamaForCausalLM"],
)
GEMMA_3_4B = Gemma3Config(
    text_config=Gemma3TextConfig(
        vocab_size=262_208,
        hidden_size=2560,
        intermediate_size=10_240,
        num_hidden_layers=34,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=256,
    ),
    vision_config=SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=27,
        num_attention_heads=16,
        image_size=896,
        patch_size=14,
        vision_use_head=False,
    ),
    architectures=["Gemma3ForConditionalGeneration"],
)


@pytest.mark.parametrize(
    ("config", "total", "layers", "heads", "kv_heads"),
    [(LLAMA_3_2_3B, 3_212_749_824, 28, 24, 8), (GEMMA_3_4B, 4_300_079_472, 34, 8, 4)],
    ids=["Llama-3.2-3B", "Gemma-3-4B"],
)
def test_a_published_configuration_without_weights(
    tmp_path: Path, config: LlamaConfig, total: int, layers: int, heads: int, kv_heads: int
) -> None:
    file = tmp_path / "published.json"
    file.write_text(json.dumps(config.to_dict(), default=str))
    outcome = run_probes({"shape": f"config:{file}"}, CENSUS).outcomes["census"]["shape"]
    assert outcome.status == "ok", outcome.reason
    metrics = {name: metric.value for name, metric in outcome.metrics.items()}
    assert metrics["total_parameters"] == total
    assert (metrics["layers"], metrics["heads"], metrics["kv_heads"]) == (layers, heads, kv_heads)
    assert metrics["tied_head"] == 1
    assert metrics["reserved_vocabulary"] is None
    assert outcome.metrics["reserved_vocabulary"].reason == "a configuration alone has no tokenizer"
    assert sum(outcome.tables["tensors"].column("parameters")) == total


@pytest.mark.parametrize(("folder", "total"), [("llama-3.2-3b", 3_212_749_824), ("gemma-3-4b", 4_300_079_472)])
def test_the_configurations_that_ship_have_the_published_numbers(folder: str, total: int) -> None:
    file = Path(__file__).parents[2] / "reports" / "configs" / folder / "config.json"
    outcome = run_probes({"shape": f"config:{file}"}, CENSUS).outcomes["census"]["shape"]
    assert outcome.metrics["total_parameters"].value == total


def test_the_table_of_llama_by_hand(llama: Path) -> None:
    outcome = run_probes({"m": llama}, CENSUS).outcomes["census"]["m"]
    rows = outcome.tables["tensors"].records()
    # 320 x 24 twice (not tied), 3 blocks of q 24x24, k and v 12x24, o 24x24, three of 40x24, two norms; one norm
    block = 24 * 24 * 2 + 12 * 24 * 2 + 3 * 40 * 24 + 2 * 24
    assert outcome.metrics["total_parameters"].value == 2 * 320 * 24 + 3 * block + 24
    assert outcome.metrics["tied_head"].value == 0
    assert all(row["parameters"] == prod(map(int, row["shape"].split(" x "))) for row in rows)
    by_component = {row["component"] for row in rows}
    assert by_component == {
        "embedding", "attention q", "attention k", "attention v", "attention o", "MLP gate", "MLP up", "MLP down",
        "norms", "head",
    }  # fmt: skip


def test_a_tied_head_counts_once(gemma3: Path) -> None:
    outcome = run_probes({"m": gemma3}, CENSUS).outcomes["census"]["m"]
    network = random_model("gemma3", seed=1)
    once = sum(p.numel() for p in {p.data_ptr(): p for p in network.parameters()}.values())
    twice = once + network.lm_head.weight.numel()
    assert outcome.metrics["total_parameters"].value == once != twice
    assert outcome.metrics["tied_head"].value == 1
    assert outcome.metrics["grouped_query_ratio"].value == 2.0


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("model.embed_tokens.weight", "embedding"),
        ("transformer.wpe.weight", "position embedding"),
        ("transformer.h.0.attn.c_attn.weight", "attention q/k/v"),
        ("transformer.h.0.attn.c_proj.bias", "attention o"),
        ("transformer.h.0.mlp.c_proj.weight", "MLP down"),
        ("model.layers.3.self_attn.q_norm.weight", "norms"),
        ("model.layers.3.mlp.gate.weight", "router"),
        ("model.layers.3.mlp.experts.7.down_proj.weight", "experts"),
        ("model.layers.3.mlp.gate_proj.weight", "MLP gate"),
        ("vision_tower.encoder.layers.0.mlp.fc1.weight", "vision"),
        ("lm_head.weight", "head"),
        ("something.new", "other"),
    ],
)
def test_components_by_name(name: str, component: str) -> None:
    assert component_of(name) == component


def test_heads_whose_size_differs_from_block_to_block(tmp_path: Path) -> None:
    folder = save_shrunk(tmp_path / "m", "dots3_note_text")
    outcome = run_probes({"m": folder}, {"census": {"probe": "parameter_census"}}).outcomes["census"]["m"]
    assert outcome.status == "ok", outcome.reason
    network = transformers.AutoModelForCausalLM.from_pretrained(folder)
    rows = outcome.tables["attention"].records()
    found = {row["block"]: (row["heads"], row["query_width"], row["value_width"], row["window"]) for row in rows}
    assert found == {
        block: (
            layer.self_attn.num_heads,
            layer.self_attn.qk_head_dim,
            layer.self_attn.v_head_dim,
            layer.self_attn.sliding_window,
        )
        for block, layer in enumerate(network.model.layers)
    }
