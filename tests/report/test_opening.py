from dataclasses import replace

import pytest

from reportgen.report.content import findings, opening, sections
from reportgen.report.content.sections import build_view
from reportgen.report.content.statements import state_bundle
from reportgen.results.quantities import Metric, Table
from tests.report.fakes import GEMMA, LLAMA, add_thumbnails, outcome


def views(bundle, drawings=None):
    told = state_bundle(bundle)
    return [build_view(bundle.section(id), told[id], (drawings or {}).get(id, ()), 10) for id in bundle.outcomes]


def make_bundle(bundle, **entries):
    """A bundle of these entries: id -> (probe, llama's metrics, gemma's)."""
    made = {
        id: {
            model: outcome(probe, model, metrics={name: Metric(value) for name, value in metrics.items()})
            for model, metrics in zip((LLAMA, GEMMA), both, strict=False)
        }
        for id, (probe, *both) in entries.items()
    }
    return replace(bundle, outcomes=made)


def list_telling(bundle):
    return [(one.section, one.line.name) for one in opening.select_telling_numbers(bundle, views(bundle))]


def test_a_number_tells_models_apart_where_they_differ_by_more_than_a_fiftieth(bundle):
    made = make_bundle(bundle, a=("theirs", {"same": 100.0, "close": 99.0, "apart": 97.0},
                               {"same": 100.0, "close": 100.0, "apart": 100.0}))  # fmt: skip
    assert list_telling(made) == [("a", "apart")]


def test_of_a_section_the_two_that_are_furthest_apart_are_told_in_its_order(bundle):
    made = make_bundle(bundle, a=("theirs", {"x": 1.0, "y": 1.0, "z": 1.0}, {"x": 4.0, "y": 2.0, "z": 8.0}))
    assert list_telling(made) == [("a", "x"), ("a", "z")]


def test_the_parameters_come_whatever_differs_more_and_what_the_models_lines_say_does_not(bundle):
    made = make_bundle(bundle, a=("theirs", {"total_parameters": 10, "heads": 1, "x": 1.0, "y": 1.0},
                               {"total_parameters": 11, "heads": 9, "x": 4.0, "y": 2.0}))  # fmt: skip
    assert list_telling(made) == [("a", "total_parameters"), ("a", "x")]


def test_at_most_eight_are_told_those_that_differ_most(bundle):
    made = make_bundle(bundle, **{f"e{i}": ("theirs", {"x": 1.0}, {"x": 1.1 + i}) for i in range(10)})
    assert list_telling(made) == [(f"e{i}", "x") for i in range(2, 10)]


def test_what_is_of_other_prompts_in_each_model_tells_nothing_apart_and_is_named(bundle):
    made = make_bundle(bundle, facts=("right_answer", {"accuracy": 0.8, "asked": 10}, {"accuracy": 0.5, "asked": 20}))
    skipped = Table(("text", "reason"), [["法國的首都是", "its first token begins many characters"]])
    for left_out, told, named in (
        ([skipped, Table(skipped.columns, [])], [("facts", "asked")], ["accuracy (facts)"]),
        ([skipped, skipped], [("facts", "accuracy"), ("facts", "asked")], []),
    ):
        outcomes = {
            model: replace(one, tables={"skipped": table})
            for (model, one), table in zip(made.outcomes["facts"].items(), left_out, strict=True)
        }
        asked = replace(made, outcomes={"facts": outcomes})
        shown = [build_view(asked.section("facts"), "", (), 10)]
        assert [(one.section, one.line.name) for one in opening.select_telling_numbers(asked, shown)] == told
        assert opening.list_unequal_numbers(asked, shown) == named


def test_what_one_model_lacks_or_has_undefined_tells_nothing_apart(bundle):
    made = make_bundle(
        bundle, a=("theirs", {"x": 1.0}, {"x": None}), b=("theirs", {"x": 1.0}, {}), c=("theirs", {"x": 1.0})
    )
    assert list_telling(made) == []


def sentence(id, probe, text, failed=False):
    empty = dict.fromkeys(("rows", "subjects", "metrics", "left_out", "definitions", "options"), ())
    return sections.SectionView(
        id=id, probe=probe, version=1, title=id, statement=text, explanation=None, prompts=None, prompt_sets=(),
        note="", prompt_notes={}, tables={}, failed=failed, **empty,
    )  # fmt: skip


def test_at_most_six_findings_of_as_many_kinds_of_probes_as_there_are_and_every_failure():
    made = [sentence(f"lens{i}", "logit_lens", "It says.") for i in range(6)]
    made += [sentence("map", "pca_map", "It lies."), sentence("quiet", "drift", ""), sentence("broken", "x", "", True)]
    found = findings.list_findings(made)
    assert [one.section for one in found] == [*(f"lens{i}" for i in range(5)), "map", "broken"]
    assert found[-1].text == "broken – failed."


def test_a_finding_is_seen_in_the_first_figures_of_its_section(bundle, drawings):
    found = {one.section: one.pictures for one in findings.list_findings(views(bundle, add_thumbnails(drawings)))}
    assert [one.file_stem for one in found["weather"]] == ["weather-llama-grid-0", "weather-gemma-grid-0"]
    assert found["heads"] == []


def test_a_model_that_continues_without_its_cache_says_so_in_its_line(bundle):
    card = bundle.models[LLAMA]
    slow = replace(card, facts={**card.facts, "continued": "without its cache: a step that reads it is 5% off"})
    llama, gemma = opening.make_model_lines(replace(bundle, models=bundle.models | {LLAMA: slow}))
    assert "continues without its cache" in llama.facts
    assert "continues without its cache" not in gemma.facts


def test_a_layer_is_compared_by_its_share_of_the_depth_where_depths_differ(bundle):
    """Llama has 30 blocks and Gemma 18: layer 24 and layer 14.4 lie at the same depth."""
    made = {
        id: {model: outcome("theirs", model, metrics={"settling_layer": Metric(layer, "layer")})
             for model, layer in zip((LLAMA, GEMMA), layers, strict=True)}
        for id, layers in {"same": (24.0, 14.4), "apart": (24, 9)}.items()
    }  # fmt: skip
    same, apart = views(replace(bundle, outcomes=made))
    assert [entry.text for entry in apart.metrics[0].entries] == ["24 of 30 (80%)", "9 of 18 (50%)"]
    assert apart.metrics[0].spread == pytest.approx(0.3 / 0.8)
    assert same.metrics[0].spread == pytest.approx(0)
    assert list_telling(replace(bundle, outcomes=made)) == [("apart", "settling_layer")]


def test_a_layer_stands_for_itself_where_the_models_are_as_deep(bundle):
    deep = {id: replace(card, layers=30) for id, card in bundle.models.items()}
    made = {"a": {m: outcome("theirs", m, metrics={"best_layer": Metric(24, "layer")}) for m in deep}}
    (view,) = views(replace(bundle, models=deep, outcomes=made))
    assert [entry.text for entry in view.metrics[0].entries] == ["24", "24"]


def test_few_models_have_sentences_and_no_table(bundle):
    shown = views(bundle)
    assert findings.tabulate_findings(findings.list_findings(shown), shown, list(bundle.models)) is None


def test_many_models_have_a_table_with_a_row_each_and_a_dash_where_nothing_was_measured(bundle):
    ids = [f"m{i}" for i in range(4)]
    models = {id: replace(bundle.models[LLAMA], id=id, name=id) for id in ids}
    ok = {
        id: outcome("theirs", id, metrics={"x": Metric(at / 2, "nat"), "y": Metric(1.0)}) for at, id in enumerate(ids)
    }
    ok["m3"] = outcome("theirs", "m3", status="skipped", reason="no chat template")
    made = replace(bundle, models=models, outcomes={"a": ok})
    view = build_view(made.section("a"), "It says.", (), 10)
    table = findings.tabulate_findings(findings.list_findings([view]), [view], ids)
    assert [column.section for column in table.columns] == ["a"]
    assert {model: list(row) for model, row in table.rows.items()} == {
        "m0": ["x 0 nat and y 1"], "m1": ["x 0.5000 nat and y 1"], "m2": ["x 1 nat and y 1"], "m3": ["–"],
    }  # fmt: skip
