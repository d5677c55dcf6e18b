import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from reportgen.cache import HASHES, Shelf
from reportgen.errors import ModelError
from reportgen.model.files import weights_hash


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
    assert weights_hash.weights_sha256(folder(tmp_path / "m", b=b, a=a)) == expected.hexdigest()


def test_it_is_of_the_tensors_not_of_the_file(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32)
    one, other = folder(tmp_path / "a", x=array), tmp_path / "b"
    other.mkdir()
    save_file({"x": array}, other / "model.safetensors", {"format": "np", "note": "another header"})
    assert weights_hash.weights_sha256(one) == weights_hash.weights_sha256(other)
    assert weights_hash.weights_sha256(folder(tmp_path / "c", x=array + 1)) != weights_hash.weights_sha256(one)
    assert weights_hash.weights_sha256(folder(tmp_path / "d", x=array.reshape(2, 3))) != weights_hash.weights_sha256(
        one
    )


def test_it_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = folder(tmp_path / "m", x=np.zeros(3))
    first = weights_hash.weights_sha256(model)
    counted: list[object] = []
    original = weights_hash._hash_tensors
    monkeypatch.setattr(weights_hash, "_hash_tensors", lambda files: counted.append(files) or original(files))
    assert weights_hash.weights_sha256(model) == first
    assert not counted
    folder(model, x=np.ones(3))
    assert weights_hash.weights_sha256(model) != first
    assert len(counted) == 1


def test_an_overwrite_that_keeps_size_and_time_is_hashed_anew(tmp_path: Path) -> None:
    model = folder(tmp_path / "m", x=np.zeros(3))
    file = model / "model.safetensors"
    first, before = weights_hash.weights_sha256(model), file.stat()
    content = file.read_bytes()
    with file.open("r+b") as stream:
        stream.write(content[:-1] + b"\x01")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert weights_hash.recall_sha256(model) is None
    assert weights_hash.weights_sha256(model) != first


@pytest.mark.parametrize("damage", ["digit", "[]", "", "another model's"])
def test_a_remembered_hash_that_was_touched_is_not_believed(tmp_path: Path, damage: str) -> None:
    model, other = folder(tmp_path / "m", x=np.zeros(3)), folder(tmp_path / "n", x=np.ones(3))
    right = weights_hash.weights_sha256(model)
    (file,) = Shelf(HASHES).files()
    content = file.read_bytes()
    weights_hash.weights_sha256(other)
    (others,) = set(Shelf(HASHES).files()) - {file}
    digit = content[:-1] + (b"0" if content[-1:] != b"0" else b"1")
    file.write_bytes({"digit": digit, "another model's": others.read_bytes()}.get(damage, damage.encode()))
    assert weights_hash.recall_sha256(model) is None
    assert weights_hash.weights_sha256(model) == right


def test_weights_that_change_while_they_are_hashed_have_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = folder(tmp_path / "m", x=np.zeros(3))
    original = weights_hash._hash_tensors

    def overtaken(files: list[Path]) -> str:
        found = original(files)
        folder(model, x=np.ones(3))
        return found

    monkeypatch.setattr(weights_hash, "_hash_tensors", overtaken)
    with pytest.raises(ModelError, match=r"the model changed while it was read: model\.safetensors"):
        weights_hash.weights_sha256(model)
    assert weights_hash.recall_sha256(model) is None
