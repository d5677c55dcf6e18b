"""The cards of features that a page carries: in plain HTML, and packed for its script."""

import base64
import gzip
import json
import re
from dataclasses import fields, replace

import pytest

from reportgen.probes.registry import find
from reportgen.report import page
from reportgen.report.content.budget import NOTE
from reportgen.report.content.feature_browser import AT_FIRST, COLUMNS, LONGEST_LABEL, MOST_CHARACTERS, make_browsers
from reportgen.results.quantities import Table
from tests.report.fakes import LLAMA
from tests.report.feature_fakes import PAGE, bundle_of, features
from tests.report.parsed import Page


def read_cards(html):
    """The cards of the first browser of a page."""
    held = re.search(r'<div class="browser".*?<script type="application/gzip">(.*?)</script>', html, re.DOTALL)[1]
    return json.loads(gzip.decompress(base64.b64decode(held)))


@pytest.fixture(scope="module")
def html():
    return page.render_page(bundle_of(features(40)), {})


def test_the_page_carries_every_card_the_strongest_of_each_dictionary_first(html):
    cards = read_cards(html)
    assert len(cards) == 80
    assert [(one["item"], one["number"]) for one in cards[:4]] == [(0, "#39"), (1, "#39"), (0, "#38"), (1, "#38")]
    assert "Features with a card: 80 of 80." in html
    assert "of these cards are in this page" not in html


def test_a_card_says_what_a_reader_needs_to_judge_a_label(html):
    card = next(one for one in read_cards(html) if one["number"] == "#38")
    assert card == {
        "item": 0, "place": "layer 3", "number": "#38",
        "called": "#38 · ␣cows", "label": "says horse", "origin": "promoted tokens",
        "score": "score 0.40", "density": "fires on 0.31% of tokens", "strongest": "strongest activation 38",
        "promoted": ["␣horse", "t38", "李"], "suppressed": ["␣a", "b"], "link": "",
        "examples": [["48", "The farmer fed number 38 of the ", "cows", " at dawn."],
                     ["43", "The farmer fed number 38 of the ", "cows", " at dawn."]],
    }  # fmt: skip


def test_a_feature_without_a_label_or_a_density_says_so(html):
    cards = read_cards(html)
    assert {(one["label"], one["origin"], one["score"]) for one in cards if one["number"] == "#5"} == {("", "", "")}
    hostile = next(one for one in cards if one["link"])
    assert hostile["score"] == "not scored"
    assert hostile["density"] == "fires on – of tokens"


def test_without_a_script_the_first_cards_are_plain_html(html):
    shown = html[html.index('<ul class="cards">') : html.index("<template>")]
    assert shown.count("<summary>") == AT_FIRST
    assert shown.count("<details open>") == 1
    first = shown[: shown.index("</details>")]
    words = " ".join(re.sub("<[^>]+>", "", first).split())
    assert words.startswith(
        "layer 3 #39 · ␣cows label: says sheep (promoted tokens, score 0.40) · fires on 0.31% of tokens · "
        "strongest activation 39 49 The farmer fed number 39 of the cows at dawn."
    )
    assert '<mark data-text="token">cows</mark>' in first
    assert "Here are the first 12 cards; searching the others needs JavaScript." in html
    assert '<div class="search" hidden>' in html


def test_strangers_texts_are_spelled_out_cut_and_never_obeyed(html):
    read = Page(html)
    assert read.scripts() == [None]
    hostile = next(one for one in read_cards(html) if one["link"])
    assert hostile["label"].startswith("</script><script>alert(1)</script><U+202E>gnp.exe<U+200B>{{ 7*7 }}xxx")
    assert hostile["label"].endswith("x…")
    # Four hidden characters are spelled out after the cut.
    assert len(hostile["label"]) < LONGEST_LABEL + 40
    assert all(len(one) < 100 for one in hostile["promoted"])
    assert not set("\u202e\u200b") & set(json.dumps(read_cards(html), ensure_ascii=False))


def test_the_static_cards_spell_out_strangers_texts_too():
    hostile = page.render_page(bundle_of(features(8)), {})
    shown = hostile[hostile.index('<ul class="cards">') : hostile.index("<template>")]
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;U+202E&gt;" in shown
    assert f'<a href="{PAGE}" rel="noopener noreferrer">{PAGE}</a>' in shown


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "http://www.neuronpedia.org/a", f"{PAGE}?x=<b>", "https://x.y"]
)
def test_only_pages_of_neuronpedia_are_linked_to(link):
    one = features(8)
    table = one.tables["features"]
    rows = [[*row[:-1], link] for row in table.rows]
    changed = replace(one, tables={**one.tables, "features": Table(table.columns, rows)})
    html = page.render_page(bundle_of(changed), {})
    assert {card["link"] for card in read_cards(html)} == {""}
    shown = html[html.index('<ul class="cards">') : html.index("<template>")]
    assert "<a " not in shown


def test_a_page_that_is_too_large_carries_fewer_cards_and_says_so_before_anything_else_is_left_out(drawings):
    bundle = bundle_of(features(400), features(20))
    whole = page.render_page(bundle, drawings)
    most = len(whole.encode()) - 12_000
    html = page.render_page(bundle, drawings, budget=most)
    assert most - 12_000 < len(html.encode()) <= most
    kept = read_cards(html)
    assert 100 < len(kept) < 780
    assert kept == read_cards(whole)[: len(kept)], "the strongest of each dictionary"
    assert f"{len(kept)} of these cards are in this page" in html
    note = re.search(r'<p class="note omitted">(.*?)</p>', html, re.DOTALL)[1]
    assert re.search(r"the cards of \d+ features, which are in results.json", note)
    assert "the data of" not in note
    assert html == page.render_page(bundle, drawings, budget=most)


def test_the_cards_that_need_no_script_stay_whatever_the_budget():
    html = page.render_page(bundle_of(features(400)), {}, budget=NOTE)
    assert len(read_cards(html)) == AT_FIRST
    assert html[: html.index("<template>")].count("<summary>") >= AT_FIRST


def test_the_fonts_hold_what_only_the_script_shows_up_to_a_limit():
    one = features(800, (3,), 0)
    table = one.tables["features"]
    tokens = [f"李 · {chr(0x4E00 + 3 * at)} · {chr(0x4E01 + 3 * at)}" for at in range(800)]
    rows = [[*row[:7], own, *row[8:]] for row, own in zip(table.rows, tokens, strict=True)]
    held = make_browsers({LLAMA: replace(one, tables={**one.tables, "features": Table(table.columns, rows)})})[LLAMA]
    assert len(held.characters) == MOST_CHARACTERS
    assert "李" in held.characters
    assert held.keep_first(1).characters == held.characters, "so that no font is cut again"


def test_on_paper_there_is_the_table_alone():
    paper = page.render_paper(bundle_of(features(40)), {})
    assert 'class="browser"' not in paper
    assert "The first 12 of 80 rows" in paper


def test_other_tables_make_no_browser(bundle, drawings):
    assert 'class="browser"' not in page.render_page(bundle, drawings)
    one = features(4)
    lacking = {name: table for name, table in one.tables.items() if name != "examples"}
    assert make_browsers({LLAMA: replace(one, tables=lacking)}) == {}
    empty = {**one.tables, "features": replace(one.tables["features"], rows=[])}
    assert make_browsers({LLAMA: replace(one, tables=empty)}) == {}


@pytest.mark.parametrize("probe", ["sae_features", "sae_atlas"])
def test_the_probes_write_the_tables_that_make_a_browser(probe):
    declared = {field.name: field.metadata.get("quantity") for field in fields(find(probe).findings)}
    for name, columns in COLUMNS.items():
        assert set(columns) <= set(declared[name].columns)
