"""A GGUF file is read faster than by gguf and transformers, and as they read it."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from transformers.integrations.ggml import _gguf_parse_value

from reportgen.model.files.dequantise import _parse_value, _Reader

FIELDS: dict[str, Any] = {
    "a.words": ["", "an", "apple", "李", "🐠"],
    "a.counts": [1, 2, 70_000],
    "a.below": [-5, 0, 3],
    "a.scores": [0.5, -1e4, 3.25],
    "a.truths": [True, False],
    "a.word": "alone",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(written, "llama")
    for name, value in FIELDS.items():
        if isinstance(value, str):
            writer.add_string(name, value)
        else:
            writer.add_array(name, value)
    writer.add_tensor("token_embd.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    return written


def test_fields_and_tensors_are_those_that_gguf_reads(file: Path) -> None:
    ours, theirs = _Reader(file), gguf.GGUFReader(file)
    assert list(ours.fields) == list(theirs.fields)
    for name, expected in theirs.fields.items():
        field = ours.fields[name]
        assert (field.offset, field.data, field.types) == (expected.offset, expected.data, expected.types)
        assert [(part.dtype, part.tolist()) for part in field.parts] == [
            (part.dtype, part.tolist()) for part in expected.parts
        ]
        assert field.contents() == expected.contents()
    assert [one.name for one in ours.tensors] == [one.name for one in theirs.tensors]
    assert np.array_equal(ours.tensors[0].data, theirs.tensors[0].data)
    assert {name: ours.fields[name].contents() for name in FIELDS} == FIELDS


def test_values_are_those_that_transformers_makes(file: Path) -> None:
    for field in gguf.GGUFReader(file).fields.values():
        for at in field.data:
            found, expected = (parse(field.parts[at], field.types) for parse in (_parse_value, _gguf_parse_value))
            assert (found, type(found)) == (expected, type(expected))


def test_a_file_that_ends_within_an_array_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for end in (content.index(b"apple") + 2, content.index(b"a.counts") + 30, content.index(b"a.scores") + 26):
        file.write_bytes(content[:end])
        with pytest.raises((IndexError, ValueError, KeyError)):
            _Reader(file)
