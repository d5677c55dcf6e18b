import copy

import pytest
import torch

from reportgen.model.measures.difference import compare_weights, expected_next
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.reference import drift as slow
from tests.tiny import random_model


def loaded(network: torch.nn.Module) -> LoadedModel:
    return LoadedModel(network, anatomy_of(network))


def perturbed(network: torch.nn.Module, *names: str, by: float = 0.01) -> torch.nn.Module:
    """A copy in which these tensors moved."""
    changed = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name in names:
            tensor = changed.get_parameter(name)
            tensor.add_(by * torch.randn(tensor.shape, generator=generator))
    return changed


def test_only_the_tensor_that_moved_has_moved_and_by_its_own_norm() -> None:
    name = "model.layers.1.mlp.down_proj.weight"
    base = random_model("llama")
    other = perturbed(base, name)
    found = {one.name: one for one in compare_weights(loaded(base), loaded(other)).tensors}
    assert {one.name for one in found.values() if one.apart} == {name}
    expected = slow.weight_change(base.get_parameter(name), other.get_parameter(name))
    assert found[name].apart / found[name].norm == pytest.approx(expected, rel=1e-6)
    assert found[name].shape == (24, 40)
    assert found[name].block == 1
    assert found["model.norm.weight"].block is None


def test_a_tied_table_is_compared_once_and_an_untied_copy_of_it_on_its_own() -> None:
    tied = random_model("gemma2")
    assert tied.lm_head.weight is tied.model.embed_tokens.weight
    names = [one.name for one in compare_weights(loaded(tied), loaded(copy.deepcopy(tied))).tensors]
    assert names.count("model.embed_tokens.weight") == 1
    assert "lm_head.weight" not in names
    untied = copy.deepcopy(tied)
    untied.lm_head.weight = torch.nn.Parameter(2 * untied.lm_head.weight.detach())
    found = {one.name: one.apart / one.norm for one in compare_weights(loaded(tied), loaded(untied)).tensors}
    assert found["model.embed_tokens.weight"] == 0
    assert found["lm_head.weight"] == pytest.approx(1.0)


def test_a_large_tensor_is_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model.measures import difference

    base = random_model("llama")
    other = perturbed(base, "lm_head.weight")
    whole = compare_weights(loaded(base), loaded(other)).tensors
    monkeypatch.setattr(difference, "_NUMBERS_TOGETHER", 7)
    parts = compare_weights(loaded(base), loaded(other)).tensors
    for one, two in zip(whole, parts, strict=True):
        assert (one.norm, one.apart) == pytest.approx((two.norm, two.apart), rel=1e-6)


def test_tensors_that_one_model_lacks_or_has_in_another_shape_are_named() -> None:
    base, other = loaded(random_model("llama")), loaded(random_model("qwen2"))  # which has biases
    other.network.model.norm.weight = torch.nn.Parameter(torch.ones(25))
    left_out = dict(compare_weights(base, other).left_out)
    assert left_out["model.layers.0.self_attn.q_proj.bias"] == "other alone has it"
    assert left_out["model.norm.weight"] == "its shape is (24,) in base, (25,) in other"
    assert dict(compare_weights(other, base).left_out)[
        "model.layers.0.self_attn.q_proj.bias"
    ] == "base alone has it"  # fmt: skip


def test_bfloat16_weights_are_compared_as_what_they_stand_for() -> None:
    base = random_model("llama")
    other = copy.deepcopy(base).to(torch.bfloat16)
    for one in compare_weights(loaded(base), loaded(other)).tensors:
        expected = slow.weight_change(base.get_parameter(one.name), other.get_parameter(one.name))
        assert one.apart / one.norm == pytest.approx(expected, rel=1e-5)
        assert 1e-4 < one.apart / one.norm < 2**-8, "half a unit in the eighth binary place at most"


@pytest.mark.parametrize("rows", [1, 16, 37])
def test_what_comes_next_is_read_from_both_in_any_number_of_rows(rows: int) -> None:
    base, other = random_model("gemma2"), random_model("gemma2", seed=1)
    stream = torch.randn(2, rows, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = list(expected_next(loaded(base), loaded(other), stream[0], stream[1]))
        logits = [
            3 * torch.tanh(network.lm_head(part) / 3) for network, part in zip((base, other), stream, strict=True)
        ]
    p, q = (torch.softmax(each.double(), -1) for each in logits)
    assert [one.base for one in found] == p.argmax(-1).tolist()
    assert [one.other for one in found] == q.argmax(-1).tolist()
    assert [one.kl for one in found] == pytest.approx([slow.mean_kl(p[i : i + 1], q[i : i + 1]) for i in range(rows)],
                                                      abs=2e-6)  # fmt: skip
