"""The blocks of code in the README and in every page of docs/."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block, and where it stands."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    text = page.read_text()
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(name, text[: found.start()].count("\n") + 1, found[2], re.sub(rf"^{found[1]}", "", found[3], flags=re.M))
        for found in _BLOCK.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in read_blocks(page)]


def blocks_of(*languages: str, page: str = "") -> list[Block]:
    """In the order in which they stand."""
    return [block for block in BLOCKS if block.language in languages and page in ("", block.page)]


def shell_lines(block: Block) -> list[str]:
    """Its commands, each on one line, without the `$ ` that they may begin with."""
    joined = block.text.replace("\\\n", " ")
    lines = [line.removeprefix("$ ").strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
