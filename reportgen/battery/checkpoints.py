"""Checkpoints by glob: the folders and .gguf files that a source with wildcards stands for, in natural order."""

import re
from pathlib import Path

from reportgen.baseline.runs import make_natural_key
from reportgen.documents.beside import exists, explain_search, is_folder, locate_path
from reportgen.documents.problem import describe_value
from reportgen.suggest import suggestion

GGUF = ".gguf"
WITH_ADAPTER = " + "
"""Stands between a base and its adapter."""


class UnmatchedGlob(ValueError):
    """A glob that stands for no model, and what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(message)


def has_wildcard(text: str) -> bool:
    """Whether a name is a pattern of names: `*`, `?`, or a set of characters in brackets."""
    return re.search(r"[*?]|\[[^]]+\]", text) is not None


def find_checkpoints(source: str, folder: Path) -> list[tuple[str, str]]:
    """Name and source of each checkpoint that a source with wildcards matches; none where it has no wildcards.

    The name is the path from the first part with a wildcard on, without .gguf: of `runs/*/step-9`, a/step-9. In
    natural order step-9 comes before step-10. Of a base with an adapter either may be the glob.

    Raises:
        UnmatchedGlob: it matches nothing, or more than one of its parts has wildcards.
    """
    parts = source.strip().split(WITH_ADAPTER)
    globs = [at for at, part in enumerate(parts) if is_glob(part, folder)]
    if not globs:
        return []
    if len(globs) > 1:
        told = f"{describe_value(source)}: base and adapter are both globs"
        raise UnmatchedGlob(told, "Write the base out, or the adapter.")
    (at,) = globs
    matched = _match_paths(parts[at], folder)
    return [(name, WITH_ADAPTER.join([*parts[:at], path, *parts[at + 1 :]])) for name, path in matched]


def is_glob(source: str, folder: Path) -> bool:
    """A path with wildcards; one that lies there under just this name is meant as it stands."""
    named = source.startswith(("demo:", "config:"))
    return not named and has_wildcard(source) and not exists(locate_path(source, folder))


def _match_paths(pattern: str, folder: Path) -> list[tuple[str, str]]:
    """Name and path, as a battery writes it, of every folder and .gguf file that a pattern matches."""
    parts = pattern.rstrip("/").split("/")
    if "**" in parts:
        raise UnmatchedGlob(f"{describe_value(pattern)}: ** is not supported", "Write a * for each folder on the way.")
    first = next(at for at, part in enumerate(parts) if has_wildcard(part))
    above = "/".join(parts[:first]) + "/" if first else ""
    root = locate_path(above or ".", folder)
    found = [path for path in root.glob("/".join(parts[first:])) if _may_be_model(path)]
    if not found:
        told = f"{describe_value(pattern)} matches no folder and no .gguf file"
        raise UnmatchedGlob(told, _explain_nothing(above, root, parts[first], folder))
    names = sorted((path.relative_to(root).as_posix() for path in found), key=make_natural_key)
    for name in names:
        if not name.isprintable() or WITH_ADAPTER in name:  # what no YAML holds, or is read as a base with its adapter
            raise UnmatchedGlob(f"{describe_value(pattern)} matches {name!a}, which no battery can name", "Rename it.")
    return [(name.removesuffix(GGUF), f"{above}{name}") for name in names]


def _may_be_model(path: Path) -> bool:
    """Training leaves logs beside its checkpoints; a checkpoint that is not whole is a failed model of the report."""
    visible = not path.name.startswith(".")
    return visible and (is_folder(path) or path.suffix.lower() == GGUF)


def _explain_nothing(above: str, root: Path, pattern: str, folder: Path) -> str:
    """What lies where something was looked for."""
    if not is_folder(root):
        return explain_search(above.rstrip("/"), folder)
    names = sorted((path.name for path in root.glob("*") if _may_be_model(path)), key=make_natural_key)
    where = describe_value(above.rstrip("/") or ".")
    return suggestion(re.sub(r"[*?]", "", pattern), names) or f"There is none in {where}."
