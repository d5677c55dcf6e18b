"""A trained lens is read from numbers alone, looked at before any pass, and is h + W h + b."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reportgen.model.measures.tuned_lens import apply_tuned_lens, check_tuned_lens, sha256_of

LAYERS, WIDTH = 2, 5
Change = Callable[[dict[str, torch.Tensor]], object]


def translators() -> dict[str, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    shapes = {"weight": (WIDTH, WIDTH), "bias": (WIDTH,)}
    return {
        f"{layer}.{name}": torch.randn(shape, generator=draws)
        for layer in range(LAYERS)
        for name, shape in shapes.items()
    }


@pytest.fixture
def lens(tmp_path: Path) -> Path:
    save_file(translators(), tmp_path / "lens.safetensors")
    return tmp_path / "lens.safetensors"


def test_each_layer_is_read_through_its_own_translator(lens: Path) -> None:
    check_tuned_lens(lens, LAYERS, WIDTH)
    residual, held = torch.randn(3, LAYERS, WIDTH), translators()
    found = apply_tuned_lens(lens, residual)
    for place in range(3):
        for layer in range(LAYERS):
            row = residual[place, layer]
            expected = row + held[f"{layer}.weight"] @ row + held[f"{layer}.bias"]
            torch.testing.assert_close(found[place, layer], expected)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda held: held.pop("1.bias"), "lacks 1.bias: layers 0 to 1 are expected"),
        (
            lambda held: held.update({"0.weight": torch.zeros(WIDTH, 4)}),
            "has 0.weight of shape (5, 4), expected (5, 5)",
        ),
        (lambda held: held.update({"0.bias": torch.zeros(1, WIDTH)}), "has 0.bias of shape (1, 5), expected (5,)"),
    ],
)
def test_a_lens_of_another_model_is_told_by_its_shapes(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object], told: str
) -> None:
    held = translators()
    change(held)
    save_file(held, tmp_path / "lens.safetensors")
    with pytest.raises(ValueError, match=re.escape(told)):
        check_tuned_lens(tmp_path / "lens.safetensors", LAYERS, WIDTH)


def test_what_is_no_lens_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no tuned lens"):
        check_tuned_lens(tmp_path / "none", LAYERS, WIDTH)
    (tmp_path / "pickle.pt").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        check_tuned_lens(tmp_path / "pickle.pt", LAYERS, WIDTH)


def test_the_hash_is_of_a_regular_files_bytes(lens: Path, tmp_path: Path) -> None:
    assert sha256_of(lens) == hashlib.sha256(lens.read_bytes()).hexdigest()
    os.mkfifo(tmp_path / "pipe")  # reading it would never end
    assert [sha256_of(tmp_path / name) for name in ("none", "pipe", "a\0b")] == ["", "", ""]
