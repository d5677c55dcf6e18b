"""What stands in a stored bundle's tables becomes part of file names: of a safe alphabet, or nothing is written."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reportgen.errors import ReportgenError
from reportgen.report.content.bundle_figures import ShowFailures, describe_bundle, list_stems
from reportgen.results.bundle import load_bundle, write_json

PROBES = (
    "  grid: {probe: attention_grid, prompts: [an apple], heads: [[0, 0]]}",
    "  parts: {probe: attention_parts, prompts: [an apple], heads: [[0, 1]]}",
    "  scores: {probe: head_scores, length: 8, sequences: 1}",
    "  written: {probe: generation_lens, prompts: [an apple], continue: 2}",
)
CELLS = [
    ("parts", "heads", "block"),
    ("parts", "heads", "head"),
    ("scores", "shown", "kind"),
    ("written", "written", "attempt"),
    ("written", "written", "step"),
]
"""Probe, table and column of what is known to become a name."""
UPWARDS = "/../../../PWN"
Cell = tuple[str, str, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_models: dict[str, Path]) -> Path:
    from reportgen.cli import run_command

    folder = tmp_path_factory.mktemp("names")
    lines = ["models:", f"  a: {tiny_models['a']}", "probes:", *PROBES, "outputs: []"]
    (folder / "battery.yaml").write_text("\n".join(lines))
    assert run_command(["run", str(folder / "battery.yaml"), "--quiet"]) == 0
    return folder / "battery"


def edit_copy(made: Path, folder: Path, *cells: Cell, value: object) -> Path:
    """A copy of the bundle with a value in all rows of a column, in every table of the probe that has one."""
    shutil.copytree(made, folder, dirs_exist_ok=True)
    content = json.loads((made / "results.json").read_text())
    for probe, _, column in cells:
        for table in content["results"][probe]["a"]["tables"].values():
            for row in table["rows"] if column in table["columns"] else ():
                row[table["columns"].index(column)] = value
    write_json(folder / "results.json", content)
    return folder


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_a_name_that_leads_elsewhere_is_refused_before_a_byte_is_written(
    reportgen: Callable[..., Any], made: Path, tmp_path: Path, cell: Cell
) -> None:
    bundle = edit_copy(made, tmp_path / "deep" / "er" / "bundle", cell, value=UPWARDS)
    before = sorted(tmp_path.rglob("*"))
    for arguments in (("render", bundle, "--format", "figures"), ("figures", bundle, "--format", "csv")):
        ended = reportgen(*arguments)
        assert ended.code != 0
        assert "internal error" not in ended.err
        assert cell[0] in ended.err or "results.json" in ended.err
        assert sorted(tmp_path.rglob("*")) == before
    reportgen("compare", made, bundle, "-o", tmp_path / "deep" / "er" / "comparison")
    assert {file.relative_to(tmp_path).parts[0] for file in tmp_path.rglob("*")} == {"deep"}
    assert not list(tmp_path.rglob("PWN*"))


def test_no_cell_of_any_table_becomes_a_name_unchecked(made: Path, tmp_path: Path) -> None:
    content = json.loads((made / "results.json").read_text())
    found: set[str] = set()
    for at, cell in enumerate(_cells(content)):
        for stem in _stems(edit_copy(made, tmp_path / str(at), cell, value=UPWARDS)):
            assert re.fullmatch(r"[A-Za-z0-9_+.-]+", stem)
            found.add(stem)
    assert found


def _cells(content: dict[str, Any]) -> Iterator[Cell]:
    for probe, outcomes in content["results"].items():
        for name, table in outcomes["a"]["tables"].items():
            yield from ((probe, name, column) for column in table["columns"])


def _stems(bundle: Path) -> list[str]:
    """Of the figures; none where the bundle is refused."""
    try:
        return [stem for _, stem, _ in list_stems(describe_bundle(load_bundle(bundle)))]
    except (ReportgenError, ShowFailures):
        return []
