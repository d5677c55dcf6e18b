"""Lists of the pages of a folder, for its index: each with its title and first sentence."""

import posixpath
import re

from mkdocs.structure.files import File, Files

_FIRST = re.compile(r"^# (?P<title>[^\n]+)\n+(?P<told>.*)", re.DOTALL)


def list_pages(index: str, files: Files) -> str:
    """The pages beside an index, and the indexes of folders below it, in the order of their titles."""
    folder = posixpath.dirname(index)
    pages = files.documentation_pages()
    told = sorted(_tell(file) for file in pages if file.src_uri != index and _is_listed(file.src_uri, folder))
    lines = [f"- [{title}]({posixpath.relpath(path, folder)}){sentence}" for title, path, sentence in told]
    return "\n".join(lines) or "Nothing is here yet."


def _is_listed(path: str, folder: str) -> bool:
    at = posixpath.dirname(path)
    return at == folder or (posixpath.dirname(at) == folder and posixpath.basename(path) == "index.md")


def _tell(file: File) -> tuple[str, str, str]:
    """Title, path and first sentence of a page; no sentence where it begins with something else than a paragraph."""
    found = _FIRST.match(file.content_string)
    if found is None:
        return file.src_uri, file.src_uri, ""
    paragraph = found["told"].split("\n\n")[0]
    if not paragraph[:1].isalpha():
        return found["title"], file.src_uri, ""
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
    sentence = re.match(r".*?[.:?!](?= |$)", plain)
    return found["title"], file.src_uri, f": {sentence[0].rstrip('.:')}" if sentence else ""
