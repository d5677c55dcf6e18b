"""What numbers a tensor holds, against numpy; read part by part, it is the same."""

import numpy as np
import pytest
import torch

from reportgen.model.measures import tensor_summary
from reportgen.model.measures.tensor_summary import REACH, named_tensors, singular_values, summary
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import random_model


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("together", [1 << 22, 17])
def test_a_tensor_is_summed_up_as_numpy_does(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_summary, "_NUMBERS_TOGETHER", together)
    tensor = numbers(30, 20)
    tensor[3, :5] = 0
    found, expected = summary(tensor), tensor.numpy().astype(np.float64)
    assert (found.shape, found.dtype) == ((30, 20), "float32")
    assert found.mean == pytest.approx(expected.mean(), abs=1e-9)
    assert found.std == pytest.approx(expected.std(), rel=1e-6)
    assert (found.least, found.largest) == (tensor.min().item(), tensor.max().item())
    assert found.zeros == 5 / 600
    counts, _ = np.histogram(expected, 100, (found.low, found.high))
    np.testing.assert_allclose(found.histogram.numpy(), counts / 600, atol=1 / 600)
    assert torch.equal(found.corner, tensor)


def test_one_outlier_does_not_flatten_the_histogram() -> None:
    tensor = numbers(100, 100)
    tensor[0, 0] = 1e6
    found = summary(tensor)
    assert found.largest == 1e6
    assert found.high == pytest.approx(found.mean + REACH * found.std)
    assert float(found.histogram.sum()) == pytest.approx(1 - 1e-4)


def test_equal_numbers_have_a_histogram_too() -> None:
    found = summary(torch.full((4, 4), 2.0))
    assert (found.low, found.high, found.std) == (1.5, 2.5, 0)
    assert float(found.histogram.sum()) == 1


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_told(wrong: float) -> None:
    tensor = numbers(4, 4)
    tensor[1, 1] = wrong
    with pytest.raises(ArithmeticError, match="not finite"):
        summary(tensor)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (7,), (2, 6, 5)])
def test_singular_values_are_those_of_the_first_matrix(shape: tuple[int, ...]) -> None:
    tensor = numbers(*shape)
    first = tensor.reshape(-1, *shape[-2:])[0] if len(shape) > 1 else tensor[None]
    expected = np.linalg.svd(first.double().numpy(), compute_uv=False)
    np.testing.assert_allclose(singular_values(tensor).numpy(), expected, rtol=1e-6, atol=1e-7)


def test_a_tied_weight_is_named_once_by_the_first_name_asked_for() -> None:
    network = random_model("gemma3")
    model = LoadedModel(network, anatomy_of(network))
    found = named_tensors(model, ["lm_head.weight", "model.embed_tokens.weight", "*.1.self_attn.q_proj.weight"])
    assert [(one.name, one.block) for one in found] == [
        ("model.embed_tokens.weight", None),
        ("model.layers.1.self_attn.q_proj.weight", 1),
    ]
