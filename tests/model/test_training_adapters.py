"""How the shipped adapters are trained: on a tiny model, against plain loops."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reports.adapters.lora import Shape, attach, save_adapter
from reports.adapters.train import Example, loss_of
from tests.tiny import random_model

SHAPE = Shape(2, 6, ("q_proj", "o_proj"), (0, 2), dropout=0.0)
TOKENS = torch.tensor([[3, 14, 15, 9, 26]])


def test_an_adapter_begins_from_the_model_as_it_is_and_leaves_its_weights_alone() -> None:
    model, plain = random_model("llama"), random_model("llama")
    adapted = attach(model, SHAPE, seed=0)
    assert sorted(adapted) == [f"model.layers.{block}.self_attn.{name}_proj" for block in (0, 2) for name in "oq"]
    with torch.no_grad():
        assert torch.equal(model(TOKENS).logits, plain(TOKENS).logits)
    learned = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learned == {f"{path}.lora_{side}" for path in adapted for side in "ab"}


def test_what_is_stored_added_to_the_weights_is_the_trained_model(tmp_path: Path) -> None:
    model, plain = random_model("llama"), random_model("llama")
    adapted = attach(model, SHAPE, seed=0)
    for module in adapted.values():
        torch.nn.init.normal_(module.lora_b, generator=torch.Generator().manual_seed(1))
    save_adapter(tmp_path, adapted, SHAPE, "org/base")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    with torch.no_grad():
        before = plain(TOKENS).logits
        for path in adapted:
            first, second = (tensors[f"base_model.model.{path}.lora_{side}.weight"].float() for side in "AB")
            weight = plain.get_submodule(path).weight
            for out in range(weight.shape[0]):
                for rank in range(config["r"]):
                    weight[out] += config["lora_alpha"] / config["r"] * second[out, rank] * first[rank]
        assert plain(TOKENS).logits == pytest.approx(model(TOKENS).logits, abs=2e-2)
        assert plain(TOKENS).logits != pytest.approx(before, abs=0.1)


def test_the_loss_is_of_what_is_to_be_learned_alone() -> None:
    model = random_model("llama")
    examples = [Example([3, 14, 15, 9, 26], 3), Example([5, 35], 1)]
    expected = []
    with torch.no_grad():
        for one in examples:
            log_p = torch.log_softmax(model(torch.tensor([one.tokens])).logits[0].double(), -1)
            expected += [-float(log_p[at - 1, one.tokens[at]]) for at in range(one.begins, len(one.tokens))]
        assert float(loss_of(model, examples)) == pytest.approx(sum(expected) / len(expected), rel=1e-5)
    whole = [Example(one.tokens, 1) for one in examples]
    assert loss_of(model, whole).item() != pytest.approx(sum(expected) / len(expected), rel=1e-3)
