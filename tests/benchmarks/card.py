"""A battery with all that the programs without reportgen must be told of it, and the places of one run."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEPT = ("models", "fonts", "hashes")
"""Folders of the cache that hold what a machine makes once, not what a run makes."""


@dataclass(frozen=True)
class Card:
    """Work that is done by reportgen, by the notebook and by the floor."""

    battery: Path
    models: Mapping[str, Path]
    """Id in the battery -> folder."""
    parameters: int
    """Of the largest model."""
    cache: Path
    """The cache whose `KEPT` folders runs may use."""

    def changed(self, folder: Path) -> Path:
        """The battery with another option for one probe."""
        text = self.battery.read_text()
        assert text.count("top_k: 10") == 1
        other = folder / "changed.yaml"
        other.write_text(text.replace("top_k: 10", "top_k: 5"))
        return other

    @contextmanager
    def place(self) -> Iterator["Place"]:
        """A place where nothing of an earlier run is known."""
        with tempfile.TemporaryDirectory(prefix="reportgen-bench-") as name:
            folder = Path(name)
            cache = folder / "cache"
            cache.mkdir()
            for kept in KEPT:
                (self.cache / kept).mkdir(parents=True, exist_ok=True)
                (cache / kept).symlink_to(self.cache / kept)
            yield Place(folder, {"REPORTGEN_CACHE": str(cache)})


@dataclass(frozen=True)
class Place:
    """Where a run writes."""

    folder: Path
    env: Mapping[str, str]
    """What names its cache."""

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"


def demo_card() -> Card:
    """card.yaml on the two demo models; they are converted, and its fonts cut, if they were not yet."""
    battery = Path(__file__).with_name("card.yaml")
    with tempfile.TemporaryDirectory() as folder:
        _run_reportgen("run", battery, "-o", f"{folder}/bundle", "--quiet")
    known = json.loads(_run_reportgen("models", "--json"))
    found = {model["source"]: model for model in known["models"]}
    ids = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    return Card(
        battery,
        {id: Path(found[source]["folder"]) for id, source in ids.items()},
        max(found[source]["parameters"] for source in ids.values()),
        Path(known["cache"]["folder"]),
    )


def _run_reportgen(*arguments: object) -> str:
    command = [sys.executable, "-m", "reportgen", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
