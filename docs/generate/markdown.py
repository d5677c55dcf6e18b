"""Small pieces of Markdown, with what Markdown would take for its own escaped."""

import re
from collections.abc import Iterable, Sequence


def escape(text: str) -> str:
    """Text as it is read, on one line: nothing in it is markup, and nothing ends a table's cell."""
    return _escape(" ".join(text.split()))


def keep_code(text: str) -> str:
    """Text of ours, in which `code` is code, on one line, for a table's cell or a paragraph."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "".join(f"`{part}`".replace("|", "\\|") if at % 2 else _escape(part) for at, part in enumerate(parts))


def write_code(text: str) -> str:
    """Inline code, whatever backticks it holds, for a table's cell."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def write_block(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; empty where there are no rows."""
    lines = [" | ".join(row) for row in rows]
    if not lines:
        return ""
    heads = [" | ".join(columns), " | ".join("---" for _ in columns)]
    return "\n".join(f"| {line} |" for line in [*heads, *lines])


def join_blocks(blocks: Iterable[str]) -> str:
    """Paragraphs, headings and tables, one below the other; what is empty is left out."""
    return "\n\n".join(block for block in blocks if block) + "\n"


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)
