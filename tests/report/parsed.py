"""A page as a parser sees it."""

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "unclosed elements"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((tuple(self._open), data.strip()))

    def attributes(self, name: str) -> Iterator[str]:
        return (value for _, attributes in self.elements if (value := attributes.get(name)) is not None)

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def inside(self, tag: str) -> list[str]:
        """Texts of a tag, those that stand apart for their direction among them."""
        return [text for path, text in self.texts if path and (path[-1] == tag or path[-2:] == (tag, "bdi"))]

    @property
    def text(self) -> str:
        return " ".join(text for path, text in self.texts if not {"style", "script", "svg"} & set(path))

    def scripts(self) -> list[str | None]:
        """Types of all scripts but data that the page carries for its own one; None is a script that runs."""
        types = [attributes.get("type") for tag, attributes in self.elements if tag == "script"]
        return [type for type in types if type not in ("application/json", "application/gzip")]
