"""Models with an adapter: what is merged, and what is refused before anything is loaded."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from reportgen.errors import BatteryError, ModelError
from reportgen.model.files.sources import facts_of, locate, parse_source
from reportgen.model.files.weights_hash import recall_sha256, weights_sha256
from reportgen.model.load import load
from tests.reference import adapters as reference
from tests.tiny import save_tiny
from tests.tiny_adapters import ALPHA, PREFIX, RANK, draw_matrices, save_adapter

QUERY, DOWN = "model.layers.1.self_attn.q_proj", "model.layers.2.mlp.down_proj"
MODULES = {QUERY: (24, 24), DOWN: (40, 24)}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base") / "Tiny-Llama")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return save_adapter(tmp_path / "tuned", draw_matrices(MODULES))


def merged(base: Path, adapter: Path, module: str, dtype: str = "float32") -> np.ndarray[Any, Any]:
    """The weights of a module with the adapter."""
    model = load(locate(parse_source(f"{base} + {adapter}")), dtype=dtype, threads=1)
    weights = model.network.get_parameter(f"{module}.weight").float().numpy()
    assert isinstance(weights, np.ndarray)
    return weights


def by_hand(base: Path, adapter: Path, module: str, **how: Any) -> np.ndarray[Any, Any]:
    held, drawn = load_file(base / "model.safetensors"), load_file(adapter / "adapter_model.safetensors")
    down, up = (drawn[f"{PREFIX}{module}.lora_{side}.weight"] for side in "AB")
    return reference.merge(held[f"{module}.weight"], down, up, how.pop("alpha", ALPHA), **how)


@pytest.mark.parametrize("stabilised", [False, True])
def test_the_weights_are_those_of_the_papers(base: Path, adapter: Path, stabilised: bool) -> None:
    save_adapter(adapter, draw_matrices(MODULES), use_rslora=stabilised)
    for module in MODULES:
        found = merged(base, adapter, module)
        np.testing.assert_allclose(found, by_hand(base, adapter, module, stabilised=stabilised), atol=1e-6)
        # The other scale, and B A the other way round where its shape would allow it, are caught.
        assert np.abs(found - by_hand(base, adapter, module, stabilised=not stabilised)).max() > 0.1
    added = (
        by_hand(base, adapter, QUERY, stabilised=stabilised) - load_file(base / "model.safetensors")[f"{QUERY}.weight"]
    )
    assert (
        np.abs(merged(base, adapter, QUERY) - load_file(base / "model.safetensors")[f"{QUERY}.weight"] - added.T).max()
        > 0.1
    )


def test_other_weights_stay_what_they_are(base: Path, adapter: Path) -> None:
    held = load_file(base / "model.safetensors")
    model = load(locate(parse_source(f"{base} + {adapter}")), threads=1)
    changed = {f"{module}.weight" for module in MODULES}
    for name, parameter in model.network.named_parameters():
        assert np.array_equal(parameter.numpy(), held[name]) == (name not in changed)


def test_a_matrix_of_inputs_by_outputs_takes_the_transpose(tmp_path: Path) -> None:
    gpt2 = save_tiny(tmp_path / "gpt2", "gpt2")
    module = "transformer.h.0.attn.c_proj"  # as many inputs as outputs: the shapes do not tell
    made = save_adapter(tmp_path / "tuned", draw_matrices({module: (24, 24)}))
    np.testing.assert_allclose(merged(gpt2, made, module), by_hand(gpt2, made, module, transposed=True), atol=1e-6)
    assert np.abs(merged(gpt2, made, module) - by_hand(gpt2, made, module)).max() > 0.1


def test_a_pattern_gives_a_module_its_own_rank_and_alpha(base: Path, adapter: Path) -> None:
    drawn = draw_matrices({QUERY: (24, 24)}, rank=2) | draw_matrices({DOWN: (40, 24)})
    save_adapter(adapter, drawn, rank_pattern={"q_proj": 2}, alpha_pattern={r"^model.layers.2.mlp.\w+": 11})
    np.testing.assert_allclose(merged(base, adapter, QUERY), by_hand(base, adapter, QUERY), atol=1e-6)
    np.testing.assert_allclose(merged(base, adapter, DOWN), by_hand(base, adapter, DOWN, alpha=11), atol=1e-6)


def test_weights_are_rounded_once_where_the_dtype_is_narrower_than_the_file(base: Path, adapter: Path) -> None:
    expected = torch.tensor(by_hand(base, adapter, DOWN)).float().bfloat16().float().numpy()
    twice = load_file(base / "model.safetensors")[f"{DOWN}.weight"]
    twice = torch.tensor(twice).bfloat16().float().numpy() - twice + by_hand(base, adapter, DOWN)
    found = merged(base, adapter, DOWN, "bfloat16")
    assert (found != expected).mean() < 0.01  # float32 and float64 may round to two sides
    assert (torch.tensor(twice).float().bfloat16().float().numpy() != expected).mean() > 0.2


def test_the_name_the_facts_and_the_tokenizer_of_a_resized_vocabulary(base: Path, adapter: Path) -> None:
    held, drawn = load_file(base / "model.safetensors"), draw_matrices(MODULES)
    tables = {
        name: np.concatenate([held[name], held[name][:5] * 2])
        for name in ("model.embed_tokens.weight", "lm_head.weight")
    }
    save_adapter(adapter, drawn | {f"{PREFIX}{name}": table for name, table in tables.items()})
    (adapter / "tokenizer.json").write_bytes((base / "tokenizer.json").read_bytes())
    (adapter / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    located = locate(parse_source(f"{base} + {adapter}"))
    assert (located.name, located.folder, located.tokenizer_folder) == ("Tiny-Llama + tuned", base, adapter)
    assert (facts_of(located).vocabulary, facts_of(located).chat_template) == (325, True)
    model = load(located, threads=1)
    for name, table in tables.items():
        assert np.array_equal(model.network.get_parameter(name).numpy(), table)


def test_a_table_that_did_not_come_with_a_larger_vocabulary_is_told(base: Path, adapter: Path) -> None:
    table = np.concatenate([load_file(base / "model.safetensors")["lm_head.weight"]] * 2)
    save_adapter(adapter, draw_matrices(MODULES) | {f"{PREFIX}lm_head.weight": table})
    with pytest.raises(ModelError, match=r"a vocabulary of 640 tokens, but no model\.embed_tokens\.weight"):
        load(locate(parse_source(f"{base} + {adapter}")), threads=1)


def test_two_networks_of_one_file_share_the_tensors_that_no_adapter_changes(base: Path, adapter: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("where a tensor lies is read from /proc")
    one, two = (load(locate(parse_source(source)), threads=1) for source in (str(base), f"{base} + {adapter}"))
    mapped = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith("model.safetensors") and str(base) in line:
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            mapped.append(range(begin, end))
    for model in (one, two):
        for name, parameter in model.network.named_parameters():
            of_file = any(parameter.data_ptr() in pages for pages in mapped)
            assert of_file == (model is one or name.removesuffix(".weight") not in MODULES)


def test_the_hash_is_of_base_tensors_and_settings(base: Path, adapter: Path) -> None:
    def found() -> str:
        located = locate(parse_source(f"{base} + {adapter}"))
        taken = weights_sha256(located.folder, located.adapter)
        assert recall_sha256(located.folder, located.adapter) == taken
        return taken

    first = found()
    assert first != weights_sha256(base)
    save_adapter(adapter, draw_matrices(MODULES), lora_alpha=ALPHA + 1)
    second = found()
    save_adapter(adapter, draw_matrices(MODULES, seed=1), lora_alpha=ALPHA + 1)
    assert len({first, second, found()}) == 3
    save_adapter(adapter, draw_matrices(MODULES))
    assert found() == first


def rename(tensors: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    return {name.replace(before, after): tensor for name, tensor in tensors.items()}


Change = Callable[[Path], object]
ALL = draw_matrices(MODULES)


def write(tensors: dict[str, Any] | None = None, **settings: Any) -> Change:
    return lambda folder: save_adapter(folder, ALL if tensors is None else tensors, **settings)


def truncate(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])


def make_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def make_pipe(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    os.mkfifo(folder / "adapter_model.safetensors")


WRONG: dict[str, tuple[Change, str]] = {
    "another width": (
        write(draw_matrices({QUERY: (32, 24)})),
        "is for another base: model.layers.1.self_attn.q_proj.weight is [24, 24] there, and [24, 32] in it",
    ),
    "a whole table of another width": (
        write(ALL | {f"{PREFIX}lm_head.weight": np.zeros((320, 25), np.float32)}),
        "lm_head.weight is [320, 24] there, and [320, 25] in it",
    ),
    "a block too many": (
        write(ALL | draw_matrices({"model.layers.3.mlp.up_proj": (24, 40)})),
        "the adapter changes model.layers.3.mlp.up_proj, which its base does not have",
    ),
    "another rank": (write(r=8), "have rank 4 and 4, where adapter_config.json says rank 8"),
    "a rank that a pattern says": (
        write(rank_pattern={"q_proj": 2}),
        "q_proj have rank 4 and 4, where adapter_config.json says rank 2",
    ),
    "one matrix of two": (
        write({name: one for name, one in ALL.items() if "1.self_attn.q_proj.lora_B" not in name}),
        "of the two matrices of model.layers.1.self_attn.q_proj only lora_A is there",
    ),
    "a pickle": (make_pickle, "only as a pickle file, which can run code and is never loaded"),
    "no tensors' file": (
        lambda folder: (folder / "adapter_model.safetensors").unlink(),
        "there is no adapter_model.safetensors",
    ),
    "no settings": (
        lambda folder: (folder / "adapter_config.json").unlink(),
        "this is no adapter: it has no adapter_config.json",
    ),
    "no tensors": (write({}), "this adapter holds no tensors"),
    "a truncated file": (truncate, "the weights are truncated"),
    "a pipe": (make_pipe, "the adapter cannot be read: it is a named pipe"),
    "no JSON": (lambda folder: (folder / "adapter_config.json").write_text("{"), "this is not JSON"),
    "a list": (lambda folder: (folder / "adapter_config.json").write_text("[]"), "it holds no mapping"),
    "another kind": (write(peft_type="IA3"), "an adapter of kind 'IA3' is not supported: only LORA is merged"),
    "no kind": (write(peft_type=None), "adapter_config.json has no `peft_type`"),
    "DoRA": (write(use_dora=True), "DoRA is not supported: only plain LoRA is merged"),
    "DoRA in the tensors alone": (
        write(ALL | {f"{PREFIX}{QUERY}.lora_magnitude_vector": np.ones(24, np.float32)}),
        "is no part of plain LoRA",
    ),
    "rows of the embedding": (
        write(trainable_token_indices=[3]),
        "LoRA with trained rows of the embedding is not supported",
    ),
    "a beginning that changed the base": (
        write(init_lora_weights="pissa"),
        "began as 'pissa' goes with changed weights of its base",
    ),
    "a setting of tomorrow": (write(use_better_lora=True), "its setting 'use_better_lora' is not known"),
    "a rank that is none": (write(r=0), "`r` is 0, where an adapter has a rank of at least 1"),
    "an alpha that is none": (write(lora_alpha=float("inf")), "`lora_alpha` is inf, which is no number"),
    "an alpha beyond all floats": (write(lora_alpha=10**400), "`lora_alpha` is a very large number, which is no"),
    "a pattern that never ends": (
        write(rank_pattern={"(a+)+b": 2}),
        "`rank_pattern` names modules by '(a+)+b', which cannot be read",
    ),
    "a pattern's value": (write(alpha_pattern={"q_proj": "2"}), "`alpha_pattern` gives 'q_proj' the value '2'"),
    "a block that is not to be changed": (
        write(layers_to_transform=[2]),
        "`layers_to_transform` of adapter_config.json names blocks 2 alone",
    ),
    "a module that is not to be changed": (
        write(target_modules=["down_proj"]),
        "`target_modules` of adapter_config.json does not name it",
    ),
    "names of another program": (
        write(rename(ALL, PREFIX, "")),
        "a tensor of an adapter begins with base_model.model., but",
    ),
    "whole numbers": (write({name: one.astype(np.int8) for name, one in ALL.items()}), "is stored as 'I8'"),
    "tensors of three dimensions": (
        write({name: one[..., None] for name, one in ALL.items()}),
        "are of shapes [4, 24, 1] and [24, 4, 1]: not supported",
    ),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_wrong_with_an_adapter_is_a_line_before_anything_is_loaded(base: Path, adapter: Path, how: str) -> None:
    change, told = WRONG[how]
    change(adapter)
    with pytest.raises(ModelError) as refused:
        locate(parse_source(f"{base} + {adapter}"))
    (mistake,) = refused.value.mistakes
    assert told in mistake.message
    assert str(mistake.file).startswith(str(adapter))
    assert len(str(refused.value).splitlines()) <= 2


def test_an_adapter_for_another_base_names_the_one_that_it_says(base: Path, adapter: Path) -> None:
    save_adapter(adapter, draw_matrices({QUERY: (32, 24)}), base_model_name_or_path="org/Larger-1B")
    with pytest.raises(ModelError, match=r"It says that it was made for 'org/Larger-1B'\."):
        locate(parse_source(f"{base} + {adapter}"))


def test_a_family_that_names_nothing_alike_is_told_when_it_is_merged(adapter: Path, tmp_path: Path) -> None:
    located = locate(parse_source(f"{save_tiny(tmp_path / 'gpt2', 'gpt2')} + {adapter}"))
    with pytest.raises(ModelError, match=r"changes model\.layers\.1\.self_attn\.q_proj, which its base does not have"):
        load(located, threads=1)


@pytest.mark.parametrize("end", ["lm_head", "model.embed_tokens"])
def test_one_of_two_tied_ends_is_refused(adapter: Path, tmp_path: Path, end: str) -> None:
    tied = save_tiny(tmp_path / "gemma", "gemma3")
    drawn = draw_matrices({end: (24, 320)})
    if end != "lm_head":
        drawn = rename(drawn, ".lora_A.weight", ".lora_embedding_B") | rename(
            drawn, ".lora_B.weight", ".lora_embedding_A"
        )
        drawn = {name: tensor.T.copy() for name, tensor in drawn.items() if "_embedding_" in name}
    save_adapter(adapter, drawn)
    with pytest.raises(ModelError, match="shares its table with the model's other end"):
        load(locate(parse_source(f"{tied} + {adapter}")), threads=1)


def test_tables_that_are_one_in_the_model_and_two_in_the_adapter_are_refused(adapter: Path, tmp_path: Path) -> None:
    tied = save_tiny(tmp_path / "gemma", "gemma3")
    tables = {f"{PREFIX}{name}.weight": np.full((320, 24), value, np.float32) for name, value in
              (("lm_head", 1), ("model.embed_tokens", 2))}  # fmt: skip
    save_adapter(adapter, ALL | tables)
    with pytest.raises(ModelError, match="are one table in the model, and two in the adapter"):
        load(locate(parse_source(f"{tied} + {adapter}")), threads=1)


def test_what_is_no_linear_map_is_refused(adapter: Path, tmp_path: Path) -> None:
    mixtral = save_tiny(tmp_path / "mixtral", "mixtral")
    save_adapter(adapter, draw_matrices({"model.layers.0.mlp.gate": (24, 4)}))
    with pytest.raises(ModelError, match=r"mlp\.gate is a MixtralTopKRouter, which is not supported"):
        load(locate(parse_source(f"{mixtral} + {adapter}")), threads=1)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("config:a.json + ./tuned", "'config:a.json' is no base for an adapter"),
        ("org/base + demo:gemma-3-270m", "'demo:gemma-3-270m' is no adapter"),
        ("org/base + weights.gguf", "'weights.gguf' is no adapter"),
        ("org/base + ./one + ./two", "names 2 adapters, where one can be merged"),
        ("demo:smollm + ./one", "unknown demo model 'smollm'"),
        ("org/base + lora", "'lora' is neither a folder that exists nor a hub id"),
    ],
)  # fmt: skip
def test_sources_that_are_refused_from_the_battery_alone(source: str, told: str) -> None:
    with pytest.raises(BatteryError) as refused:
        parse_source(source)
    assert told in str(refused.value).splitlines()[0]


def test_an_adapters_path_starts_from_the_battery(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = locate(parse_source(f"{base} + tuned", folder=tmp_path))
    assert found.adapter is not None
    assert (found.adapter.folder, found.revision) == (adapter, None)
    (tmp_path / "reports").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="paths in a battery start from its folder"):
        locate(parse_source(f"{base} + tuned/", folder=tmp_path / "reports"))


def test_a_hub_adapter_records_its_commit(base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    snapshot = adapter.rename(adapter.with_name("c" * 40))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repo, **options: str(snapshot))
    found = locate(parse_source(f"{base} + org/Tuned-1B@v1"))
    assert (found.name, found.revision) == ("Tiny-Llama + Tuned-1B", f"- + {'c' * 40}")


def test_ranks_of_the_tests_tell_the_two_scales_apart() -> None:
    assert ALPHA / RANK != ALPHA / RANK**0.5
