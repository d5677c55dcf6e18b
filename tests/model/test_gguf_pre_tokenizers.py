"""How text is cut by kind: against the models' own ways, restated here by other means, and what transformers knows."""

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from reportgen.model.files.gguf_pre_tokenizers import (
    PRE_TOKENIZERS,
    UnknownPreTokenizer,
    find_pre_tokenizer,
    set_pre_tokenizer,
)

TEXTS = [
    "List:\n\n1. apple\n\n2. pear",
    "a  12",
    "x = 3\n\n    4  ",
    "In 2024, I'll pay $1,234.56; you've 10% — isn't it?",
    "| a |  1 |",
    "def f(x):\n\treturn x**2",
    "½ ² x² ٣ Ⅳ",
    "今天天氣真好，花 3 元。 カタカナ 한국어",
    "Iphone iPhone IPHONE naïve e\u0301 नमस्ते",
    "\r\n \t\n",
]


def pieces(pre: pre_tokenizers.PreTokenizer, text: str) -> list[str]:
    return [piece for piece, _ in pre.pre_tokenize_str(text)]


def of_kind(kind: str) -> pre_tokenizers.PreTokenizer:
    tokenizer = Tokenizer(models.BPE())
    set_pre_tokenizer(tokenizer, find_pre_tokenizer(kind))
    return tokenizer.pre_tokenizer


def test_smollm_takes_digits_one_by_one_then_cuts_as_gpt2():
    own = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)])
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert [pieces(of_kind("smollm"), text) for text in TEXTS] == [pieces(own, text) for text in TEXTS]
    assert [pieces(of_kind("gpt-2"), text) for text in TEXTS] == [pieces(gpt2, text) for text in TEXTS]
    assert pieces(of_kind("smollm"), "a  12") == ["a", "ĠĠ", "1", "2"]
    assert pieces(gpt2, "a  12") == ["a", "Ġ", "Ġ12"]  # what it was cut into


def test_falcon_parts_signs_then_words_then_three_digits():
    """By hand: signs together, then GPT-2's words, then digits by threes from the left."""
    assert pieces(of_kind("falcon"), "x==12345!? ok") == ["x", "==", "123", "45", "!?", "Ġok"]


def test_deepseek_llm_parts_lines_words_signs_and_han():
    assert pieces(of_kind("deepseek-llm"), "Hi there\n\n花 12!") == [
        *("Hi", "Ġthere", "Ċ", "Ċ", "èĬ±", "Ġ", "12", "!"),
    ]


@pytest.mark.parametrize("kind", sorted(set(GGUF_PRE_TOKENIZER_SPLITS) & set(PRE_TOKENIZERS)))
def test_kinds_that_transformers_knows_are_cut_alike(kind):
    pattern = Regex(GGUF_PRE_TOKENIZER_SPLITS[kind])
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    theirs = pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, behavior="isolated"), byte_level])
    assert [pieces(of_kind(kind), text) for text in TEXTS] == [pieces(theirs, text) for text in TEXTS]


@pytest.mark.parametrize("kind", sorted(PRE_TOKENIZERS))
def test_every_kind_keeps_every_character(kind):
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in TEXTS:
        assert "".join(pieces(of_kind(kind), text)) == "".join(pieces(whole, text))


def test_a_piece_that_is_a_token_is_taken_whole_where_the_kind_says_so():
    bpe = models.BPE(vocab={"a": 0, "b": 1, "ab": 2}, merges=[])
    tokenizer = Tokenizer(bpe)
    set_pre_tokenizer(tokenizer, find_pre_tokenizer("gpt-2"))
    assert tokenizer.encode("ab").ids == [0, 1]
    set_pre_tokenizer(tokenizer, find_pre_tokenizer("llama-bpe"))
    assert tokenizer.encode("ab").ids == [2]


@pytest.mark.parametrize("kind", [None, "kimi-k2", ""])
def test_an_unknown_kind_is_refused(kind):
    with pytest.raises(UnknownPreTokenizer):
        find_pre_tokenizer(kind)


def test_the_demo_model_cuts_text_as_its_own_tokenizer_does(smollm2_folder):
    tokenizer = Tokenizer.from_file(str(smollm2_folder / "tokenizer.json"))
    cut = {text: tokenizer.encode(text).tokens for text in ("List:\n\n1.", "a  12", "1234")}
    assert cut == {
        "List:\n\n1.": ["List", ":", "ĊĊ", "1", "."],
        "a  12": ["a", "ĠĠ", "1", "2"],
        "1234": ["1", "2", "3", "4"],
    }
