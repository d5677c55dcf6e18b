import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from reportgen import provenance


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "cache"))


def folder(path: Path, **tensors: np.ndarray) -> Path:
    path.mkdir(exist_ok=True)
    save_file(tensors, path / "model.safetensors")
    return path


def test_the_hash_by_hand(tmp_path: Path) -> None:
    b, a = np.arange(4, dtype=np.float32), np.ones((2, 1), np.float16)
    expected = hashlib.sha256()
    for name, dtype, shape, array in (("a", "F16", [2, 1], a), ("b", "F32", [4], b)):
        expected.update(json.dumps([name, dtype, shape]).encode() + array.tobytes())
    assert provenance.weights_sha256(folder(tmp_path / "m", b=b, a=a)) == expected.hexdigest()


def test_it_is_of_the_tensors_not_of_the_file(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32)
    one, other = folder(tmp_path / "a", x=array), tmp_path / "b"
    other.mkdir()
    save_file({"x": array}, other / "model.safetensors", {"format": "np", "note": "another header"})
    assert provenance.weights_sha256(one) == provenance.weights_sha256(other)
    assert provenance.weights_sha256(folder(tmp_path / "c", x=array + 1)) != provenance.weights_sha256(one)
    assert provenance.weights_sha256(folder(tmp_path / "d", x=array.reshape(2, 3))) != provenance.weights_sha256(one)


def test_it_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = folder(tmp_path / "m", x=np.zeros(3))
    first = provenance.weights_sha256(model)
    counted: list[object] = []
    original = provenance._hash_tensors
    monkeypatch.setattr(provenance, "_hash_tensors", lambda files: counted.append(files) or original(files))
    assert provenance.weights_sha256(model) == first
    assert not counted
    folder(model, x=np.ones(3))
    assert provenance.weights_sha256(model) != first
    assert len(counted) == 1


def test_versions_name_what_numbers_depend_on() -> None:
    assert {"python", "torch", "transformers", "lm-reportgen"} <= set(provenance.versions())
