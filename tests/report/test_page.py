import base64
import gzip
import hashlib
import re
from dataclasses import replace

import pytest

from reportgen.figures.data import csv_of
from reportgen.language import use_language
from reportgen.look import model_styles as style
from reportgen.look.theme import BUILT_IN, PAPER
from reportgen.probes.registry import find
from reportgen.report import page
from reportgen.report.content.drawn import WIDEST_BESIDE
from reportgen.report.content.statements import state_bundle
from reportgen.report.templates.script import name_colours
from reportgen.report.templates.templating import DARK_PAPER, sentence
from reportgen.resources import folder
from reportgen.results.quantities import Metric
from reportgen.results.section import ModelCard
from tests.report.fakes import GEMMA, LLAMA, add_thumbnails, curves, hostile, make_grid, make_page_figure, outcome
from tests.report.parsed import Page

QUESTIONS = [
    "Where are the parameters?",
    "Which tokens are neighbours?",
    "Is it the same word in another sentence?",
    "What does each layer expect next?",
    "Where do the heads look?",
    "Which words are close together?",
]


def section(html: str, probe: str) -> str:
    start = html.index(f'<section id="probe-{probe}"')
    return html[start : html.index("</section>", start)]


def test_sections_stand_in_the_batterys_order_under_their_questions(bundle, drawings):
    read = Page(page.render_page(bundle, drawings))
    assert read.inside("h1") == ["Llama vs Gemma"]
    assert read.inside("title")[0] == "Llama vs Gemma"
    assert read.inside("h2") == ["Contents", "What was compared", *QUESTIONS]


def test_a_section_goes_from_statement_to_figures_to_numbers_to_what_is_folded(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "census")
    order = [
        "<h2>",
        'class="statement',
        "<figure",
        'class="metrics"',
        "<details>",
        "how to read it",
        "is computed",
        "Data",
    ]
    places = [html.index(mark) for mark in order]
    assert places == sorted(places)


def test_the_opening_names_each_model_with_its_sizes(bundle, drawings):
    text = Page(page.render_page(bundle, drawings)).text
    assert "SmolLM2-135M-Instruct demo:smollm2-135m-instruct" in text
    assert (
        "LlamaForCausalLM · 135 M parameters (134,515,008) · 30 layers × 576 wide × 9 heads · "
        "vocabulary 49,152 · context 8,192 · float32" in text
    )
    assert "demo:gemma-3-270m @ abc123" in text
    assert "reportgen 0.1.0 · torch 2.13.0 · device cpu · dtype float32 · attention eager · seed 0" in text


def test_each_statement_is_a_finding_that_links_to_its_section(bundle, drawings):
    html = page.render_page(bundle, drawings)
    findings = html[html.index('<ul class="findings">') : html.index('<table class="metrics telling">')]
    assert re.findall(r'href="#probe-([^"]+)" aria-label="Section', findings) == list(bundle.outcomes)
    assert sentence(find("parameter_census").statement(bundle.section("census"))) in findings
    assert "Where do the heads look? – failed." in findings


def test_no_clock_unless_asked(bundle, drawings):
    assert "2026" not in Page(page.render_page(bundle, drawings)).text
    assert "21 November 2026" in Page(page.render_page(bundle, drawings, stamp="21 November 2026")).text


def test_a_failed_probe_is_a_card_with_its_reason_for_each_model(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "heads")
    assert html.count('class="failure"') == 2
    assert "<strong><bdi>SmolLM2-135M-Instruct</bdi> failed.</strong>" in html
    assert html.count("out of memory: 31 GiB wanted, 8 GiB free") == 2
    assert "<details>" not in html[: html.index('class="failure"')]


def test_a_skipped_model_is_a_quiet_line_beside_the_others_figure(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "map")
    row = html[html.index('<div class="row') : html.index('<p class="skipped"')]
    assert "figure-map-llama-layers" in row
    assert "figure-map-llama-sweep" not in row
    assert (
        '<p class="skipped" data-models="gemma"><bdi>Gemma-3-270M</bdi> was skipped: it has no chat template</p>'
        in html
    )
    assert 'class="failure"' not in html


def test_two_models_stand_side_by_side_and_wide_figures_have_a_row_each_that_scrolls(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "weather")
    rows = html.split('<div class="row')[1:]
    assert [re.findall(r'id="figure-weather-(\w+-grid-\d)"', row) for row in rows] == [
        ["llama-grid-0", "gemma-grid-0"],
        ["llama-grid-1", "gemma-grid-1"],
        ["llama-grid-2", "gemma-grid-2"],
    ]
    assert [row.startswith(" stacked") for row in rows] == [False, False, True]
    assert [row.count('tabindex="0"') for row in rows] == [0, 0, 2]
    assert not [row for row in rows if row.startswith(" narrow")]


def test_rows_that_fill_half_a_desktop_stand_beside_each_other(bundle, drawings):
    small = [make_page_figure("weather", make_grid(m, f"grid-{i}"), 160.0) for i in range(2) for m in (LLAMA, GEMMA)]
    html = section(page.render_page(bundle, {**drawings, "weather": small}), "weather")
    assert html.count('<div class="row narrow">') == 2
    assert 'row narrow"' not in page.render_paper(bundle, {**drawings, "weather": small})


def test_inks_follow_the_theme_and_fills_keep_their_light_ground(bundle, drawings):
    html = page.render_page(bundle, drawings)
    figures = html[html.index("<body>") : html.index('<script type="application/json"')]
    for ink in (style.INK, style.MUTED, style.FAINT, style.PAPER):
        assert ink not in figures
    assert "stroke: var(--ink)" in figures
    assert figures.count('class="frame plate"') == 6, "the lens grids, and no curve"


def test_nothing_is_asked_of_the_network(bundle, drawings):
    html = page.render_page(bundle, drawings)
    read = Page(html)
    assert all(address.startswith("#") for address in read.attributes("href"))
    targets = set(read.attributes("id"))
    assert {address[1:] for address in read.attributes("href")} <= targets
    assert list(read.attributes("src")) == []
    assert all(address.startswith("data:") for address in re.findall(r"url\(([^)]*)", html))
    assert not read.tags() & {"link", "iframe", "object", "base", "form"}
    assert next(read.attributes("content")).startswith(
        "default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-"
    )


def test_ids_are_unique(bundle, drawings):
    ids = list(Page(page.render_page(bundle, drawings)).attributes("id"))
    assert len(ids) == len(set(ids))


def test_long_tables_are_capped_and_say_so(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "weather")
    assert html.count("The first 60 of 1,395 rows; all of them are in <code>results.json</code>.") == 1
    assert "The first 60 of 855 rows" in html
    short = section(page.render_paper(bundle, drawings), "weather")
    assert "The first 12 of 1,395 rows" in short
    assert short.count("<tr>") < 80


def test_probabilities_and_identifiers_are_written_as_such(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "weather")
    first = html[html.index("token id") :].split("<tr>")[1]
    assert re.findall(r"<td[^>]*>(.*?)</td>", first) == [
        "0", "0", "3", "0", "1", "261", '<bdi><span class="space">␣</span>weather</bdi>', "0.016",
    ]  # fmt: skip


def test_undefined_is_a_dash_with_its_reason(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "census")
    cell = '>– <span class="unit">a configuration alone has no tokenizer</span></td>'
    assert html.count(cell) == 2


def test_rows_that_could_not_be_measured_are_shown_with_their_tokens(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "nearest")
    seen = html[: html.index("<details>")]
    assert "left out – <bdi>SmolLM2-135M-Instruct</bdi>" in seen
    assert "3 tokens: &lt;E7&gt; | &lt;8E&gt; | &lt;8B&gt;" in seen
    assert "left out – <bdi>Gemma-3-270M</bdi>" not in html


def test_prompts_stand_with_the_tokens_of_each_model(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "weather")
    prompts = html[html.index('<table class="prompts">') :]
    tokens = " | ".join(f"<bdi>{token}</bdi>" for token in "今天天氣真")
    assert (
        "<bdi>今天天氣真</bdi></td>\n"
        f'<td class="text" data-models="llama">5 <span class="tokens">{tokens}</span></td>' in prompts
    )


def test_definitions_stand_beside_the_numbers(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "apple")
    assert '<dt><code>raw</code> <span class="unit">pair × layer, cosine</span></dt>' in html
    assert "cosine of the residual stream at the word&#39;s last sub-token" in html
    assert "Options: <code>seed: <bdi>0</bdi></code>, <code>word: <bdi>apple</bdi></code>" in html


def test_options_are_told_without_the_prompts_in_them(bundle, drawings):
    prompts = [{"text": "One prompt."}, {"messages": [{"role": "user", "content": "Another."}]}]
    asked = {"prompts": prompts, "examples": prompts, "contrast": {"a": prompts, "b": prompts}, "layers": [3, 9]}
    for by_model in bundle.outcomes["apple"].values():
        by_model.options.update(asked)
    html = section(page.render_page(bundle, drawings), "apple")
    assert "<code>layers: <bdi>[3, 9]</bdi></code>" in html
    assert "One prompt." not in html
    assert "contrast" not in html


def test_each_model_has_a_switch_of_its_name(bundle, drawings):
    switch = '<input type="radio" name="model" value="{}"> <bdi>{}</bdi></label>'
    for id, card in bundle.models.items():
        assert switch.format(id, card.name) in page.render_page(bundle, drawings)


def test_what_a_docstring_sets_in_backticks_is_code(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "census")
    assert "From <code>config:FILE</code> the model is built without weights" in html
    text = Page(page.render_page(bundle, drawings)).text
    assert "`" not in text


def test_what_strangers_wrote_runs_in_its_own_direction(bundle, drawings):
    html = page.render_page(bundle, drawings)
    told = section(html, "nearest").count("“<bdi>apple</bdi>”")
    assert told > 0
    assert html.count("“<bdi>apple</bdi>”") == 2 * told, "in the section and among the findings"
    assert '<td class="token"><bdi>تفاح</bdi></td>' in html
    assert '<bdi>grid-0 of llama</bdi> <a class="anchor" href="#figure-weather-llama-grid-0"' in html
    assert "<h1><bdi>Llama vs Gemma</bdi></h1>" in html


def unusable(bundle):
    reason = "no folder of this name\nsee reportgen models"
    card = ModelCard(GEMMA, GEMMA, "", 0, {"source": "demo:gemma", "failed": reason})
    failed = outcome("parameter_census", GEMMA, status="failed", reason=reason)
    outcomes = {"census": {LLAMA: bundle.outcomes["census"][LLAMA], GEMMA: failed}}
    return replace(bundle, models={**bundle.models, GEMMA: card}, outcomes=outcomes)


@pytest.mark.parametrize("made", [page.render_page, page.render_paper])
def test_a_model_that_could_not_be_used_is_named_with_its_source_and_why(bundle, made):
    html = made(unusable(bundle), {})
    start = html.index('<li class="model-1"')
    line = html[start : html.index("</ul>", start)]
    assert " ".join(line.split()) == (
        '<li class="model-1" data-models="gemma"> <div class="model"> '
        '<p class="name"><strong><bdi>gemma</bdi></strong> <span class="source"><bdi>demo:gemma</bdi></span></p> '
        '<div class="failure"><p><strong>It could not be used.</strong></p>'
        "<p><bdi>no folder of this name</bdi><br><bdi>see reportgen models</bdi></p></div></div> </li>"
    )


def test_figure_files_are_named_only_where_they_lie(bundle, drawings):
    told = "its figures in <code>figures</code>"
    assert told not in page.render_page(bundle, drawings)
    assert told in page.render_page(bundle, drawings, has_figure_files=True)
    assert told not in page.render_page(bundle, {}, has_figure_files=True)


def test_a_ratio_that_is_whole_has_no_decimals(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "census")
    ratio = html[html.index("grouped query ratio") :]
    assert re.findall(r'<td class="number" data-models="\w+">(.*?)</td>', ratio)[:2] == ["3", "3"]


def test_a_figure_gives_way_before_its_frame_scrolls(bundle, drawings):
    html = page.render_page(bundle, drawings)
    assert "width: 100%; min-width: min(var(--natural), max(20rem, var(--natural) * 0.7))" in html
    # Window, less the scroll bar, the padding and the contents beside it; half of it, less the gap.
    narrowest = (64 * 16 - 15 - 2 * 20 - 28) / 2
    assert "@media (min-width: 64em) {\n  .tables:not(.single), .row:not(.stacked, .single)" in html
    beside_contents = (80 * 16 - 15 - 2 * 24 - 12 * 16 - 40 - 28) / 2
    assert "@media (min-width: 80em) {\n  body { grid-template-columns: 12rem minmax(0, 1fr);" in html
    assert min(narrowest, beside_contents) > WIDEST_BESIDE * 0.7


def test_on_paper_short_tables_of_two_models_share_a_line(bundle, drawings):
    paper = page.render_paper(bundle, drawings)
    assert section(paper, "nearest").count('<div class="frame narrow"') == 3
    assert ".frame.narrow { display: inline-block;" in paper


@pytest.mark.parametrize("made", [page.render_page, page.render_paper])
def test_strangers_text_is_shown_and_never_obeyed(bundle, made):
    html = made(hostile(bundle), {})
    read = Page(html)
    assert "img" not in read.tags()
    assert read.scripts() == ([None] if made is page.render_page else []), "our own"
    assert list(read.attributes("onerror")) == []
    for unseen in "\u202e\u200b\x07\ud800":
        assert unseen not in html
    for shown in ("<script>alert(1)</script>", "<U+202E>", "<U+200B>", "<U+0007>", "<U+D800>", "{{ 7*7 }}"):
        assert shown in read.inside("h1")[0]
    html.encode("utf-8")


def test_no_token_is_shown_in_a_tokenizers_private_spelling(bundle, drawings):
    text = Page(page.render_page(bundle, drawings)).text
    assert not re.search("[ĠĊ▁]", text)


def test_an_unknown_probe_is_shown_by_its_numbers(bundle):
    made = {LLAMA: outcome("their_probe", LLAMA, metrics={"their_score": Metric(0.5, "share")})}
    html = section(page.render_page(replace(bundle, outcomes={"theirs": made}), {}), "theirs")
    assert "<h2>their probe <a" in html
    assert (
        'their score <span class="unit">share</span></th>\n<td class="number" data-models="llama">0.5000</td>' in html
    )
    assert "how to read it" not in html


def test_equal_bundles_give_equal_pages(bundle, drawings):
    assert page.render_page(bundle, drawings) == page.render_page(bundle, drawings)
    assert page.render_paper(bundle, drawings) == page.render_paper(bundle, drawings)


def test_every_section_and_figure_can_be_linked_to(bundle, drawings):
    read = Page(page.render_page(bundle, drawings))
    anchors = [a["href"] for tag, a in read.elements if tag == "a" and a.get("class") == "anchor"]
    figures = [f"#figure-{one.file_stem}" for of_probe in drawings.values() for one in of_probe]
    assert set(anchors) == {"#compared", *(f"#probe-{id}" for id in bundle.outcomes), *figures}
    assert "anchor" not in page.render_paper(bundle, drawings)


def test_a_finding_shows_a_small_drawing_of_its_sections_first_figures(bundle, drawings):
    html = page.render_page(bundle, add_thumbnails(drawings))
    found = re.findall(r'<a class="thumbnail[^"]*" href="#figure-([^"]+)"[^>]*>(<svg.*?)</svg></a>', html, re.DOTALL)
    firsts = [
        one.file_stem
        for of_probe in drawings.values()
        for one in of_probe
        if one.description.name == of_probe[0].description.name
    ]
    assert [stem for stem, _ in found] == firsts
    for stem, small in found:
        assert small.startswith('<svg aria-hidden="true" focusable="false" ')
        assert f'"small {stem}-0"' in small
        assert style.INK not in small
        assert "var(--ink)" in small
    assert "thumbnail" not in page.render_paper(bundle, add_thumbnails(drawings))
    assert 'class="thumbnail' not in page.render_page(bundle, drawings)


def test_only_our_script_may_run_and_nothing_in_it_is_filled_in(bundle, drawings):
    html = page.render_page(bundle, drawings)
    script = (folder("templates") / "assets/page.js").read_text()
    assert f"<script>{script}</script>" in html
    expected = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{expected}'; style-src" in html


def test_what_is_of_one_model_says_so(bundle, drawings):
    read = Page(page.render_page(bundle, drawings))
    said = {a["id"]: a["data-models"] for tag, a in read.elements if tag == "figure"}
    assert said["figure-census-llama-gemma-components"] == "llama gemma"
    assert said["figure-weather-gemma-grid-0"] == "gemma"
    switch = [a for tag, a in read.elements if tag == "input" and a["name"] == "model"]
    assert [a["value"] for a in switch] == ["", LLAMA, GEMMA]
    assert next(a for tag, a in read.elements if a.get("class") == "switches").keys() == {"class", "hidden"}


def test_the_page_carries_each_figures_data(bundle, drawings):
    html = page.render_page(bundle, drawings)
    (carried,) = re.findall(r'id="figure-weather-llama-grid-0".*?<script type="application/gzip">(.*?)</script>',
                            section(html, "weather"), re.DOTALL)  # fmt: skip
    description = drawings["weather"][0].description
    assert gzip.decompress(base64.b64decode(carried)).decode() == csv_of(description)
    assert "application/gzip" not in page.render_paper(bundle, drawings)


def test_without_a_script_the_files_beside_the_page_are_linked(bundle, drawings):
    html = page.render_page(bundle, drawings, has_figure_files=True)
    links = re.findall(r'<noscript><p class="files">(.*?)</p></noscript>', html)
    assert len(links) == sum(map(len, drawings.values()))
    assert re.findall(r'href="([^"]+)"', links[0]) == [
        f"figures/census-llama-gemma-components.{kind}" for kind in ("svg", "png", "csv")
    ]
    assert "<noscript>" not in page.render_page(bundle, drawings)


def test_the_page_speaks_its_readers_language_and_direction(bundle, drawings):
    with use_language("ar"):
        assert '<html lang="ar" dir="rtl"' in page.render_page(bundle, drawings)
    assert '<html lang="en" dir="ltr"' in page.render_page(bundle, drawings)
    css = (folder("templates") / "assets/page.css").read_text()
    assert not re.search(r"(padding|margin|border|inset)-(left|right)|text-align: (left|right)", css)


DARK = BUILT_IN["dark"]


def test_a_theme_for_a_dark_ground_makes_a_dark_page_and_a_dark_paper(bundle, drawings):
    html = page.render_page(bundle, add_thumbnails(drawings), theme=DARK)
    assert '<meta name="color-scheme" content="dark">' in html
    assert f"--ink: {DARK.ink}; --muted: {DARK.muted}; --faint: {DARK.faint}; --paper: {DARK.paper};" in html
    assert "prefers-color-scheme" not in html[: html.index("<body>")].partition("<style>")[2]
    assert 'name="theme"' not in html, "there is nothing to choose"
    assert style.INK not in html.partition("<body>")[2]
    paper = page.render_paper(bundle, drawings, theme=DARK)
    assert f"background: {DARK.paper};" in paper
    pictures = [base64.b64decode(one).decode() for one in re.findall(r"svg\+xml;base64,([^\"]+)", paper)]
    assert pictures
    assert all(style.INK not in one and f"stroke: {DARK.ink}" in one for one in pictures)
    assert "background:" not in page.render_paper(bundle, drawings).partition("<body>")[0]


def test_groups_are_as_legible_on_a_dark_page_as_models() -> None:
    names = name_colours(PAPER)
    assert [f"group{at}" in names for at in range(len(PAPER.groups))] == [True] * len(PAPER.groups)
    faint = min(style.contrast(style.rgb(colour), style.rgb(DARK_PAPER)) for colour in PAPER.groups)
    lightened = [style.lighten_for(colour, DARK_PAPER) for colour in PAPER.groups]
    assert faint < 2 < 4 < min(style.contrast(style.rgb(one), style.rgb(DARK_PAPER)) for one in lightened)


def test_in_dark_mode_lines_are_the_models_colours_made_lighter(bundle, drawings):
    blue, *_ = PAPER.models
    figure = make_page_figure("apple", curves((LLAMA,), "raw"))
    line = f'<path style="stroke: {blue}"/></svg>'
    coloured = replace(figure, svg=figure.svg.replace("</svg>", line))
    html = page.render_page(bundle, {"apple": [coloured]})
    assert '<path style="stroke: var(--colour0)"/>' in html
    head = html.partition("<body>")[0]
    light, dark = f"--colour0: {blue};", f"--colour0: {style.lighten_for(blue, DARK_PAPER)};"
    assert (head.count(light), head.count(dark)) == (1, 2)
    grid = replace(make_page_figure("weather", make_grid(LLAMA, "grid-0")), svg=coloured.svg)
    assert line in page.render_page(bundle, {"weather": [grid]}), "fills keep their ground, and what is drawn on it"


def test_a_themes_own_inks_are_those_of_the_papers_figures(bundle, drawings):
    paper = page.render_paper(bundle, drawings, theme=PAPER.model_copy(update={"ink": "#220044"}))
    pictures = [base64.b64decode(one).decode() for one in re.findall(r"svg\+xml;base64,([^\"]+)", paper)]
    assert all("stroke: #220044" in one for one in pictures)


def test_a_statement_about_each_model_has_a_paragraph_for_each_and_one_for_all(bundle, drawings):
    html = section(page.render_page(bundle, drawings), "census")
    parts = re.findall(r'<p data-models="(\w+)">(.*?)</p>', html)
    assert [model for model, _ in parts] == [LLAMA, GEMMA]
    told = state_bundle(bundle)["census"]
    assert told.startswith(" ".join(text for _, text in parts))
    rest = re.search(r'</div>\n<p class="statement">(.*?)</p>', html)
    assert told == " ".join([*(text for _, text in parts), *([rest[1]] if rest else [])])
