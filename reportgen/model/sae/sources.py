"""Where dictionaries come from: what a battery writes as a source, and the files on disk that it stands for."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from reportgen.documents.beside import HERE, exists, explain_search, is_file, is_folder, lies_only_here, locate_path
from reportgen.documents.watched import State, state_of
from reportgen.errors import BatteryError, Mistake
from reportgen.model.files.gguf import Notify, say_nothing
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.model.sae.choose import Wish, choose
from reportgen.model.sae.files import DictionaryError, DictionaryFiles
from reportgen.model.sae.forms import describe, describe_all
from reportgen.model.sae.hub import download_dictionaries
from reportgen.resources import PACKAGE
from reportgen.suggest import suggestion

DEMO_DICTIONARIES = {"gemma-3-270m": ".venv/bin/python -m reports.dictionaries.train"}
"""Name -> the command, typed in a checkout, that makes them."""
FOLDER = Path("reports/dictionaries")

_HUB = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?P<path>(?:/[\w.=+-]+)*)/?(?:@(?P<revision>[\w./-]+))?",
    re.ASCII,
)
_FORMS = "A source of dictionaries is demo:NAME, a folder, or a hub id with a path (org/name/path or …@revision)."


@dataclass(frozen=True)
class DictionarySource:
    """A source as it was written, and what kind it is."""

    text: str
    kind: Literal["demo", "folder", "hub"]
    target: str
    """The demo model's name, the folder, or the hub's repository."""
    path: str = ""
    """Below the repository; empty for all of it."""
    revision: str | None = None


def parse_dictionary_source(text: str, folder: Path = HERE) -> DictionarySource:
    """What a source written in a battery means that stands in `folder`. Asks nobody but the file system.

    Raises:
        BatteryError: it is none of the known forms, or there are no such demo dictionaries.
    """
    text = text.strip()
    prefix, colon, rest = text.partition(":")
    if colon and prefix == "demo":
        if rest not in DEMO_DICTIONARIES:
            raise BatteryError(Mistake(f"unknown demo dictionaries {rest!r}", suggestion(rest, DEMO_DICTIONARIES)))
        return DictionarySource(text, "demo", rest)
    if text.startswith(("/", "./", "../", "~")) or (text and exists(folder / text.partition("/")[0])):
        return DictionarySource(text, "folder", text)
    if text and lies_only_here(text, folder):
        told = f"{text!r} is not next to the battery, but in the working directory"
        raise BatteryError(Mistake(told, f"Write its path as it is from {folder}; if the hub is meant, {text}@main."))
    found = _HUB.fullmatch(text)
    if found is None or ".." in text.split("/"):
        raise BatteryError(Mistake(f"{text!r} is neither a folder that exists nor a hub id", _FORMS))
    return DictionarySource(text, "hub", found["repo"], found["path"].strip("/"), found["revision"])


def locate_dictionaries(
    source: str,
    *,
    folder: Path = HERE,
    layers: Sequence[int] | None = None,
    features: int | None = None,
    l0: float | None = None,
    notify: Notify = say_nothing,
) -> tuple[DictionaryFiles, ...]:
    """The dictionaries that a source stands for, one a place, by ascending place; made present on disk.

    Args:
        source: As a battery writes it.
        folder: What a relative path starts from: the battery's.
        layers: Only those that read these layers (residual stream) or blocks; None for all.
        features: Only those with exactly so many.
        l0: Where several are left at one place, the one whose stated L0 is nearest.
        notify: Told of downloads.

    Raises:
        BatteryError: the source has no known form, or several dictionaries at one place are left.
        DictionaryError: missing, not to be had offline, damaged, or not supported.
    """
    parsed = parse_dictionary_source(source, folder)
    wish = Wish(None if layers is None else tuple(layers), features, l0)
    if parsed.kind == "hub":
        root, folders, revision = download_dictionaries(parsed.target, parsed.path, parsed.revision, wish, notify)
        found = [describe(root, folder) for folder in folders]
        return choose([replace(one, card=replace(one.card, revision=revision)) for one in found], wish, parsed.text)
    root = _demo_folder(parsed.target) if parsed.kind == "demo" else _folder(parsed.target, folder)
    return choose(describe_all(root), wish, parsed.text)


def fingerprint(found: Sequence[DictionaryFiles]) -> str:
    """A hash over the places, configurations and weights: numbers depend on these, not on what the files are called."""
    digest = hashlib.sha256()
    for one in found:
        digest.update(str(one.place).encode())
        for file in (one.config, one.weights):
            if file is not None:
                digest.update(_hash(file, state_of(file)).encode())
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _hash(file: Path, state: State | None) -> str:
    return sha256_of(file)


def _demo_folder(name: str) -> Path:
    """In the checkout that this package runs from, else in the folder where one stands."""
    for root in (PACKAGE.parent, Path()):
        if (root / FOLDER / name).is_dir():
            return root / FOLDER / name
    raise DictionaryError(
        Mistake(
            f"the demo dictionaries of {name} are not here: they lie in the repository, not in the wheel",
            f"In a checkout they are in {FOLDER / name}, or made again by: {DEMO_DICTIONARIES[name]}",
        )
    )


def _folder(written: str, folder: Path) -> Path:
    found = locate_path(written, folder).absolute()
    if is_file(found):
        raise DictionaryError(Mistake("this is a file, not a dictionary's folder", "Name its folder.", written))
    if not is_folder(found):
        remedy = f"{explain_search(written, folder)} It is not a hub id."
        raise DictionaryError(Mistake("there is no such folder", remedy, written))
    return found
