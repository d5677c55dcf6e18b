import re
from dataclasses import replace

import pytest

from reportgen.figures import style
from reportgen.report import page
from reportgen.result import Metric
from tests.report.fakes import LLAMA, hostile, outcome
from tests.report.parsed import Page

QUESTIONS = [
    "Where are the parameters?",
    "Which tokens lie next to each other?",
    "Is it the same word in another sentence?",
    "What does each layer expect next?",
    "Where do the heads look?",
    "Which words lie together?",
]


def section(html: str, probe: str) -> str:
    start = html.index(f'<section id="probe-{probe}"')
    return html[start : html.index("</section>", start)]


def test_sections_stand_in_the_batterys_order_under_their_questions(bundle, drawings):
    read = Page(page.html(bundle, drawings))
    assert read.inside("h1") == ["Llama vs Gemma"]
    assert read.inside("title")[0] == "Llama vs Gemma"
    assert read.inside("h2") == ["Contents", "What was compared", *QUESTIONS]


def test_a_section_goes_from_statement_to_figures_to_numbers_to_what_is_folded(bundle, drawings):
    html = section(page.html(bundle, drawings), "census")
    order = [
        "<h2>",
        'class="statement"',
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
    text = Page(page.html(bundle, drawings)).text
    assert "SmolLM2-135M-Instruct demo:smollm2-135m-instruct" in text
    assert (
        "LlamaForCausalLM · 135 M parameters (134,515,008) · 30 layers × 576 wide × 9 heads · "
        "vocabulary 49,152 · context 8,192 · float32" in text
    )
    assert "demo:gemma-3-270m @ abc123" in text
    assert "reportgen 0.1.0 · torch 2.13.0 · device cpu · dtype float32 · attention eager · seed 0" in text


def test_each_statement_is_a_finding_that_links_to_its_section(bundle, drawings):
    html = page.html(bundle, drawings)
    findings = html[html.index('<ul class="findings">') : html.index('<p class="provenance">')]
    assert re.findall(r'href="([^"]+)"', findings) == [f"#probe-{probe}" for probe in bundle.outcomes]
    assert "SmolLM2-135M-Instruct has 134,515,008 parameters, 21% of them in its vocabulary" in findings
    assert "Where do the heads look? – could not be measured." in findings


def test_no_clock_unless_asked(bundle, drawings):
    assert "2026" not in Page(page.html(bundle, drawings)).text
    assert "21 November 2026" in Page(page.html(bundle, drawings, stamp="21 November 2026")).text


def test_a_failed_probe_is_a_card_with_its_reason_for_each_model(bundle, drawings):
    html = section(page.html(bundle, drawings), "heads")
    assert html.count('class="failure"') == 2
    assert "<strong>SmolLM2-135M-Instruct could not be measured.</strong>" in html
    assert html.count("out of memory: 31 GiB wanted, 8 GiB free") == 2
    assert "<details>" not in html[: html.index('class="failure"')]


def test_a_skipped_model_is_a_quiet_line_beside_the_others_figure(bundle, drawings):
    html = section(page.html(bundle, drawings), "map")
    row = html[html.index('<div class="row') : html.index('<p class="skipped">')]
    assert "figure-map-llama-layers" in row
    assert "figure-map-llama-sweep" not in row
    assert '<p class="skipped">Gemma-3-270M was skipped: it has no chat template</p>' in html
    assert 'class="failure"' not in html


def test_two_models_stand_side_by_side_and_wide_figures_have_a_row_each_that_scrolls(bundle, drawings):
    html = section(page.html(bundle, drawings), "weather")
    rows = html.split('<div class="row')[1:]
    assert [re.findall(r'id="figure-weather-(\w+-grid-\d)"', row) for row in rows] == [
        ["llama-grid-0", "gemma-grid-0"],
        ["llama-grid-1", "gemma-grid-1"],
        ["llama-grid-2", "gemma-grid-2"],
    ]
    assert [row.startswith(" stacked") for row in rows] == [False, False, True]
    assert [row.count('tabindex="0"') for row in rows] == [0, 0, 2]


def test_inks_follow_the_theme_and_fills_keep_their_light_ground(bundle, drawings):
    html = page.html(bundle, drawings)
    figures = html[html.index("<body>") :]
    for ink in (style.INK, style.MUTED, style.FAINT, style.PAPER):
        assert ink not in figures
    assert "stroke: var(--ink)" in figures
    assert figures.count('class="frame plate"') == 6, "the lens grids, and no curve"


def test_nothing_is_asked_of_the_network(bundle, drawings):
    html = page.html(bundle, drawings)
    read = Page(html)
    assert all(address.startswith("#") for address in read.attributes("href"))
    targets = set(read.attributes("id"))
    assert {address[1:] for address in read.attributes("href")} <= targets
    assert list(read.attributes("src")) == []
    assert all(address.startswith("data:") for address in re.findall(r"url\(([^)]*)", html))
    assert not read.tags() & {"script", "link", "iframe", "object", "base", "form"}
    assert next(read.attributes("content")).startswith("default-src 'none';")


def test_ids_are_unique(bundle, drawings):
    ids = list(Page(page.html(bundle, drawings)).attributes("id"))
    assert len(ids) == len(set(ids))


def test_long_tables_are_capped_and_say_so(bundle, drawings):
    html = section(page.html(bundle, drawings), "weather")
    assert html.count("The first 60 of 1,395 rows; all of them are in <code>results.json</code>.") == 1
    assert "The first 60 of 855 rows" in html
    short = section(page.paper(bundle, drawings), "weather")
    assert "The first 12 of 1,395 rows" in short
    assert short.count("<tr>") < 80


def test_probabilities_and_identifiers_are_written_as_such(bundle, drawings):
    html = section(page.html(bundle, drawings), "weather")
    first = html[html.index("token id") :].split("<tr>")[1]
    assert re.findall(r"<td[^>]*>(.*?)</td>", first) == [
        "0", "0", "3", "0", "1", "261", '<span class="space">␣</span>weather', "0.016",
    ]  # fmt: skip


def test_undefined_is_a_dash_with_its_reason(bundle, drawings):
    html = section(page.html(bundle, drawings), "census")
    cell = '<td class="number">– <span class="unit">a configuration alone has no tokenizer</span></td>'
    assert html.count(cell) == 2


def test_rows_that_could_not_be_measured_are_shown_with_their_tokens(bundle, drawings):
    html = section(page.html(bundle, drawings), "nearest")
    seen = html[: html.index("<details>")]
    assert "left out – SmolLM2-135M-Instruct" in seen
    assert "3 tokens: &lt;E7&gt; | &lt;8E&gt; | &lt;8B&gt;" in seen
    assert "left out – Gemma-3-270M" not in html


def test_prompts_stand_with_the_tokens_of_each_model(bundle, drawings):
    html = section(page.html(bundle, drawings), "weather")
    prompts = html[html.index('<table class="prompts">') :]
    assert (
        '<td class="text">今天天氣真</td>\n<td class="text">5 <span class="tokens">今 | 天 | 天 | 氣 | 真</span></td>'
        in prompts
    )


def test_definitions_stand_beside_the_numbers(bundle, drawings):
    html = section(page.html(bundle, drawings), "apple")
    assert '<dt><code>raw</code> <span class="unit">pair × layer, cosine</span></dt>' in html
    assert "cosine of the residual stream at the word&#39;s last sub-token" in html
    assert "Options: <code>seed: 0</code>, <code>word: apple</code>" in html


@pytest.mark.parametrize("made", [page.html, page.paper])
def test_strangers_text_is_shown_and_never_obeyed(bundle, made):
    html = made(hostile(bundle), {})
    read = Page(html)
    assert not read.tags() & {"script", "img"}
    assert list(read.attributes("onerror")) == []
    for unseen in "\u202e\u200b\x07\ud800":
        assert unseen not in html
    for shown in ("<script>alert(1)</script>", "<U+202E>", "<U+200B>", "<U+0007>", "<U+D800>", "{{ 7*7 }}"):
        assert shown in read.inside("h1")[0]
    html.encode("utf-8")


def test_no_token_is_shown_in_a_tokenizers_private_spelling(bundle, drawings):
    text = Page(page.html(bundle, drawings)).text
    assert not re.search("[ĠĊ▁]", text)


def test_an_unknown_probe_is_shown_by_its_numbers(bundle):
    made = {LLAMA: outcome("their_probe", LLAMA, metrics={"their_score": Metric(0.5, "share")})}
    html = section(page.html(replace(bundle, outcomes={"theirs": made}), {}), "theirs")
    assert "<h2>their probe</h2>" in html
    assert 'their score <span class="unit">share</span></th>\n<td class="number">0.5000</td>' in html
    assert "how to read it" not in html


def test_equal_bundles_give_equal_pages(bundle, drawings):
    assert page.html(bundle, drawings) == page.html(bundle, drawings)
    assert page.paper(bundle, drawings) == page.paper(bundle, drawings)
