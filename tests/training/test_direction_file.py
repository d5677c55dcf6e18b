"""What a file of a direction may hold: everything but its fit to a model is told with the battery's line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.training.direction_file import find_direction

VECTOR = np.arange(1, 7, dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("directions")
    held: dict[str, dict[str, Any]] = {
        "one": {"a": VECTOR},
        "layers": {"a": np.stack([VECTOR * 0, VECTOR, VECTOR])},
        "two": {"a": VECTOR, "b": VECTOR},
        "none": {},
        "nan": {"a": VECTOR * np.nan},
        "zero": {"a": VECTOR * 0},
        "whole": {"a": np.arange(6)},
        "three": {"a": np.ones((2, 3, 6), dtype=np.float32)},
    }
    for name, tensors in held.items():
        save_file(tensors, found / f"{name}.safetensors")
    torch.save({"a": torch.ones(6)}, found / "pickle.safetensors")
    (found / "folder.safetensors").mkdir()
    return found


@pytest.mark.parametrize("name", ["concept_directions", "steering"])
@pytest.mark.parametrize(
    ("options", "key", "told"),
    [
        ({"direction": "no.safetensors"}, "direction", "there is no file 'no.safetensors'"),
        ({"direction": "folder.safetensors"}, "direction", "there is no file"),
        ({"direction": "v.pt"}, "direction", "or logistic or FILE.safetensors, found 'v.pt'"),
        ({"direction": "two.safetensors"}, "direction", "holds 2 tensors: 'a', 'b'"),
        ({"direction": "none.safetensors"}, "direction", "holds 0 tensors"),
        ({"direction": "two.safetensors", "tensor": "c"}, "tensor", "has no 'c'"),
        ({"direction": "nan.safetensors"}, "direction", "numbers that are not finite"),
        ({"direction": "zero.safetensors"}, "direction", "is 0 where it is asked for"),
        ({"direction": "layers.safetensors", "layers": [0]}, "direction", "is 0 where it is asked for"),
        ({"direction": "whole.safetensors"}, "direction", "holds I64"),
        ({"direction": "three.safetensors"}, "direction", "has the shape [2, 3, 6]"),
        ({"direction": "pickle.safetensors"}, "direction", "is not a safetensors file"),
        ({"direction": "one.safetensors", "layers": "all"}, "layers", "one layer"),
        ({"direction": "one.safetensors", "towards": ["a", "b", "c"]}, "towards", "takes the place of both sets"),
        ({"tensor": "a", "towards": ["a", "b", "c"], "away": ["d", "e", "f"]}, "tensor", "there is no file of which"),
    ],
)
def test_a_mistake_names_file_line_and_option(
    folder: Path, name: str, options: dict[str, Any], key: str, told: str
) -> None:
    entry: dict[str, Any] = {"probe": name, "prompts": ["an apple"], "layers": [1], **options}
    if name == "steering":
        entry["score"] = {"tokens": ["a"]}
    with pytest.raises(BatteryError) as raised:
        read_battery(f"models: {{m: demo:gemma-3-270m}}\nprobes:\n  p: {json.dumps(entry)}\n", folder / "b.yaml")
    (mistake,) = raised.value.mistakes
    assert (mistake.file, mistake.line) == (folder / "b.yaml", 3)
    assert f"probes.p.{key}" in mistake.message or f"probes.p.{key}" in str(mistake)
    assert told in str(raised.value)


def test_what_a_file_holds(folder: Path) -> None:
    one = find_direction(str(folder / "one.safetensors"), None, [3])
    assert (one.tensor, one.rows, one.width) == ("a", None, 6)
    np.testing.assert_array_equal(one.read((3,)), VECTOR[None])
    rows = find_direction(str(folder / "layers.safetensors"), "a", "all")  # layer 0 may have none
    assert (rows.rows, rows.width) == (3, 6)
    np.testing.assert_array_equal(rows.read((2, 0)), np.stack([VECTOR, VECTOR * 0]))
