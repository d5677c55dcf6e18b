"""Where models come from: what a battery writes as a source, and the folder on disk that it stands for."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from reportgen.documents.beside import (
    HERE,
    exists,
    explain_no_name,
    explain_search,
    is_folder,
    lies_only_here,
    locate_path,
)
from reportgen.documents.problem import describe_value
from reportgen.documents.regular_file import open_regular
from reportgen.errors import BatteryError, Mistake, ModelError
from reportgen.model.files.adapter_settings import read_settings
from reportgen.model.files.adapters import Adapter, read_adapter
from reportgen.model.files.demo import DEMO_MODELS, demo_folder
from reportgen.model.files.demo_wheels import make_ready
from reportgen.model.files.facts import Config, ModelFacts, read_config, read_facts
from reportgen.model.files.gguf import Notify, convert_once, say_nothing, sha256_of
from reportgen.model.files.hub import download_model
from reportgen.model.files.weights import ADAPTER, check_weights

Kind = Literal["demo", "hub", "folder", "gguf", "adapter", "config"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FORMS = (
    "A source is demo:NAME, a hub id (org/name or org/name@revision), a folder, a .gguf file, one of these with an "
    "adapter (BASE + ADAPTER), or config:FILE."
)
_WITH_ADAPTER = "BASE is demo:NAME, a hub id, a folder or a .gguf file; ADAPTER is a folder or a hub id."
_TOKENIZER = "tokenizer.json"
_DETOURS = ("transformers_weights", "configuration_files")


@dataclass(frozen=True)
class Source:
    """A model's source as it was written, and what kind it is."""

    text: str
    kind: Kind
    target: str
    """The demo model's name, the hub id without revision, or the path."""
    revision: str | None = None
    folder: Path = HERE
    """What a relative path starts from: the battery's folder."""
    parts: "tuple[Source, Source] | None" = None
    """Of a model with an adapter: its base, and the adapter."""

    @property
    def path(self) -> Path:
        """Of a source that is one: where it lies, under the name that was written."""
        return Path(os.path.abspath(locate_path(self.target, self.folder)))  # noqa: PTH100 (`resolve` follows links)


@dataclass(frozen=True)
class ModelFiles:
    """A model whose files lie on disk and look whole."""

    folder: Path
    """Holds config.json, and, with `weights`, safetensors and tokenizer.json."""
    config: Path
    """The configuration file; in `folder`, but not always called config.json."""
    name: str
    """The model's own name, as titles and legends show it."""
    revision: str | None
    """The commit that a hub id was resolved to."""
    weights: bool
    """False for config:FILE: the architecture alone."""
    adapter: Adapter | None = None
    """What is merged into the weights once they are loaded."""

    @property
    def tokenizer_folder(self) -> Path:
        """Holds tokenizer.json and what belongs to it: the adapter's own folder where it comes with a tokenizer."""
        own = self.adapter is not None and (self.adapter.folder / _TOKENIZER).is_file()
        return self.adapter.folder if self.adapter is not None and own else self.folder


def parse_source(text: str, revision: str | None = None, folder: Path = HERE) -> Source:
    """What a source written in a battery means that stands in `folder`. Asks nobody but the file system.

    Raises:
        BatteryError: it is none of the known forms, the demo model is unknown, or a folder of the working directory
            is named as if it lay next to the battery.
    """
    text = text.strip()
    if told := explain_no_name(text):
        raise BatteryError(Mistake(f"{describe_value(text)}: {told}", _FORMS))
    if text.startswith("+ ") or text.endswith(" +"):
        where = "before" if text.startswith("+ ") else "after"
        raise BatteryError(Mistake(f"{describe_value(text)}: nothing stands {where} the +", "Write BASE + ADAPTER."))
    if " + " in text:
        return _adapter_source(text, revision, folder)
    prefix, _, rest = text.partition(":")
    if prefix == "demo":
        return _refuse_revision(Source(text, "demo", _require_known_demo(rest)), revision)
    if prefix == "config" and rest:
        return _refuse_revision(Source(text, "config", rest, folder=folder), revision)
    if text and _is_path(text, folder):
        kind: Kind = "gguf" if text.lower().endswith(".gguf") else "folder"
        return _refuse_revision(Source(text, kind, text, folder=folder), revision)
    if text and lies_only_here(text, folder):
        told = f"{describe_value(text)} is not next to the battery, but in the working directory"
        remedy = f"Write its path as it is from {folder}; if a model of the hub is meant, {text}@main."
        raise BatteryError(Mistake(told, remedy))
    return _hub_source(text, revision)


def pin_source(source: Source, revision: str) -> Source:
    """A source at the commits that it was resolved to before: what a branch points to may move meanwhile.

    Args:
        source: as it was written.
        revision: as `ModelFiles.revision` tells it; of a model with an adapter both commits.
    """
    if source.kind == "hub":
        return replace(source, revision=revision)
    if source.parts is None:
        return source
    base, _, adapter = revision.partition(" + ")
    one, other = source.parts
    pinned = pin_source(one, base), pin_source(other, adapter) if adapter else other
    return replace(source, parts=pinned)


def locate(source: Source, notify: Notify = say_nothing) -> ModelFiles:
    """Makes a model's files present on disk and looks whether they are whole.

    Raises:
        ModelError: the model is missing, gated, not to be had offline, damaged, or no causal language model.
    """
    return _LOCATE[source.kind](source, notify)


def facts_of(located: ModelFiles) -> ModelFacts:
    """The facts of a model that was located; those that an adapter changes, as it changes them."""
    facts = read_facts(located.config, located.tokenizer_folder)
    rows = located.adapter.vocabulary if located.adapter is not None else None
    return facts if rows is None else replace(facts, vocabulary=rows)


def _require_known_demo(name: str) -> str:
    if name in DEMO_MODELS:
        return name
    from rapidfuzz import process  # here: most names are known

    nearest = process.extractOne(name, list(DEMO_MODELS), processor=str.lower, score_cutoff=60)
    hint = f"Did you mean demo:{nearest[0]}?" if nearest else f"Demo models: {', '.join(DEMO_MODELS)}."
    raise BatteryError(Mistake(f"unknown demo model {describe_value(name)}", hint))


def _refuse_revision(source: Source, revision: str | None) -> Source:
    if revision is not None:
        raise BatteryError(
            Mistake(f"{describe_value(source.text)} has no revisions", "Only a hub id takes a revision.")
        )
    return source


def _adapter_source(text: str, revision: str | None, folder: Path) -> Source:
    """A base and an adapter; `revision:` beside them is the base's."""
    written = text.split(" + ")
    if len(written) > 2:
        told = f"{describe_value(text)} names {len(written) - 1} adapters, where one can be merged"
        raise BatteryError(Mistake(told, "Merge the others into the base with peft (merge_and_unload), and name that."))
    base, adapter = parse_source(written[0], revision, folder), parse_source(written[1], None, folder)
    if base.kind == "config" or adapter.kind not in ("folder", "hub"):
        wrong = base.text if base.kind == "config" else adapter.text
        role = "no base for an adapter" if base.kind == "config" else "no adapter"
        raise BatteryError(Mistake(f"{describe_value(text)}: {describe_value(wrong)} is {role}", _WITH_ADAPTER))
    return Source(text, "adapter", text, revision, folder, (base, adapter))


def _is_path(text: str, folder: Path) -> bool:
    if text.startswith(("/", "./", "../", "~")) or text in (".", "..") or text.lower().endswith(".gguf"):
        return True
    return text.endswith("/") or text.count("/") > 1 or exists(folder / text.partition("/")[0])


def _hub_source(text: str, revision: str | None) -> Source:
    target, _, written = text.partition("@")
    if not _HUB_ID.fullmatch(target) or text.endswith("@"):
        raise BatteryError(Mistake(f"{describe_value(text)} is neither a folder that exists nor a hub id", _FORMS))
    if written and revision is not None and written != revision:
        raise BatteryError(
            Mistake(
                f"{describe_value(text)} names another revision than `revision: {revision}`", "Write the revision once."
            )
        )
    return Source(text, "hub", target, written or revision)


def _locate_demo(source: Source, notify: Notify) -> ModelFiles:
    model = DEMO_MODELS[source.target]
    # Where nobody listens, nobody would be told what is fetched, nor under which terms.
    ready = demo_folder if notify is say_nothing else make_ready
    return _inspect_folder(ready(model, notify), model.name)


def _locate_folder(source: Source, notify: Notify) -> ModelFiles:
    folder = _require_existing_path(source)
    if not is_folder(folder):
        raise ModelError(Mistake("this is a file, not a model's folder", _FORMS, folder))
    return _inspect_folder(folder, folder.name)


def _locate_gguf(source: Source, notify: Notify) -> ModelFiles:
    file = _require_existing_path(source)
    if not _begins_with(file, b"GGUF"):
        raise ModelError(Mistake("this is not a GGUF file", "Is the download complete?", file))
    name = file.name[: -len(".gguf")]
    safe_name = re.sub(r"[^\w.-]", "_", name)[:80]
    notify(f"Reading {file.name}.")
    return _inspect_folder(convert_once(safe_name, sha256_of(file), lambda _: file, notify=notify), name)


def _locate_config(source: Source, notify: Notify) -> ModelFiles:
    file = _require_existing_path(source)
    _refuse_detours(read_config(file), file)
    name = file.parent.name if file.name == "config.json" else file.stem
    return ModelFiles(file.parent, file, name, None, weights=False)


def _locate_adapter(source: Source, notify: Notify) -> ModelFiles:
    assert source.parts is not None
    base, written = locate(source.parts[0], notify), source.parts[1]
    folder = (
        download_model(written.target, written.revision, notify)
        if written.kind == "hub"
        else _require_existing_path(written)
    )
    if not is_folder(folder):
        raise ModelError(Mistake("this is a file, not an adapter's folder", _WITH_ADAPTER, folder))
    commit = folder.name if written.kind == "hub" else None
    name = written.target.rpartition("/")[2] if written.kind == "hub" else folder.name
    adapter = read_adapter(folder, base.folder, name=name, revision=commit)
    return replace(base, name=f"{base.name} + {name}", revision=_join_revisions(base.revision, commit), adapter=adapter)


def _join_revisions(base: str | None, adapter: str | None) -> str | None:
    """The commits of a base and its adapter; what came from no hub has none."""
    return base if adapter is None else f"{base or '-'} + {adapter}"


def _locate_hub(source: Source, notify: Notify) -> ModelFiles:
    folder = download_model(source.target, source.revision, notify)
    return _inspect_folder(folder, source.target.rpartition("/")[2], revision=folder.name)


_LOCATE: dict[Kind, Callable[[Source, Notify], ModelFiles]] = {
    "demo": _locate_demo,
    "hub": _locate_hub,
    "folder": _locate_folder,
    "gguf": _locate_gguf,
    "adapter": _locate_adapter,
    "config": _locate_config,
}


def _require_existing_path(source: Source) -> Path:
    if not exists(source.path):
        remedy = f"{explain_search(source.target, source.folder)} It is not a hub id."
        raise ModelError(Mistake("there is no such file or folder", remedy, source.target))
    return source.path


def _begins_with(file: Path, magic: bytes) -> bool:
    try:
        with open_regular(file) as stream:
            return stream.read(len(magic)) == magic
    except OSError as error:
        raise ModelError(Mistake(f"cannot be read: {error.strerror}", file=file)) from error


def _inspect_folder(folder: Path, name: str, revision: str | None = None) -> ModelFiles:
    """The folder, once its configuration, weights and tokenizer were looked at."""
    config = folder / "config.json"
    if not config.is_file() and (folder / ADAPTER).is_file():
        raise ModelError(_explain_adapter_alone(folder))
    _refuse_detours(read_config(config), config)
    try:
        check_weights(folder)
    except OSError as error:
        raise ModelError(Mistake(f"the weights cannot be read: {error.strerror}", file=folder)) from error
    if not (folder / _TOKENIZER).is_file():
        raise ModelError(
            Mistake(
                "no tokenizer.json: token offsets are only known from a fast tokenizer",
                "Make one: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER), with the weights next to it.",
                folder,
            )
        )
    return ModelFiles(folder, config, name, revision, weights=True)


def _explain_adapter_alone(folder: Path) -> Mistake:
    """What to write where an adapter's folder is named as if it were a model's."""
    base = read_settings(folder).base
    made_for = f" It says that it was made for {describe_value(base)}." if base else ""
    remedy = f"Write `BASE + FOLDER`, BASE being the model that it was made for.{made_for}"
    return Mistake("this is a PEFT adapter, not a whole model", remedy, folder)


def _refuse_detours(values: Config, file: Path) -> None:
    """Refuses a configuration that sends transformers to other files than those that are looked at here."""
    parts = [values, *(part for part in values.values() if isinstance(part, dict))]
    for key in _DETOURS:
        if any(part.get(key) for part in parts):
            raise ModelError(
                Mistake(
                    f"`{key}` redirects to another file; that is not supported",
                    f"Give that file its usual name, and remove `{key}`.",
                    file,
                )
            )
