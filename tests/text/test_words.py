"""Where a word stands in a sentence, and whether what is read there is the word."""

import pytest
from tokenizers import Tokenizer

from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.words import WordNotFound, find_spans, find_word
from tests.tiny import tokenizer_json


@pytest.fixture(scope="module")
def tiny() -> TextTokenizer:
    return TextTokenizer(Tokenizer.from_str(tokenizer_json()))


@pytest.mark.parametrize(
    ("word", "text", "fit", "tokens"),
    [
        ("花", "一朵花", "exact", "花"),
        ("花", "花了", "inside", "花了"),
        ("花", "公園裡開滿了漂亮的花", "inside", "的花"),
        ("打", "有事打給我", "exact", "打"),
        ("打", "打了", "inside", "打了"),
        ("天", "今天", "inside", "今天"),
        ("天", "天氣", "inside", "天氣"),
        ("X", "請簡單介紹X", "exact", "X"),
        ("iPad", "我買了iPad給媽媽", "exact", "iPad"),
        ("apple", "an apple a day", "exact", " apple"),
    ],
)
def test_gemma_reads_a_word_as_its_own_tokens_or_within_a_larger_one(
    gemma: TextTokenizer, word: str, text: str, fit: str, tokens: str
) -> None:
    place = find_word(gemma, Prompt(text=text), word)
    assert (place.fit, gemma.show_joined(place.tokens)) == (fit, tokens)


@pytest.mark.parametrize(
    ("word", "text", "fit", "tokens"),
    [
        ("李", "姓李的人", "bytes", "<E6 9D> | <8E>→李"),
        ("花", "一朵花", "bytes", "<E8> | <8A> | <B1>→花"),
        ("X", "請簡單介紹X", "exact", "X"),
        ("iPad", "我買了iPad給媽媽", "exact", "i | Pad"),
        ("seahorse", "a seahorse swims", "exact", " se | ah | orse"),
    ],
)
def test_smollm2_reads_some_words_at_the_last_of_their_bytes(
    smollm2: TextTokenizer, word: str, text: str, fit: str, tokens: str
) -> None:
    place = find_word(smollm2, Prompt(text=text), word)
    assert (place.fit, smollm2.show_joined(place.tokens)) == (fit, tokens)
    assert place.position == place.positions[-1]


@pytest.mark.parametrize(
    ("word", "text", "count"),
    [
        ("apple", "pineapple and apple, apples", 1),
        ("iPad", "我買了iPad給媽媽", 1),
        ("iPad", "MyiPad iPads", 0),
        ("媽媽", "iPad媽媽iPad", 1),
        ("мир", "мира миру мир", 1),
        ("мир", "xмирx", 1),
        ("天", "今天天氣", 2),
        ("3", "a 33", 2),
        ("apple", "_apple_ apple2", 2),
    ],
)
def test_only_letters_of_its_own_script_continue_a_word(word: str, text: str, count: int) -> None:
    spans = list(find_spans(word, text))
    assert len(spans) == count
    assert all(text[start:end] == word for start, end in spans)


def test_a_word_that_stands_only_within_a_longer_one_is_told_to(tiny: TextTokenizer) -> None:
    with pytest.raises(WordNotFound, match="there it is part of a longer word"):
        find_word(tiny, Prompt(text="a pineapple"), "apple")


@pytest.mark.parametrize(
    ("text", "word", "index", "last"),
    [
        ("I ate an apple for", "apple", None, " apple"),
        ("an apple and an apple", "apple", 1, " apple"),
        ("pineapple and apple", "apple", None, " apple"),
        ("今天天氣真", "天氣", None, "天氣"),
    ],
)
def test_a_word_is_found_at_its_last_token(
    gemma: TextTokenizer, text: str, word: str, index: int | None, last: str
) -> None:
    prompt = Prompt(text=text, index=index)
    position = find_word(gemma, prompt, word).position
    ids = gemma.encode(text).ids
    assert gemma.show(ids[position]) == last
    if index == 1:
        assert position == len(ids) - 1


def test_a_word_of_several_tokens_is_its_last_one(smollm2: TextTokenizer) -> None:
    prompt = Prompt(text="a seahorse swims")
    ids = smollm2.encode("a seahorse swims").ids
    assert smollm2.show(ids[find_word(smollm2, prompt, "seahorse").position]) == "orse"


@pytest.mark.parametrize(
    ("text", "index", "message"),
    [
        ("a pear", None, "the word 'apple' is not in the sentence 'a pear'"),
        ("apple, apple", None, "the word 'apple' stands 2 times in 'apple, apple'"),
        ("apple", 3, "index 3 of the word 'apple'"),
    ],
)
def test_a_word_that_is_not_there_names_the_sentence(
    tiny: TextTokenizer, text: str, index: int | None, message: str
) -> None:
    with pytest.raises(WordNotFound, match=message):
        find_word(tiny, Prompt(text=text, index=index), "apple")


def test_a_word_that_is_only_composed_otherwise_is_told_to_be(tiny: TextTokenizer) -> None:
    for word, text in (("café", "the cafe\u0301 apple"), ("cafe\u0301", "the café apple")):
        with pytest.raises(WordNotFound, match="spelled with different characters"):
            find_word(tiny, Prompt(text=text), word)
    with pytest.raises(WordNotFound) as caught:
        find_word(tiny, Prompt(text="the cafe apple"), "café")
    assert "other characters" not in str(caught.value)
