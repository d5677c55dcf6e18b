"""A folder of a lab's own templates: how they are found, and what is told where one of them fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    FileSystemLoader,
    TemplateNotFound,
    TemplateSyntaxError,
)
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.loaders import split_template_path

from reportgen.errors import Mistake, OutputError
from reportgen.resources import folder
from reportgen.suggest import suggestion

OURS = "reportgen"
"""`reportgen/NAME` is our template of that name, where one's own takes its place."""
KINDS = (".j2", ".css", ".js")
"""How a template's name ends; whatever else lies in the folder may be included, and is not asked what it overrides."""


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
        if place.exists() and not lies_within(place, self._own):
            raise SecurityError(f"{template} is a link out of the folder")
        return super().get_source(environment, template)


@contextmanager
def explain_errors(own: Path) -> Iterator[None]:
    """Whatever is raised while templates of this folder are rendered is told with the line it comes from.

    Raises:
        OutputError: in its place.
    """
    try:
        yield
    except Exception as error:  # a template of one's own may do anything that it is not kept from
        raise OutputError(_explain_error(error, own)) from error


def _explain_error(error: Exception, own: Path) -> Mistake:
    file, line = _place(error, own)
    match error:
        case TemplateSyntaxError():
            return explain_syntax_error(error, own)
        case SecurityError():
            remedy = "custom templates run in a sandbox: they can use only what they are given"
            return Mistake(f"the template is refused: {error}", remedy, file, line)
        case TemplateNotFound():
            remedy = suggestion(str(error.name), list_shipped())
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


def explain_syntax_error(error: TemplateSyntaxError, file: Path) -> Mistake:
    """What a template that does not compile is told by."""
    return Mistake(f"the template does not compile: {error.message}", "", error.filename or file, error.lineno)


def lies_within(place: Path, root: Path) -> bool:
    """Whether a file lies below a folder, wherever links lead."""
    return place.resolve().is_relative_to(root)


def list_shipped() -> list[str]:
    """Names of our templates."""
    loader: BaseLoader = FileSystemLoader(folder("templates"))
    return loader.list_templates()
