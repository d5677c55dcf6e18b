import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import save_tiny

from reportgen.errors import ModelError
from reportgen.model.load import chosen_device, load
from reportgen.model.sources import locate, parse_source


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
    assert chosen_device("cpu").type == "cpu"
    assert (chosen_device("auto").type == "cpu") == (not torch.accelerator.is_available())


@pytest.mark.gpu
def test_the_numbers_of_an_accelerator_are_those_of_the_cpu(tmp_path: Path) -> None:
    located = locate(parse_source(str(save_tiny(tmp_path / "m"))))
    ids = torch.tensor([[5, 77, 300]])
    here, there = load(located, device="cpu"), load(located, device="auto")
    assert there.device.type != "cpu"
    expected = here.network(ids).logits
    assert torch.allclose(there.network(ids.to(there.device)).logits.cpu(), expected, atol=1e-3)
