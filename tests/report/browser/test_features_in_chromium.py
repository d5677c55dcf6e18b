"""Searching the features of a page, in a real Chromium."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from reportgen.report import page as report_page
from tests.report.feature_fakes import PAGE, bundle_of, features

EACH = 60


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A section with two dictionaries, and one with a single one."""
    found = tmp_path_factory.mktemp("features") / "report.html"
    found.write_text(report_page.render_page(bundle_of(features(EACH), features(3, (1,))), {}))
    return found


def search_features(page, text):
    """What the first browser finds: its numbers and labels, in order."""
    browser = page.locator(".browser").first
    browser.locator(".found").evaluate("told => told.textContent = ''")
    browser.get_by_label("Label, token or number").fill(text)
    browser.locator(".found:not(:empty)").wait_for()
    return browser.locator("summary").all_inner_texts()


def test_features_are_found_by_number_label_and_token_the_best_match_first(visit):
    page = visit()
    first = page.locator(".browser").first
    assert first.locator("summary").count() == 12, "those that need no script"
    assert search_features(page, "#12") == ["layer 3 #12 · ␣cows", "layer 9 #12 · ␣cows"]
    assert first.locator(".found").text_content() == "Features found: 2 of 120"
    assert [one.split()[2] for one in search_features(page, "12")] == ["#12", "#12"]
    whole_first = [one.split()[2] for one in search_features(page, "t1")]
    assert whole_first[:4] == ["#1", "#1", "#19", "#19"], "a whole token, then beginnings, the strongest feature first"
    assert len(search_features(page, "horse")) == 20
    assert first.locator(".found").text_content() == "Features found: 30 of 120"
    assert search_features(page, "t34") == ["layer 3 #34 · ␣cows", "layer 9 #34 · ␣cows"], "a token that it promotes"
    search_features(page, "COW")
    assert first.locator(".found").text_content() == "Features found: 120 of 120", "by the token of their examples"
    assert search_features(page, "no such word") == []
    assert first.locator(".more").is_hidden()


def test_a_card_that_was_found_says_as_much_as_one_that_stood_there(visit):
    page = visit()
    first = page.locator(".browser .cards > li").first
    stood = first.inner_html()
    search_features(page, "#59")
    search_features(page, "")

    def bare(markup):
        return re.sub(r">\s+<", "><", markup.replace(' open=""', "").strip())

    assert bare(first.inner_html()) == bare(stood)


def test_more_cards_come_by_keyboard_and_the_first_new_one_has_the_focus(visit):
    page = visit()
    page.get_by_label("Dictionary").select_option("layer 9")
    first = page.locator(".browser").first
    first.locator(".found", has_text="Features found: 60 of 120").wait_for()
    places = set(first.locator("summary bdi:first-child").all_inner_texts())
    assert "layer 9" in places
    assert "layer 3" not in places
    page.get_by_role("button", name="Show more").first.focus()
    page.keyboard.press("Enter")
    first.locator(".cards > li:nth-child(21) summary:focus").wait_for()
    assert "#39" in first.locator("summary:focus").inner_text(), "the twenty-first from 59"
    page.keyboard.press("Enter")
    assert first.locator("li:nth-child(21) details[open] .examples").first.is_visible()


def test_of_a_single_dictionary_with_few_cards_nothing_is_chosen_and_no_more_shown(visit):
    page = visit()
    assert [one.is_visible() for one in page.locator(".more").all()] == [True, False]
    assert page.locator(".browser").nth(1).locator("select").count() == 0
    assert page.get_by_label("Dictionary").count() == 1


def test_what_strangers_wrote_is_text_and_only_the_link_leads_away(visit):
    page = visit()
    found = search_features(page, "gnp.exe")
    assert len(found) == 1
    assert "</script><script>alert(1)</script><U+202E>gnp.exe<U+200B>{{ 7*7 }}xxx" in found[0]
    card = page.locator(".browser").first.locator(".cards > li").first
    assert card.locator("script, img").count() == 0
    assert card.locator("dt").all_inner_texts() == ["promotes"], "what is empty is left out"
    assert card.locator("a").get_attribute("href") == PAGE
    assert card.locator("a").get_attribute("rel") == "noopener noreferrer"
    assert search_features(page, "says dog")
    assert page.locator(".browser").first.locator(".cards a").count() == 0


def test_without_a_script_the_first_cards_unfold_and_there_is_nothing_to_search_with(visit):
    page = visit(java_script_enabled=False)
    first = page.locator(".browser").first
    assert first.locator("input, select, button").locator("visible=true").count() == 0
    assert first.locator("noscript p").is_visible()
    first.locator("summary").nth(1).click()
    assert first.locator(".examples").nth(1).is_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(visit, width, scheme):
    page = visit(viewport={"width": width, "height": 800}, color_scheme=scheme)
    search_features(page, "gnp.exe")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found = page.evaluate("axe.run('.browser')")
    assert found["passes"]
    told = [(one["impact"], one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]
    assert told == [], json.dumps(told, indent=1)
