"""The notebook of the documentation as a page: executed while the pages are built, each cell with what it shows."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from docs.generate.places import DOCS, ROOT

NOTEBOOK = DOCS / "how-to" / "explore.ipynb"
WORK = ROOT / "build" / "notebook"
"""Where it is run."""
PICTURES = "how-to/explore"
"""Folder of the figures, in the documentation."""
SECONDS = 1800


class NotebookError(Exception):
    """A cell failed."""


@cache
def execute(folder: Path = WORK) -> list[Any]:
    """The cells after the title, those of code with their outputs; executed in a folder.

    Raises:
        NotebookError: one failed.
    """
    shutil.rmtree(folder, ignore_errors=True)  # a bundle of an older battery would be taken for its own
    folder.mkdir(parents=True)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # The kernel is a process of its own, which finds the package of this checkout.
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}})
    try:
        cells: list[Any] = client.execute(env=environment, stderr=subprocess.DEVNULL).cells
    except CellExecutionError as error:
        raise NotebookError(f"{NOTEBOOK.name}: {error.ename}: {error.evalue}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(f"{NOTEBOOK.name}: {str(error).splitlines()[0]}") from error
    return cells[1:]


def write_notebook() -> str:
    """Its cells as Markdown: words, code, and below each code what it shows."""
    return "\n\n".join(_write_cell(number, cell) for number, cell in enumerate(execute()))


def list_pictures() -> dict[str, bytes]:
    """The figures that it shows: path in the documentation -> SVG."""
    found = {number: _shown(cell).get("image/svg+xml") for number, cell in enumerate(execute())}
    return {f"{PICTURES}/{number}.svg": svg.encode() for number, svg in found.items() if svg}


def _write_cell(number: int, cell: Any) -> str:
    if cell.cell_type == "markdown":
        return str(cell.source)
    code = f"```python\n{cell.source}\n```"
    shown = _shown(cell)
    if "image/svg+xml" in shown:
        named = ElementTree.fromstring(shown["image/svg+xml"]).find("{*}title")
        alt = named.text if named is not None else "What the cell shows"
        return f"{code}\n\n![{alt}]({Path(PICTURES).name}/{number}.svg)"
    if "text/html" in shown:
        return f'{code}\n\n<div class="shown">{shown["text/html"]}</div>'
    if "text/plain" in shown:
        return f"{code}\n\n```text\n{shown['text/plain']}\n```"
    return code


def _shown(cell: Any) -> Any:
    """Kind -> what the last line of a cell of code shows in it; empty where it shows nothing."""
    results = [one for one in cell.get("outputs", []) if one.output_type == "execute_result"]
    return results[-1].data if results else {}
