"""A folder of a lab's own templates: which of ours they take the place of, and what is wrong with them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    FileSystemLoader,
    TemplateNotFound,
    TemplateSyntaxError,
    nodes,
)
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.loaders import split_template_path

from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.probes import registry
from reportgen.resources import folder
from reportgen.suggest import suggestion

OURS = "reportgen"
"""`reportgen/NAME` is our template of that name, where one's own takes its place."""
KINDS = (".j2", ".css", ".js")
"""How a template's name ends; whatever else lies in the folder may be included, and is not asked what it overrides."""
MOST_FILES = 1_000
MOST_BYTES = 5_000_000
"""Of one file."""
_NAMING = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


class Loader(FileSystemLoader):
    """Files of one folder, and none that lies elsewhere by way of a link."""

    def __init__(self, own: Path) -> None:
        super().__init__(own)
        self._own = own.resolve()

    def get_source(self, environment: Environment, template: str) -> Any:
        """As every loader's.

        Raises:
            SecurityError: the file is a link out of the folder.
        """
        place = self._own.joinpath(*split_template_path(template))
        if place.exists() and not _within(place, self._own):
            raise SecurityError(f"{template} is a link out of the folder")
        return super().get_source(environment, template)


def check(own: Path) -> None:
    """Refuses a folder of templates that could only fail later, or that would do nothing.

    Raises:
        BatteryError: it is no folder or holds no template; one does not compile, overrides nothing, or leads out of
            the folder. All of it at once.
    """
    if not own.is_dir():
        wrong = "the templates' folder is a file" if own.exists() else "there is no such folder of templates"
        raise BatteryError(Mistake(wrong, "name a folder with --templates", file=own))
    files = _files(own)
    if not any(file.name.endswith(KINDS) for file in files):
        told = "the folder holds no template"
        raise BatteryError(Mistake(told, f"ours to override are {_listed(_shipped())}", file=own))
    mistakes = [mistake for file in files for mistake in _unreadable(file, own)]
    if not mistakes:
        mistakes = list(_wrong({file: file.read_text(encoding="utf-8") for file in files if _is_text(file)}, own))
    if mistakes:
        raise BatteryError(*mistakes)


@contextmanager
def answerable(own: Path) -> Iterator[None]:
    """Whatever is raised while templates of this folder are rendered is told with the line it comes from.

    Raises:
        OutputError: in its place.
    """
    try:
        yield
    except Exception as error:  # a template of one's own may do anything that it is not kept from
        raise OutputError(_told(error, own)) from error


def _told(error: Exception, own: Path) -> Mistake:
    file, line = _place(error, own)
    match error:
        case TemplateSyntaxError():
            return _not_compiled(error, own)
        case SecurityError():
            remedy = "templates of one's own run in a sandbox: they reach for nothing but what they are given"
            return Mistake(f"the template is refused: {error}", remedy, file, line)
        case TemplateNotFound():
            remedy = suggestion(str(error.name), _shipped())
            return Mistake(f"there is no template {error.name}", remedy, file, line)
        case MemoryError():
            return Mistake("the template fails: it takes too much memory", "", file, line)
        case RecursionError():
            return Mistake("the template fails: it calls or includes itself without end", "", file, line)
    kind = "" if isinstance(error, TemplateRuntimeError) else f"{type(error).__name__}: "
    told = " ".join(f"{kind}{error}".split())
    return Mistake(f"the template fails: {told}", "", file, line)


def _place(error: Exception, own: Path) -> tuple[Path | None, int | None]:
    """Where in a template an error comes from: the last line of one's own on the way to it, else of ours."""
    found: dict[Path, tuple[Path, int]] = {}
    trace = error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        for root in (own, folder("templates")):
            if file.is_relative_to(root):
                found[root] = file, trace.tb_lineno
        trace = trace.tb_next
    return found.get(own) or found.get(folder("templates")) or (own, None)


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


def _unreadable(file: Path, own: Path) -> Iterator[Mistake]:
    """A link out of the folder, a file that is no text."""
    if not _within(file, own.resolve()):
        yield Mistake("the file is a link out of the templates' folder", "put the file itself there", file)
    elif file.is_dir() or not _is_text(file):
        return
    elif file.stat().st_size > MOST_BYTES:
        yield Mistake(f"the template is larger than {MOST_BYTES:,} bytes", "", file)
    else:
        try:
            file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            yield Mistake(f"the template cannot be read: {reason}", "", file)


def _wrong(sources: dict[Path, str], own: Path) -> Iterator[Mistake]:
    """What does not compile, what extends itself, and what nothing asks for."""
    from reportgen.report.templates.templating import environment  # which renders what is checked here

    found = environment(own.resolve())
    trees: dict[str, nodes.Template] = {}
    for file, source in sources.items():
        name = file.relative_to(own).as_posix()
        try:
            found.compile(source, name, str(file))
            trees[name] = found.parse(source, name, str(file))
        except TemplateSyntaxError as error:
            yield _not_compiled(error, file)
    known = {*_shipped(), *(f"sections/{probe}.html.j2" for probe in registry.names())}
    asked = {other for tree in trees.values() for other, _ in _named(tree)}
    for name, tree in trees.items():
        for other, line in _named(tree):
            if other == name:
                remedy = f"ours is called {OURS}/{name}"
                yield Mistake("the template extends or includes itself", remedy, own / name, line)
        if name not in known and name not in asked:
            yield Mistake("the template overrides none of ours", suggestion(name, sorted(known)), own / name)


def _named(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Names of the templates that one extends, includes or imports, as far as they are written there; and lines."""
    for node in tree.find_all(_NAMING):
        (named,) = (child for field, child in node.iter_fields() if field == "template")
        for name in named.items if isinstance(named, nodes.List | nodes.Tuple) else [named]:
            if isinstance(name, nodes.Const) and isinstance(name.value, str):
                yield name.value, node.lineno


def _not_compiled(error: TemplateSyntaxError, file: Path) -> Mistake:
    return Mistake(f"the template does not compile: {error.message}", "", error.filename or file, error.lineno)


def _is_text(file: Path) -> bool:
    return file.is_file() and file.name.endswith(KINDS)


def _within(place: Path, root: Path) -> bool:
    return place.resolve().is_relative_to(root)


def _shipped() -> list[str]:
    loader: BaseLoader = FileSystemLoader(folder("templates"))
    return loader.list_templates()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if "/" not in name)
