"""A dictionary's configuration, read field by field: a value that is not known is refused with its name."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reportgen.documents.regular_file import CONFIGURATION_BYTES, read_regular_text
from reportgen.errors import Mistake
from reportgen.model.sae.files import DictionaryError

NO_TRANSCODERS = "transcoders are not supported yet"


class Config:
    """The mapping in a JSON file. A field that is missing or null has its default."""

    def __init__(self, file: Path, values: Mapping[str, Any]) -> None:
        self.file = file
        self.values = values

    @classmethod
    def read(cls, file: Path) -> "Config":
        """The configuration in a file.

        Raises:
            DictionaryError: it is missing, no JSON, or holds no mapping.
        """
        try:
            values = json.loads(read_regular_text(file, CONFIGURATION_BYTES))
        except FileNotFoundError as error:
            raise DictionaryError(
                Mistake("there is no such file next to the dictionary's weights", "Is the download complete?", file)
            ) from error
        except OSError as error:
            raise DictionaryError(Mistake(f"cannot be read: {error.strerror}", file=file)) from error
        except (ValueError, RecursionError) as error:
            line = error.lineno if isinstance(error, json.JSONDecodeError) else None
            raise DictionaryError(Mistake("this is not JSON", "Download the file again.", file, line)) from error
        if not isinstance(values, dict):
            raise DictionaryError(Mistake("this is not a dictionary's configuration: it holds no mapping", file=file))
        return cls(file, values)

    def part(self, field: str) -> "Config":
        """A mapping inside; empty where there is none."""
        return Config(self.file, self._read_typed(field, dict, {}))

    def text(self, field: str, default: str = "") -> str:
        """A string."""
        return str(self._read_typed(field, str, default))

    def flag(self, field: str, default: bool) -> bool:
        """True or false."""
        return bool(self._read_typed(field, bool, default))

    def count(self, field: str) -> int | None:
        """A whole number of 1 at least."""
        value = self.values.get(field)
        if value is None:
            return None
        if type(value) is not int or value < 1:
            raise self.refusal(field, "a whole number of 1 or more")
        return value

    def number(self, field: str) -> float | None:
        """A finite number."""
        value = self.values.get(field)
        if value is None:
            return None
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.refusal(field, "a number")
        return float(value)

    def choice(self, field: str, supported: Iterable[str], default: str | None = None) -> str:
        """One of the supported strings."""
        known = tuple(supported)
        value = self.values.get(field, default)
        value = default if value is None else value
        if not isinstance(value, str) or value not in known:
            raise self.refusal(field, ", ".join(known))
        return value

    def refusal(self, field: str, supported: str) -> DictionaryError:
        """The error that says what a field holds and what it may."""
        value = self.values.get(field)
        what = f"`{field}` is missing" if value is None else f"`{field}: {json.dumps(value)[:80]}` is not supported"
        return DictionaryError(Mistake(what, f"Supported: {supported}.", self.file))

    def transcoder(self, what: str) -> DictionaryError:
        """The error for whatever reads one place and writes another."""
        return DictionaryError(
            Mistake(f"{NO_TRANSCODERS}: {what}", "Name a dictionary that writes what it reads.", self.file)
        )

    def _read_typed(self, field: str, kind: type, default: Any) -> Any:
        value = self.values.get(field)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise self.refusal(field, {str: "a string", bool: "true or false", dict: "a mapping"}[kind])
        return value
