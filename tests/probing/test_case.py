"""Which layers, blocks, heads and positions of a model a battery names, and what is refused."""

from pathlib import Path

import pytest

from reportgen.model.files.facts import ModelFacts
from reportgen.model.files.sources import ModelFiles
from reportgen.probing.case import Case, Unusable
from reportgen.probing.options import ProbeOptions

HERE = Path()


def case(layers: int | None = 3, heads: int | None = 2) -> Case[ProbeOptions]:
    facts = ModelFacts("llama", "LlamaForCausalLM", layers, heads, 1, 8, 16, 32, 64, None, chat_template=False)
    return Case("probe", "m", ProbeOptions(), None, facts, ModelFiles(HERE, HERE, "Tiny", None, weights=False))


def test_all_layers_are_one_more_than_the_blocks() -> None:
    assert case().last_layer == 3
    assert case().named_layers("all") == (0, 1, 2, 3)
    assert case().named_blocks("all") == (0, 1, 2)


def test_what_is_named_comes_once_and_in_order() -> None:
    assert case().named_layers([3, 0, 3]) == (0, 3)
    assert case().named_blocks([2, 0, 2]) == (0, 2)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(Unusable, match=r"^layer 4 is out of range: layers go from 0 to 3$"):
        case().named_layers([0, 4])
    with pytest.raises(Unusable, match=r"^block 3 is out of range: blocks go from 0 to 2$"):
        case().named_blocks([0, 3])


def test_of_a_model_of_unknown_depth_layers_can_be_named_but_not_counted() -> None:
    unknown = case(layers=None)
    assert unknown.named_layers([7, 2]) == (2, 7)
    for asks in (lambda: unknown.last_layer, lambda: unknown.named_layers("all"), lambda: unknown.named_blocks([0])):
        with pytest.raises(Unusable, match="its configuration does not say how many blocks it has"):
            asks()


def test_a_need_of_all_layers_does_not_count_them() -> None:
    assert case(layers=None).needed_layers("all") is None
    assert case().needed_layers([2, 1]) == (1, 2)


def test_heads_that_are_not_there_each_with_the_reason() -> None:
    assert case().missing_heads([[0, 1], [3, 0], [2, 2]]) == {
        "3.0": "blocks go from 0 to 2",
        "2.2": "heads go from 0 to 1",
    }
    assert case(layers=None, heads=None).missing_heads([[9, 9]]) == {}


def test_a_model_without_attention_is_refused() -> None:
    case().require_attention()
    with pytest.raises(Unusable, match="the architecture LlamaForCausalLM has no attention"):
        case(heads=None).require_attention()


def test_the_last_position_is_meant_where_none_is_named() -> None:
    assert case().named_position(None, (5, 6, 7)) == 2
    assert case().named_position(0, (5, 6, 7)) == 0
