import json
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen.errors import ModelError
from reportgen.model.files.facts import ModelFacts, read_facts


def facts(folder: Path, **config: object) -> ModelFacts:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return read_facts(path)


def test_the_two_demo_models(smollm2_folder, gemma_folder):
    assert read_facts(smollm2_folder / "config.json") == ModelFacts(
        model_type="llama",
        architecture="LlamaForCausalLM",
        layers=30,
        heads=9,
        kv_heads=3,
        hidden_size=576,
        features=1536,
        vocabulary=49_152,
        context_length=8192,
        sliding_window=None,
        chat_template=True,
    )
    assert read_facts(gemma_folder / "config.json") == ModelFacts(
        model_type="gemma3_text",
        architecture="Gemma3ForCausalLM",
        layers=18,
        heads=4,
        kv_heads=1,
        hidden_size=640,
        features=2048,
        vocabulary=262_144,
        context_length=32_768,
        sliding_window=512,
        chat_template=False,
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"model_type": "gpt2", "n_layer": 12, "n_head": 8, "n_embd": 768, "n_positions": 1024, "vocab_size": 50257},
            (12, 8, 8, 768, 50257, 1024),
        ),
        (
            {"model_type": "mpt", "n_layers": 3, "n_heads": 4, "d_model": 32, "max_seq_len": 64, "vocab_size": 9,
             "attn_config": {"kv_n_heads": 2}},
            (3, 4, 2, 32, 9, 64),
        ),
        (
            {"model_type": "llava", "vocab_size": 7,
             "text_config": {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                             "hidden_size": 8, "max_position_embeddings": 16}},
            (2, 4, 2, 8, 7, 16),
        ),
        (
            {"model_type": "mamba2", "num_hidden_layers": 5, "num_heads": 128, "hidden_size": 8, "vocab_size": 9},
            (5, None, None, 8, 9, None),
        ),
        ({"model_type": "gpt_neo", "num_layers": 6, "num_heads": 4}, (6, 4, 4, None, None, None)),
        ({"model_type": "nemotron_h", "layers_block_type": ["moe", "full_attention"]}, (2,) + (None,) * 5),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "ME*-"}, (4,) + (None,) * 5),
        ({"model_type": "nemotron_h", "layers_block_type": [], "layer_types": 3}, (None,) * 6),
        ({"model_type": "openelm", "num_query_heads": [1, 2], "num_kv_heads": [1, 1], "n_layer": True}, (None,) * 6),
    ],
)  # fmt: skip
def test_aliases_of_families(tmp_path, config, expected):
    found = facts(tmp_path, **config)
    sizes = (found.layers, found.heads, found.kv_heads, found.hidden_size, found.vocabulary, found.context_length)
    assert sizes == expected


@pytest.mark.parametrize(
    ("config", "kv_heads"),
    [
        ({"multi_query": True, "new_decoder_architecture": False, "num_kv_heads": 71}, 1),
        ({"multi_query": True, "new_decoder_architecture": True, "num_kv_heads": 8}, 8),
        ({"n_head_kv": 4}, 4),
        ({"multi_query_attention": True, "multi_query_group_num": 2}, 2),
        ({}, 71),
    ],
)
def test_kv_heads(tmp_path, config, kv_heads):
    assert facts(tmp_path, model_type="falcon", num_attention_heads=71, **config).kv_heads == kv_heads


def test_a_sliding_window_that_is_switched_off_is_none(tmp_path):
    assert facts(tmp_path, model_type="qwen2", sliding_window=4096).sliding_window == 4096
    assert facts(tmp_path, model_type="qwen2", sliding_window=4096, use_sliding_window=False).sliding_window is None


@pytest.mark.parametrize(
    ("file", "text", "present"),
    [
        ("chat_template.jinja", "{{ messages }}", True),
        ("tokenizer_config.json", '{"chat_template": "{{ messages }}"}', True),
        ("tokenizer_config.json", '{"chat_template": null}', False),
        ("tokenizer_config.json", "[", False),
    ],
)
def test_chat_template(tmp_path, file, text, present):
    (tmp_path / file).write_text(text)
    assert facts(tmp_path, model_type="llama").chat_template is present


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "llama",\n', ":2: this is not JSON"),
        ("[]", ": this is not a model's configuration: it holds no mapping"),
        ("[" * 100_000, ": this is not JSON"),
        ("\udcff", ": this is not JSON"),
        ('{"hidden_size": 4}', ": no `model_type`: this is not a model's config.json"),
        (
            '{"model_type": "bert", "architectures": ["BertForMaskedLM"]}',
            ": BertForMaskedLM is not a causal language model",
        ),
        (
            '{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": true}',
            ": T5ForConditionalGeneration has an encoder and a decoder",
        ),
    ],
)
def test_configurations_that_are_refused(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError) as refused:
        read_facts(path)
    assert str(refused.value).splitlines()[0] == f"{path}{message}"


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json: there is no such file"):
        read_facts(tmp_path / "config.json")


def test_neither_torch_nor_transformers_is_imported():
    code = (
        "import sys; import reportgen.model.files.facts, reportgen.model.files.sources, reportgen.cli.models;"
        "print([m for m in ('torch', 'transformers', 'huggingface_hub', 'matplotlib') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
