"""An accelerator is waited for once a pass, and its numbers are those of the CPU."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reportgen.model.capture.shared_passes import SharedPasses
from reportgen.model.needs import Pass, PassResult
from tests.benchmarks.random_models import save_llama
from tests.benchmarks.transfers import Transfers
from tests.runs import run_probes
from tests.tiny import save_tiny

CARD: Mapping[str, Any] = {
    "census": {"probe": "parameter_census"},
    "near": {"probe": "nearest_tokens", "ids": [65, 66, 67], "k": 5},
    "word": {"probe": "word_similarity", "word": "apple", "prompts": ["I ate an apple", "an apple a day"]},
    "lens": {"probe": "logit_lens", "prompts": ["an apple", "the apple of"], "continue": 3, "top_k": 5},
    "heads": {"probe": "attention_grid", "prompts": ["an apple a day"]},
    "map": {"probe": "pca_map", "prompts": ["apple", "day", "eye", "breakfast"]},
}
ABSOLUTE, RELATIVE = 2e-4, 2e-3
"""How far two devices may be apart in float32: sums of other orders over a few layers."""


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda x: x[0].item(), "aten::_local_scalar_dense"),
        (lambda x: float(x[1]), "aten::_local_scalar_dense"),
        (lambda x: x.tolist(), "tolist"),
        (lambda x: x.cpu().numpy().sum(), "cpu"),
        (lambda x: x.to("cpu")[1:].tolist(), "to"),
        (lambda x: x.nonzero(), "aten::nonzero"),
        (lambda x: x[x > 0], "aten::index.Tensor"),
        (lambda x: torch.equal(x, x + 1), "aten::equal"),
    ],
)
def test_what_an_accelerator_would_be_waited_for_is_counted_once(
    work: Callable[[torch.Tensor], object], kind: str
) -> None:
    with Transfers() as counted:
        work(torch.ones(3) + 1)
    assert counted.by_kind == {kind: 1}


def test_a_truth_is_counted_and_work_on_the_device_is_not() -> None:
    with Transfers() as counted:
        total = (torch.ones(3) @ torch.ones(3, 2)).softmax(-1)[:, None].topk(1).values.sum()
    assert counted.count == 0
    with counted:
        assert total > 0
    assert counted.count == 1


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_a_prompt_is_waited_for_once_a_step(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[tuple[int, int]] = []
    own = SharedPasses.run

    def count(self: SharedPasses, passes: list[Pass]) -> list[PassResult]:
        with Transfers() as counted:
            ran = own(self, passes)
        waits.append((counted.count, sum(single.steps for single in ran)))
        return ran

    model = save_tiny(tmp_path / "m", family)
    monkeypatch.setattr(SharedPasses, "run", count)
    results = run_probes({"m": model}, CARD)
    assert {outcome.status for by in results.outcomes.values() for outcome in by.values()} == {"ok"}
    proof, *probes = waits
    assert proof == (1, 1)
    assert sum(steps for _, steps in probes) > 8
    assert all(waited <= steps for waited, steps in probes), probes


def measure(folder: Path, **model: Any) -> dict[str, Any]:
    """Every number of the card: its arrays, and what its metrics and tables hold."""
    results = run_probes({"m": {"source": str(folder), **model}}, CARD)
    found: dict[str, Any] = {}
    for id, by in results.outcomes.items():
        outcome = by["m"]
        assert outcome.status == "ok", outcome.reason
        found |= {f"{id}.{name}": array.values for name, array in outcome.arrays.items()}
        found |= {f"{id}.{name}": np.array([metric.value or 0.0]) for name, metric in outcome.metrics.items()}
        found |= {f"{id}.{name}": table.rows for name, table in outcome.tables.items()}
    return found


def assert_alike(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Numbers within the tolerance, words and counts the same."""
    assert list(found) == list(expected)
    for name, one in found.items():
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, expected[name], rtol=RELATIVE, atol=ABSOLUTE, err_msg=name)
            continue
        for row, other in zip(one, expected[name], strict=True):
            numbers = [(a, b) for a, b in zip(row, other, strict=True) if isinstance(a, float)]
            assert [a for a in row if not isinstance(a, float)] == [b for b in other if not isinstance(b, float)], name
            np.testing.assert_allclose(*zip(*numbers, strict=True), rtol=RELATIVE, atol=ABSOLUTE) if numbers else None


def save_mid_size(folder: Path) -> Path:
    return save_llama(
        folder, hidden_size=512, intermediate_size=1_024, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=2, vocab_size=8_192, tie_word_embeddings=True,
    )  # fmt: skip


def test_numbers_of_another_batch_are_alike_and_those_of_another_model_are_not(tmp_path: Path) -> None:
    one, other = save_tiny(tmp_path / "a"), save_tiny(tmp_path / "b", seed=1)
    expected = measure(one, device="cpu", dtype="float32")
    assert_alike(measure(one, device="cpu", dtype="float32", batch=3), expected)
    with pytest.raises(AssertionError):
        assert_alike(measure(other, device="cpu", dtype="float32"), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "gpt2", "qwen3", "mixtral", "middle"])
def test_the_card_of_an_accelerator_is_that_of_the_cpu(family: str, tmp_path: Path) -> None:
    folder = save_mid_size(tmp_path / "m") if family == "middle" else save_tiny(tmp_path / "m", family)
    here = measure(folder, device="cpu", dtype="float32")
    assert_alike(measure(folder, device="cuda", dtype="float32"), here)
