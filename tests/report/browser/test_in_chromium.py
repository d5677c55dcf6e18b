"""What a reader does with the page, in a real Chromium."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from reportgen.figures.data import csv_of
from reportgen.numerals import write_number
from reportgen.report import page as report_page
from reportgen.results.quantities import Metric, Table
from tests.report.fakes import GEMMA, LLAMA, outcome, prompts

GRID, OTHER_GRID = "#figure-weather-llama-x-grid", "#figure-weather-gemma-x-grid"
MOSAIC, HEAD = "#figure-heads-llama-x-heads", "#figure-map-llama-x-head"
SOME_BLOCKS = "#figure-heads-gemma-x-heads"
CURVES = "#figure-map-llama-x-curves"


def hover(page, figure, x, y):
    """Points at a place in a figure's first frame, in shares of its width and height."""
    page.locator(f"{figure} .frame").scroll_into_view_if_needed()
    place = page.locator(f"{figure} .frame > svg").evaluate(
        """(svg, [x, y]) => {
             const [left, top, right, bottom] = JSON.parse(svg.dataset.frames)[0].box;
             const at = new DOMPoint(left + x * (right - left), top + y * (bottom - top));
             const { x: X, y: Y } = at.matrixTransform(svg.getScreenCTM());
             return [X, Y];
           }""",
        [x, y],
    )
    page.mouse.move(place[0] - 1, place[1])
    page.mouse.move(*place)
    return place


def read_status(page):
    return page.locator("[role=status]").text_content()


def read_readout(page):
    page.wait_for_selector(".readout:visible")
    return page.locator(".readout").inner_text().split("\n")


def press(page, figure, *keys):
    """Focuses a figure as the tab key does, and presses keys."""
    page.locator(f"{figure} .frame").focus()
    for key in keys:
        before = read_status(page)
        page.keyboard.press(key)
        page.wait_for_function("before => document.querySelector('[role=status]').textContent !== before", arg=before)


def reopen(visit, page, **options):
    """The page once more, with what it keeps.

    Not by loading it anew: Chromium writes to its storage in its own time, on a busy machine after seconds.
    """
    kept = page.evaluate("JSON.stringify(localStorage)")
    return visit(before=f"Object.assign(localStorage, {kept})", **options)


def test_the_contents_mark_the_section_in_view(visit):
    page = visit()
    for probe in ("heads", "map", "census"):
        page.locator(f".contents a[href='#probe-{probe}']").click()
        page.wait_for_selector(f".contents a[href='#probe-{probe}'][aria-current]")
        assert page.locator("[aria-current]").count() == 1
        assert page.url.endswith(f"#probe-{probe}")


def test_light_and_dark_follow_the_system_until_the_reader_chooses(visit):
    page = visit(color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_label("light", exact=True).check()
    light = page.evaluate(ground)
    assert light != dark
    again = reopen(visit, page, color_scheme="dark")
    assert again.evaluate(ground) == light, "remembered"
    assert again.get_by_label("light", exact=True).is_checked()
    page.get_by_label("dark", exact=True).check()
    assert page.evaluate(ground) == dark
    page.get_by_label("as the system").check()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == light


def test_a_browser_that_remembers_nothing_is_no_error(visit):
    page = visit(before="Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})")
    page.get_by_label("dark", exact=True).check()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_one_model_alone_by_keyboard(visit):
    page = visit()
    visible = {one: page.locator(f"{one} .frame") for one in (GRID, OTHER_GRID)}
    columns = page.locator("#probe-census .metrics thead th")
    assert columns.count() == 3
    page.get_by_label("all side by side").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("SmolLM2-135M-Instruct", exact=True).is_checked()
    assert [visible[one].is_visible() for one in (GRID, OTHER_GRID)] == [True, False]
    assert columns.locator("visible=true").count() == 2
    assert not page.locator("#probe-heads .failure").nth(1).is_visible()
    thumbnails = page.locator("li:has([href='#probe-weather']) .thumbnail")
    assert [one.is_visible() for one in thumbnails.all()] == [True, False]
    page.keyboard.press("ArrowDown")
    assert [visible[one].is_visible() for one in (GRID, OTHER_GRID)] == [False, True]
    assert [one.is_visible() for one in thumbnails.all()] == [False, True]
    page.keyboard.press("ArrowDown")
    assert all(one.is_visible() for one in visible.values())


def test_pointing_at_a_lens_cell_tells_its_tokens_with_probabilities(visit, shown):
    page = visit()
    grid = shown[1]["weather"][0].description
    rows, columns = len(grid.rows), len(grid.columns)
    hover(page, GRID, 2.5 / columns, 0.5 / rows)
    lines = [line for line in read_readout(page) if line]
    assert lines[0] == f"label 0 · {grid.columns[2]}"
    assert lines[1:5] == [grid.texts[0][2], f"{grid.values[0, 2]:.2g}", "␣next", "0.13"]
    assert lines[5] == "<U+00A0>"
    assert lines[-1] == "1.0 × 10⁻⁵", "of a hostile token, whose characters are all spelled out"
    assert not set("\x00\x1b\u202e\u200d") & set("".join(lines))
    page.mouse.move(2, 2)
    page.wait_for_selector(".readout", state="hidden")


def test_arrow_keys_move_through_a_grid_and_are_told_aloud(visit, shown):
    page = visit()
    grid = shown[1]["weather"][0].description
    press(page, GRID, "ArrowRight")
    first = read_status(page)
    assert f"· {grid.columns[1]}," in first
    press(page, GRID, "ArrowDown", "ArrowRight")
    page.keyboard.press("Escape")
    page.wait_for_selector(".readout", state="hidden")
    assert page.locator(f"{GRID} .marks *").count() == 0


def test_every_figure_is_one_tab_stop_and_answers_to_arrow_keys(visit, shown):
    page = visit()
    kinds = set()
    for figure in page.locator("main figure").all():
        kind = figure.locator(".frame > svg").get_attribute("data-kind")
        stops = figure.locator("[tabindex='0']").count()
        if kind in {"Arcs", "StackedBars"}:
            continue
        assert stops == 1
        frame = figure.locator(".frame")
        frame.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        id = figure.get_attribute("id")
        page.wait_for_function("id => document.getElementById(id).querySelector('.marks > *')", arg=id)
        assert read_status(page).strip()
        kinds.add(kind)
    assert kinds == {
        "Curves", "TokenGrid", "HeadMosaic", "AttentionHead", "HeatMap", "Maps", "Rankings", "Timelines",
    }  # fmt: skip


def test_a_head_is_enlarged_kept_and_closed(visit):
    page = visit()
    panel = page.locator(f"{MOSAIC} .head-panel")
    assert not panel.is_visible()
    hover(page, MOSAIC, 0.5, 0.25)
    panel.wait_for(state="visible")
    assert panel.locator(".head-name").inner_text() == "block 1, head 0"
    hover(page, MOSAIC, 0.9, 0.75)
    page.wait_for_function("document.querySelector('.head-name').textContent === 'block 2, head 1'")
    page.mouse.click(*hover(page, MOSAIC, 0.1, 0.75))
    page.wait_for_function("document.querySelector('.head-name').textContent.startsWith('block 0, head 1')")
    hover(page, MOSAIC, 0.9, 0.25)
    page.wait_for_function("document.querySelector('.readout').textContent.includes('block 2, head 0')")
    assert panel.locator(".head-name").inner_text().startswith("block 0, head 1"), "kept"
    panel.get_by_role("button", name="Close").click()
    assert not panel.is_visible()


def test_heads_of_a_model_with_attention_in_some_blocks_are_told_by_the_numbers_of_these(visit, shown):
    page = visit()
    weights = shown[1]["heads"][1].description.patterns[2, 1, 3]
    press(page, SOME_BLOCKS, "ArrowRight", "ArrowRight", "ArrowDown")
    assert "block 6, head 1" in read_status(page)
    page.keyboard.press("Enter")
    panel = page.locator(f"{SOME_BLOCKS} .head-panel")
    panel.locator(".head-plot:focus").wait_for()
    told = panel.locator(".strip bdi").evaluate_all("all => all.map(x => x.title)")
    assert told == [f"{weight:.2g}" for weight in weights]


def test_the_row_of_an_enlarged_head_is_shown_over_the_text(visit, shown):
    page = visit()
    mosaic = shown[1]["heads"][0].description
    press(page, MOSAIC, "ArrowRight")
    page.keyboard.press("Enter")
    panel = page.locator(f"{MOSAIC} .head-panel")
    panel.locator(".head-plot:focus").wait_for()
    labels = panel.locator(".head-plot text").all_inner_texts()
    assert len(labels) == len(mosaic.queries) + len(mosaic.keys)
    strip = panel.locator(".strip bdi")
    assert strip.evaluate_all("all => all.map(x => x.title)") == [
        write_number(float(weight), 2) for weight in mosaic.patterns[1, 0, 3]
    ]
    page.keyboard.press("ArrowUp")
    assert strip.evaluate_all("all => all.map(x => x.title)")[:3] == [
        write_number(float(weight), 2) for weight in mosaic.patterns[1, 0, 2, :3]
    ]
    assert strip.nth(2).get_attribute("class") == "own"
    assert strip.nth(3).get_attribute("class").split() == ["ahead"]
    assert "attends to" in read_status(page)
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert page.evaluate("document.activeElement.className").startswith("frame")


def test_a_head_with_its_tokens_marks_the_row_and_the_weight(visit):
    page = visit()
    hover(page, HEAD, 0.05, 0.5)
    assert "attends to" in " ".join(read_readout(page))
    row, cell = page.locator(f"{HEAD} .marks .pointed").evaluate_all(
        "all => all.map(x => Number(x.getAttribute('width')))"
    )
    assert row > 5 * cell


def test_the_nearest_point_of_a_curve_is_told_and_arrow_keys_change_the_curve(visit, shown):
    page = visit()
    hover(page, CURVES, 0.0, 0.5)
    lines = [line for line in read_readout(page) if line]
    assert lines == ["label", "label", "0", "label", "0.5000", "0 … 1"]
    assert page.locator(f"{CURVES} .crosshair").count() == 1
    press(page, CURVES, "ArrowRight")
    assert " 2, " in read_status(page), "where y is not known there is no point"
    press(page, CURVES, "ArrowDown")
    assert read_status(page).startswith("other")


def save_figure(page, figure, kind):
    with page.expect_download() as download:
        page.locator(figure).get_by_role("button", name=re.compile(f"{kind}$")).click()
    assert download.value.suggested_filename == f"{figure.removeprefix('#figure-')}.{kind.lower()}"
    return Path(download.value.path()).read_bytes()


def test_the_csv_that_the_page_saves_is_the_figures_data(visit, shown):
    page = visit()
    for one in shown[1]["nearest"][:5]:  # of more than ten files at once the browser asks its reader
        assert save_figure(page, f"#figure-{one.file_stem}", "CSV").decode() == csv_of(one.description)


def test_a_saved_svg_stands_alone_on_light_ground(visit, shown):
    page = visit(color_scheme="dark")
    press(page, GRID, "ArrowRight")
    element = ET.fromstring(save_figure(page, GRID, "SVG"))
    text = ET.tostring(element, encoding="unicode")
    assert "var(--" not in text
    assert "pointed" not in text
    assert "reportgen CJK" in text
    assert text.count("@font-face") >= 3
    assert element.find("{http://www.w3.org/2000/svg}title").text == shown[1]["weather"][0].description.title
    assert "data-frames" not in element.attrib


def test_a_saved_png_is_twice_as_large_as_the_figure_on_the_page_and_on_white(visit, shown):
    page = visit(color_scheme="dark")
    picture = Image.open(BytesIO(save_figure(page, GRID, "PNG"))).convert("RGB")
    wide = shown[1]["weather"][0].size[0] * 4 / 3
    assert picture.width == pytest.approx(2 * wide, abs=2)
    colours = {colour: count for count, colour in picture.getcolors(1 << 24)}
    assert max(colours, key=colours.get) == (255, 255, 255)
    assert len(colours) > 50


@pytest.mark.parametrize(("scheme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_nothing_serious(visit, scheme, rules):
    page = visit(color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach(x => x.open = true)")
    press(page, MOSAIC, "ArrowRight")
    page.keyboard.press("Enter")
    press(page, GRID, "ArrowRight")
    # Further rows and figures are like the first: seconds for nothing.
    page.locator("tbody tr:nth-child(n + 3), #probe-nearest figure").evaluate_all("all => all.forEach(x => x.remove())")
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    # What is drawn within a picture is to nobody but the eye: its alternative text stands for it.
    found = page.evaluate("rules => axe.run({exclude: ['.frame > svg > g']}, rules)", rules)
    assert found["passes"]
    told = [
        (one["impact"], one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found["violations"]
    ]
    assert [one for one in told if one[0] in ("serious", "critical")] == [], json.dumps(told, indent=1)


@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_never_scrolls_sideways(visit, width):
    page = visit(viewport={"width": width, "height": 800})
    page.locator("details").evaluate_all("all => all.forEach(x => x.open = true)")
    press(page, MOSAIC, "ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_everything_is_there(visit, shown):
    page = visit(java_script_enabled=False)
    figures = sum(map(len, shown[1].values()))
    assert page.locator("main figure .frame > svg").locator("visible=true").count() == figures
    assert page.locator(".thumbnail svg").locator("visible=true").count() == 4
    assert page.locator("main figure .files a").locator("visible=true").count() == 3 * figures
    assert not page.locator(".switches").is_visible()
    assert page.locator("button").count() == 0


def test_a_thumbnail_is_seen_and_leads_to_its_figure(visit):
    page = visit()
    thumbnail = page.locator(f".thumbnail[href='{GRID}']")
    colours = Image.open(BytesIO(thumbnail.screenshot())).convert("RGB").getcolors(1 << 24)
    assert len(colours) > 50
    thumbnail.click()
    assert page.url.endswith(GRID)


def test_printed_it_is_light_and_without_controls(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(254, 254, 253)"
    for control in (".contents", ".files", ".anchor", ".switches"):
        assert page.locator(control).locator("visible=true").count() == 0
    assert page.locator(f"{GRID} .frame > svg").is_visible()


def test_a_page_as_heavy_as_the_default_battery_is_painted_within_a_second(visit, shown, tmp_path):
    bundle, drawings = shown
    grid = drawings["weather"][0]
    many = [replace(grid, file_stem=f"more-{i}", svg=grid.svg.replace('id="', f'id="n{i}-')) for i in range(60)]
    html = report_page.render_page(bundle, {**drawings, "weather": many})
    assert len(html) > 1_500_000
    file = tmp_path / "heavy.html"
    file.write_text(html)
    page = visit(file)
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    assert page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") < 1000


def test_models_that_the_page_switches_between_are_those_of_the_bundle(visit):
    page = visit()
    values = page.locator("[name=model]").evaluate_all("all => all.map(x => x.value)")
    assert values == ["", LLAMA, GEMMA]


def test_the_models_side_by_side_are_sorted_by_what_is_clicked(visit, shown, tmp_path):
    bundle, _ = shown
    columns = ("prompt", "says", "is_right", "rank", "probability", "layer", "right")
    rows = [
        [0, " b", True, 1, 0.5, 7, "b"],
        [1, " a", False, 120, 0.001, None, "x"],
        [2, " c", False, 9, 0.25, None, "y"],
    ]
    options = {"prompts": [{"text": text} for text in ("first", "second", "third")]}
    asked = {
        model: outcome(
            "right_answer",
            model,
            options,
            tables={
                "answers": Table(columns, kept),
                "skipped": Table(("text", "reason"), []),
                "prompts": prompts(["first", "second", "third"]),
            },
            metrics={"right_layer": Metric(None, "layer", reason="none")},
        )
        for model, kept in ((LLAMA, rows), (GEMMA, rows[:2]))
    }
    file = tmp_path / "sorted.html"
    file.write_text(report_page.render_page(replace(bundle, outcomes={"facts": asked}), {}))
    page = visit(file)
    table = page.locator(".side-by-side")

    def order():
        return table.locator("tbody th").all_inner_texts()

    heads = table.locator(".sorting button")
    assert order() == ["first", "second", "third"]
    rank = heads.nth(3)
    rank.click()
    assert order() == ["first", "third", "second"], "as numbers, not as texts"
    assert table.locator("[aria-sort=ascending]").inner_text().startswith("rank")
    rank.click()
    assert order() == ["second", "third", "first"]
    assert table.locator("[aria-sort]").count() == 1
    for _ in range(2):
        heads.nth(5).click()
        assert order()[0] == "first", "what has no layer stands last, whichever way"
    heads.nth(1).press("Enter")
    assert order() == ["second", "first", "third"]
