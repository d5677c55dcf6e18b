"""The gallery of the documentation: what a report shows of itself, what makes it, and what is left out for its size."""

import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import reportgen
from docs.generate.gallery import (
    GalleryError,
    GalleryReport,
    choose_outputs,
    read_first_comment,
    read_gallery,
    shrink_picture,
)
from docs.generate.gallery_page import EMPTY, list_gallery_files, write_gallery
from docs.generate.quoting import QuoteError, quote_entry
from reportgen.battery.reader import load_battery
from reportgen.documents.yaml_source import read_source
from reportgen.errors import BundleError
from tests.docs.blocks import ROOT
from tests.tiny import save_tiny

PROBES = """\
probes:
  # What each layer expects
  lens-a: {probe: logit_lens, prompts: [a tiny text], models: [tiny-too]}
  words:
    probe: tokenization
    prompts:
      # with a comment inside
      - a tiny text

  # The tensors of both
  census: {probe: parameter_census}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a battery, and the gallery that it made."""
    folder = tmp_path_factory.mktemp("made")
    source = json.dumps(str(save_tiny(folder / "tiny")))
    head = "# yaml-language-server: $schema=x.json\n# What `tiny` models\n# expect.\ntitle: Tiny *models*\n"
    battery = f"{head}models:\n  tiny: {source}\n  tiny-too: {source}\n{PROBES}"
    (folder / "small.yaml").write_text(battery)
    reportgen.run(folder / "small.yaml", folder / "gallery" / "small", formats=["html"])
    (folder / "gallery" / "small" / "report.pdf").write_bytes(b"%PDF-" + bytes(3_000_000))
    return folder


@pytest.fixture(scope="module")
def reports(made: Path) -> list[GalleryReport]:
    return read_gallery(made / "gallery", made)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    shutil.copytree(made / "gallery", tmp_path / "gallery")
    text = (made / "small.yaml").read_text()
    (tmp_path / "small.yaml").write_text(text)
    return tmp_path


def test_a_report_is_shown_with_what_makes_each_figure(made: Path, reports: list[GalleryReport]) -> None:
    (report,) = reports
    assert (report.name, report.title, report.told) == ("small", "Tiny *models*", "What `tiny` models expect.")
    whole = load_battery(made / "small.yaml")
    page = (made / "gallery" / "small" / "report.html").read_text()
    assert [one.stem.partition("-tiny")[0] for one in report.figures] == ["lens-a", "words", "census"]
    for figure in report.figures:
        (id,) = read_source(figure.quoted, figure.stem).value["probes"]
        assert figure.stem.startswith(id)
        quoted = read_source(figure.quoted, figure.stem).value
        assert set(quoted["models"]) == set(whole.probes[id].models)
        assert "#" not in figure.quoted
        assert figure.anchored == (f'id="figure-{figure.stem}"' in page)
        assert figure.anchored
        with Image.open(io.BytesIO(figure.thumbnail)) as picture:
            assert 300 < picture.width <= 900
            assert len(picture.getcolors(256) or ()) > 3, "nothing is drawn"
    assert report.figures[0].statement


def test_every_link_of_the_page_leads_to_a_file_that_is_copied(reports: list[GalleryReport]) -> None:
    for most in (0, 2_000_000, 40_000_000):
        chosen = choose_outputs(reports, most)
        page = write_gallery(reports, chosen)
        copied = {path for path, _ in list_gallery_files(reports, chosen)}
        linked = {f"gallery/{to.partition('#')[0]}" for to in re.findall(r"\]\((small/[^)]+)\)", page)}
        assert linked == copied
        assert ("gallery/small/report.pdf" in copied) == (most > 3_000_000)
        assert ("gallery/small/report.html" in copied) == (most > 0)
        left = re.findall(r"^Left out.*: (.*)\.$", page, re.MULTILINE)
        assert left == {0: ["page and PDF"], 2_000_000: ["PDF"], 40_000_000: []}[most]
    assert r"## Tiny \*models\*" in page
    assert "[PDF](small/report.pdf) (3.0 MB)" in page


def test_pages_go_before_the_first_pdf(reports: list[GalleryReport], tmp_path: Path) -> None:
    """The PDF of the first report would take the room of the second one's page."""
    files = {form: tmp_path / name for form, name in (("html", "small.html"), ("pdf", "small.pdf"))}
    for file in files.values():
        file.write_bytes(bytes(60))
    chosen = choose_outputs([replace(reports[0], outputs=files), *reports], 1_000_000)
    assert {file.name for file in chosen} == {"small.html", "small.pdf", "report.html"}
    size = reports[0].outputs["html"].stat().st_size
    chosen = choose_outputs([replace(reports[0], outputs=files), *reports], size + 60)
    assert {file.name for file in chosen} == {"small.html", "report.html"}


def test_without_reports_nothing_is_linked(tmp_path: Path) -> None:
    assert read_gallery(tmp_path / "gallery", tmp_path) == []
    assert write_gallery([], set()) == EMPTY
    assert "make gallery" in EMPTY
    assert "](" not in EMPTY


def test_a_report_older_than_its_battery_is_refused(copied: Path) -> None:
    battery = copied / "small.yaml"
    battery.write_text(battery.read_text().replace("a tiny text]", "another text]"))
    with pytest.raises(GalleryError, match=r"older than small\.yaml; make gallery REPORTS=small"):
        read_gallery(copied / "gallery", copied)


def test_a_report_without_a_battery_is_refused(copied: Path) -> None:
    (copied / "small.yaml").unlink()
    with pytest.raises(GalleryError, match=r"there is no small\.yaml"):
        read_gallery(copied / "gallery", copied)


def test_a_report_that_failed_is_refused(copied: Path) -> None:
    folder = copied / "gallery" / "small"
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | {"last_run_failed": "the disk is full"}))
    with pytest.raises(BundleError, match="the disk is full"):
        read_gallery(copied / "gallery", copied)


def test_a_report_with_a_failed_probe_is_refused(copied: Path) -> None:
    file = copied / "gallery" / "small" / "results.json"
    results = json.loads(file.read_text())
    outcome = results["results"]["census"]["tiny"]
    failed = {**outcome, "status": "failed", "reason": "no", "metrics": {}, "tables": {}, "arrays": {}}
    results["results"]["census"]["tiny"] = failed
    file.write_text(json.dumps(results))
    with pytest.raises(GalleryError, match="a probe failed"):
        read_gallery(copied / "gallery", copied)


def test_what_is_no_entry_is_not_quoted(made: Path) -> None:
    with pytest.raises(QuoteError, match="there is no probe nothing"):
        quote_entry(made / "small.yaml", "nothing")


SHIPPED = [
    pytest.param(file, id=file.stem, marks=() if file.stem == "finetune" else pytest.mark.slow)
    for file in sorted((ROOT / "reports").glob("*.yaml"))
]


@pytest.mark.parametrize("file", SHIPPED)
def test_every_shipped_battery_says_what_it_shows_and_can_be_quoted(file: Path) -> None:
    assert len(read_first_comment(file.read_text())) > 40
    for id, entry in load_battery(file).probes.items():
        quoted = read_source(quote_entry(file, id), id).value
        assert list(quoted["probes"]) == [id]
        assert set(quoted["models"]) == set(entry.models)
        assert quoted["probes"][id] == read_source(file.read_text(), file).value["probes"][id]


def test_a_picture_is_shrunk_onto_a_light_ground() -> None:
    large = Image.new("RGBA", (2000, 1000), (0, 0, 0, 0))
    large.paste((255, 0, 0, 255), (0, 0, 1000, 1000))
    file = io.BytesIO()
    large.save(file, "png")
    with Image.open(io.BytesIO(shrink_picture(file.getvalue()))) as small:
        assert small.size == (900, 450)
        colours = small.convert("RGB")
        assert (colours.getpixel((100, 200)), colours.getpixel((800, 200))) == ((255, 0, 0), (255, 255, 255))


@pytest.mark.slow
def test_make_gallery_makes_a_report_and_fails_for_one_that_cannot_be_made(tmp_path: Path) -> None:
    """As `make gallery` does it, in a copy of the Makefile's folder that uses this environment."""
    for name in ("Makefile", "reports", "prompts"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "reportgen"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m reportgen "$@"\n')
    program.chmod(0o755)
    command = ["make", "-o", ".venv/.installed", "gallery", f"BIN={tmp_path}/bin", "REPORTS=nothing first-look"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Not whole: nothing" in done.stderr
    (report,) = read_gallery(tmp_path / "build" / "gallery")
    assert set(report.outputs) == {"html", "pdf", "slides"}
    assert len(report.figures) == 3
    command[-1] = "REPORTS=first-look"
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "reused from the cache" in again.stderr
