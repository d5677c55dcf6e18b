from pathlib import Path

from reportgen.text.refusals import refusal_openings, refusal_tokens
from reportgen.text.tokens import TextTokenizer


def test_the_openings_of_the_paper_come_first() -> None:
    assert refusal_openings()[:2] == ("I", "As")
    assert len(refusal_openings()) == len(set(refusal_openings()))


def test_they_are_whole_tokens_with_and_without_a_space(smollm2_folder: Path) -> None:
    tokenizer = TextTokenizer.from_folder(smollm2_folder)
    shown = {tokenizer.show(token_id) for token_id in refusal_tokens(tokenizer)}
    assert {"I", " I", "As", " As", "Sorry"} <= shown
    assert {text.strip() for text in shown} <= set(refusal_openings())


def test_the_beginning_of_an_opening_is_none(smollm2_folder: Path) -> None:
    tokenizer = TextTokenizer.from_folder(smollm2_folder)
    assert len(tokenizer.encode("Regrettably", special_tokens=False).ids) > 1
    assert refusal_tokens(tokenizer, ["Regrettably", "I"]) == refusal_tokens(tokenizer, ["I"])
