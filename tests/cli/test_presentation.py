"""How a report is shown is asked for in the battery, kept with the bundle, and chosen anew for a rendering."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reportgen import language, load, render
from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError, BundleError, OutputError
from reportgen.look.presentation import PAGE_BYTES, Presentation, presentation_of
from reportgen.look.theme import BUILT_IN, PAPER
from reportgen.outputs.make import is_output_of, slide_theme, write_outputs
from reportgen.results.bundle import Bundle, write_numbers
from tests.report.fakes import fake_bundle

OUTPUT = {"outputs": []}


@pytest.fixture
def bundle() -> Bundle:
    """One probe, with three figures."""
    whole = fake_bundle()
    return replace(whole, outcomes={"census": whole.outcomes["census"]})


def battery(**written: Any) -> Any:
    probes = {"census": {"probe": "parameter_census"}}
    return read_battery(json.dumps({"models": {"m": "demo:gemma-3-270m"}, "probes": probes, **written}))


def test_a_battery_says_how_its_report_is_shown() -> None:
    assert battery().presentation == Presentation("en", PAPER, PAGE_BYTES, None)
    asked = battery(language="zh_tw", theme="slides", page_megabytes=2).presentation
    assert asked == Presentation("zh-TW", BUILT_IN["slides"], 2_000_000)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"language": "zh"}, "no language 'zh'. Did you mean 'zh-CN' or 'zh-TW'?"),
        ({"theme": "slide"}, "unknown theme 'slide'"),
        ({"theme": "lab.yaml"}, "lab.yaml"),
        ({"page_megabytes": 0}, "page_megabytes"),
        ({"outputs": ["slide"]}, "expected html or pdf or figures or slides or pptx, found 'slide'"),
    ],
)
def test_what_is_unknown_is_told_in_a_line_before_anything_runs(written: dict[str, Any], told: str) -> None:
    with pytest.raises(BatteryError) as raised:
        battery(**written)
    (mistake,) = raised.value.mistakes
    assert told in str(mistake)
    assert len(str(mistake).splitlines()) <= 2


@pytest.mark.parametrize("theme", list(BUILT_IN.values()), ids=list(BUILT_IN))
def test_a_bundle_keeps_how_it_was_shown(theme: Any) -> None:
    shown = Presentation("hu", theme, 123)
    assert presentation_of(json.loads(json.dumps({"presentation": shown.dump_stored()}))) == shown


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [],
        {},
        {"language": "tlh", "theme": PAPER.model_dump(), "page_bytes": 1},
        {"language": "en", "theme": {}},
        {"language": "hu", "theme": PAPER.model_dump(), "page_bytes": -1},
        {"language": "hu", "theme": PAPER.model_dump(), "page_bytes": float("inf")},
        {"language": "hu", "theme": PAPER.model_dump() | {"logo": "http://127.0.0.1/x.png"}, "page_bytes": 1},
    ],
)
def test_what_is_not_known_here_is_shown_as_usual(kept: Any) -> None:
    assert presentation_of({"presentation": kept} if kept is not None else {}) == Presentation()


def test_a_stored_bundle_is_shown_as_it_was_unless_another_way_is_chosen(bundle: Bundle, tmp_path: Path) -> None:
    hungarian = Presentation("hu").dump_stored()
    write_numbers(tmp_path, replace(bundle, run={**bundle.run, "presentation": hungarian}))

    def page(**chosen: Any) -> str:
        render(tmp_path, formats=["html"], **chosen)
        return (tmp_path / "report.html").read_text()

    assert '<html lang="hu" dir="ltr"' in page()
    assert '<html lang="ar" dir="rtl"' in page(language="AR")
    assert '<html lang="hu" dir="ltr"' in page(), "a choice is for one rendering"
    assert language.get_language() == "en"


def test_the_numbers_do_not_know_how_they_are_shown(bundle: Bundle, tmp_path: Path) -> None:
    write_numbers(tmp_path, bundle)
    before = (tmp_path / "results.json").read_bytes(), (tmp_path / "arrays.safetensors").read_bytes()
    render(tmp_path, formats=["html", "figures"], language="zh-TW", theme="dark")
    assert ((tmp_path / "results.json").read_bytes(), (tmp_path / "arrays.safetensors").read_bytes()) == before


@pytest.mark.parametrize("written", ['"nan": NaN', '"half": "\\ud800"'])
def test_a_record_that_cannot_be_written_again_leaves_the_last_rendering(
    bundle: Bundle, tmp_path: Path, written: str
) -> None:
    write_numbers(tmp_path, bundle)
    (tmp_path / "report.html").write_text("the last one")
    (tmp_path / "run.json").write_text(f'{{"files": ["report.html"], {written}}}')
    with pytest.raises(BundleError, match="damaged"):
        render(tmp_path, formats=["html"])
    assert (tmp_path / "report.html").read_text() == "the last one"


def test_no_figure_is_written_through_a_link_out_of_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "bundle", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    write_numbers(folder, bundle)
    (folder / "figures").symlink_to(elsewhere)
    with pytest.raises(OutputError, match="figures is there already, and was not written by reportgen"):
        render(folder, formats=["figures"])
    assert not any(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"language": "tlh"}, "no language 'tlh'"),
        ({"theme": "solarized"}, "unknown theme 'solarized'"),
        ({"templates": "nowhere"}, "there is no such folder of templates"),
        ({"formats": ["pptx2"]}, "unknown format 'pptx2'"),
    ],
)
def test_a_rendering_refuses_what_is_unknown_and_the_last_one_stays(
    bundle: Bundle, tmp_path: Path, chosen: dict[str, Any], told: str
) -> None:
    write_numbers(tmp_path, bundle)
    render(tmp_path, formats=["html"])
    before = (tmp_path / "report.html").read_bytes()
    with pytest.raises(BatteryError, match=told):
        render(tmp_path, **chosen)
    assert (tmp_path / "report.html").read_bytes() == before


def test_templates_of_ones_own_are_used_and_found_again_only_as_long_as_they_stay(
    bundle: Bundle, tmp_path: Path
) -> None:
    stored, own = tmp_path / "bundle", tmp_path / "own"
    stored.mkdir()
    own.mkdir()
    write_numbers(stored, bundle)
    told: list[str] = []

    def page(**chosen: Any) -> str:
        told.clear()
        render(stored, formats=["html"], progress=told.append, **chosen)
        return (stored / "report.html").read_text()

    plain = page()
    override = own / "page.html.j2"
    override.write_text('{% extends "reportgen/page.html.j2" %}{% block before %}<p>Our lab</p>{% endblock %}')
    assert "<p>Our lab</p>" in page(templates=own)
    override.write_text('{% extends "reportgen/page.html.j2" %}{% block before %}<p>Another lab</p>{% endblock %}')
    assert "<p>Another lab</p>" in page(templates=own)
    page(templates=own)
    assert told == ["html: reused from the cache"]
    assert page() == plain


def test_slides_are_drawn_for_a_wall_and_pages_for_a_desk(bundle: Bundle, tmp_path: Path) -> None:
    assert slide_theme(PAPER) == BUILT_IN["slides"]
    assert slide_theme(BUILT_IN["dark"]) == BUILT_IN["dark"]
    names = write_outputs(bundle, tmp_path, ["slides", "pptx"])
    assert sorted(names) == ["slides.pdf", "slides.pptx"]
    assert all(is_output_of(name, ["slides", "pptx"]) for name in names)
    assert not any(is_output_of(name, ["html", "pdf", "figures"]) for name in names)
    first = {name: (tmp_path / name).read_bytes() for name in names}
    write_outputs(bundle, tmp_path, ["slides", "pptx"], cache=False)
    assert {name: (tmp_path / name).read_bytes() for name in names} == first


def test_the_command_line_chooses_language_theme_and_templates(
    reportgen: Callable[..., Any], write_battery: Callable[..., Path], tmp_path: Path
) -> None:
    file = write_battery("  census: {probe: parameter_census}", outputs=["html"])
    ended = reportgen("run", file, "--language", "ar", "--theme", "dark")
    assert ended.code == 0, ended.err
    assert presentation_of(load(tmp_path / "battery").run) == Presentation("ar", BUILT_IN["dark"])
    assert 'dir="rtl"' in (tmp_path / "battery" / "report.html").read_text()
    ended = reportgen("render", tmp_path / "battery", "--format", "slides", "--language", "xx")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
