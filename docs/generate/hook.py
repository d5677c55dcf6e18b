"""What MkDocs calls: pages that the program writes itself, lists of pages, links into the repository, the order.

Nothing of this is committed: a page of the reference is as the code is from which it was built.
"""

import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page

from docs.generate import commands, notebook, places, probes, rooms, schemas, shipped
from docs.generate.gallery import GalleryError, GalleryReport, choose_outputs, read_gallery
from docs.generate.gallery_page import list_gallery_files, write_gallery
from docs.generate.listing import list_pages
from docs.generate.places import ROOT, LinkError, redirect_links
from docs.generate.probe_figures import NoFigureError, make_probe_figures
from reportgen.errors import ReportgenError

log = logging.getLogger("mkdocs.hooks.generate")
WRITTEN: dict[str, Callable[[], str]] = {
    "reference/battery.md": schemas.battery_page,
    "reference/prompt-sets.md": schemas.prompts_page,
    "reference/themes.md": schemas.theme_page,
    "reference/bundle.md": schemas.bundle_page,
    "reference/cli.md": commands.command_line_page,
    "reference/shipped-prompt-sets.md": shipped.prompt_sets_page,
    "reference/batteries.md": shipped.batteries_page,
    "reference/probes/index.md": probes.probes_page,
}
"""Page -> what writes it."""
BLOCKS: dict[str, Callable[[], str]] = {
    "rooms": rooms.write_rooms,
    "gallery": lambda: write_gallery(_reports(), choose_outputs(_reports())),
    "notebook": notebook.write_notebook,
}
"""What stands in a comment <!-- generated: NAME --> of a page -> what takes its place."""
PICTURES = {"explanation/rooms.svg": rooms.draw_rooms}
ORDER = ("index.md", "gallery", "tutorials", "how-to", "reference", "explanation", "project")
"""Of the parts of the documentation."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are written by the program, and the files of the repository that pages link to."""
    for path, write in (WRITTEN | PICTURES).items():
        files.append(File.generated(config, path, content=write()))
    for source, path in places.PROJECT.items():
        files.append(File.generated(config, path, content=(ROOT / source).read_text()))
    for name, figure in _figures().items():
        files.append(File.generated(config, f"reference/probes/{name}.md", content=probes.probe_page(name, figure)))
        files.append(File.generated(config, f"reference/probes/figures/{name}.svg", content=figure.svg))
    for path, svg in _pictures().items():
        files.append(File.generated(config, path, content=svg))
    for path, made in list_gallery_files(_reports(), choose_outputs(_reports())):
        held = {"content": made} if isinstance(made, bytes) else {"abs_src_path": str(made)}
        files.append(File.generated(config, path, **held))
    for path in sorted(_find_linked(files)):
        files.append(File.generated(config, places.published_path(path), content=(ROOT / path).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts in what is generated, and leads links to the repository to where the documentation has that."""
    for name, write in BLOCKS.items():
        markdown = _fill(markdown, name, write)
    markdown = _fill(markdown, "pages", lambda: list_pages(page.file.src_uri, files))
    try:
        return redirect_links(markdown, _source_of(page.file), page.file.src_uri, set())
    except LinkError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Puts the parts into their order."""
    nav.items.sort(key=lambda item: ORDER.index(_part_of(item)))
    return nav


@cache
def _figures() -> Any:
    try:
        return make_probe_figures()
    except NoFigureError as error:
        raise PluginError(str(error)) from error


def _pictures() -> dict[str, bytes]:
    try:
        return notebook.list_pictures()
    except notebook.NotebookError as error:
        raise PluginError(str(error)) from error


@cache
def _reports() -> list[GalleryReport]:
    try:
        return read_gallery()
    except GalleryError as error:
        raise PluginError(str(error)) from error
    except ReportgenError as error:
        raise PluginError(error.in_one_line) from error


def _find_linked(files: Files) -> set[str]:
    """Files of the repository, outside of docs/, that some page links to."""
    found: set[str] = set()
    for file in files.documentation_pages():
        try:
            redirect_links(file.content_string, _source_of(file), file.src_uri, found)
        except LinkError as error:
            raise PluginError(f"{file.src_uri}: {error}") from error
    return found


def _source_of(file: File) -> str:
    """The path of a page's text in the repository; of a generated one, where it would lie."""
    return next((source for source, path in places.PROJECT.items() if path == file.src_uri), f"docs/{file.src_uri}")


def _fill(markdown: str, name: str, write: Callable[[], str]) -> str:
    return re.sub(rf"<!-- generated: {name} -->", lambda found: write(), markdown)


def _part_of(item: Any) -> str:
    if isinstance(item, Section):
        return _part_of(item.children[0])
    path: str = item.file.src_uri
    return path.partition("/")[0]
