"""A report of more models than can be told apart: which are shown, and where the others are found."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from reportgen.report import page
from reportgen.report.content.bundle_figures import BundleDescription
from reportgen.report.content.many_models import MANY, SHOWN, choose_shown, find_unshown, keep_shown, list_unshown
from reportgen.report.content.sheets import make_metric_rows
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Metric, Table
from tests.report.fakes import LLAMA, curves, fake_bundle, make_page_figure, outcome

COUNT = 16
IDS = [f"step-{at}" for at in range(COUNT)]


@pytest.fixture
def many() -> Bundle:
    """A bundle of sixteen checkpoints of which one failed: each has a number that rises, and a table."""
    bundle = fake_bundle()
    models = {id: replace(bundle.models[LLAMA], id=id, name=id) for id in IDS}
    ok = {
        id: outcome(
            "theirs",
            id,
            metrics={"loss": Metric(1.0 + at, "nat"), "gap": Metric(None, "nat", reason="too few texts")},
            tables={"kept": Table(("item", "text"), [[0, f"row of {id}"]])},
        )
        for at, id in enumerate(IDS)
    }
    ok["step-3"] = outcome("theirs", "step-3", status="failed", reason="out of memory")
    return replace(bundle, models=models, outcomes={"loss": ok})


def described() -> BundleDescription:
    alone = [curves((id,), "layers") for id in IDS if id != "step-3"]
    return BundleDescription({"loss": [curves(tuple(IDS), "all"), *alone]}, {"loss": "It says."}, True)


def render(bundle: Bundle, *, files: bool = False) -> str:
    found = described()
    shown = keep_shown(found, find_unshown(bundle, found)).figures["loss"]
    drawings = {"loss": [make_page_figure("loss", figure) for figure in shown]}
    unshown = find_unshown(bundle, found)
    return page.render_page(bundle, drawings, statements={}, words={}, has_figure_files=files, unshown=unshown)


@pytest.mark.parametrize("count", range(1, 60))
def test_few_are_all_shown_and_of_many_the_ends_and_some_between(count: int) -> None:
    subjects = [str(at) for at in range(count)]
    shown = choose_shown(subjects)
    if count <= MANY:
        assert shown == subjects
        return
    assert len(set(shown)) == SHOWN
    assert (shown[0], shown[-1]) == (subjects[0], subjects[-1])
    steps = [int(b) - int(a) for a, b in pairwise(shown)]
    assert min(steps) > 0
    assert max(steps) - min(steps) <= 1, "evenly spaced"


def test_what_compares_models_is_shown_and_one_model_alone_only_where_it_is_chosen(many: Bundle) -> None:
    found = described()
    unshown = find_unshown(many, found)
    kept = keep_shown(found, unshown)
    shown = choose_shown([id for id in IDS if id != "step-3"])
    assert [figure.subject for figure in kept.figures["loss"]] == [tuple(IDS), *((id,) for id in shown)]
    hidden = {figure.subject[0]: stem for stem, figure in unshown["loss"].items()}
    assert {*hidden, *shown, "step-3"} == set(IDS)
    assert list_unshown(list(many.section("loss").ok()), unshown["loss"])["step-1"] == [("layers", hidden["step-1"])]


def test_a_page_names_the_files_of_what_it_does_not_show(many: Bundle) -> None:
    html = render(many, files=True)
    assert "are those of 6 of 15 models, evenly spaced in the battery" in html
    assert html.count("<figure ") == 1 + SHOWN
    assert '<a href="figures/loss-step-1-layers.svg">layers</a>' in html
    assert "figures/loss-step-3" not in html, "it failed: there is no file"
    assert "row of step-0" in html
    assert "row of step-1<" not in html


def test_a_page_without_files_says_how_to_draw_them(many: Bundle) -> None:
    html = render(many)
    assert "reportgen figures ." in html
    assert "figures/loss-step-1-layers.svg" not in html


def test_numbers_of_many_have_a_row_a_model_that_can_be_sorted(many: Bundle) -> None:
    html = render(many)
    opening, table = re.findall(r'<table class="metrics of-many">.*?</table>', html, re.DOTALL)
    assert opening.count("<tr data-models") == COUNT, "numbers that tell models apart: a row also of what failed"
    rows = re.findall(r"<tr data-models=\"([^\"]+)\">", table)
    assert rows == [id for id in IDS if id != "step-3"]
    assert '<tr class="sorting">' in table
    assert re.findall(r'data-key="([^"]+)"', table)[:3] == ["1.0", "2.0", "3.0"]
    assert re.findall(r"--share: ([0-9.]+)", table)[:2] == ["0.0", "0.07"]
    assert html.count("too few texts") == 1, "why values are missing stands once below the table"


def test_few_models_have_a_column_each(bundle: Bundle, drawings: dict[str, object]) -> None:
    html = page.render_page(bundle, drawings)  # type: ignore[arg-type]
    assert "of-many" not in html.partition("<body")[2]
    assert "Figures and tables of one model" not in html


def test_the_shade_of_a_number_is_where_it_lies_between_the_ends() -> None:
    metrics = [{"x": Metric(value, "nat")} for value in (2.0, None, 6.0, 3.0)]
    (row,) = make_metric_rows(metrics, {})
    assert row.values == [2.0, None, 6.0, 3.0]
    assert row.shares == [0.0, None, 1.0, 0.25]
    assert row.keys == ["2.0", "", "6.0", "3.0"]
    (same,) = make_metric_rows([{"x": Metric(2, "nat")}] * 3, {})
    assert same.shares == [None] * 3
