"""Shipped sets whose prompts belong together: sides of a trait, clean and corrupted, question and representation."""

from pathlib import Path

import pytest

from reportgen.text.prompts import Prompt, PromptSets
from reportgen.text.tokens import TextTokenizer
from reportgen.text.words import find_word

SETS = PromptSets.for_battery(None)
SIDES = [
    ("french", "english", "openings"),
    ("formal", "casual", "openings_register"),
    ("formal_zh", "casual_zh", "openings_register_zh"),
    ("positive", "negative", "openings_feeling"),
    ("positive_zh", "negative_zh", "openings_feeling_zh"),
    ("harmful", "harmless", "harmful_held_out"),
    ("harmful", "harmless", "harmless_held_out"),
    ("harmful_held_out", "harmless_held_out", ""),
    ("harmful", "harmless", "harmful_asked"),
    ("harmful_asked", "harmless_asked", "harmful_held_out"),
    ("swearing", "even_tempered", "openings_swearing"),
]


HARMFUL = {"steering/harmful", "steering/harmful_held_out", "steering/harmful_asked"}


def steering(name: str) -> tuple[Prompt, ...]:
    return SETS.find(f"steering/{name}").prompts


@pytest.fixture(scope="module")
def tokenizers(smollm2_folder: Path, gemma_folder: Path) -> list[TextTokenizer]:
    return [TextTokenizer.from_folder(folder) for folder in (smollm2_folder, gemma_folder)]


@pytest.mark.parametrize(("towards", "away", "held_out"), SIDES)
def test_the_two_sides_of_a_trait_stand_in_one_order(towards: str, away: str, held_out: str) -> None:
    one, other = steering(towards), steering(away)
    assert [prompt.pair for prompt in one] == [prompt.pair for prompt in other]
    assert len({prompt.pair for prompt in one}) == len(one) >= (16 if held_out else 8)
    for side in (one, other):
        assert len({prompt.group for prompt in side}) == len({prompt.language for prompt in side}) == 1
    assert one[0].group != other[0].group
    texts = {prompt.text for prompt in [*one, *other]}
    assert len(texts) == 2 * len(one)
    if held_out:
        assert len(steering(held_out)) >= 6
        assert not texts & {prompt.text for prompt in steering(held_out)}


def test_harmful_prompts_are_marked_and_no_others() -> None:
    for name in SETS.names():
        groups = {prompt.group for prompt in SETS.find(name).prompts}
        marked = {"harmful"} if name in HARMFUL else set()
        assert groups & {"harmful"} == marked, name
        assert not marked or groups == marked


@pytest.mark.parametrize("name", ["giving", "capitals", "capitals_zh"])
def test_a_clean_prompt_and_its_corrupted_one_are_of_equally_many_tokens(
    name: str, tokenizers: list[TextTokenizer]
) -> None:
    prompts = SETS.find(f"patching/{name}").prompts
    for clean, corrupted in zip(prompts[::2], prompts[1::2], strict=True):
        assert (clean.group, corrupted.group) == ("clean", "corrupted")
        assert clean.pair == corrupted.pair
        for tokenizer in tokenizers:
            ids, others = tokenizer.prompt_ids(clean), tokenizer.prompt_ids(corrupted)
            assert len(ids) == len(others)
            assert ids != others


def test_a_patchscope_reads_and_writes_at_the_last_token(tokenizers: list[TextTokenizer]) -> None:
    for name in ("targets", "targets_zh", "secret", "entities", "entities_zh"):
        for prompt in SETS.find(f"patchscopes/{name}").prompts:
            assert prompt.word is not None
            for tokenizer in tokenizers:
                assert find_word(tokenizer, prompt, prompt.word).position == len(tokenizer.prompt_ids(prompt)) - 1


def test_the_published_questions_are_as_published() -> None:
    targets = {prompt.id: prompt.text for prompt in SETS.find("patchscopes/targets").prompts}
    assert targets["identity"] == "cat -> cat\n1135 -> 1135\nhello -> hello\n?"
    assert targets["describe"] == (
        "Syria: Country in the Middle East, Leonardo DiCaprio: American actor, Samsung: South Korean multinational "
        "major appliance and consumer electronics corporation, x"
    )
    assert "secret" in targets
