"""Batteries on tiny models, and processes that are looked for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny import save_tiny

LENS = "  lens: {probe: logit_lens, prompts: [an apple, 天氣], continue: 2}"
CENSUS = "  census: {probe: parameter_census}"
Write = Callable[..., Path]


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    families = {"a": "llama", "b": "gemma3", "c": "qwen2"}
    return {id: save_tiny(folder / f"tiny-{id}", family, seed=at) for at, (id, family) in enumerate(families.items())}


@pytest.fixture
def write(tmp_path: Path, models: dict[str, Path]) -> Write:
    def write_battery(*probes: str, only: str = "abc") -> Path:
        lines = ["models:", *(f"  {id}: {models[id]}" for id in only), "probes:", *probes]
        file = tmp_path / "battery.yaml"
        file.write_text("\n".join([*lines, "outputs: []", ""]))
        return file

    return write_battery


def read_numbers(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("results.json", "arrays.safetensors")]


def find_processes(said: str, cache: Path) -> dict[int, int]:
    """Id -> parent of the processes with these words on their command line, and this cache in their environment."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            own = f"REPORTGEN_CACHE={cache}".encode() in (place / "environ").read_bytes().split(b"\0")
            if own and said.encode() in (place / "cmdline").read_bytes() and int(place.name) != os.getpid():
                found[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found
