"""A GGUF file made into float32 safetensors: `python -m reportgen.model.files.dequantise FILE FOLDER`.

The last line of stderr says what went wrong.
"""

import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers import modeling_gguf_pytorch_utils as reader
from transformers.utils import logging

from reportgen.model.files.gguf import DISK_FAILED
from reportgen.model.files.gguf_pre_tokenizers import find_pre_tokenizer, set_pre_tokenizer

_SAID = ("model", "pre", "add_bos_token")
"""What a file says of its tokenizer, in addition to what transformers reads."""


class _Reader(gguf.GGUFReader):  # type: ignore[misc]  # gguf is not typed
    """A GGUF file mapped into memory, read as plain arrays: slicing numpy's own maps costs ten times as much, and a
    vocabulary of 262,144 tokens is some four million slices.
    """

    @property
    def data(self) -> NDArray[Any]:
        """(byte) the whole file."""
        return self._data

    @data.setter
    def data(self, mapped: NDArray[Any]) -> None:
        self._data = np.asarray(mapped)

    def _get_field_parts(
        self, orig_offs: int, raw_type: int
    ) -> tuple[int, list[NDArray[Any]], list[int], list[gguf.GGUFValueType]]:
        """The parts of a field as gguf's own reader has them; those of a long array without a call for each of its
        elements.
        """
        known = self._find_array_parts(orig_offs) if raw_type == _ARRAY and self.byte_order == "I" else None
        found: tuple[int, list[NDArray[Any]], list[int], list[gguf.GGUFValueType]] = (
            super()._get_field_parts(orig_offs, raw_type) if known is None else known
        )
        return found

    def _find_array_parts(
        self, begin: int
    ) -> tuple[int, list[NDArray[Any]], list[int], list[gguf.GGUFValueType]] | None:
        """Those of an array of numbers or strings; None of any other, and where the file ends before it."""
        raw_kind, length = self._get(begin, np.uint32), self._get(begin + 4, np.uint64)
        kind, count, at = gguf.GGUFValueType(raw_kind[0]), int(length[0]), begin + 12
        if not 0 < count <= len(self._data):
            return None
        if kind == _STRING:
            strings: list[NDArray[Any]] = []
            for _ in range(count):
                size = self._data[at : at + 8].view(np.uint64)
                text = self._data[at + 8 : at + 8 + int(size[0])]
                strings += (size, text)
                at += 8 + len(text)
            return at - begin, [raw_kind, length, *strings], [*range(3, 3 + 2 * count, 2)], [_ARRAY, kind]
        form = self.gguf_scalar_to_np.get(kind)
        if form is None or at + count * np.dtype(form).itemsize > len(self._data):
            return None
        numbers = self._get(at, form, count)
        parts = [raw_kind, length, *numbers.reshape(-1, 1)]
        return at - begin + numbers.nbytes, parts, [*range(2, 2 + count)], [_ARRAY, kind]


def _parse_value(value: NDArray[Any], types: list[int]) -> Any:
    """An element as transformers' own function makes it of its bytes, in a tenth of the time."""
    kind = types[-1]
    if len(types) > 2 or kind == _ARRAY:
        raise ValueError("an array of arrays is not known in a GGUF file")
    return value.tobytes().decode() if kind == _STRING else value.item()


_ARRAY, _STRING = gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.STRING
_read_once = cache(_Reader)
"""transformers reads a file's header for its configuration, its tokenizer and its weights: here that is one reading."""


def dequantise(file: Path, folder: Path) -> None:
    """Writes config, weights and tokenizer of a GGUF file into a folder."""
    tokenizer = _read_tokenizer(file)  # first: it is refused in a second, the weights take half a minute
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # The weights are plain float32 now; with the mark left on, transformers refuses to save them.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _read_tokenizer(file: Path) -> Any:
    """The tokenizer that a GGUF file describes.

    transformers builds it, but cuts text as GPT-2 does wherever it does not know the file's own way.
    """
    fields = _read_once(str(file)).fields
    said = {key: fields[f"tokenizer.ggml.{key}"].contents() for key in _SAID if f"tokenizer.ggml.{key}" in fields}
    chosen = find_pre_tokenizer(said.get("pre")) if said.get("model") == "gpt2" else None
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    if chosen is not None:
        set_pre_tokenizer(tokenizer.backend_tokenizer, chosen)
        if chosen.bos and "add_bos_token" not in said:
            tokenizer.add_bos_token = True
    return tokenizer


def _main() -> int:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    gguf.GGUFReader = lambda path: _read_once(str(path))
    gguf.get_tensor_name_map = cache(gguf.get_tensor_name_map)  # it is made anew for each module of the model
    reader._gguf_parse_value = _parse_value
    reader.tqdm = lambda tensors, **_: tensors  # drawn past transformers' own switch
    warnings.simplefilter("ignore")
    try:
        dequantise(Path(sys.argv[1]), Path(sys.argv[2]))
    except SafetensorError as error:  # it tells of a full disk in words only
        return _report_error(error, DISK_FAILED)
    except OSError as error:
        return _report_error(error, 1 if error.errno is None else DISK_FAILED)
    except Exception as error:  # whatever a stranger's file makes transformers raise
        return _report_error(error, 1)
    return 0


def _report_error(error: Exception, code: int) -> int:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    sys.stderr.write(f"\n{lines[0]}\n")
    return code


if __name__ == "__main__":
    sys.exit(_main())
