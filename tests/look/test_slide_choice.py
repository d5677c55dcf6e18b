"""What a battery says of its slides: which are the talk, and in which order."""

import pytest
from pydantic import ValidationError

from reportgen.look.presentation import Presentation, presentation_of
from reportgen.look.slide_choice import SlideChoice, kind_of, list_names

KINDS = ["grid", "entropy", "kl"]


def test_figures_of_one_kind_differ_in_their_number_alone() -> None:
    assert [kind_of(name) for name in ("grid-0", "grid-12", "head-map", "kl")] == ["grid", "grid", "head-map", "kl"]


@pytest.mark.parametrize(
    ("choice", "main"),
    [
        ({}, ["grid-0", "grid-1"]),
        ({"per_probe": 2}, ["grid-0", "grid-1", "entropy"]),
        ({"per_probe": "all"}, ["grid-0", "grid-1", "entropy", "kl"]),
        ({"main": ["lens/kl"]}, ["grid-0", "grid-1", "kl"]),
        ({"main": ["lens"]}, ["grid-0", "grid-1", "entropy", "kl"]),
        ({"appendix": ["lens"]}, []),
        ({"appendix": ["lens/grid"]}, []),
        ({"appendix": ["lens/grid-1"]}, ["grid-0"]),
        ({"appendix": ["lens"], "main": ["lens/grid-1"]}, ["grid-1"]),
        ({"appendix": ["other"]}, ["grid-0", "grid-1"]),
    ],
)
def test_what_is_said_of_a_figure_goes_before_what_is_said_of_its_kind_or_its_probe(
    choice: dict[str, object], main: list[str]
) -> None:
    chosen = SlideChoice.model_validate(choice)
    assert [name for name in ("grid-0", "grid-1", "entropy", "kl") if chosen.is_main("lens", name, KINDS)] == main


def test_probes_that_are_named_come_first() -> None:
    assert SlideChoice(order=["c", "gone", "a"]).order_probes(["a", "b", "c"]) == ["c", "a", "b"]


def test_a_stored_bundle_knows_its_choice_and_an_older_one_has_the_default() -> None:
    shown = Presentation(slides=SlideChoice(per_probe=3, appendix=["lens"]))
    assert presentation_of({"presentation": shown.dump_stored()}) == shown
    older = {key: value for key, value in shown.dump_stored().items() if key != "slides"}
    assert presentation_of({"presentation": older}).slides == SlideChoice()


@pytest.mark.parametrize("wrong", [{"per_probe": 0}, {"per_probe": "some"}, {"main": "lens"}, {"first": []}])
def test_what_is_no_choice_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SlideChoice.model_validate(wrong)


def test_a_part_of_a_figure_is_chosen_with_its_kind() -> None:
    assert list_names("tokens-0-1") == ["tokens-0-1", "tokens-0", "tokens"]
    assert list_names("kl") == ["kl"]
    chosen = SlideChoice(appendix=["next/tokens"])
    assert not chosen.is_main("next", "tokens-0-1", ["tokens-0"])
    assert SlideChoice(main=["next/tokens-1"], appendix=["next/tokens"]).is_main("next", "tokens-1-0", ["tokens-1"])
