"""The chat template of a model's folder, and the special tokens that it may name: as transformers reads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reportgen.documents.regular_file import read_regular
from reportgen.text.chat import ChatTemplate
from reportgen.text.special_tokens import NAMES, defaults_of

TEMPLATE = "chat_template.jinja"
FURTHER = "additional_chat_templates"
"""Folder of the templates that are chosen by name; `default.jinja` among them is the one of that name."""
FILES = ("tokenizer_config.json", "special_tokens_map.json", TEMPLATE, f"{FURTHER}/default.jinja", "chat_template.json")
"""Everything that a prompt may depend on in addition to tokenizer.json and config.json."""
MOST_CHARACTERS = 100_000
"""Of a template; those that are published have some thousand."""
MOST_SETTINGS_BYTES = 50_000_000
"""Of a file of settings; each added token may stand in it once more."""
_DEFAULT = "default"


def read_chat_template(folder: Path) -> ChatTemplate:
    """The template that a chat without tools goes through.

    A file of templates stands before tokenizer_config.json, and that before a processor's chat_template.json.
    """
    settings = read_settings(folder / "tokenizer_config.json")
    try:
        text, missing = _template(folder, settings)
    except UnicodeDecodeError:
        text, missing = "", "its template is not UTF-8"
    if len(text) > MOST_CHARACTERS:
        text, missing = "", f"its template is longer than {MOST_CHARACTERS:,} characters"
    return ChatTemplate(text, _special_tokens(folder, settings), missing)


def has_chat_template(folder: Path) -> bool:
    """Whether prompts given as messages have a template to go through."""
    return bool(read_chat_template(folder).text)


def read_settings(file: Path) -> dict[str, Any]:
    """A JSON file of settings; empty where there is none, or none that can be read."""
    try:
        content = json.loads(read_regular(file, MOST_SETTINGS_BYTES))
    except (ValueError, OSError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _template(folder: Path, settings: Mapping[str, Any]) -> tuple[str, str]:
    """The template, and why there is none."""
    named = _files(folder)
    if named:
        return named.get(_DEFAULT, ""), _reason_without_default(named)
    written = settings.get("chat_template") or read_settings(folder / "chat_template.json").get("chat_template")
    if isinstance(written, list):
        written = {one["name"]: one.get("template") for one in written if _is_named(one)}
    if isinstance(written, dict):
        named = {name: text for name, text in written.items() if isinstance(text, str)}
        return named.get(_DEFAULT, ""), _reason_without_default(named)
    return (written, "") if isinstance(written, str) else ("", "")


def _files(folder: Path) -> dict[str, str]:
    places = {file.stem: file for file in (folder / FURTHER).glob("*.jinja")} if (folder / FURTHER).is_dir() else {}
    if (folder / TEMPLATE).is_file():
        places = {_DEFAULT: folder / TEMPLATE} | places
    return {name: _read_text(file) for name, file in places.items()}


def _read_text(file: Path) -> str:
    """Its text, as far as it is not too long already."""
    with file.open(encoding="utf-8") as stream:
        return stream.read(MOST_CHARACTERS + 1)


def _is_named(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("name"), str)


def _reason_without_default(named: Mapping[str, str]) -> str:
    return f"the model has chat templates for {', '.join(sorted(named))} alone" if named else ""


def _special_tokens(folder: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """Name -> token, for those that have one: of the tokenizer's class, its settings and, in older folders, a map."""
    written = {name: value for name, value in settings.items() if name in NAMES or name.endswith("_token")}
    written |= _extra_tokens(settings)
    if "added_tokens_decoder" not in settings:
        mapped = read_settings(folder / "special_tokens_map.json")
        written |= {name: value for name, value in mapped.items() if name in NAMES or name.endswith("_token")}
        written |= _extra_tokens(mapped)
    known = {**defaults_of(folder, settings), **written}
    tokens = {name: _token_text(value) for name, value in known.items()}
    return {name: text for name, text in tokens.items() if isinstance(text, str)}


def _extra_tokens(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of one model (`image_token`), where they are named and not only listed."""
    extra = settings.get("extra_special_tokens")
    return extra if isinstance(extra, dict) else {}


def _token_text(value: Any) -> Any:
    return value.get("content") if isinstance(value, dict) else value
