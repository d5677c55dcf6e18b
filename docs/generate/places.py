"""Where things of the repository are in the documentation."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Of the repository."""
DOCS = ROOT / "docs"
PROJECT = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    ".github/CONTRIBUTING.md": "project/contributing.md",
    ".github/SECURITY.md": "project/security.md",
    ".github/CODE_OF_CONDUCT.md": "project/code-of-conduct.md",
}
"""Texts of the project that are pages of the documentation, too -> the page."""
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s]+)(?=\))")
_CODE = re.compile(r"(```.*?^```|`[^`\n]*`)", re.DOTALL | re.MULTILINE)


class LinkError(Exception):
    """A link leads to what is not there."""


def redirect_links(markdown: str, source: str, page: str, published: set[str]) -> str:
    """Markdown whose links to the rest of the repository lead to where the documentation has that.

    Args:
        markdown: as it stands in the repository.
        source: its path in the repository.
        page: its path in the documentation.
        published: collects the paths of files of the repository that the documentation has to hold.

    Raises:
        LinkError: a link leads to nothing, or to a folder.
    """

    def redirect(found: re.Match[str]) -> str:
        path, mark, anchor = found[1].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        placed = _place(target, published)
        return posixpath.relpath(placed, posixpath.dirname(page) or ".") + mark + anchor

    parts = _CODE.split(markdown)
    return "".join(part if at % 2 else _LINK.sub(redirect, part) for at, part in enumerate(parts))


def _place(target: str, published: set[str]) -> str:
    """Where the documentation has what lies there in the repository."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if target in PROJECT:
        return PROJECT[target]
    if found := re.fullmatch(r"reports/([\w-]+)\.yaml", target):
        return f"reference/batteries.md#{found[1]}"
    if not (ROOT / target).is_file():
        raise LinkError(f"{target} is not a file of the repository")
    published.add(target)
    return published_path(target)


def published_path(target: str) -> str:
    """Where a file of the repository lies in the documentation; what begins with a dot would be left out of it."""
    return f"files/{target.lstrip('.')}"
