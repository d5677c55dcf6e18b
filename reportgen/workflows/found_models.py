"""Which models lie where somebody points: whole ones, adapters with their bases, checkpoints of one training."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.errors import BatteryError, Mistake
from reportgen.model.files.adapter_settings import read_settings
from reportgen.model.files.facts import read_config
from reportgen.model.files.sources import parse_source
from reportgen.model.files.weights import ADAPTER

CONFIG = "config.json"
LONGEST_ID = 40
"""Characters of an id that is made of a folder's name."""
_CHECKPOINT = re.compile(r"(checkpoint|step|epoch|global_step)[-_]?\d+.*", re.IGNORECASE)
_SIZES = ("model_type", "architectures", "hidden_size", "num_hidden_layers")
"""What two checkpoints of one architecture have in common."""
_NO_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Ids that YAML would read as something else."""


@dataclass(frozen=True)
class FoundModel:
    """A model as a battery is to name it."""

    id: str
    parts: tuple[Path | str, ...]
    """Folders and files where they lie, or sources as they are written: one, or a base and an adapter."""

    def source(self, folder: Path) -> str:
        """What stands in a battery that lies in `folder`."""
        return " + ".join(part if isinstance(part, str) else _path_from(folder, part) for part in self.parts)


def find_models(asked: Sequence[str]) -> list[FoundModel]:
    """The models that folders, files and sources stand for, each with an id of its own, each once.

    Raises:
        BatteryError: nothing that can be a model is there, or an adapter's base is not known.
        ModelError: an adapter's settings cannot be read.
    """
    found: dict[tuple[Path | str, ...], FoundModel] = {}
    for text in asked:
        for model in _find_at(text):
            found.setdefault(model.parts, model)
    return _name_apart(found.values())


def is_one_kind(models: Iterable[FoundModel]) -> bool:
    """Whether all are known to be of one architecture and size, so that their weights can be compared."""
    return len({_kind_of(model.parts[0]) for model in models}) == 1


def _kind_of(base: Path | str) -> object:
    """What is equal for models of one architecture; of a source that is no folder, the source itself."""
    if isinstance(base, str) or not base.is_dir():
        return base
    config = read_config(base / CONFIG)
    return tuple(repr(config.get(key)) for key in _SIZES)


def _find_at(text: str) -> list[FoundModel]:
    path = Path(text).expanduser()
    if path.is_dir():
        return _find_in(path)
    if path.is_file() and path.suffix.lower() == ".gguf":
        return [FoundModel(path.stem, (path,))]
    source = parse_source(text)  # refuses what is no source
    if source.parts is not None:
        base, adapter = (_locate(part) for part in text.split(" + "))
        return [FoundModel("base", (base,)), FoundModel(Path(adapter).name, (base, adapter))]
    if source.kind == "config":
        raise BatteryError(Mistake(f"{text} has no weights", "Write it into a battery yourself, for the census alone."))
    if source.kind in ("folder", "gguf"):
        remedy = "A model is a folder with config.json, a .gguf file, a hub id or demo:NAME; a battery ends in .yaml."
        raise BatteryError(Mistake(f"{text}: there is no such folder or file", remedy))
    return [FoundModel(source.target.rpartition("/")[2], (text,))]


def _locate(part: str) -> Path | str:
    """A part of a source: where it lies, if it is here; else as it was written."""
    path = Path(part.strip()).expanduser()
    return path if path.exists() else part.strip()


def _find_in(folder: Path) -> list[FoundModel]:
    """The model of a folder, and the checkpoints in it; else whatever models its own folders and files are."""
    own = _read_model(folder)
    inner = [place for place in _in_order(folder.iterdir()) if place.is_dir() and _holds_model(place)]
    if own:
        inner = [place for place in inner if _CHECKPOINT.fullmatch(place.name)]
    models = [model for place in inner for model in _read_model(place)] + own
    if not models:
        models = [FoundModel(file.stem, (file,)) for file in _in_order(folder.glob("*.gguf"))]
    if not models:
        told = f"{folder}: no model lies here, nor in a folder of it"
        remedy = f"A model's folder has {CONFIG} or {ADAPTER}; a .gguf file is one, too."
        raise BatteryError(Mistake(told, remedy))
    return models


def _holds_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / ADAPTER).is_file()


def _read_model(folder: Path) -> list[FoundModel]:
    """The model in a folder; of an adapter, first its base; none where there is neither."""
    name = folder.resolve().name
    if (folder / CONFIG).is_file():
        return [FoundModel(name, (folder,))]
    if not (folder / ADAPTER).is_file():
        return []
    base = _find_base(folder)
    return [FoundModel("base", (base,)), FoundModel(name, (base, folder))]


def _find_base(adapter: Path) -> Path | str:
    """Where the base of an adapter is, as its settings say."""
    named = read_settings(adapter).base
    if not named:
        told = "it does not say which model it was made for"
        raise BatteryError(Mistake(told, _write_both(adapter), adapter / ADAPTER))
    if Path(named).is_dir():
        return Path(named)
    if parse_source(named).kind != "hub":
        told = f"it says that it was made for {named}, which is not here"
        raise BatteryError(Mistake(told, _write_both(adapter), adapter / ADAPTER))
    return named


def _write_both(adapter: Path) -> str:
    return f'Name it: reportgen init "BASE + {adapter}"'


def _in_order(places: Iterable[Path]) -> list[Path]:
    """By name, and numbers in names by size: checkpoint-1000 after checkpoint-500."""
    return sorted(places, key=lambda place: [int(part) if part.isdigit() else part for part in _split(place.name)])


def _split(name: str) -> list[str]:
    return re.split(r"(\d+)", name)


def _name_apart(models: Iterable[FoundModel]) -> list[FoundModel]:
    """The same with ids that a battery takes, no two alike."""
    named: dict[str, FoundModel] = {}
    for model in models:
        id = first = _make_id(model.id)
        number = 2
        while id in named:
            id, number = f"{first}-{number}", number + 1
        named[id] = replace(model, id=id)
    return list(named.values())


def _make_id(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:LONGEST_ID] or "model"
    return plain if plain[0].isalpha() and plain.lower() not in _NO_TEXT else f"m-{plain}"


def _path_from(folder: Path, place: Path) -> str:
    """A path as a battery in `folder` writes it: from there, unless it lies on another disk."""
    try:
        from_there = Path(os.path.relpath(place.absolute(), folder.absolute())).as_posix()
    except ValueError:
        return place.absolute().as_posix()
    return from_there if from_there.startswith("..") else f"./{from_there}"
