from dataclasses import replace

from reportgen.report.content import opening, sections
from reportgen.report.content.sections import build_view
from reportgen.report.content.statements import state_bundle
from reportgen.results.quantities import Metric
from tests.report.fakes import GEMMA, LLAMA, outcome


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


def test_what_one_model_lacks_or_has_undefined_tells_nothing_apart(bundle):
    made = make_bundle(
        bundle, a=("theirs", {"x": 1.0}, {"x": None}), b=("theirs", {"x": 1.0}, {}), c=("theirs", {"x": 1.0})
    )
    assert list_telling(made) == []


def sentence(id, probe, text, failed=False):
    empty = dict.fromkeys(("rows", "subjects", "metrics", "left_out", "definitions", "options"), ())
    return sections.SectionView(
        id=id, probe=probe, version=1, title=id, statement=text, explanation=None, prompts=None, prompt_sets=(),
        tables={}, failed=failed, **empty,
    )  # fmt: skip


def test_at_most_six_findings_of_as_many_kinds_of_probes_as_there_are_and_every_failure():
    made = [sentence(f"lens{i}", "logit_lens", "It says.") for i in range(6)]
    made += [sentence("map", "pca_map", "It lies."), sentence("quiet", "drift", ""), sentence("broken", "x", "", True)]
    found = opening.list_findings(made)
    assert [one.section for one in found] == [*(f"lens{i}" for i in range(5)), "map", "broken"]
    assert found[-1].text == "broken – failed."


def test_a_finding_is_seen_in_the_first_figures_of_its_section(bundle, drawings):
    found = {one.section: one.pictures for one in opening.list_findings(views(bundle, drawings))}
    assert [one.file_stem for one in found["weather"]] == ["weather-llama-grid-0", "weather-gemma-grid-0"]
    assert found["heads"] == []


def test_a_model_that_continues_without_its_cache_says_so_in_its_line(bundle):
    card = bundle.models[LLAMA]
    slow = replace(card, facts={**card.facts, "continued": "without its cache: a step that reads it is 5% off"})
    llama, gemma = opening.make_model_lines(replace(bundle, models=bundle.models | {LLAMA: slow}))
    assert "continues without its cache" in llama.facts
    assert "continues without its cache" not in gemma.facts
