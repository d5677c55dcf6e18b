import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.baseline.compare import Comparison, compare
from reportgen.baseline.tolerance import ToleranceEntry
from reportgen.report import document
from reportgen.report.comparison import page as page
from reportgen.report.comparison.page import render_page, render_paper, write_comparison
from reportgen.report.comparison.pictures import MOST_PICTURED, Picture, draw_pictures
from reportgen.report.comparison.view import list_loud_sections
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Metric, Outcome, Table
from tests.baseline.comparisons import everything
from tests.report.fakes import GEMMA, HOSTILE, LLAMA, fake_bundle, outcome
from tests.report.parsed import Page
from tests.report.test_document import weasyprint_loads

GATES = {"map.*": ToleranceEntry(gate=False)}


def drifted_lens(old: Outcome, first: int) -> Outcome:
    """From a layer on another entropy, another leader, and a list with other tokens in it."""
    entropy = old.arrays["entropy"]
    values = entropy.values.copy()
    values[1, 0, first:] += 0.5
    columns, rows = old.tables["top"].columns, [list(row) for row in old.tables["top"].rows]
    for row in rows:
        prompt, step, _, layer, rank = row[:5]
        if (prompt, step) == (1, 0) and layer >= first and rank > 2:
            row[5:7] = 900 + rank, " storm"
        if (prompt, step, layer, rank) == (1, 0, first, 1):
            row[5:7] = 899, " cold"
    arrays = {**old.arrays, "entropy": replace(entropy, values=values)}
    return replace(old, arrays=arrays, tables={**old.tables, "top": Table(columns, rows)})


def drift_bundle(bundle: Bundle) -> Bundle:
    made = {probe: dict(by) for probe, by in bundle.outcomes.items()}
    made["weather"][GEMMA] = drifted_lens(made["weather"][GEMMA], 7)
    census = made["census"][GEMMA]
    total = Metric(268_098_816, "parameters")
    made["census"][GEMMA] = replace(census, metrics={**census.metrics, "total_parameters": total})
    words = made["apple"][LLAMA]
    close = {name: replace(array, values=array.values + 5e-4) for name, array in words.arrays.items()}
    made["apple"][LLAMA] = replace(words, arrays=close)
    made["apple"][GEMMA] = replace(made["apple"][GEMMA], version=2)
    variance = made["map"][LLAMA].arrays["explained_variance"]
    moved = {"explained_variance": replace(variance, values=variance.values + np.array([[0.0], [0.0], [0.2]]))}
    made["map"][LLAMA] = replace(made["map"][LLAMA], arrays=moved)
    made["extra"] = {LLAMA: made["nearest"][LLAMA]}
    run = {**bundle.run, "versions": {"reportgen": "0.1.0", "torch": "2.14.0"}, "from_cache": ["weather llama"]}
    card = bundle.models[GEMMA]
    models = {**bundle.models, GEMMA: replace(card, facts={**card.facts, "revision": "def456"})}
    return replace(bundle, outcomes=made, models=models, run=run, title="Tonight")


def whole(bundle: Bundle) -> Bundle:
    """Without the failed probe, which would outrank all drift."""
    return replace(bundle, outcomes={probe: by for probe, by in bundle.outcomes.items() if probe != "heads"})


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    before = whole(fake_bundle())
    return compare(before, drift_bundle(before), GATES, {})


@pytest.fixture(scope="module")
def made(comparison: Comparison) -> list[Picture]:
    return draw_pictures(comparison, list_loud_sections(comparison))


@pytest.fixture(scope="module")
def shown(comparison: Comparison, made: list[Picture]) -> str:
    return render_page(comparison, made)


def section(text: str, id: str) -> str:
    start = text.index(f'<section id="{id}"')
    end = "</section>"
    return text[start : text.index(end, start) + len(end)]


def small(before: Mapping[str, Any], after: Mapping[str, Any], probe: str = "their_probe") -> Comparison:
    """Two bundles of one outcome each."""
    bundles = [
        replace(fake_bundle(), outcomes={"x": {LLAMA: outcome(probe, LLAMA, **dict(found))}})
        for found in (before, after)
    ]
    return compare(*bundles, {}, {})


def test_the_head_says_how_it_ended_and_where_a_model_is_first_beyond_tolerance(shown: str) -> None:
    head = shown[shown.index("<header") : shown.index("<nav")]
    text = Page(head).text
    assert "Tonight Drifted. At least one gated number moved further than its tolerance allows" in text
    assert "exit code 4" in text
    assert "First beyond tolerance: layer 7 of gemma (Gemma-3-270M): weather, top" in text
    assert 'href="#weather.gemma"' in head
    assert "3 drifted, 1 drifted (not gated), 1 not comparable, 1 new, 2 within tolerance" in text


def test_the_two_bundles_and_their_surroundings_stand_in_a_table_with_what_came_from_a_cache(shown: str) -> None:
    text = Page(section(shown, "compared")).text
    assert "title Llama vs Gemma Tonight" in text
    assert "gemma: revision abc123 def456" in text
    assert "torch 2.13.0 2.14.0" in text
    assert "Of the bundle, 1 result was served from a cache of the same library versions: weather llama" in text


def test_what_changed_stands_worst_first_then_what_is_new_then_what_is_the_same(shown: str) -> None:
    sections = re.findall(r'<section id="([^"]+)"', shown)
    assert sections[0] == "compared"
    assert set(sections[1:4]) == {"census.gemma", "weather.gemma", "map.llama"}
    assert sections[4:] == ["others", "quiet"]
    others = Page(section(shown, "others")).text
    assert "apple gemma (Gemma-3-270M) not comparable another version of word_similarity: 1 → 2" in others
    assert "extra llama (SmolLM2-135M-Instruct) new the baseline does not have it" in others


def test_a_section_goes_from_question_to_statement_to_pictures_to_numbers(shown: str) -> None:
    lens = section(shown, "weather.gemma")
    order = ["What does each layer expect next?", 'class="statement"', "<figure", 'class="changes"', "Prompts"]
    places = [lens.index(mark) for mark in order]
    assert places == sorted(places)
    statement = Page(lens).inside("p")
    assert (
        "Top, drifted: layer 7, prompt 1, step 0, position 3, rank 1: “ weather ” → “ cold ”; 12 of 171 lists changed. "
        "1 drifted besides." in " ".join(statement)
    )


def test_numbers_stand_before_and_after_with_what_was_allowed_where_and_their_definition(shown: str) -> None:
    lens = section(shown, "weather.gemma")
    (row,) = [line for line in lens.split("<tr>") if "<bdi>entropy</bdi>" in line]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
    assert cells == ["drifted", "1", "1.500", "0.500", "0.00200", "layer 12, prompt 1, step 0", "layer 7"]
    assert "-sum p ln p of the lens distribution at the last position." in row
    top = next(line for line in lens.split("<tr>") if "<bdi>top</bdi>" in line)
    assert "“<bdi> weather</bdi>” → “<bdi> cold</bdi>”; 12 of 171 lists changed" in top
    assert '<td class="number">80%</td><td class="number">20%</td>' in top
    census = section(shown, "census.gemma")
    assert '<td class="number">268,098,176</td><td class="number">268,098,816</td><td class="number">640</td>' in census
    assert "not gated" in section(shown, "map.llama")


def test_pictures_stand_side_by_side_before_after_and_difference(shown: str, made: list[Picture]) -> None:
    lens = section(shown, "weather.gemma")
    captions = re.findall(r"<figcaption[^>]*><bdi>(.*?)</bdi>", lens)
    assert captions == [
        "Before (dashed) and after: entropy, prompt 1, step 0",
        "Difference: entropy, prompt 1, step 0",
        "Before: top, prompt 1 “今天天氣真”, step 0, position 3",
        "After: top, prompt 1 “今天天氣真”, step 0, position 3",
        "Difference: how many entries each list lost, top, prompt 1 “今天天氣真”, step 0, position 3",
    ]
    assert lens.count('<div class="row three">') == 1
    assert {picture.path for picture in made} >= {("weather", GEMMA), ("map", LLAMA)}
    ids = re.findall(r'\sid="([^"]+)"', shown)
    assert len(ids) == len(set(ids))


def test_where_no_quantity_has_a_picture_the_probes_own_figures_that_changed_are_shown() -> None:
    bundle = fake_bundle()
    tensors = bundle.outcomes["census"][LLAMA].tables["tensors"]
    fewer = Table(tensors.columns, [[*row[:5], 2 * row[5]] for row in tensors.rows])
    old = bundle.outcomes["census"][LLAMA]
    new = replace(old, tables={"tensors": fewer})
    before, after = (replace(bundle, outcomes={"census": {LLAMA: one}}) for one in (old, new))
    found = compare(before, after, {}, {})
    (picture,) = draw_pictures(found, list_loud_sections(found))
    said = " ".join(str(getattr(figure, "bars", "")) for figure in picture.figures)
    assert "Before: SmolLM2-135M-Instruct" in said
    assert "After: SmolLM2-135M-Instruct" in said


def test_a_failed_probe_is_a_card_with_its_reason(comparison: Comparison) -> None:
    before = fake_bundle()
    made = {probe: dict(by) for probe, by in before.outcomes.items()}
    made["weather"][LLAMA] = outcome("logit_lens", LLAMA, status="failed", reason="out of memory\nof 8 GiB")
    found = compare(before, replace(before, outcomes=made), {}, {})
    text = render_page(found, [])
    assert "A probe failed." in Page(text).text
    card = section(text, "weather.llama")
    assert "It failed." in card
    assert "<bdi>out of memory</bdi><br><bdi>of 8 GiB</bdi>" in card


def test_a_probe_that_is_not_installed_is_shown_by_its_numbers_and_pictures() -> None:
    def found(score: float) -> dict[str, Any]:
        array = Array(("layer",), np.array([0.1, 0.2, score]), "share")
        return {"metrics": {"their_score": Metric(score, "share")}, "arrays": {"by_layer": array}}

    told = small(found(0.5), found(0.75))
    made = draw_pictures(told, list_loud_sections(told))
    text = section(render_page(told, made), "x.llama")
    assert "their probe" in text
    assert '<td class="number">0.5000</td><td class="number">0.7500</td>' in text
    assert text.count("<figure") == 2


def test_a_bundle_and_itself_are_the_same_on_one_short_page() -> None:
    bundle = whole(fake_bundle())
    same = compare(bundle, bundle, {}, {})
    assert draw_pictures(same, list_loud_sections(same)) == []
    text = Page(render_page(same, [])).text
    assert "Same. Every number, list and table is unchanged." in text
    assert "Models, libraries and machine are the same, as far as the bundles say." in text
    assert "First beyond tolerance" not in text


def test_what_moved_within_its_tolerance_says_how_close_it_came(shown: str) -> None:
    within = section(shown, "quiet")
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in within.split("<tr>") if "<bdi>raw</bdi>" in line]
    assert rows[0][2:5] == ["5.00 × 10⁻⁴", "0.00200", "25%"]
    assert "<bdi>answer rank, steps, prompts</bdi>" in within


def test_pictures_beyond_the_budget_are_left_out_and_the_page_says_so(
    comparison: Comparison, made: list[Picture]
) -> None:
    most = max(sum(len(drawn.svg) for drawn in one.make_page_figures("characters")) for one in made)
    text = render_page(comparison, made, budget=most)
    assert 0 < text.count("<figure") < sum(len(one.figures) for one in made)
    assert "more pictures are left out, as the page would grow too large." in Page(text).text


def test_pictures_bring_their_numbers_as_far_as_the_budget_goes(
    comparison: Comparison, made: list[Picture], shown: str
) -> None:
    svg = sum(len(figure.svg) for picture in made for figure in picture.make_page_figures("characters"))
    assert shown.count('type="application/gzip"') == sum(len(picture.figures) for picture in made)
    without = render_page(comparison, made, budget=svg)
    assert 'type="application/gzip"' not in without
    assert without.count("<figure") == shown.count("<figure"), "numbers go before a picture does"


def many(comparison: Comparison, count: int) -> Comparison:
    bundles = [
        replace(one, outcomes={f"weather{i}": one.outcomes["weather"] for i in range(count)})
        for one in (comparison.before, comparison.after)
    ]
    return compare(*bundles, {}, {})


@pytest.mark.slow
def test_of_very_many_changes_the_page_stays_small_and_counts_the_rest(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = many(comparison, 300)
    made = draw_pictures(lots, list_loud_sections(lots))
    assert len({picture.path for picture in made}) == MOST_PICTURED
    text = render_page(lots, made)
    assert len(text) < 10_000_000
    told = Page(text).text
    assert f"Pictures are drawn for the worst {MOST_PICTURED} sections only." in told
    assert "100 more sections are left out; comparison.json has all of them." in told


@pytest.mark.parametrize("write", [render_page, render_paper])
def test_strangers_text_is_shown_and_never_obeyed(write: Any) -> None:
    columns = ("prompt", "layer", "rank", "token_id", "token", "probability")
    tables = [{"top": Table(columns, [[0, 0, 1, id, token, 0.5]])} for id, token in ((1, " a"), (2, HOSTILE))]
    values = [{HOSTILE: Array(("layer",), np.array([1.0, size]), HOSTILE)} for size in (2.0, 3.0)]
    one, other = ({"tables": t, "arrays": a} for t, a in zip(tables, values, strict=True))
    told = small(one, other)
    card = replace(told.after.models[LLAMA], name=HOSTILE, facts={"source": HOSTILE})
    told = replace(told, title=HOSTILE, after=replace(told.after, models={LLAMA: card}, run={"from_cache": [HOSTILE]}))
    text = write(told, draw_pictures(told, list_loud_sections(told)))
    assert Page(text).scripts() == ([None] if write is render_page else []), "our own"
    assert list(Page(text).attributes("onerror")) == []
    for unseen in "\u202e\u200b\x07\ud800":
        assert unseen not in text
    assert "<script>alert(1)</script>" in Page(text).inside("h1")[0]
    text.encode()


def test_the_page_asks_the_network_for_nothing(shown: str) -> None:
    assert "default-src 'none'" in shown
    targets = [*Page(shown).attributes("src"), *Page(shown).attributes("href")]
    assert [target for target in targets if not target.startswith(("#", "data:"))] == []


def test_every_link_leads_somewhere(shown: str) -> None:
    read = Page(shown)
    ids = set(read.attributes("id"))
    assert {target[1:] for target in read.attributes("href") if target.startswith("#")} <= ids


def test_verdicts_made_by_hand_are_told_without_numbers() -> None:
    text = Page(render_page(everything(), [])).text
    assert "A probe failed." in text
    assert "Also layer 9 of llama (SmolLM2-135M-Instruct): weather, entropy" in text


def test_equal_comparisons_give_equal_pages(comparison: Comparison, made: list[Picture], shown: str) -> None:
    again = draw_pictures(comparison, list_loud_sections(comparison))
    assert render_page(comparison, again) == shown
    assert render_paper(comparison, again) == render_paper(comparison, made)


@pytest.mark.skipif(not weasyprint_loads(), reason="WeasyPrint or Pango is missing")
def test_all_three_files_are_written_and_the_pdf_prints_without_complaint(
    comparison: Comparison, made: list[Picture], tmp_path: Path
) -> None:
    told: list[str] = []
    names = write_comparison(comparison, tmp_path, progress=told.append)
    assert names == ["comparison.json", "comparison.html", "comparison.pdf"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)
    assert json.loads((tmp_path / "comparison.json").read_bytes())["exit_code"] == 4
    assert (tmp_path / "comparison.html").read_text() == render_page(comparison, made)
    assert told == [f"{name} written" for name in names]
    assert document.print_pdf(render_paper(comparison, made), tmp_path / "again.pdf") == (), "WeasyPrint complained"


def test_a_pdf_that_cannot_be_printed_is_left_out_and_told(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(printer: document.Printer) -> tuple[str, ...]:
        raise document.PrinterMissing("the PDF needs Pango")

    monkeypatch.setattr(document.Printer, "finish", missing)
    told: list[str] = []
    assert write_comparison(comparison, tmp_path, ("pdf",), told.append) == ["comparison.json"]
    assert told[-1] == "comparison.pdf left out: the PDF needs Pango"


def test_without_pages_nothing_is_drawn(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "draw_pictures", lambda *_: pytest.fail("drawn"))
    assert write_comparison(comparison, tmp_path, ()) == ["comparison.json"]
