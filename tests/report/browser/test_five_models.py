"""Five models, twenty prompts: what a report begins with still tells them apart, in numbers, words and pictures."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from reportgen.cli import run_command
from reportgen.report.content.thumbnails import WIDTH
from reportgen.results.bundle import Bundle, load_bundle
from tests.report.parsed import Page
from tests.tiny import save_tiny

MODELS = {
    "before": ("before/model", "llama", 3),
    "after": ("after/model", "llama", 3),
    "qwen": ("tiny-qwen", "qwen2", 6),
    "gemma": ("tiny-gemma", "gemma3", 4),
    "mistral": ("tiny-mistral-of-a-rather-long-name", "mistral", 5),
}
"""Id -> folder, family and depth: two of one name, and four depths."""
PROMPTS = [
    f"{start} {end}" for start in ("an apple", "I ate", "the day", "my eye") for end in ["a", "an", "the", "of", "for"]
]
LONGEST = 100
"""Characters of a cell that is read at a glance."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("five")
    for seed, (name, family, layers) in enumerate(MODELS.values()):
        save_tiny(folder / name, family, seed=seed, layers=layers)
    assert len(PROMPTS) == 20
    lines = ["title: Five models", "models:", *(f"  {id}: ./{name}" for id, (name, *_) in MODELS.items()), "probes:"]
    lines += [
        f"  weather: {{probe: logit_lens, top_k: 3, prompts: {PROMPTS!r}}}",
        "  census: {probe: parameter_census}",
    ]
    lines += [f"  apple: {{probe: word_similarity, word: apple, prompts: {PROMPTS[:5]!r}}}", "outputs: [html]"]
    battery = folder / "battery.yaml"
    battery.write_text("\n".join(lines).replace("'", '"'))
    assert run_command(["run", str(battery), "--quiet"]) == 0
    return load_bundle(folder / "battery")


@pytest.fixture(scope="module")
def file(bundle: Bundle) -> Path:
    assert bundle.path is not None
    return bundle.path / "report.html"


@pytest.fixture(scope="module")
def opening(file: Path) -> str:
    """The section that a report begins with."""
    html = file.read_text()
    return html[html.index('<section id="compared"') : html.index('<section id="probe-')]


def rows_of(opening: str) -> dict[str, list[str]]:
    """Model -> the texts of its row in the table of findings."""
    table = re.search(r'<table class="found">.*?</table>', opening, re.DOTALL)
    assert table is not None
    rows = re.findall(r'<tr data-models="([^"]+)">(.*?)</tr>', table[0], re.DOTALL)
    return {id: [Page(cell).text.strip() for cell in re.findall(r"<td>(.*?)</td>", row)] for id, row in rows}


def test_no_two_models_are_called_alike_and_none_by_its_folder(bundle: Bundle, file: Path) -> None:
    names = [card.name for card in bundle.models.values()]
    assert names == ["before", "after", "tiny-qwen", "tiny-gemma", "tiny-mistral-of-a-rather-long-name"]
    legends = re.findall(r"<text[^>]*>([^<]+)</text>", file.read_text())
    assert "tiny-qwen" in legends
    assert "qwen" not in legends


def test_what_was_found_is_a_table_with_a_row_a_model_that_is_read_at_a_glance(opening: str) -> None:
    rows = rows_of(opening)
    assert list(rows) == list(MODELS)
    assert {len(cells) for cells in rows.values()} == {3}
    assert all(cell and len(cell) <= LONGEST for cells in rows.values() for cell in cells)
    for one, other in combinations(rows, 2):
        assert rows[one] != rows[other], f"{one} and {other} cannot be told apart"
    assert '<ul class="findings">' not in opening, "the same is not said in sentences again"


def test_layers_are_compared_as_shares_of_the_depth(opening: str) -> None:
    for id, (weather, census, apple) in rows_of(opening).items():
        depth = MODELS[id][2]
        assert re.search(rf"layer \d of {depth} \([\d.]+%\)|no answer of", weather), weather
        assert re.search(r"[\d,]+ parameters: [\d.]+% vocabulary, [\d.]+% MLPs", census), census
        assert re.search(rf"least alike at layer \d of {depth} \([\d.]+%\): cosine", apple), apple
    telling = re.search(r'<table class="metrics telling">.*?</table>', opening, re.DOTALL)
    assert telling is not None
    line = next(row for row in telling[0].split("<tr>") if "settling layer" in row)
    found = re.findall(r'<td class="number"[^>]*>([\d.]+) of (\d) \((\d+(?:\.\d+)?)%\)', line)
    assert [int(depth) for _, depth, _ in found] == [depth for *_, depth in MODELS.values()]
    for layer, depth, share in found:
        assert float(share) == pytest.approx(100 * float(layer) / int(depth), abs=2)  # the layer in two digits


def test_thumbnails_are_drawn_in_letters_as_large_as_the_figures(opening: str) -> None:
    small = re.findall(r'<a class="thumbnail.*?</a>', opening, re.DOTALL)
    assert len(small) == 2 * len(MODELS) + 1, "the census shows all models at once"
    for one in small:
        assert re.search(r'viewBox="0 0 (\d+)', one) is not None
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:\d+ )?([\d.]+)px", one)]
        assert sizes
        assert min(sizes) >= 8.5
    widths = [
        float(width) for width in re.findall(r'<svg aria-hidden="true"[^>]*viewBox="0 0 ([\d.]+)', "".join(small))
    ]
    assert max(widths) <= 1.35 * WIDTH


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(1400, 1000, "light"), (1920, 1000, "dark"), (390, 844, "dark")]
)
def test_it_fits_the_screen(visit, width, height, scheme) -> None:
    page = visit(viewport={"width": width, "height": height}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    table = page.locator("table.found")
    if width > 1000:  # a phone's first screen says what was compared
        last = table.locator("tbody tr").last.bounding_box()
        assert last["y"] + last["height"] <= height
        assert table.locator(".thumbnail").locator("visible=true").count() == 3
        boxes = [one.bounding_box() for one in page.locator("main figure .frame > svg").all()]
        assert max(box["x"] + box["width"] for box in boxes) > 0.9 * width, "no column of white"
    else:
        first = page.locator(".models li").first.bounding_box()
        assert first["y"] + first["height"] <= height
