import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from reportgen.errors import BatteryError, BundleError, OutputError
from reportgen.figures.describe import Figure, Rankings, Timelines, TokenGrid, list_texts
from reportgen.figures.draw import Drawing, draw
from reportgen.figures.kept import drawing_key
from reportgen.look import own_vectors
from reportgen.look.font_sources import MONO, TEXT, own_font
from reportgen.look.fonts import Typefaces, load_typefaces
from reportgen.look.legible import families_of, find_lacking
from reportgen.look.model_styles import (
    choose_text_colour,
    contrast,
    map_diverging,
    map_sequential,
    model_styles,
    rgb,
    style_groups,
)
from reportgen.look.theme import BUILT_IN, PAPER, Theme, read_theme, stored_theme
from tests.figures.figure_samples import one_of_each

EACH_THEME = pytest.mark.parametrize("theme", BUILT_IN.values(), ids=lambda theme: theme.name)
EACH = pytest.mark.parametrize("figure", one_of_each(), ids=lambda figure: type(figure).__name__)
SLIDE_FIGURE = 12 * 72
# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB
SEEN_AS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"/>'


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(*lines: str) -> Path:
        file = tmp_path / "lab look.yaml"
        file.write_text("\n".join(lines), encoding="utf-8")
        return file

    return written


def draw_figure(figure: Figure, faces: Typefaces, theme: Theme, width: float | None = None) -> Drawing:
    return draw(figure, typefaces=faces, styles=model_styles(["llama", "gemma"], theme), theme=theme, width=width)


def list_sizes(drawing: Drawing) -> list[float]:
    """Points of every text."""
    return [text.get_fontsize() for text in drawing._figure.findobj(Text) if text.get_text()]


def read_mistakes(file: Path | str) -> list[str]:
    with pytest.raises(BatteryError) as caught:
        read_theme(file)
    return [str(mistake) for mistake in caught.value.mistakes]


def lab(colour: str, seen_as: str | None = None) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour, as a colour-blind person sees it."""
    c = np.array(rgb(colour))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    if seen_as:
        linear = np.clip(np.array(SEEN_AS[seen_as]) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.cbrt(np.maximum(np.array(to_xyz) @ linear / [0.95047, 1, 1.08883], 1e-4))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@EACH_THEME
@pytest.mark.parametrize("seen_as", [None, *SEEN_AS])
def test_the_first_six_models_are_told_apart_by_colour_blind_readers_too(theme: Theme, seen_as: str | None) -> None:
    assert _least_difference(theme.models[:6], seen_as) > 15
    styles = model_styles([f"m{at}" for at in range(6)], theme).values()
    assert len({(style.dash, style.marker) for style in styles}) == 6


def _least_difference(colours: Sequence[str], seen_as: str | None = None) -> float:
    return float(min(np.linalg.norm(lab(a, seen_as) - lab(b, seen_as)) for a, b in combinations(colours, 2)))


@EACH_THEME
@pytest.mark.parametrize("seen_as", [None, *SEEN_AS])
def test_groups_have_colours_of_their_own_that_are_told_apart(theme: Theme, seen_as: str | None) -> None:
    assert not set(theme.groups) & set(theme.models)
    assert _least_difference(theme.groups[:4], seen_as) > 12
    assert min(contrast(rgb(colour), rgb(theme.ground)) for colour in theme.groups) > 3
    assert [look.colour for look in style_groups(["one", "two"], theme).values()] == list(theme.groups[:2])


@EACH_THEME
def test_text_is_readable_on_every_cell_and_on_the_ground(theme: Theme) -> None:
    cells = [
        *map_sequential(np.linspace(0, 1, 300), theme).tolist(),
        *map_diverging(np.linspace(-1, 1, 300), theme).tolist(),
    ]
    cells += [rgb(area) for area in theme.areas]
    assert min(contrast(rgb(choose_text_colour(cell)), cell) for cell in cells) >= 4.5
    assert contrast(rgb(theme.ink), rgb(theme.ground)) > 10
    assert contrast(rgb(theme.muted), rgb(theme.ground)) >= 4.5
    assert min(contrast(rgb(colour), rgb(theme.ground)) for colour in theme.models) > 2


def test_a_dark_ground_is_drawn_for_and_not_inverted() -> None:
    dark = BUILT_IN["dark"]
    zero, one = map_sequential([0.0, 1.0], dark).tolist()
    assert contrast(zero, rgb(dark.ground)) < 1.5
    assert contrast(one, rgb(dark.ground)) > 12
    assert contrast(map_diverging(0.0, dark).tolist(), rgb(dark.ground)) < 1.5


@EACH_THEME
def test_a_png_stands_on_the_themes_ground(theme: Theme, faces: Typefaces) -> None:
    def corner(theme: Theme) -> tuple[int, ...]:
        with Image.open(BytesIO(draw_figure(one_of_each()[4], faces, theme).png(30))) as picture:
            return picture.convert("RGBA").getpixel((0, 0))

    red, green, blue = bytes.fromhex(theme.ground[1:])
    assert corner(theme) == (red, green, blue, 255)
    assert corner(theme.model_copy(update={"ground": "transparent"}))[3] == 0


@EACH
def test_text_on_a_slide_can_be_read_from_the_last_row(figure: Figure, faces: Typefaces) -> None:
    slides = BUILT_IN["slides"]
    natural = draw_figure(figure, faces, slides).width_inches * 72
    assert slides.text * min(1, SLIDE_FIGURE / natural) >= 18


def test_a_grid_of_many_columns_still_fits_a_slide(faces: Typefaces) -> None:
    grid = next(figure for figure in one_of_each() if type(figure).__name__ == "TokenGrid")
    assert draw_figure(grid, faces, PAPER).width_inches > 6.5
    assert draw_figure(grid, faces, BUILT_IN["slides"]).width_inches <= 12.1


@EACH
def test_a_picture_of_another_width_is_the_same_picture(figure: Figure, faces: Typefaces) -> None:
    plain, wide = draw_figure(figure, faces, PAPER), draw_figure(figure, faces, PAPER, width=SLIDE_FIGURE)
    assert wide.width_inches == pytest.approx(12)
    assert wide.height_inches / plain.height_inches == pytest.approx(12 / plain.width_inches)
    pictures = []
    for drawing, dpi in ((plain, 1000 / plain.width_inches), (wide, 1000 / 12)):
        with Image.open(BytesIO(drawing.png(dpi))) as picture:
            pictures.append(np.asarray(picture.convert("L").resize((250, 100)), dtype=float))
    # Glyphs and lines fall on other fractions of a pixel: single ones differ, places and sizes do not.
    assert np.abs(pictures[0] - pictures[1]).mean() < 1.5


@EACH
@pytest.mark.parametrize("name", ["paper", "slides", "hall-dark"])
def test_a_picture_of_a_given_height_is_exactly_so_large_and_its_text_not_smaller(
    figure: Figure, faces: Typefaces, name: str
) -> None:
    theme = BUILT_IN[name]
    box = theme.fit_box(None, theme.width * 9 / 16)
    if isinstance(figure, Timelines):
        return  # stand on pages of their own alone
    drawing = draw_figure(figure, faces, box)
    assert drawing.width_inches * 72 == pytest.approx(theme.width)
    assert drawing.height_inches * 72 == pytest.approx(theme.width * 9 / 16)
    assert min(list_sizes(drawing)) >= theme.text - 1e-6


def test_layers_that_a_height_has_no_room_for_are_left_out_and_rows_of_text_refused(faces: Typefaces) -> None:
    grid = next(figure for figure in one_of_each() if isinstance(figure, TokenGrid))
    tall = replace(
        grid, rows=[f"{at}" for at in range(30)], texts=list(grid.texts) * 10, values=np.tile(grid.values, (10, 1)),
        outlined=np.tile(grid.outlined, (10, 1)),
    )  # fmt: skip
    box = PAPER.fit_box(500, 200)
    with pytest.raises(OutputError) as raised:
        draw_figure(tall, faces, box)
    told = str(raised.value.mistakes[0])
    assert told.startswith("llama-x-grid cannot be drawn in 6.94 x 2.78 in: its text needs ")
    assert len(told.splitlines()) == 2
    drawn = draw_figure(replace(tall, sampleable=True), faces, box)
    assert drawn.height_inches * 72 == pytest.approx(200)
    assert "one in 4" in drawn.svg("characters")


def test_a_box_in_which_there_is_no_room_for_words_is_refused(faces: Typefaces) -> None:
    for figure in one_of_each():
        for box in (PAPER.fit_box(60, 300), PAPER.fit_box(400, 20)):
            with pytest.raises(OutputError, match=r"in across have no room for text|cannot be drawn in"):
                draw_figure(figure, faces, box)


def test_frames_go_with_the_width(faces: Typefaces) -> None:
    def box(width: float | None) -> list[float]:
        svg = draw_figure(one_of_each()[0], faces, PAPER, width).svg("characters")
        return json.loads(svg.partition('data-frames="')[2].partition('"')[0].replace("&quot;", '"'))[0]["box"]

    np.testing.assert_allclose(box(812), np.multiply(box(None), 2), atol=0.02)


def test_the_page_draws_in_papers_sizes_with_the_themes_colours() -> None:
    slides = BUILT_IN["slides"].model_copy(update={"models": ("#123456",), "ink": "#222222"})
    assert PAPER.on_page() == PAPER
    page = slides.on_page()
    assert (page.inks, page.text, page.width, page.lines) == (PAPER.inks, PAPER.text, PAPER.width, PAPER.lines)
    assert (page.models, page.sequential) == (("#123456",), slides.sequential)
    assert BUILT_IN["slides"].on_page().drawing_state == PAPER.drawing_state


def test_a_theme_for_a_dark_ground_draws_the_page_in_its_own_colours() -> None:
    dark = BUILT_IN["dark"]
    assert (dark.dark, PAPER.dark, BUILT_IN["slides"].dark) == (True, False, False)
    page = dark.on_page()
    assert (page.inks, page.text, page.width) == (PAPER.inks, PAPER.text, PAPER.width), "which the page replaces"
    assert (page.models, page.sequential, page.outline) == (dark.models, dark.sequential, dark.outline)


def test_the_key_of_a_drawing_holds_its_theme_and_width() -> None:
    figure, styles = one_of_each()[0], model_styles(["llama"])
    keys = {drawing_key(figure, styles, theme, width) for theme in BUILT_IN.values() for width in (None, 400.0)}
    assert len(keys) == 2 * len(BUILT_IN)
    assert drawing_key(figure, styles, PAPER.model_copy(update={"name": "x", "logo": "data:"})) in keys


@EACH_THEME
def test_a_theme_is_plain_values_and_comes_back_from_them(theme: Theme) -> None:
    assert read_theme(theme.name) is theme
    assert Theme.model_validate(json.loads(json.dumps(theme.model_dump()))) == theme


def test_ones_own_theme_changes_what_it_names(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(PICTURE)
    file = write("extends: slides", 'ink: "#ABCDEF"', 'models: ["#111111", "#222222"]', "text: 24", "logo: logo.svg")
    theme = read_theme(file)
    assert (theme.name, theme.ink, theme.models) == ("lab-look", "#abcdef", ("#111111", "#222222"))
    assert (theme.text, theme.lines) == (24, BUILT_IN["slides"].lines)
    assert theme.logo == "data:image/svg+xml;base64," + base64.b64encode(PICTURE.encode()).decode()
    assert read_theme(file.name, folder=tmp_path) == theme
    assert read_theme(write("name: mine")).model_copy(update={"name": "paper"}) == PAPER


def test_all_that_is_wrong_with_a_theme_is_told_with_its_line(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (tmp_path / "font.ttf").write_text("no font")
    file = write("extends: slide", "ink: blue", "model: []", 'areas: ["#12345"]', 'diverging: ["#111111", "#222222"]')
    told = read_mistakes(file)
    assert [line.partition("\n")[0].removeprefix(f"{file}:") for line in told] == [
        "1: extends: unknown theme 'slide'",
        "2: ink: 'blue' is not a colour: write it as #rrggbb",
        "3: model: unknown key",
        "4: areas[0]: '#12345' is not a colour: write it as #rrggbb",
        "5: diverging: " + told[4].partition("diverging: ")[2].partition("\n")[0],
    ]
    assert "Did you mean 'slides'?" in told[0]
    assert "Did you mean 'models'?" in told[2]
    found = read_mistakes(write("logo: logo.png", "font: font.ttf"))
    assert "1: logo: logo.png is a damaged picture" in found[0]
    assert "2: font: font.ttf is not a font: " in found[1]
    assert all(len(line.splitlines()) == 2 for line in found)
    (told,) = read_mistakes(write("frobnicate: 1"))
    assert "1: frobnicate: unknown key\n  The keys of a theme are extends, name, ink, " in told
    assert all(f" {key}" in told for key in PAPER.model_dump() if key not in ("font_sha256", "exact"))
    assert "logo: " in read_mistakes(write("logo: none.svg"))[0]
    assert "does not exist" in read_mistakes(write("logo: none.svg"))[0]
    assert "is not a picture" in read_mistakes(write(f"logo: '{file.name}'"))[0]
    assert "a theme is a mapping" in read_mistakes(write("- 1"))[0]


def test_large_text_without_a_width_is_given_room_and_a_width_without_room_is_refused(
    write: Callable[..., Path], faces: Typefaces
) -> None:
    theme = read_theme(write("extends: dark", "text: 24"))
    assert (theme.text, theme.width > BUILT_IN["dark"].width) == (24, True)
    for figure in one_of_each():
        natural = draw_figure(figure, faces, theme)
        assert min(list_sizes(natural)) == pytest.approx(24)
    assert read_theme(write("extends: dark", "text: 10")).width == BUILT_IN["dark"].width
    (told,) = read_mistakes(write("extends: dark", "text: 24", "width: 400"))
    assert "3: width: 400 points have no room for text of 24 points: at least 670 are needed" in told


def test_a_theme_that_is_none_is_told_with_the_nearest() -> None:
    assert read_mistakes("drak") == ["unknown theme 'drak'\n  Did you mean 'dark'? A custom theme is a YAML file."]
    assert "does not exist" in read_mistakes("no/such.yaml")[0]


SVG = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:ink="http://ink.example/"'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_logo_that_would_expand_is_refused(write: Callable[..., Path], tmp_path: Path, encoding: str) -> None:
    (tmp_path / "bomb.svg").write_bytes(f'<!DOCTYPE svg [<!ENTITY a "aaaa">]>{PICTURE}'.encode(encoding))
    assert "bomb.svg declares entities" in read_mistakes(write("logo: bomb.svg"))[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<script>alert(1)</script>", "holds a <script>"),
        ('<rect onclick="x()"/>', "holds a script, as onclick"),
        ('<image href="http://x.example/y.png"/>', "refers to something outside it, as href"),
        ('<image xlink:href="file:///etc/passwd"/>', "refers to something outside it, as href"),
        ('<image href="data:image/svg+xml;base64,AAAA"/>', "refers to something outside it, as href"),
        ("<style>@import 'x.css';</style>", "refers to something outside it, in its style"),
        ("<rect style=\"fill: url( 'http://x.example/')\"/>", "refers to something outside it, as style"),
        ('<rect style="fill: u\\72l(x)"/>', "refers to something outside it, as style"),
        ("<html xmlns='http://www.w3.org/1999/xhtml'><body onload='x()'/></html>", "holds a script, as onload"),
    ],
)
def test_a_logo_neither_runs_nor_fetches_anything(content: str, told: str) -> None:
    assert own_vectors.explain_refusal(f"<svg {SVG}>{content}</svg>".encode()) == told


@pytest.mark.parametrize(
    "content",
    [
        "<style>rect { fill: url(#g); }</style>",
        '<use xlink:href="#g"/><rect fill="url(#g)"/><image href="data:image/png;base64,AAAA"/>',
        '<a href="https://lab.example"><text>\\ @import</text></a>',
        '<g ink:file="C:\\logo.svg"/>',
    ],
)
def test_a_logo_may_refer_to_its_own_parts(content: str) -> None:
    assert own_vectors.explain_refusal(f"<svg {SVG}>{content}</svg>".encode()) is None


def test_a_logo_of_few_bytes_and_very_many_pixels_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    Image.new("1", (6000, 5000)).save(tmp_path / "wide.png")
    assert "wide.png has more than 25 million pixels" in read_mistakes(write("logo: wide.png"))[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"logo": "http://127.0.0.1/x.png"},
        {"logo": "data:text/html;base64,PHA+"},
        {"logo": "data:image/png;base64,AAAA"},
        {"logo": "data:image/svg+xml;base64," + base64.b64encode(f"<svg {SVG}><script/></svg>".encode()).decode()},
        {"logo": "data:image/svg+xml;x,;base64," + base64.b64encode(PICTURE.encode()).decode()},
        {"font": "\ud800", "font_sha256": "0"},
        {"text": float("nan")},
    ],
)
def test_a_strangers_stored_theme_is_checked_again(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        stored_theme(PAPER.model_dump() | wrong)
    logo = "data:image/svg+xml;base64," + base64.b64encode(PICTURE.encode()).decode()
    assert stored_theme(PAPER.model_dump() | {"logo": logo}).logo == logo


def test_ones_own_font_comes_first_and_ours_fill_its_gaps(write: Callable[..., Path], tmp_path: Path) -> None:
    # A font that has the letters of "Title 0123" and no others
    latin = next(face for face in load_typefaces("Title").faces if face.family == MONO.family)
    theme = read_theme(write(f"font: '{latin.path}'"))
    own = theme.own_font
    assert own is not None
    assert families_of("ab", own=own) == ("reportgen Own", TEXT.family)
    assert families_of("天", own=own) == (TEXT.family, "reportgen CJK")
    assert families_of("ab", mono=True, own=own) == (MONO.family,)
    assert find_lacking(["a天氣", " "], own) == ["天", "氣"]
    assert find_lacking(["a天\U00012000\u200b\n"]) == ["\U00012000"]
    ranks = next(figure for figure in one_of_each() if isinstance(figure, Rankings))
    words = set(list_texts(ranks))
    with_it, without = (
        draw_figure(ranks, load_typefaces(words, own), theme),
        draw_figure(ranks, load_typefaces(words), PAPER),
    )
    assert "reportgenOwn" in with_it.svg()
    assert "reportgenOwn" not in without.svg()
    assert "reportgen Own" in load_typefaces(words, own).families


def test_a_font_that_is_no_longer_what_it_was_is_told(tmp_path: Path) -> None:
    from reportgen.report.content.bundle_figures import make_cached_figures

    theme = PAPER.model_copy(update={"font": str(tmp_path / "gone.ttf"), "font_sha256": "0"})
    (drawing,) = make_cached_figures([(one_of_each()[4], {})], theme=theme)
    with pytest.raises(BundleError, match=r"the theme's font cannot be used: .*gone\.ttf does not exist"):
        drawing.png()
    path = load_typefaces("a").files[0]
    changed = PAPER.model_copy(update={"font": str(path), "font_sha256": "0"})
    (drawing,) = make_cached_figures([(one_of_each()[4], {})], theme=changed)
    with pytest.raises(BundleError, match="has changed since the theme was read"):
        drawing.png()
    assert own_font("a", "b") == own_font("a", "b")
