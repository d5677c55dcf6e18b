"""A bundle in Python and in a notebook."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import reportgen
from reportgen.errors import BatteryError, OutputError
from reportgen.figures.data import csv_of
from reportgen.language import direction, list_languages
from reportgen.look.presentation import Presentation
from reportgen.look.theme import BUILT_IN
from reportgen.report.content.bundle_figures import draw_figures
from reportgen.results import quantities as result
from reportgen.results.bundle import load_bundle, write_numbers
from reportgen.results.folder import stage_bundle
from reportgen.workflows.notebook import ShownBundle
from tests.report.fakes import GEMMA, HOSTILE, LLAMA, fake_bundle, hostile

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "explore.ipynb"
FIRST_SHOWN = 2
"""Cells of code before: one installs, one runs a battery where there is no bundle."""
SHOWABLE = ("census", "nearest", "apple", "heads")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored bundle of two models; one probe failed."""
    place = tmp_path_factory.mktemp("notebook") / "bundle"
    whole = fake_bundle()
    with stage_bundle(place) as stage:
        write_numbers(stage, replace(whole, outcomes={probe: whole.outcomes[probe] for probe in SHOWABLE}))
    return place


@pytest.fixture
def bundle(folder: Path) -> ShownBundle:
    return reportgen.load(folder)


def well_formed(html: str) -> ElementTree.Element:
    """The elements of what a notebook shows; `&nbsp;` and open tags have no place in it."""
    return ElementTree.fromstring(f"<div>{html}</div>")


def test_a_bundle_shows_its_models_and_the_states_of_its_probes(bundle: ShownBundle) -> None:
    shown = "".join(well_formed(bundle._repr_html_()).itertext())
    assert "Llama vs Gemma" in shown
    assert "Gemma-3-270M" in shown
    assert re.search(r"heads\s*Where do the heads look\?\s*llama failed, gemma failed", shown)
    assert list(bundle) == list(SHOWABLE)
    assert repr(bundle) == "<Bundle 'Llama vs Gemma': 4 probes on SmolLM2-135M-Instruct, Gemma-3-270M>"


def test_a_section_maps_models_to_outcomes(bundle: ShownBundle) -> None:
    section = bundle["heads"]
    assert list(section) == [LLAMA, GEMMA]
    assert repr(section) == "<heads: llama failed, gemma failed>"
    assert "out of memory: 31 GiB wanted, 8 GiB free" in section._repr_html_()
    shown = "".join(well_formed(bundle["census"]._repr_html_()).itertext())
    assert re.search(r"total parameters\s*134,515,008 135 M\s*268,098,176", shown)


def test_an_outcome_shows_its_numbers_its_first_figure_and_what_it_holds(bundle: ShownBundle) -> None:
    shown = well_formed(bundle["apple"][GEMMA]._repr_html_())
    assert len(list(shown.iter("{http://www.w3.org/2000/svg}svg"))) == 1
    text = "".join(shown.itertext())
    assert ".tables: pairs, prompts" in text
    assert ".arrays: raw (pair × layer), normalised (pair × layer)" in text
    assert repr(bundle["apple"][GEMMA]) == "<apple on gemma: ok; tables pairs, prompts; arrays raw, normalised>"


def test_a_table_shows_its_first_rows(bundle: ShownBundle) -> None:
    table = bundle["nearest"][GEMMA].tables["neighbours"]
    shown = well_formed(table._repr_html_())
    assert len(list(shown.iter("tr"))) == 11
    assert "The first 10 of 40 rows." in "".join(shown.itertext())
    assert repr(table) == "<Table of 40 rows: query, rank, token_id, token, similarity>"


def test_the_numbers_are_those_of_the_store(bundle: ShownBundle, folder: Path) -> None:
    stored = load_bundle(folder)["apple"][GEMMA]
    assert bundle["apple"][GEMMA].tables["pairs"].rows == stored.tables["pairs"].rows
    assert np.array_equal(bundle["apple"][GEMMA].arrays["raw"].values, stored.arrays["raw"].values)
    assert bundle["census"][GEMMA].metrics["total_parameters"].value == 268_098_176


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda bundle: bundle["aple"], "no probe 'aple' in the bundle. Did you mean 'apple'?"),
        (lambda bundle: bundle["apple"]["gema"], "no subject 'gema' in apple. Did you mean 'gemma'?"),
        (
            lambda bundle: bundle["apple"][GEMMA].tables["pair"],
            "no table 'pair' in apple on gemma. Did you mean 'pairs'",
        ),
        (lambda bundle: bundle["apple"][GEMMA].arrays["row"], "no array 'row' in apple on gemma. Did you mean 'raw'?"),
        (lambda bundle: bundle["census"][GEMMA].metrics["layer"], "no metric 'layer' in census on gemma. Did you mean"),
        (lambda bundle: bundle["census"][GEMMA].figure("blokcs"), "no figure 'blokcs' in census on gemma. Did you"),
        (lambda bundle: bundle["heads"][GEMMA].figure(), "heads on gemma has no figure: failed, out of memory: 31 GiB"),
        (lambda bundle: bundle[0], "no probe 0 in the bundle. Known: census, nearest, apple, heads"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(
    bundle: ShownBundle, asked: Callable[[ShownBundle], object], told: str
) -> None:
    with pytest.raises(KeyError) as caught:
        asked(bundle)
    assert caught.value.args[0].startswith(told)


def test_figures_are_those_of_the_report(bundle: ShownBundle, folder: Path, tmp_path: Path) -> None:
    outcome = bundle["census"][GEMMA]
    assert outcome.figures == ["components", "blocks"]
    stored = load_bundle(folder)
    in_report = {(one.probe_id, one.description.name, one.description.subject): one for one in draw_figures(stored)}
    (shared,) = (one for (probe, name, _), one in in_report.items() if (probe, name) == ("census", "components"))
    assert outcome.figure("components").save(tmp_path / "a.svg").read_text() == shared.drawing.svg("paths")
    assert outcome.figure().save(str(tmp_path / "a.PNG")).read_bytes() == shared.drawing.png()
    assert outcome.figure("components").save(tmp_path / "a.pdf").read_bytes() == shared.drawing.pdf()
    assert outcome.figure("components").save(tmp_path / "a.csv").read_text() == csv_of(shared.description)
    blocks = outcome.figure("blocks")
    assert blocks.svg() == in_report["census", "blocks", (GEMMA,)].drawing.svg("paths")
    assert blocks.title in repr(blocks)
    assert blocks.alt


def test_a_figure_stands_on_paper_and_shares_no_id_with_another(bundle: ShownBundle) -> None:
    figures = [bundle["census"][GEMMA].figure("components"), bundle["nearest"][GEMMA].figure()]
    ids = [set(re.findall(r'\sid="([^"]+)"', figure._repr_svg_())) for figure in figures]
    assert all(ids)
    assert not ids[0] & ids[1]
    assert all(figure._repr_svg_().startswith('<svg style="background: #ffffff"') for figure in figures)


def test_a_figure_has_the_theme_of_its_bundle_or_one_that_is_asked_for(bundle: ShownBundle) -> None:
    dark = bundle["census"][GEMMA].figure(theme="dark")
    assert f'<svg style="background: {BUILT_IN["dark"].ground}"' in dark._repr_svg_()
    run = {**bundle.run, "presentation": Presentation(theme=BUILT_IN["dark"]).dump_stored()}
    assert replace(bundle, run=run)["census"][GEMMA].figure().svg() == dark.svg()
    assert dark.svg() != bundle["census"][GEMMA].figure().svg()
    with pytest.raises(BatteryError, match="unknown theme 'drak'"):
        bundle["census"][GEMMA].figure(theme="drak")


@pytest.mark.parametrize("language", list_languages())
def test_a_bundle_speaks_its_own_language(bundle: ShownBundle, language: str) -> None:
    run = {**bundle.run, "presentation": Presentation(language=language).dump_stored()}
    spoken = replace(bundle, run=run)
    outcome = spoken["nearest"][LLAMA]
    for shown in (spoken, spoken["nearest"], outcome, outcome.tables["neighbours"]):
        html = shown._repr_html_()
        assert f'<div dir="{direction(language)}">' in html
        well_formed(html)


def test_a_file_of_another_kind_or_out_of_reach_is_refused(bundle: ShownBundle, tmp_path: Path) -> None:
    figure = bundle["census"][GEMMA].figure()
    with pytest.raises(ValueError, match=r"a figure is no \.pgn\. Did you mean '\.png'\?"):
        figure.save(tmp_path / "a.pgn")
    with pytest.raises(ValueError, match="no file without an ending"):
        figure.save(tmp_path / "a")
    with pytest.raises(OutputError, match="the figure cannot be written: No such file"):
        figure.save(tmp_path / "gone" / "a.csv")
    assert not list(tmp_path.iterdir())


def test_numbers_that_cannot_be_shown_are_named_and_the_rest_is_there(folder: Path) -> None:
    stored = load_bundle(folder)
    apple = stored.outcomes["apple"]
    broken = {id: replace(outcome, tables={}) for id, outcome in apple.items()}
    bundle = ShownBundle(stored.path, stored.title, stored.models, {"apple": broken})
    told = "apple: it cannot be shown: its numbers are not such as its probe gives"
    assert told in bundle["apple"][GEMMA]._repr_html_()
    assert "it cannot be shown" in bundle["apple"]._repr_html_()
    assert ".arrays" in bundle["apple"][GEMMA]._repr_html_()


def test_a_probe_that_is_not_installed_is_shown_by_its_numbers(folder: Path) -> None:
    stored = load_bundle(folder)
    strange = {id: replace(outcome, probe="stranger") for id, outcome in stored.outcomes["census"].items()}
    bundle = ShownBundle(stored.path, stored.title, stored.models, {"census": strange})
    assert "268,098,176" in bundle["census"][GEMMA]._repr_html_()
    assert "llama" in bundle._repr_html_()
    assert bundle["census"][GEMMA].figures == []


def test_a_strangers_text_is_legible_and_never_markup() -> None:
    whole = hostile(fake_bundle())
    bundle = ShownBundle(whole.path, whole.title, whole.models, whole.outcomes)
    section = bundle["nearest"]
    views = [bundle, section, section[LLAMA], section[GEMMA], *section[LLAMA].tables.values()]
    for html in (view._repr_html_() for view in views):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert not {"script", "img"} & {element.tag for element in well_formed(html).iter()}
        assert not re.search("[\x00-\x08\u200b\u202e\ud800-\udfff]", html)
    assert "<script" in HOSTILE


def test_a_bundle_is_loaded_without_what_draws_or_shows_it(folder: Path) -> None:
    program = (
        "import sys, reportgen; bundle = reportgen.load(sys.argv[1]); repr(bundle['apple']['gemma'].tables['pairs']);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[2:])))"
    )
    heavy = ["torch", "transformers", "matplotlib", "jinja2", "pandas", "weasyprint", "IPython"]
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder), *heavy], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []


def test_without_pandas_a_frame_says_what_to_install(bundle: ShownBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for holder in (bundle["apple"][GEMMA].tables["pairs"], bundle["apple"][GEMMA].arrays["raw"]):
        with pytest.raises(ImportError, match="a frame needs pandas: pip install pandas"):
            holder.frame()
    assert result.Table(("a",), []).rows == []


@pytest.fixture(scope="module")
def executed(folder: Path) -> list[nbformat.NotebookNode]:
    """The cells of code of the example, with their outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder.parent)}})
    return [cell for cell in client.execute().cells if cell.cell_type == "code"][FIRST_SHOWN:]


# Jupyter's own libraries warn of what they themselves are about to change.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_example_notebook_shows_numbers_figures_and_a_comparison(
    executed: list[nbformat.NotebookNode], folder: Path
) -> None:
    outputs = [cell.outputs[-1].data for cell in executed]
    assert all(cell.outputs[-1].output_type == "execute_result" for cell in executed)
    opened, section, outcome, table, frame, point, figure, compared = outputs
    assert "Llama vs Gemma" in opened["text/html"]
    assert "SmolLM2-135M-Instruct" in section["text/html"]
    assert "<svg" in outcome["text/html"]
    assert "The first 10 of 40 rows." in table["text/html"]
    assert frame["text/html"].count("<tr") == 1 + 6
    assert re.fullmatch(r"<Array 0\.\d+, cosine>", point["text/plain"])
    assert ElementTree.fromstring(figure["image/svg+xml"]).tag.endswith("svg")
    assert "text/html" not in figure
    assert (folder.parent / "apple.png").read_bytes().startswith(b"\x89PNG")
    assert compared["text/plain"].split()[:3] == ["model", "Gemma-3-270M", "SmolLM2-135M-Instruct"]


def test_the_example_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
