"""Everything that a model's numbers depend on except the probe: the key under which they may be kept."""

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from reportgen.battery.model_entry import ModelEntry
from reportgen.battery.reader import ProbeEntry
from reportgen.cache import key_of
from reportgen.documents.regular_file import CONFIGURATION_BYTES, TOKENIZER_BYTES, read_regular
from reportgen.errors import Mistake, ModelError
from reportgen.fingerprints import version_of
from reportgen.model.files.adapters import TENSORS
from reportgen.model.files.device import SHAPE_ALONE, default_threads, hardware
from reportgen.model.files.quantised import list_readers
from reportgen.model.files.sources import ModelFiles
from reportgen.model.files.weights import ADAPTER, MAYBE, weight_files
from reportgen.probing.options import PAIR
from reportgen.probing.probe import PairProbe
from reportgen.text import chat_files
from reportgen.text.prompts import find_prompts

DEFINITIONS = 7
"""Raised whenever `numerics`, `tokens` or `model` change a number: what older definitions gave is then not used."""

TOGETHER = 64
"""Prompts that pass together where their number is left open."""

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "scikit-learn", "safetensors", "jinja2")
"""Those that numbers depend on."""

_CONFIGURATION = ("config.json", "generation_config.json")
_TOKENIZER = ("tokenizer.json", *chat_files.FILES)


@dataclass(frozen=True)
class Conditions:
    """One model, and how it is run."""

    weights: str
    """`weights_sha256`; empty for a configuration without weights."""
    configuration: str
    """Hash of the files that say what the weights mean."""
    tokenizer: str
    """Hash of the tokenizer's files and the chat template."""
    revision: str | None
    dtype: str
    """As asked for: `auto` is a function of the weights and their configuration."""
    device: str
    """cpu, cuda, mps, …"""
    hardware: str
    threads: int
    batch: int
    """Copies of a prompt that pass together."""
    together: int
    """Prompts of a probe that pass together, at most."""
    attention: str
    libraries: tuple[tuple[str, str], ...]
    definitions: int

    def key(self) -> str:
        """The key of the model under these conditions."""
        return key_of("model", json.dumps(asdict(self), sort_keys=True))


def make_outcome_key(known: Sequence[Conditions], entry: ProbeEntry) -> str:
    """The key of what a probe finds in a model, or in the two of a pair, under these conditions."""
    probe = entry.probe
    ids = set(PAIR) if isinstance(probe, PairProbe) else None
    said = {
        "probe": f"{type(probe).__module__}.{type(probe).__qualname__}",
        "name": probe.name,
        "version": probe.version,
        "options": entry.options.model_dump(mode="json", by_alias=True, exclude=ids),
    }
    if probe.reads_answers and any(prompt.answers for prompt in find_prompts(entry.options)):
        said["reads_answers"] = True  # results from before it did are not its own; those without answers are
    return key_of("outcome", *(one.key() for one in known), json.dumps(said, sort_keys=True))


def hash_named_files(entry: ProbeEntry) -> dict[str, Any]:
    """What the files hold now that a probe's options name (a lens, a text, dictionaries), as the options hash them."""
    return {name: getattr(entry.options, name) for name in type(entry.options).model_computed_fields}


def make_conditions(
    located: ModelFiles, entry: ModelEntry, *, weights_sha256: str, device: str, together: int
) -> Conditions:
    """The conditions of a model of a battery, on a device of this kind, with so many prompts passing together."""
    return Conditions(
        weights=weights_sha256,
        configuration=_hash_of(located.folder, {*_CONFIGURATION, located.config.name}),
        tokenizer=_hash_of(located.tokenizer_folder, _TOKENIZER),
        revision=located.revision,
        dtype=entry.dtype,
        device=device,
        hardware=hardware(device),
        threads=threads_of(entry),
        batch=entry.batch,
        together=together,
        attention=entry.attention,
        libraries=(
            ("python", platform.python_version()),
            *((name, version(name)) for name in LIBRARIES),
            *_list_further_libraries(located, entry),
        ),
        definitions=DEFINITIONS,
    )


def files_of(located: ModelFiles) -> list[Path]:
    """All files of a model's folder, and its adapter's, that decide its numbers, also those that are not there but
    would.
    """
    names = {*_CONFIGURATION, *_TOKENIZER, located.config.name}
    if not located.weights:
        return [located.config]
    own = [*weight_files(located.folder), *(located.folder / name for name in sorted({*names, *MAYBE}))]
    if located.adapter is None:
        return own
    return [*own, *(located.adapter.folder / name for name in sorted({ADAPTER, TENSORS, *_TOKENIZER}))]


def _list_further_libraries(located: ModelFiles, entry: ModelEntry) -> list[tuple[str, str]]:
    """What quantises, or read weights that are quantised; what spreads a model. Streamed from the disk its numbers are
    those of the model in memory.
    """
    used = ["torchao"] if entry.dtype == "int8" else []
    used += list_readers(located.config) if located.weights else []
    used += ["accelerate"] if entry.device_map is not None else []
    return [(name, version_of(name)) for name in used]


def choose_together(asked: int | Literal["auto"] | None, device: str) -> int:
    """How many prompts of a probe pass together on a device of this kind, at most.

    A CPU gains little by it. An accelerator waits for each pass, so that there it is the rule.
    """
    if asked is None:
        return 1 if device in ("cpu", SHAPE_ALONE) else TOGETHER
    return TOGETHER if asked == "auto" else asked


def threads_of(entry: ModelEntry) -> int:
    """Threads of the model's passes on a CPU."""
    return default_threads() if entry.threads is None else entry.threads


def _hash_of(folder: Path, names: Iterable[str]) -> str:
    """A hash over names and contents of small files of a model's folder.

    Raises:
        ModelError: one of them is too large, or cannot be read.
    """
    digest = hashlib.sha256()
    for name in sorted(names):
        file = folder / name
        content = _content(file)
        digest.update(json.dumps([name, file.is_file(), len(content)]).encode() + content)
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    try:
        most = TOKENIZER_BYTES if file.name == "tokenizer.json" else CONFIGURATION_BYTES
        return read_regular(file, most) if file.is_file() else b""
    except OSError as error:
        raise ModelError(Mistake(f"cannot be read: {error.strerror}", file=file)) from error
