"""The notebook of the documentation as a page: what its cells show stands below them."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from docs.generate import notebook

# Jupyter's own libraries warn of what they themselves are about to change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SHOWS = """\
class Shown:
    def __init__(self, **kinds): self.kinds = kinds
    def _repr_mimebundle_(self, **_): return {name.replace("_", "/"): text for name, text in self.kinds.items()}
print("not shown")"""


def written(monkeypatch: pytest.MonkeyPatch, folder: Path, *cells: object) -> str:
    """The page of a notebook with these cells after its title."""
    file = folder / "explore.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), *cells]), file)
    monkeypatch.setattr(notebook, "NOTEBOOK", file)
    ran = notebook.execute(folder / "work")
    monkeypatch.setattr(notebook, "execute", lambda: ran)
    return notebook.write_notebook()


def test_each_cell_stands_with_what_it_shows_in_the_richest_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = (SHOWS, "1 + 1", "Shown(text_plain='p', text_html='<b>h</b>')")
    page = written(monkeypatch, tmp_path, new_markdown_cell("*Words*"), *map(new_code_cell, sources))
    assert page == (
        f"*Words*\n\n```python\n{SHOWS}\n```\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n\n"
        f'```python\n{sources[2]}\n```\n\n<div class="shown"><b>h</b></div>'
    )
    assert notebook.list_pictures() == {}


def test_a_cell_that_fails_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(notebook.NotebookError, match=r"^explore.ipynb: ZeroDivisionError: division by zero$"):
        written(monkeypatch, tmp_path, new_code_cell("1 / 0"))


@pytest.mark.real
def test_from_nothing_it_makes_its_bundle_and_shows_numbers_and_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_cache: Path
) -> None:
    monkeypatch.setenv("REPORTGEN_CACHE", str(user_cache))
    ran = notebook.execute(tmp_path)
    monkeypatch.setattr(notebook, "execute", lambda: ran)
    page = notebook.write_notebook()
    assert page.count('<div class="shown">') == 6
    (picture,) = notebook.list_pictures().items()
    assert picture[1].startswith(b"<svg")
    assert f"similarity of the vectors of “apple” (cosine)]({Path(picture[0]).relative_to('how-to')})" in page
    similarity = re.search(r"<Array (0\.\d+), cosine>", page)
    assert similarity
    assert 0.5 < float(similarity[1]) < 1
