"""Checkpoints that are quantised: how, and which packages read them; known from config.json alone."""

from importlib.util import find_spec
from pathlib import Path

from reportgen.model.files.facts import Config, read_config

_READERS = {
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed-tensors",),
    "gptq": ("optimum", "gptqmodel"),
    "awq": ("gptqmodel",),
    "torchao": ("torchao",),
}
"""Method -> packages."""


def quantisation_method(config: Config) -> str:
    """How the weights of a checkpoint are quantised; empty where they are not."""
    written = config.get("quantization_config")
    return str(written.get("quant_method") or "in an unknown way") if isinstance(written, dict) else ""


def list_readers(config: Path) -> tuple[str, ...]:
    """The packages that read the weights of a config.json, beside transformers.

    Raises:
        ModelError: the file is no model's.
    """
    return _READERS.get(quantisation_method(read_config(config)), ())


def explain_quantised(config: Config) -> str:
    """What to do where a checkpoint is quantised and was not read; empty where it is not quantised."""
    method = quantisation_method(config)
    if not method:
        return ""
    missing = [name for name in _READERS.get(method, ()) if find_spec(name.replace("-", "_")) is None]
    told = f"pip install {' '.join(missing)}" if missing else ""
    other = "name the model that they were made from, or its .gguf file"
    return f"Its weights are quantised ({method}): {f'{told}, or ' if told else ''}{other}."
