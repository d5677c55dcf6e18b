import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from pypdf import PdfReader

from reportgen.errors import OutputError
from reportgen.figures.describe import Curve, Curves, Maps, Panel, Rankings, Timelines, TokenGrid
from reportgen.figures.split import Room, split_figure
from reportgen.language import use_language
from reportgen.look.slide_choice import SlideChoice
from reportgen.look.theme import BUILT_IN, PAPER
from reportgen.probes import registry
from reportgen.probing.probe import axis_label, explanation, meanings
from reportgen.report import document
from reportgen.report.content.bundle_figures import BundleDescription, draw_figures
from reportgen.report.content.sections import build_view
from reportgen.report.content.statements import state_bundle
from reportgen.report.slides import layout as deck_layout
from reportgen.report.slides import pages as slides
from reportgen.report.slides.deck import build_deck, without_dims
from reportgen.report.slides.figures import (
    find_numbers,
    join_single_curves,
    on_slides,
    tell_subject_matter,
    theme_on_slides,
)
from reportgen.report.slides.layout import (
    HEIGHT,
    WIDTH,
    Box,
    choose_letters,
    fit_words,
    lay_out_opening,
    lay_out_slide,
    stay_legible,
)
from reportgen.report.slides.words import first_of, tell_seen
from tests.figures.figure_samples import one_of_each
from tests.report.deck_samples import figures, make_drawn, sample
from tests.report.fakes import GEMMA, HOSTILE, LLAMA, curves, fake_bundle, make_grid
from tests.report.test_document import weasyprint_loads


@pytest.fixture(scope="module")
def deck():
    return sample()


@pytest.fixture(scope="module")
def printed(deck, tmp_path_factory):
    if not weasyprint_loads():
        pytest.skip("WeasyPrint or Pango is missing")
    target = tmp_path_factory.mktemp("slides") / "slides.pdf"
    assert document.print_pdf(slides.render_paper(deck), target) == (), "WeasyPrint complained"
    return target


def slide(deck, title):
    return next(slide for slide in deck.slides if slide.title == title)


def test_there_is_a_slide_a_figure_and_one_for_what_failed(deck):
    assert [slide.title for slide in deck.slides] == [
        "Parameters by component",
        "SmolLM2-135M-Instruct: Which tokens are neighbours?",
        "Gemma-3-270M: Which tokens are neighbours?",
        "SmolLM2-135M-Instruct: cosine",
        "Gemma-3-270M: cosine",
        "天氣",
        "Where do the heads look?",
    ]
    failed = deck.slides[-1]
    assert "out of memory" in failed.sentence
    assert not failed.pictures


def test_figures_of_one_name_share_a_slide_where_none_becomes_smaller_by_it(deck):
    together = slide(deck, "天氣")
    assert [picture.name for picture in together.pictures] == ["SmolLM2-135M-Instruct", "Gemma-3-270M"]
    assert together.kicker == "What does each layer expect next?"


def test_a_slide_says_what_the_numbers_of_its_own_models_say(deck):
    one, other = (slide(deck, f"{name}: cosine") for name in ("SmolLM2-135M-Instruct", "Gemma-3-270M"))
    assert "SmolLM2-135M-Instruct" in one.sentence
    assert "Gemma" not in one.sentence
    assert one.sentence != other.sentence
    assert one.definition.startswith("Cosine of the residual stream"), "that of `raw`, after which the figure is named"


def test_what_a_prompt_set_expects_stands_under_what_is_seen():
    from reportgen.report.slides.deck import build_deck as deck_of
    from tests.report.deck_samples import figures
    from tests.report.fakes import fake_bundle

    bundle = fake_bundle()
    told = {"title": "Apples", "source": "", "what_to_see": "The fruits meet. They part from the companies."}
    first = {m: replace(o, prompt_sets={"lecture/apple": told}) for m, o in bundle.outcomes["apple"].items()}
    made = deck_of(replace(bundle, outcomes={"apple": first}), figures(), {}, theme=PAPER, measured="paths")
    assert made.slides[0].remark == "Expected: The fruits meet. They part from the companies."
    assert "fruits" not in made.slides[0].sentence
    assert all(slide.remark == "" for slide in made.slides[1:])
    assert any(note.startswith("Apples. Expected: ") for note in made.slides[0].notes)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One. Two."),
        (f"One. {'long ' * 50}.", "One."),
        (f"It says “Paris. {'x' * 200}” here. Then.", f"It says “Paris. {'x' * 200}” here."),
        ("一。" + "二" * 200 + "。", "一。"),
        (f"前面「a。{'b' * 200}」後面。然後。", f"前面「a。{'b' * 200}」後面。"),
        (f"A 18. rétegben dönt. {'hosszú ' * 50}.", "A 18. rétegben dönt."),
        (f"It settles at layer 18. {'Long ' * 50}.", "It settles at layer 18."),
        ("", ""),
    ],
)
def test_a_sentence_to_see_is_one_or_the_few_that_are_short(text, first):
    assert first_of(text) == first


def test_nothing_on_a_slide_lies_on_anything_else_or_off_it(deck):
    for one in deck.slides:
        made = lay_out_slide(one)
        words = [w.box for w in (made.kicker, made.title, made.sentence, made.definition) if w.text]
        boxes = [*words, *made.pictures, *(name.box for name in made.names), made.number.box]
        for at, box in enumerate(boxes):
            assert box.left >= 0
            assert box.top >= 0
            assert box.left + box.width <= WIDTH
            assert box.top + box.height <= HEIGHT
            assert not any(overlap(box, other) for other in boxes[at + 1 :]), one.title


def overlap(one, other):
    return (
        one.left < other.left + other.width - 0.1
        and other.left < one.left + one.width - 0.1
        and one.top < other.top + other.height - 0.1
        and other.top < one.top + one.height - 0.1
    )


def test_slides_of_a_right_to_left_language_are_mirrored(deck):
    made = lay_out_slide(slide(deck, "天氣"))
    with use_language("ar"):
        turned = lay_out_slide(slide(deck, "天氣"))
    assert made.title.box.left < WIDTH / 2 < turned.title.box.left
    assert [b.left + b.width for b in turned.pictures] == pytest.approx([WIDTH - b.left for b in made.pictures])
    assert turned.pictures[0].left > turned.pictures[1].left, "the first model stands where reading begins"


def test_pictures_share_a_slide_only_where_their_text_stays_readable():
    assert stay_legible([(260, 455), (260, 300)], 8.5), "alone they are as high"
    assert not stay_legible([(406, 248), (406, 248)], 8.5)
    assert stay_legible([(406, 248), (406, 248)], 20)
    assert stay_legible([(406, 80), (406, 80)], 8.5), "one below the other"


def test_a_text_that_does_not_fit_its_lines_is_cut():
    box = Box(0, 0, 200, 0)
    assert fit_words("short", box, 16, 2).text == "short"
    cut = fit_words("many words " * 20, box, 16, 2)
    assert cut.text.endswith("…")
    assert cut.box.height == pytest.approx(2 * 16 * 1.28)
    assert fit_words("", box, 16, 2).box.height == 0
    assert fit_words("x" * 200, box, 16, 3).text.endswith("…")


def test_a_figure_too_large_for_a_slide_goes_on_over_several():
    panel = Panel(title="layer", points=[], x_label="", y_label="")
    maps = Maps(
        name="m", subject=("a",), title="a: all", alt="", panels=[panel] * 9, labels=["x"], groups=["g"]
    )  # fmt: skip
    found = split_figure(maps, Room(maps=4, bare_maps=6, rankings=2, columns=9, rows=9))
    assert [len(part.panels) for part in found if isinstance(part, Maps)] == [3, 3, 3]
    assert [part.title for part in found] == ["a: all (1 of 3)", "a: all (2 of 3)", "a: all (3 of 3)"]
    assert [part.name for part in found] == ["m-1", "m-2", "m-3"]
    bare = split_figure(replace(maps, labels=[""]), Room(maps=4, bare_maps=6, rankings=2, columns=9, rows=9))
    assert [len(part.panels) for part in bare if isinstance(part, Maps)] == [5, 4], "points without names need less"
    short = Rankings(
        name="r", subject=("a",), title="", alt="", rankings=[], value_label="", value_range=(0, 1), model="a"
    )  # fmt: skip
    assert split_figure(short, Room(maps=4, bare_maps=6, rankings=2, columns=9, rows=9)) == [short]


def test_a_wide_grid_is_cut_between_its_columns():
    import numpy as np

    wide = TokenGrid(
        name="g", subject=("a",), title="t", alt="", row_label="", rows=["0", "1"], column_label="",
        columns=list("abcde"), texts=[list("abcde"), list("fghij")], values=np.arange(10.0).reshape(2, 5),
        value_label="", outlined=np.zeros((2, 5), bool), alternatives=[[[("x", 0.1)]] * 5] * 2,
    )  # fmt: skip
    first, second = split_figure(wide, Room(maps=4, bare_maps=6, rankings=2, columns=3, rows=1))
    assert (first.columns, second.columns) == (list("abc"), list("de"))
    assert second.texts == [list("de"), list("ij")]
    assert second.values.tolist() == [[3, 4], [8, 9]]
    assert [len(row) for row in second.alternatives] == [2, 2]
    described = {"weather": [replace(wide, subject=(LLAMA,))], "nearest": [make_grid(LLAMA, "x")]}
    described = on_slides(BundleDescription(described, {}, True), fake_bundle())
    assert [len(of_probe) for of_probe in described.figures.values()] == [1, 1]


def test_layers_that_a_slide_has_no_room_for_are_sampled_from_the_last_and_the_axis_says_so():
    import numpy as np

    layers = [str(layer) for layer in range(30, -1, -1)]
    tall = TokenGrid(
        name="g", subject=("a",), title="t", alt="", row_label="layer", rows=layers, column_label="",
        columns=["x"], texts=[[layer] for layer in layers], values=np.arange(31.0).reshape(31, 1),
        value_label="", outlined=np.zeros((31, 1), bool), alternatives=[[[(layer, 0.1)]] for layer in layers],
        sampleable=True,
    )  # fmt: skip
    (shown,) = split_figure(tall, Room(maps=1, bare_maps=1, rankings=1, columns=1, rows=12))
    assert list(shown.rows) == [str(layer) for layer in range(30, -1, -3)]
    assert shown.row_label == "layer, one in 3"
    assert [row[0] for row in shown.texts] == shown.rows == [row[0][0][0] for row in shown.alternatives]
    assert shown.values[:, 0].tolist() == list(range(0, 31, 3))
    assert len(shown.outlined) == len(shown.rows)
    assert shown.name == "g", "it is one figure, not a part of one"
    (named,) = split_figure(tall, Room(maps=1, bare_maps=1, rankings=1, columns=1, rows=12), {"16", "29", "99"})
    assert list(named.rows) == ["30", "29", "26", "22", "18", "16", "14", "10", "6", "2"]
    assert named.row_label == "layer, one in 4 and those named"
    (shared,) = split_figure(tall, Room(maps=1, bare_maps=1, rankings=1, columns=1, rows=12), {"27"})
    assert (len(shared.rows), shared.row_label) == (11, "layer, one in 3")


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("It settles at layer 16 of 18: “in 7 days” (41% of 5.3, 1,234 and 49,152 tokens).", {"16", "18"}),
        ("在第 3 層和第12層。", {"3", "12"}),
        ("Layers 4–9 of Gemma-3-270M", {"4", "9"}),
        ("", set()),
    ],
)
def test_numbers_of_a_sentence_that_may_be_layers(told, named):
    assert find_numbers(told) == named


def test_a_text_in_lines_is_wrapped_anew_and_goes_on_in_reading_order():
    import numpy as np

    tokens = list("abcdefghij")
    texts = [tokens[:6], [f"{at}" for at in range(6)], [*tokens[6:], "", ""], ["6", "7", "8", "9", "", ""]]
    values = np.array([[0.5] * 6, [0.0] * 6, [0.5] * 4 + [np.nan] * 2, [0.0] * 4 + [np.nan] * 2])
    strip = TokenGrid(
        name="g", subject=("a",), title="t", alt="", row_label="", rows=["from 0", "id", "from 6", "id"],
        column_label="", columns=[""] * 6, texts=texts, values=values, value_label="",
        outlined=np.array([[True] + [False] * 5] + [[False] * 6] * 3), line=2,
    )  # fmt: skip
    room = Room(maps=1, bare_maps=1, rankings=1, columns=4, rows=12)
    (whole,) = split_figure(strip, room)
    assert list(whole.rows) == ["from 0", "id", "from 4", "id", "from 7", "id"]
    assert [text for row in whole.texts[::2] for text in row if text] == tokens
    assert [text for row in whole.texts[1::2] for text in row if text] == [str(at) for at in range(10)]
    assert np.isnan(whole.values[2:4, 3]).all()
    assert whole.outlined.sum() == 1
    first, second = split_figure(strip, replace(room, rows=4, split_rows=True))
    assert [list(part.rows) for part in (first, second)] == [["from 0", "id", "from 4", "id"], ["from 7", "id"]]
    (kept,) = split_figure(strip, replace(room, columns=6))
    assert kept.rows == strip.rows


def test_a_title_names_its_model_once_in_a_language_that_names_it_last():
    with use_language("ar"):
        made = sample()
    for one in made.slides:
        for model in ("SmolLM2-135M-Instruct", "Gemma-3-270M"):
            assert one.title.count(model) <= 1, one.title


def test_figures_of_several_models_are_drawn_for_half_a_slide():
    from tests.report.fakes import LLAMA, fake_bundle

    theme, bundle = BUILT_IN["slides"], fake_bundle()
    half = theme_on_slides(theme, bundle)
    assert half.width == theme.width / 2
    assert 12 <= half.text < theme.text
    alone = replace(bundle, models={LLAMA: bundle.models[LLAMA]})
    assert theme_on_slides(theme, alone) == theme


def test_the_title_slide_names_the_models_and_their_facts(deck):
    words = lay_out_opening(deck)
    assert words.title.text == "Llama vs Gemma"
    assert [line.text.split(" · ")[0] for line in words.models] == ["SmolLM2-135M-Instruct", "Gemma-3-270M"]
    assert "135 M parameters" in words.models[0].text


def test_the_slides_are_wide_pages_with_title_language_tags_and_bookmarks(printed, deck):
    read = PdfReader(printed)
    assert {(float(p.mediabox.width), float(p.mediabox.height)) for p in read.pages} == {(960.0, 540.0)}
    assert len(read.pages) == len(deck.slides) + 1
    assert read.metadata.title == "Llama vs Gemma"
    root = read.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"].value is True
    assert [entry.title for entry in read.outline] == [deck.title, *(slide.title for slide in deck.slides)]


def test_every_slide_holds_its_words_and_no_font_of_the_system(printed, deck):
    read = PdfReader(printed)
    for number, (page, one) in enumerate(zip(list(read.pages)[1:], deck.slides, strict=True), 2):
        text = "".join(page.extract_text().split())
        assert "".join(one.title.split()) in text
        assert text.endswith(str(number)), "its number stands last"
    fonts = {
        font.get_object()["/BaseFont"]
        for page in read.pages
        for resources in [page["/Resources"], *(x.get_object().get("/Resources", {}) for x in forms(page))]
        for font in resources.get("/Font", {}).values()
    }
    assert fonts
    assert all("+reportgen" in font for font in fonts), fonts


def forms(page):
    return page["/Resources"].get("/XObject", {}).values()


def test_equal_decks_give_equal_pages(deck):
    assert slides.render_paper(sample()) == slides.render_paper(deck)


def test_a_strangers_text_stays_text(tmp_path):
    html = slides.render_paper(sample(HOSTILE))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is missing")
def test_nothing_is_printed_at_the_edge_of_a_slide(printed, tmp_path):
    from PIL import Image, ImageChops

    subprocess.run(["pdftoppm", "-r", "36", "-png", printed, tmp_path / "page"], check=True)
    pages = sorted(tmp_path.glob("*.png"))
    assert len(pages) == len(PdfReader(printed).pages)
    for page in pages:
        image = Image.open(page).convert("L")
        box = ImageChops.invert(image).getbbox()
        assert box is not None, "a slide without ink"
        assert box[0] >= 15
        assert box[1] >= 8
        assert box[2] <= image.width - 15
        assert box[3] <= image.height - 6


def test_maps_with_names_beside_their_points_have_a_slide_each():
    from reportgen.report.slides.deck import build_deck as deck_of
    from tests.report.deck_samples import SIZES, make_drawn
    from tests.report.fakes import GEMMA, LLAMA, fake_bundle

    def titles(labels):
        maps = [
            Maps(name="grid-0", subject=(m,), title=f"{m}: layers", alt="x", panels=[], labels=labels, groups=[])
            for m in (LLAMA, GEMMA)
        ]
        assert "grid-0" in SIZES, "as high as a slide: two of them lose nothing"
        only = replace(fake_bundle(), outcomes={"weather": fake_bundle().outcomes["weather"]})
        return len(
            deck_of(only, [make_drawn("weather", one) for one in maps], {}, theme=PAPER, measured="paths").slides
        )

    assert titles(["", ""]) == 1
    assert titles(["Paris", "Rome"]) == 2


def test_lines_are_counted_as_they_break_after_hyphens() -> None:
    def lines(text: str) -> list[str]:
        return deck_layout._break_lines(text, 22, 190)

    assert lines("SmolLM2-135M-Instruct: share")[0] == "SmolLM2-135M-"
    assert "".join(lines("a-b -- 天氣 well-known-")) == "a-b -- 天氣 well-known-"


def titles_of(**choice: object) -> list[str]:
    bundle = fake_bundle()
    chosen = SlideChoice.model_validate(choice)
    deck = build_deck(bundle, figures(), state_bundle(bundle), theme=PAPER, measured="paths", choice=chosen)
    return [slide.title for slide in deck.slides]


def test_what_is_not_the_talk_stands_behind_it_in_the_appendix() -> None:
    everything = titles_of()
    chosen = titles_of(appendix=["apple", "weather/grid"])
    at = chosen.index("Appendix")
    assert sorted([*chosen[:at], *chosen[at + 1 :]]) == sorted(everything)
    assert "SmolLM2-135M-Instruct: cosine" in chosen[at + 1 :]
    assert "SmolLM2-135M-Instruct: cosine" not in chosen[:at]


def test_probes_stand_in_the_order_that_was_asked_for() -> None:
    assert titles_of(order=["apple"])[0] == "SmolLM2-135M-Instruct: cosine"


def test_a_figure_that_is_not_there_is_told_with_the_nearest_name() -> None:
    with pytest.raises(OutputError, match="slides: the probe weather has no figure 'gird'") as raised:
        titles_of(main=["weather/gird"])
    assert "grid" in str(raised.value)


def test_no_two_slides_have_one_title() -> None:
    bundle = fake_bundle()
    shown = [make_drawn(probe, replace(curves((LLAMA, GEMMA), name), title="Cosine"))
             for probe, name in (("apple", "raw"), ("apple", "other"), ("map", "raw"))]  # fmt: skip
    deck = build_deck(bundle, shown, state_bundle(bundle), theme=PAPER, measured="paths")
    titles = [slide.title for slide in deck.slides if slide.title.startswith("Cosine")]
    assert titles == ["Cosine: apple (1 of 2)", "Cosine: map", "Cosine: apple (2 of 2)"]


@pytest.mark.parametrize("name", registry.names())
def test_what_is_said_is_true_on_a_light_ground_and_on_a_dark_one(name):
    probe = registry.find(name)
    said = [probe.question, *vars(explanation(probe)).values(), *meanings(probe).values()]
    assert not [text for text in said if re.search(r"\b(dark|darker|darkest|pale|paler)\b", text)]


def test_no_code_of_a_text_stands_on_slides_with_its_marks() -> None:
    bundle = fake_bundle()
    shown = [make_drawn(probe, curves((LLAMA, GEMMA), "raw")) for probe in ("apple", "map", "weather")]
    deck = build_deck(bundle, shown, state_bundle(bundle), theme=PAPER, measured="paths")
    told = [text for slide in deck.slides for text in (slide.definition, *slide.notes)]
    probes = {outcome.probe for by_subject in bundle.outcomes.values() for outcome in by_subject.values()}
    meant = [text for name in probes for text in meanings(registry.find(name)).values()]
    assert any("`" in text for text in meant), "there is something to be left out"
    assert not [text for text in told if "`" in text]


@pytest.mark.parametrize("name", registry.names())
def test_the_foot_of_a_slide_says_what_a_number_is_and_no_dims_of_an_array(name):
    for text in meanings(registry.find(name)).values():
        assert not without_dims(text).startswith(("(", "（"))
        assert without_dims(text)


def test_curves_of_models_that_have_one_each_stand_in_one_figure_by_depth():
    bundle = fake_bundle()
    section = bundle.section("weather")
    name = {one: section.name(one) for one in (LLAMA, GEMMA)}

    def of(model, last, **changed):
        one = Curve(label="天氣", x=range(last + 1), y=[0.5] * (last + 1), model=model)
        made = Curves(
            name="entropy", subject=(model,), title=f"{name[model]}: how unsure", alt=f"alt {model}",
            x_label=axis_label(relative=False), y_label="nat", curves=[one], y_range=(0.0, 1.0),
        )  # fmt: skip
        return replace(made, **changed)

    (joined,) = join_single_curves(section, [of(LLAMA, 30), of(GEMMA, 18)])
    assert (joined.subject, joined.title, joined.x_label) == (
        (LLAMA, GEMMA),
        "how unsure: 天氣",
        axis_label(relative=True),
    )
    assert [curve.label for curve in joined.curves] == list(name.values())
    assert [curve.model for curve in joined.curves] == [LLAMA, GEMMA]
    assert [curve.x[-1] for curve in joined.curves] == [1.0, 1.0]
    assert joined.curves[1].x[9] == 0.5
    (alike,) = join_single_curves(section, [of(LLAMA, 18), of(GEMMA, 18)])
    assert (alike.x_label, alike.curves[0].x[-1]) == (axis_label(relative=False), 18)
    other = of(GEMMA, 18, curves=[replace(of(GEMMA, 18).curves[0], label="氣溫")])
    (unlike,) = join_single_curves(section, [of(LLAMA, 18), other], wide=True)
    assert (unlike.title, unlike.wide) == ("how unsure", True)
    assert [curve.label for curve in unlike.curves] == [f"{name[LLAMA]}: 天氣", f"{name[GEMMA]}: 氣溫"]
    two = of(GEMMA, 18, curves=[*of(GEMMA, 18).curves] * 2)
    own = of(GEMMA, 18, y_range=(0.0, 9.0))
    other = make_grid(LLAMA, "grid-0")
    for kept in ([of(LLAMA, 30), two], [of(LLAMA, 30), own], [of(LLAMA, 30)], [of(LLAMA, 30), other]):
        assert list(join_single_curves(section, kept)) == kept


@pytest.mark.parametrize(
    ("titles", "common"),
    [
        (["after “a”: top_p 0.9: 1 token", "after “a”: top_p 0.9: 2 tokens"], "after “a”: top_p 0.9"),
        (["在「a」之後：前 1 個", "在「a」之後：前 2 個"], "在「a」之後"),
        (["cosine", "cosine"], "cosine"),
        (["cosine", "dot product"], ""),
    ],
)
def test_titles_of_several_models_are_called_by_what_they_have_in_common(titles, common):
    section = fake_bundle().section("weather")
    figures = [
        replace(make_grid(model, "grid-0"), title=f"{section.name(model)}: {title}")
        for model, title in zip((LLAMA, GEMMA), titles, strict=True)
    ]
    assert tell_subject_matter(section, figures) == common


def test_a_slide_tells_what_is_found_in_its_own_prompt():
    bundle = fake_bundle()
    asked = {"prompts": [{"text": "天氣"}, {"text": "The capital of France is " + "far away " * 9}]}
    outcomes = {LLAMA: replace(bundle.outcomes["weather"][LLAMA], options=asked)}
    section = replace(bundle.section("weather"), outcomes=outcomes)
    view = build_view(section, "", (), 0)
    long = asked["prompts"][1]["text"]
    told = f"The model reads. After “天氣” it is sure. It has one answer. After “{long[:48]}…” it is not. It has many."

    def seen(title):
        return tell_seen(section, view, lambda subject: told, [replace(make_grid(LLAMA, "grid-0"), title=title)], 200)

    assert seen("Llama: 天氣") == "The model reads. After “天氣” it is sure. It has one answer."
    assert seen(f"Llama: after {long}") == f"The model reads. After “{long[:48]}…” it is not. It has many."
    assert seen("Llama: all of them") == told
    looks = "Head 9.4 looks from “color” at “green”. Head 2.7 looks from “apple” at “green”. Most heads rest."
    second = replace(make_grid(LLAMA, "grid-0"), title="Head 2.7 looks from “apple” at “green”")
    told = tell_seen(section, view, lambda subject: looks, [second], 60)
    assert told == "Head 2.7 looks from “apple” at “green”. Most heads rest."
    nothing = tell_seen(section, view, lambda subject: "", [make_grid(LLAMA, "grid-0")], 200)
    assert nothing == first_of(view.explanation.shows)


@pytest.mark.parametrize("name", ["hall", "hall-dark"])
def test_in_a_hall_no_text_of_a_figure_is_smaller_than_18_points_and_figures_fill_the_slide(name):
    theme, bundle, letters = BUILT_IN[name], fake_bundle(), choose_letters(BUILT_IN[name])
    each = [replace(one, subject=(LLAMA,)) for one in one_of_each() if not isinstance(one, Timelines)]
    each = [replace(one, model=LLAMA) if isinstance(one, Rankings) else one for one in each]
    each = [replace(one, curves=[replace(line, model=LLAMA) for line in one.curves]) if isinstance(one, Curves) else one
            for one in each]  # fmt: skip
    described = BundleDescription({"weather": each}, {}, True)
    figures = list(draw_figures(bundle, on_slides(described, bundle, theme), theme=theme))
    made = build_deck(bundle, figures, described.statements, theme=theme, measured="simple characters")
    shown = [one for one in made.slides if one.pictures]
    assert len(shown) >= len(each)
    for one in shown:
        laid_out = lay_out_slide(one, letters)
        assert laid_out.kicker.text == laid_out.definition.text == ""
        assert laid_out.sentence.size >= 18
        for picture, box in zip(one.pictures, laid_out.pictures, strict=True):
            assert picture.text * box.width / picture.size[0] >= 17.9, one.title
    curves = [one for one in shown if isinstance(one.pictures[0].figure.description, Curves)]
    assert min(lay_out_slide(one, letters).pictures[0].width for one in curves) > 0.85 * WIDTH
