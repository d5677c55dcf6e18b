"""A printer for tests in which the PDF does not matter."""

from pathlib import Path
from typing import Self


class PrintsNothing:
    """Is given a page and writes the first bytes of a PDF."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begin(self, html: str) -> None:
        pass

    def finish(self) -> tuple[str, ...]:
        self.target.write_bytes(b"%PDF-")
        return ()
