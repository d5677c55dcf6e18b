import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reportgen.look.theme import BUILT_IN
from reportgen.results.bundle import write_numbers
from tests.cli.test_without_torch import BLOCKED, DRAWING, MODELS, ROOT
from tests.report.fakes import GEMMA, LLAMA, fake_bundle

CENSUS = f"census-{LLAMA}-blocks"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Two probes of a bundle whose figures can be drawn."""
    return store_bundle(tmp_path / "lens")


def store_bundle(folder: Path, **run: Any) -> Path:
    whole = fake_bundle()
    folder.mkdir()
    outcomes = {probe: whole.outcomes[probe] for probe in ("census", "nearest")}
    write_numbers(folder, replace(whole, outcomes=outcomes, run={**whole.run, **run}))
    return folder


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {"figures.json"}


def test_figures_are_drawn_beside_the_bundle_in_the_theme_asked_for(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    ended = reportgen("figures", bundle, CENSUS, "--theme", "slides", "--format", "svg,png", "--format", "pdf")
    assert ended.code == 0, ended.err
    made = tmp_path / "lens-figures-slides"
    assert names(made) == {f"{CENSUS}.{ending}" for ending in ("svg", "png", "pdf")}
    assert ended.out.splitlines() == [str(made / f"{CENSUS}.{ending}") for ending in ("svg", "png", "pdf")]
    assert names(bundle) == {"results.json", "arrays.safetensors", "run.json"}


@pytest.mark.parametrize(
    ("width", "points", "pixels"),
    [
        ("12in", 864, 2400), ("20cm", 566.93, 1575), ("150mm", 425.2, 1181), ("500pt", 500, 1389),
        ("960px", 720, 960), ("1921px", 1440.75, 1921), ("1000 px", 750, 1000),
    ],
)  # fmt: skip
def test_a_picture_takes_the_width_asked_for(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path, width: str, points: float, pixels: int
) -> None:
    assert reportgen("figures", bundle, CENSUS, "--width", width, "-o", tmp_path / "out").code == 0
    svg = (tmp_path / "out" / f"{CENSUS}.svg").read_text()
    assert float(svg.partition('width="')[2].partition("pt")[0]) == pytest.approx(points, abs=0.01)
    with Image.open(tmp_path / "out" / f"{CENSUS}.png") as picture:
        asked_in_pixels = width.endswith("px")
        assert picture.width == pytest.approx(pixels, abs=0 if asked_in_pixels else 1)


def test_a_picture_takes_the_height_or_the_shape_asked_for(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    for asked, size in (
        (["--width", "1600px", "--height", "900px"], (1600, 900)),
        (["--width", "1280px", "--fit", "16:9"], (1280, 720)),
    ):
        ended = reportgen("figures", bundle, CENSUS, *asked, "--format", "png", "-o", tmp_path / "out")
        assert ended.code == 0, ended.err
        with Image.open(tmp_path / "out" / f"{CENSUS}.png") as picture:
            assert picture.size == size


def test_a_height_that_cannot_hold_the_text_is_refused_in_a_line_and_nothing_is_written(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    ended = reportgen("figures", bundle, CENSUS, "--height", "0.5in", "-o", tmp_path / "out")
    assert ended.code == 1
    assert len(ended.err.splitlines()) <= 2
    assert "cannot be drawn in 5.56 x 0.5 in: its text needs" in ended.err
    assert not (tmp_path / "out").exists()
    both = reportgen("figures", bundle, CENSUS, "--height", "5in", "--fit", "16:9")
    assert both.code == 2
    wrong = reportgen("figures", bundle, CENSUS, "--fit", "16:0")
    assert "'16:0' is not a shape from 10:1 to 1:10" in wrong.err


def test_ids_name_figures_or_probes_and_models_narrow_them(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    def stems(*arguments: str) -> set[str]:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        ended = reportgen("figures", bundle, *arguments, "--format", "csv", "-o", tmp_path / "out")
        assert ended.code == 0, ended.err
        return {name.removesuffix(".csv") for name in names(tmp_path / "out")}

    everything = stems()
    assert {stem.partition("-")[0] for stem in everything} == {"census", "nearest"}
    assert stems("nearest") == {stem for stem in everything if stem.startswith("nearest-")}
    assert stems("nearest", CENSUS) == stems("nearest") | {CENSUS}
    of_gemma = stems("--model", GEMMA)
    assert of_gemma < everything
    assert all(GEMMA in stem for stem in of_gemma)


def test_the_bundles_own_theme_is_the_default(reportgen: Callable[..., Any], tmp_path: Path) -> None:
    presentation = {"language": "en", "theme": BUILT_IN["dark"].model_dump(), "page_bytes": 1}
    dark = store_bundle(tmp_path / "night", presentation=presentation)
    assert reportgen("figures", dark, CENSUS, "--format", "png").code == 0
    with Image.open(tmp_path / "night-figures-dark" / f"{CENSUS}.png") as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == tuple(bytes.fromhex(BUILT_IN["dark"].ground[1:]))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nearst"], "no figure 'nearst' in this bundle\n  Did you mean 'nearest'?"),
        (["--model", "gema"], "no model 'gema' in this bundle\n  Did you mean 'gemma'?"),
        (["--theme", "papr"], "unknown theme 'papr'\n  Did you mean 'paper'?"),
        (["--theme", "no/such.yaml"], "no/such.yaml does not exist"),
        (["--format", "svg,pgn"], "unknown format 'pgn'. Did you mean 'png'?"),
        (["--width", "12"], "'12' is not a width from 0.5in to 60in"),
        (["--width", "960.5px"], "'960.5px' is not a width"),
        (["--width", "9999in"], "'9999in' is not a width from 0.5in to 60in"),
        ([f"nearest-{LLAMA}-neighbours", "--model", GEMMA], "the bundle has no such figures"),
    ],
)
def test_what_the_bundle_lacks_is_told_and_nothing_is_written(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    ended = reportgen("figures", bundle, *arguments)
    assert ended.code == 2
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["lens"]


def test_what_is_no_bundle_is_told(reportgen: Callable[..., Any], tmp_path: Path) -> None:
    assert reportgen("figures", tmp_path).code == 1


def test_nobody_elses_file_is_written_over(reportgen: Callable[..., Any], bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    draw = ("figures", bundle, CENSUS, "--format", "csv,svg", "-o", out)
    assert reportgen(*draw).code == 0
    (out / "notes.txt").write_text("mine")
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert reportgen(*draw).code == 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    assert json.loads(before["figures.json"])["of"] == dict.fromkeys((f"{CENSUS}.csv", f"{CENSUS}.svg"), "lens")
    assert json.loads(before["figures.json"])["files"] == [f"{CENSUS}.csv", f"{CENSUS}.svg", "figures.json"]
    (out / f"nearest-{LLAMA}-neighbours.svg").write_text("mine too")
    ended = reportgen("figures", bundle, "nearest", "--format", "svg", "-o", out)
    assert ended.code == 1
    assert "was not written by reportgen figures" in ended.err
    assert (out / f"nearest-{LLAMA}-neighbours.svg").read_text() == "mine too"
    assert {file.name for file in out.iterdir()} == {*before, f"nearest-{LLAMA}-neighbours.svg"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_pictures_of_a_probe_that_is_gone_go_and_those_of_other_bundles_stay(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", fake_bundle()
    draw = ("--format", "csv", "-o", out)
    other = store_bundle(tmp_path / "other")
    assert reportgen("figures", other, "nearest", "--model", GEMMA, *draw).code == 0
    assert reportgen("figures", bundle, "census", *draw).code == 0
    both = names(out)
    (out / "notes.txt").write_text("mine")
    write_numbers(bundle, replace(whole, outcomes={"nearest": whole.outcomes["nearest"]}))
    assert reportgen("figures", bundle, "nearest", "--model", LLAMA, *draw).code == 0
    left = names(out)
    assert not [name for name in left if name.startswith("census")]
    assert {name for name in both if name.startswith("nearest")} | {"notes.txt"} <= left
    assert json.loads((out / "figures.json").read_text())["files"] == sorted({*left, "figures.json"} - {"notes.txt"})


def test_a_list_of_pictures_leads_to_nothing_else(reportgen: Callable[..., Any], bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "below").mkdir(parents=True)
    (tmp_path / "mine.svg").write_text("mine")
    hostile = ["", ".", "..", "../mine.svg", "below", "below/x.svg", "notes.txt", 5, "gone.svg"]
    for listed in (hostile[:-2] + hostile[-1:], hostile, "all"):
        (out / "notes.txt").write_text("mine")
        (out / "figures.json").unlink(missing_ok=True)
        (out / "figures.json").write_text(json.dumps({"files": listed, "of": {}}))
        (out / f"{CENSUS}.csv").unlink(missing_ok=True)
        reportgen("figures", bundle, CENSUS, "--format", "csv", "-o", out)
        assert (out / "notes.txt").read_text() == (tmp_path / "mine.svg").read_text() == "mine"
        assert (out / "below").is_dir()


def test_pictures_that_could_not_be_drawn_anew_are_marked(
    reportgen: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    for where in ((), ("-o", tmp_path / "out")):
        assert reportgen("figures", bundle, CENSUS, "--format", "csv", *where).code == 0
    results = (bundle / "results.json").read_text()
    (bundle / "results.json").write_text("{")
    for folder, where in ((tmp_path / "lens-figures-paper", ()), (tmp_path / "out", ("-o", tmp_path / "out"))):
        assert reportgen("figures", bundle, CENSUS, "--format", "csv", *where).code == 1
        content = json.loads((folder / "figures.json").read_text())
        assert "the bundle is damaged" in content["last_figures_failed"]
        assert str(tmp_path) not in content["last_figures_failed"]
        assert (folder / f"{CENSUS}.csv").exists()
    (bundle / "results.json").write_text(results)
    assert reportgen("figures", bundle, CENSUS, "--format", "csv").code == 0
    assert "last_figures_failed" not in json.loads((tmp_path / "lens-figures-paper" / "figures.json").read_text())


def test_an_output_that_is_a_file_is_refused(reportgen: Callable[..., Any], bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    ended = reportgen("figures", bundle, "-o", tmp_path / "out")
    assert ended.code == 1
    assert "the output is a file" in ended.err


def test_figures_are_redrawn_without_torch_and_without_what_makes_pages(bundle: Path, tmp_path: Path) -> None:
    code = BLOCKED.format(blocked=MODELS | DRAWING - {"matplotlib"})
    program = [sys.executable, "-c", code, "reportgen.cli.figures", str(bundle), "nearest", "--format", "svg,csv"]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"nearest-{LLAMA}-neighbours.svg" in ran.stdout
