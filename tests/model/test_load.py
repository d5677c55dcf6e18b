import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reportgen.errors import ModelError
from reportgen.model.files.device import choose_device
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.files.weights import count_parameters, stored_names, weight_files
from reportgen.model.load import load
from tests.tiny import save_tiny


def test_the_dtype_is_the_checkpoints_own_unless_asked(tmp_path: Path) -> None:
    located = locate(parse_source(str(save_tiny(tmp_path / "m"))))
    assert load(located).dtype is torch.float32
    assert load(located, dtype="bfloat16").dtype is torch.bfloat16


def test_weights_that_lack_a_tensor_are_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 1 tensors of the model, among them model\.layers\.1\.mlp\.up_proj"):
        load(locate(parse_source(str(folder))))


def test_weights_of_other_shapes_are_refused_in_a_line(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 41}))
    with pytest.raises(ModelError, match="cannot be loaded") as raised:
        load(locate(parse_source(str(folder))))
    assert len(str(raised.value).splitlines()) == 2


def test_auto_is_the_accelerator_if_there_is_one() -> None:
    assert choose_device("cpu").type == "cpu"
    assert (choose_device("auto").type == "cpu") == (not torch.accelerator.is_available())


@pytest.mark.gpu
def test_the_numbers_of_an_accelerator_are_those_of_the_cpu(tmp_path: Path) -> None:
    located = locate(parse_source(str(save_tiny(tmp_path / "m"))))
    ids = torch.tensor([[5, 77, 300]])
    here, there = load(located, device="cpu"), load(located, device="auto")
    assert there.device.type != "cpu"
    expected = here.network(ids).logits
    assert torch.allclose(there.network(ids.to(there.device)).logits.cpu(), expected, atol=1e-3)


def test_weights_of_more_blocks_than_the_configuration_counts_are_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(ModelError, match=r"9 tensors that the model has no place for, such as model\.layers\.2\."):
        load(locate(parse_source(str(folder))))


@pytest.mark.parametrize("change", [{"num_attention_heads": 0}, {"num_hidden_layers": "3"}, {"vocab_size": -5}])
def test_a_configuration_that_makes_no_sense_is_a_line(tmp_path: Path, change: dict[str, object]) -> None:
    folder = save_tiny(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelError) as raised:
        load(locate(parse_source(str(folder))))
    assert len(str(raised.value).splitlines()) == 2


def test_code_of_a_models_repository_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_tiny(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": own}))
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(locate(parse_source(str(folder))))
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device")
def test_a_device_that_is_not_there_is_a_line(tmp_path: Path) -> None:
    located = locate(parse_source(str(save_tiny(tmp_path / "m"))))
    with pytest.raises(ModelError, match="the model cannot go to cuda") as raised:
        load(located, device="cuda")
    assert "device: cpu" in str(raised.value)


def test_a_quantised_checkpoint_says_that_it_is(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    quantised = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantised}))
    with pytest.raises(ModelError) as raised:
        load(locate(parse_source(str(folder))))
    assert raised.value.mistakes[0].remedy.startswith("Its weights are quantised (gptq): pip install ")
    assert "name the model that they were made from" in raised.value.mistakes[0].remedy


SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def parts(folder: Path, *names: str) -> None:
    """The weights of a folder as shards of these names, and their index."""
    tensors = load_file(folder / SINGLE)
    named = {tensor: names[at % len(names)] for at, tensor in enumerate(sorted(tensors))}
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        save_file({one: tensors[one] for one in tensors if named[one] == name}, folder / name, {"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": named}))


LAYOUTS: dict[str, tuple[tuple[str, ...], bool]] = {
    "one file": ((), True),
    "shards": (("a.safetensors", "b.safetensors"), False),
    "shards in a folder": (("part/a.safetensors", "b.safetensors"), False),
    "one file beside shards": (("a.safetensors", "b.safetensors"), True),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_files_that_are_counted_and_hashed_are_those_that_transformers_loads(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers.modeling_utils

    names, single = LAYOUTS[layout]
    folder = save_tiny(tmp_path / "m")
    if names:
        parts(folder, *names)
        # What is loaded is told from its values: a single file of other weights than the shards'.
        save_tiny(folder, seed=1) if single else (folder / SINGLE).unlink()
    for stray in ("consolidated.safetensors", "model.fp16.safetensors", "adapter_model.safetensors"):
        save_file({"stray": torch.zeros(1)}, folder / stray)
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    opened: set[Path] = set()
    real = transformers.modeling_utils.safe_open

    def watched(file: str, *asked: object, **named: object) -> object:
        opened.add(Path(file))
        return real(file, *asked, **named)

    monkeypatch.setattr(transformers.modeling_utils, "safe_open", watched)
    model = load(locate(parse_source(str(folder))))
    listed = weight_files(folder)
    assert set(listed) == opened
    stored = {name: tensor for file in listed for name, tensor in load_file(file).items()}
    assert stored_names(folder) == sorted(stored)
    assert count_parameters(folder) == sum(tensor.numel() for tensor in stored.values())
    held = model.network.state_dict()
    assert all(torch.equal(held[name], tensor) for name, tensor in stored.items())
