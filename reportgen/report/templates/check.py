"""What is wrong with a folder of a lab's own templates, all at once and before anything is rendered."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import TemplateSyntaxError, nodes

from reportgen.errors import BatteryError, Mistake
from reportgen.probes import registry
from reportgen.report.templates.own_templates import KINDS, OURS, explain_syntax_error, lies_within, list_shipped
from reportgen.report.templates.templating import make_environment
from reportgen.suggest import suggestion

MOST_FILES = 1_000
MOST_BYTES = 5_000_000
"""Of one file."""
_NAMING = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


def check(own: Path) -> None:
    """Refuses a folder of templates that could only fail later, or that would do nothing.

    Raises:
        BatteryError: it is not a folder or holds no template; one does not compile, overrides nothing, or leads out of
            the folder. All of it at once.
    """
    if not own.is_dir():
        wrong = "the templates' folder is a file" if own.exists() else "there is no such folder of templates"
        raise BatteryError(Mistake(wrong, "name a folder with --templates", file=own))
    files = _files(own)
    if not any(file.name.endswith(KINDS) for file in files):
        told = "the folder holds no template"
        raise BatteryError(Mistake(told, f"ours to override are {_join_names(list_shipped())}", file=own))
    mistakes = [mistake for file in files for mistake in _find_unreadable(file, own)]
    if not mistakes:
        mistakes = list(_find_wrong({file: file.read_text(encoding="utf-8") for file in files if _is_text(file)}, own))
    if mistakes:
        raise BatteryError(*mistakes)


def _files(own: Path) -> list[Path]:
    """All files, in order; what is hidden is an editor's or git's."""
    found: list[Path] = []
    for place, folders, files in os.walk(own):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = [Path(place) / name for name in [*files, *folders]]
        seen = [file for file in inside if not file.name.startswith(".")]
        found += sorted(file for file in seen if file.is_symlink() or file.is_file())
        if len(found) > MOST_FILES:
            told = f"the folder holds more than {MOST_FILES:,} files"
            raise BatteryError(Mistake(told, "name the folder of the templates alone", file=own))
    return found


def _find_unreadable(file: Path, own: Path) -> Iterator[Mistake]:
    """A link out of the folder, a file that is not text."""
    if not lies_within(file, own.resolve()):
        yield Mistake("the file is a link out of the templates' folder", "put the file itself there", file)
    elif file.is_dir() or not _is_text(file):
        return
    elif file.stat().st_size > MOST_BYTES:
        yield Mistake(f"the template is larger than {MOST_BYTES:,} bytes", "", file)
    else:
        try:
            file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            yield Mistake(f"the template cannot be read: {reason}", "", file)


def _find_wrong(sources: dict[Path, str], own: Path) -> Iterator[Mistake]:
    """What does not compile, what extends itself, and what nothing asks for."""
    found = make_environment(own.resolve())
    trees: dict[str, nodes.Template] = {}
    for file, source in sources.items():
        name = file.relative_to(own).as_posix()
        try:
            found.compile(source, name, str(file))
            trees[name] = found.parse(source, name, str(file))
        except TemplateSyntaxError as error:
            yield explain_syntax_error(error, file)
    known = {*list_shipped(), *(f"sections/{probe}.html.j2" for probe in registry.names())}
    asked = {other for tree in trees.values() for other, _ in _list_named(tree)}
    for name, tree in trees.items():
        for other, line in _list_named(tree):
            if other == name:
                remedy = f"ours is called {OURS}/{name}"
                yield Mistake("the template extends or includes itself", remedy, own / name, line)
        if name not in known and name not in asked:
            yield Mistake("the template overrides none of ours", suggestion(name, sorted(known)), own / name)


def _list_named(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Names of the templates that one extends, includes or imports, as far as they are written there; and lines."""
    for node in tree.find_all(_NAMING):
        (named,) = (child for field, child in node.iter_fields() if field == "template")
        for name in named.items if isinstance(named, nodes.List | nodes.Tuple) else [named]:
            if isinstance(name, nodes.Const) and isinstance(name.value, str):
                yield name.value, node.lineno


def _is_text(file: Path) -> bool:
    return file.is_file() and file.name.endswith(KINDS)


def _join_names(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if "/" not in name)
