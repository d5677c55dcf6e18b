import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from reportgen.errors import ModelError
from reportgen.text.chat import ChatTemplate, ChatUnavailable
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer, spell
from tests.tiny import tokenizer_json

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


@pytest.fixture(scope="module")
def tiny() -> TextTokenizer:
    return TextTokenizer(Tokenizer.from_str(tokenizer_json()), ChatTemplate(TEMPLATE))


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"chilly", "chilly"),
        ("天氣".encode(), "天氣"),
        (b"\xe9\xa2", "<E9 A2>"),
        (b" \xf0\x9f", " <F0 9F>"),
        (b"\x99a\xff\xfe", "<99>a<FF FE>"),
        (b"", ""),
    ],
)
def test_bytes_as_text(data: bytes, shown: str) -> None:
    assert spell(data) == shown


def test_a_character_of_several_tokens_is_shown_where_it_is_complete(
    smollm2: TextTokenizer, gemma: TextTokenizer
) -> None:
    fish = smollm2.encode("🐠", special_tokens=False).ids
    assert smollm2.show_sequence(fish) == ["<F0 9F>", "<90>", "<A0>→🐠"]
    seat = gemma.encode("💺", special_tokens=False).ids
    assert gemma.show_sequence(seat) == ["<F0>", "<9F>", "<92>", "<BA>→💺"]
    assert smollm2.show_sequence(fish[:1]) == ["<F0 9F>"]
    assert smollm2.decode(fish) == "🐠"


def test_a_fragment_alone_stays_one(smollm2: TextTokenizer) -> None:
    first = smollm2.encode("🐠", special_tokens=False).ids[0]
    assert smollm2.show(first) == "<F0 9F>"
    apple = smollm2.encode(" apple", special_tokens=False).ids
    assert smollm2.show_sequence([first, *apple]) == ["<F0 9F>", " apple"]


def test_no_tokenizer_marks_are_left(gemma: TextTokenizer, smollm2: TextTokenizer) -> None:
    for tokenizer in (gemma, smollm2):
        shown = tokenizer.show_sequence(tokenizer.encode("The apple\nis 今天").ids)
        assert not {"Ġ", "▁", "Ċ"} & set("".join(shown))
        assert " apple" in shown


def test_gemma_adds_bos_and_smollm2_does_not(gemma: TextTokenizer, smollm2: TextTokenizer) -> None:
    assert gemma.encode("apple").added == (True, False)
    assert smollm2.encode("apple").added == (False,)
    assert gemma.reserved == 6242


def test_all_tokens_of_a_text_write_it_back(tiny: TextTokenizer) -> None:
    text = "I ate 天氣 🐠 für"
    assert tiny.decode(tiny.encode(text, special_tokens=False).ids) == text


def test_a_row_beyond_the_tokenizer_is_named(tiny: TextTokenizer) -> None:
    assert tiny.show(99_999) == "<#99999>"  # short: cells are narrow


def test_a_chat_goes_through_the_template(tiny: TextTokenizer) -> None:
    prompt = Prompt.model_validate({"messages": [{"role": "user", "content": "apple"}]})
    assert tiny.prompt_text(prompt) == "<user>apple<assistant>"
    assert not any(tiny.encode_prompt(prompt).added)
    without = TextTokenizer(Tokenizer.from_str(tokenizer_json()))
    with pytest.raises(ChatUnavailable, match="no chat template"):
        without.prompt_ids(prompt)


def test_a_template_that_reaches_out_of_its_sandbox_is_refused(tiny: TextTokenizer) -> None:
    hostile = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    tokenizer = TextTokenizer(Tokenizer.from_str(tokenizer_json()), ChatTemplate(hostile))
    prompt = Prompt.model_validate({"messages": [{"role": "user", "content": "x"}]})
    with pytest.raises(ChatUnavailable, match="unsafe"):
        tokenizer.prompt_ids(prompt)


def test_a_folder_without_tokenizer_json_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer\.json.*offsets") as raised:
        TextTokenizer.from_folder(tmp_path)
    assert "AutoTokenizer" in str(raised.value)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        TextTokenizer.from_folder(tmp_path)


def test_truncation_and_padding_of_the_training_are_not_obeyed() -> None:
    raw = Tokenizer.from_str(tokenizer_json())
    whole = TextTokenizer(Tokenizer.from_str(tokenizer_json())).encode("the apple of my eye").ids
    raw.enable_truncation(3)
    raw.enable_padding(length=20)
    assert TextTokenizer(Tokenizer.from_str(raw.to_str())).encode("the apple of my eye").ids == whole


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ x + 1 }}", "{% generation %}", "{{ raise_exception('no') }}"])
def test_a_template_that_fails_is_a_reason(template: str) -> None:
    tokenizer = TextTokenizer(Tokenizer.from_str(tokenizer_json()), ChatTemplate(template))
    prompt = Prompt.model_validate({"messages": [{"role": "user", "content": "x"}]})
    with pytest.raises(ChatUnavailable, match="the model's chat template refuses the prompt"):
        tokenizer.prompt_ids(prompt)


def test_a_template_has_the_names_that_transformers_gives_it() -> None:
    template = "{{ strftime_now('%Y') }}{{ messages | tojson(ensure_ascii=False) }}"
    tokenizer = TextTokenizer(Tokenizer.from_str(tokenizer_json()), ChatTemplate(template))
    prompt = Prompt.model_validate({"messages": [{"role": "user", "content": "天"}]})
    assert tokenizer.prompt_text(prompt) == '2000[{"role": "user", "content": "天"}]'


def test_the_end_of_a_word_is_a_space() -> None:
    vocabulary = {"a": 0, "p</w>": 1, "ap</w>": 2, "<unk>": 3}
    model = models.BPE(vocabulary, [("a", "p</w>")], end_of_word_suffix="</w>", unk_token="<unk>")
    tokenizer = TextTokenizer(Tokenizer(model))
    assert [tokenizer.show(token_id) for token_id in range(3)] == ["a", "p ", "ap "]
    assert tokenizer.decode([0, 1, 2]) == "ap ap "


def test_templates_of_any_name_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    templates = [{"name": ["default"], "template": "x"}, {"name": {}, "template": "x"}, 3]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": templates}))
    assert not TextTokenizer.from_folder(tmp_path).has_chat_template
