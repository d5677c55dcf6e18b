"""A table as text or bytes for other programs: CSV, LaTeX, Markdown, Parquet."""

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec

from reportgen.ci.markdown import escape_whole
from reportgen.errors import Mistake, OutputError
from reportgen.figures.data import write_csv
from reportgen.look.legible import make_legible
from reportgen.report.content.latex import escape_latex
from reportgen.report.content.sheets import Sheet, make_sheet
from reportgen.results.quantities import Cell, Table

_POWER = re.compile(" × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_HEAD = (
    r"""% \usepackage{booktabs}; texts in scripts other than Latin need XeLaTeX or LuaLaTeX, and a font that has them"""
)


def make_csv(table: Table) -> bytes:
    """Every number and text as it is stored."""
    return write_csv(table.columns, table.rows).encode()


def make_markdown(table: Table) -> bytes:
    """A table of GitHub-flavoured Markdown, its numbers as a report writes them."""
    sheet = make_sheet(table, len(table.rows))
    ends = ["---:" if kind == "number" else "---" for _, kind in sheet.heads]
    rows = [ends, *([escape_whole(make_legible(entry.text)) for entry in row] for row in sheet.rows)]
    return _join_lines(
        f"| {' | '.join(row)} |" for row in ([escape_whole(make_legible(head)) for head, _ in sheet.heads], *rows)
    )


def make_latex(table: Table) -> bytes:
    """A tabular of booktabs, its numbers as a report writes them."""
    sheet = make_sheet(table, len(table.rows))
    places = "".join("r" if kind == "number" else "l" for _, kind in sheet.heads)
    head = _write_latex_row([escape_latex(head) for head, _ in sheet.heads])
    return _join_lines(
        [_HEAD, rf"\begin{{tabular}}{{{places}}}", r"\toprule", head, r"\midrule", *_latex_rows(sheet), r"\bottomrule",
         r"\end{tabular}"]
    )  # fmt: skip


def make_parquet(table: Table) -> bytes:
    """Columns of their own types; a column of texts and numbers is one of texts.

    Raises:
        OutputError: pandas or pyarrow is not installed.
    """
    missing = [name for name in ("pandas", "pyarrow") if find_spec(name) is None]
    if missing:
        told = f"a Parquet file needs {' and '.join(missing)}, which cannot be imported"
        raise OutputError(Mistake(told, 'pip install "lm-reportgen[parquet]"'))
    columns = zip(*(_of_one_kind(table.column(name)) for name in table.columns), strict=True)
    written = io.BytesIO()
    Table(table.columns, [list(row) for row in columns]).frame().to_parquet(written, engine="pyarrow", index=False)
    return written.getvalue()


WRITERS: Mapping[str, Callable[[Table], bytes]] = {
    "csv": make_csv,
    "latex": make_latex,
    "markdown": make_markdown,
    "parquet": make_parquet,
}
ENDINGS = {".csv": "csv", ".tex": "latex", ".md": "markdown", ".parquet": "parquet"}
"""How a file's name ends -> the format that it is written in unless another is asked for."""


def _latex_rows(sheet: Sheet) -> list[str]:
    return [
        _write_latex_row(
            [_write_latex_number(entry.text) if entry.kind == "number" else escape_latex(entry.text) for entry in row]
        )
        for row in sheet.rows
    ]


def _write_latex_number(number: str) -> str:
    """A number as a report writes it: with its minus, and its power of ten as mathematics."""
    raised = _POWER.sub(lambda found: rf" $\times 10^{{{found[1].translate(_LOWERED)}}}$", number)
    return raised.replace("−", "$-$").replace("–", "--")


def _write_latex_row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _join_lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _of_one_kind(cells: Sequence[Cell]) -> Sequence[Cell]:
    """The cells as they are; as texts if they are texts among others, or truths among numbers."""
    kinds = {"number" if kind in (int, float) else kind.__name__ for kind in map(type, cells) if kind is not type(None)}
    return cells if len(kinds) < 2 else [None if cell is None else str(cell) for cell in cells]
