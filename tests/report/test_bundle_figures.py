from dataclasses import replace

import pytest

from reportgen.errors import BundleError
from reportgen.probes.parameter_census import ParameterCensus
from reportgen.report.content.bundle_figures import (
    LONGEST_STEM,
    ShowFailures,
    describe_bundle,
    draw_figures,
    list_stems,
)
from reportgen.results.bundle import Bundle
from tests.report.fakes import LLAMA, curves, fake_bundle


def of(*probes: str) -> Bundle:
    whole = fake_bundle()
    return replace(whole, outcomes={probe: whole.outcomes[probe] for probe in probes})


def test_every_probe_describes_its_figures_in_the_batterys_order() -> None:
    found = describe_bundle(of("nearest", "census", "heads"))
    assert {probe: len(figures) for probe, figures in found.figures.items()} == {"nearest": 2, "census": 3, "heads": 0}
    assert found.by_all


def test_all_that_cannot_be_shown_is_told_at_once() -> None:
    whole = fake_bundle()
    broken = {id: replace(outcome, arrays={}) for id, outcome in whole.outcomes["map"].items()}
    with pytest.raises(ShowFailures) as caught:
        describe_bundle(replace(whole, outcomes={**whole.outcomes, "map": broken}))
    assert list(caught.value.failures) == ["weather", "map"]
    assert caught.value.reasons["map"] == "measured, but it cannot be shown: KeyError: 'points'"
    assert caught.value.of_stored["map"] == "it cannot be shown: its numbers are not such as its probe gives"


def test_a_sentence_that_raises_cannot_be_shown_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> str:
        raise LookupError("no such column")

    monkeypatch.setattr(ParameterCensus, "statement", broken)
    with pytest.raises(ShowFailures) as caught:
        describe_bundle(of("census", "nearest"))
    assert list(caught.value.reasons.values()) == ["measured, but it cannot be shown: LookupError: no such column"]


def test_a_probe_that_is_not_installed_has_no_figures_yet() -> None:
    bundle = of("census", "nearest")
    strange = {id: replace(outcome, probe="stranger") for id, outcome in bundle.outcomes["nearest"].items()}
    found = describe_bundle(replace(bundle, outcomes={"census": bundle.outcomes["census"], "nearest": strange}))
    assert [len(figures) for figures in found.figures.values()] == [3, 0]
    assert not found.by_all
    failed = {id: replace(outcome, status="failed", reason="r") for id, outcome in strange.items()}
    assert not describe_bundle(replace(bundle, outcomes={"nearest": failed})).by_all


def test_files_of_one_name_are_told_apart() -> None:
    census = fake_bundle().outcomes["census"][LLAMA]
    models = fake_bundle().models
    bundle = replace(
        fake_bundle(),
        models={"b-c": models[LLAMA], "c": models[LLAMA]},
        outcomes={"a": {"b-c": replace(census, models=("b-c",))}, "a-b": {"c": replace(census, models=("c",))}},
    )
    stems = [figure.stem for figure in draw_figures(bundle)]
    assert len(stems) == len(set(stems))
    assert any(stem.endswith("-2") and stem[:-2] in stems for stem in stems)


def test_files_are_told_apart_where_a_disk_takes_large_and_small_letters_for_one() -> None:
    census = fake_bundle().outcomes["census"][LLAMA]
    found = list_stems(
        describe_bundle(replace(fake_bundle(), outcomes={"Sizes": {LLAMA: census}, "sizes": {LLAMA: census}}))
    )
    names = [stem for _, stem, _ in found]
    assert len({name.casefold() for name in names}) == len(names) > 1


def test_the_ids_of_many_models_still_make_the_name_of_a_file() -> None:
    census, card = fake_bundle().outcomes["census"][LLAMA], fake_bundle().models[LLAMA]
    ids = [f"{letter * 60}" for letter in "abcdef"]
    bundle = replace(
        fake_bundle(),
        models=dict.fromkeys(ids, card),
        outcomes={kind: {id: replace(census, models=(id,)) for id in ids} for kind in ("one", "two")},
    )
    names = [stem for _, stem, _ in list_stems(describe_bundle(bundle))]
    assert max(map(len, names)) == LONGEST_STEM
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "name", ["/../../../PWN", "..", "a.b", "A", "", "a" * 121, 'a"><b>', "a\n", "a b", "a\\b", "🙂", None, 5]
)
def test_a_figure_is_not_called_what_may_not_be_a_file(name: object) -> None:
    with pytest.raises(BundleError, match="is not the name of a figure"):
        curves((LLAMA,), name)  # type: ignore[arg-type]


@pytest.mark.parametrize("id", ["..", "../x", "a..b..c", "a/b", 'x"', "", "a" * 65])
def test_nor_after_what_may_not_be_an_id(id: str) -> None:
    with pytest.raises(BundleError, match="is not the id of a model"):
        curves((id,), "name")


def test_a_further_model_leaves_the_figures_of_the_others_as_they_are() -> None:
    bundle = of("nearest")
    one = replace(
        bundle,
        models={LLAMA: bundle.models[LLAMA]},
        outcomes={"nearest": {LLAMA: bundle.outcomes["nearest"][LLAMA]}},
    )
    both, alone = (
        {figure.stem: figure.drawing.key_of("png") for figure in draw_figures(which, cache=True)}
        for which in (bundle, one)
    )
    assert len(both) == 2
    assert len(alone) == 1
    assert alone.items() <= both.items()


def test_without_the_cache_no_figure_has_a_key() -> None:
    assert {figure.drawing.key_of("png") for figure in draw_figures(of("census"))} == {None}
