"""Chats by templates of our own writing, which use what those of published families use, against transformers."""

import datetime
import inspect
import json
import time
from pathlib import Path
from typing import Any

import pytest
import transformers
from transformers.models.auto import tokenization_auto
from transformers.utils import chat_template_utils

from reportgen.text.chat import ChatTemplate, ChatUnavailable
from reportgen.text.chat_files import read_chat_template
from reportgen.text.prompts import Message, Prompt
from reportgen.text.special_tokens import BY_CLASS, CLASS_OF_TYPE, MISNAMED, NAMES
from reportgen.text.tokens import TextTokenizer
from tests.tiny import tokenizer_json

FOLDER = Path(__file__).parent / "chat_templates"
FAMILIES = sorted(file.stem for file in FOLDER.glob("*.jinja") if file.stem != "parts")
END = {"__type": "AddedToken", "content": "<eos>", "lstrip": False, "rstrip": False, "normalized": False}
USER = {"role": "user", "content": "  an apple, “天氣” & <b>\n"}
CHATS = (
    [USER],
    [USER, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "a day"}],
    [{"role": "system", "content": "be good"}, USER],
)


class _NewYear(datetime.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> "_NewYear":
        return cls(2000, 1, 1)


@pytest.fixture(autouse=True)
def a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day that we tell every template."""
    monkeypatch.setattr(chat_template_utils, "datetime", _NewYear)


def saved(folder: Path, *, config: str = "llama", bos: bool = True, **settings: Any) -> Path:
    """A folder with a tokenizer, its settings and a configuration."""
    (folder / "tokenizer.json").write_text(tokenizer_json(bos))
    (folder / "config.json").write_text(json.dumps({"model_type": config}))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def ours(folder: Path, messages: list[dict[str, str]]) -> str:
    return TextTokenizer.from_folder(folder).prompt_text(_prompt(messages))


def theirs(folder: Path, messages: list[Any]) -> str:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


def _prompt(messages: list[dict[str, str]]) -> Prompt:
    return Prompt(messages=tuple(Message.model_validate(one) for one in messages))


def _template(family: str) -> str:
    return (FOLDER / f"{family}.jinja").read_text("utf-8")


def render(template: str, said: str = "hi") -> str:
    return ChatTemplate(template).render([{"role": "user", "content": said}])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_chat_is_what_transformers_makes_of_it(tmp_path: Path, family: str) -> None:
    tokens = {"bos_token": "<bos>", "eos_token": END, "image_token": "<image>"}
    folder = saved(tmp_path, **tokens, chat_template=_template(family))
    for messages in CHATS:
        try:
            expected = theirs(folder, messages)
        except Exception:  # the template refuses the roles
            with pytest.raises(ChatUnavailable, match="the model's chat template refuses the prompt: "):
                ours(folder, messages)
        else:
            assert ours(folder, messages) == expected


@pytest.mark.parametrize("messages", CHATS)
def test_a_template_that_wants_parts_is_given_parts(tmp_path: Path, messages: list[dict[str, str]]) -> None:
    folder = saved(tmp_path, chat_template=_template("parts"))
    in_parts = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in messages]
    assert ours(folder, messages) == theirs(folder, in_parts)
    assert "an apple" in ours(folder, messages)


@pytest.mark.parametrize(
    ("kind", "settings", "mapped"),
    [
        ("llama", {}, {"bos_token": "<bos>", "eos_token": {"content": "<eos>", "lstrip": False}}),
        ("llama", {"bos_token": "<a>"}, {"bos_token": "<bos>"}),
        ("llama", {"bos_token": "<a>", "added_tokens_decoder": {}}, {"bos_token": "<bos>"}),
        ("llama", {"bos_token": None, "pad_token": "<p>"}, None),
        ("llama", {"extra_special_tokens": {"image_token": "<i>"}}, None),
        ("llama", {"additional_special_tokens": ["<i>"]}, None),
        ("llama", {"tokenizer_class": "LlamaTokenizer"}, None),  # this one is byte-level
        ("llama", {"tokenizer_class": "GPT2TokenizerFast"}, None),
        ("llama", {"tokenizer_class": "PreTrainedTokenizerFast"}, None),
        ("gpt2", {}, None),
        ("gpt_neox", {"eos_token": "<eos>"}, None),
        ("qwen2", {"tokenizer_class": "Qwen2Tokenizer"}, None),
        ("qwen3", {"bos_token": None}, None),
        ("olmo2", {"tokenizer_class": "GPT2Tokenizer"}, None),
        ("phi3", {"tokenizer_class": "LlamaTokenizer"}, None),
        ("cohere", {"tokenizer_class": "CohereTokenizerFast"}, None),
    ],
)
def test_special_tokens_come_from_where_transformers_has_them(
    tmp_path: Path, kind: str, settings: dict[str, Any], mapped: dict[str, Any] | None
) -> None:
    names = [
        "bos_token",
        "eos_token",
        "unk_token",
        "pad_token",
        "cls_token",
        "image_token",
        "additional_special_tokens",
    ]
    template = "{{ messages[0].content }}" + "".join(f"|{{{{ {name} }}}}" for name in names)
    folder = saved(tmp_path, config=kind, **settings, chat_template=template)
    if mapped is not None:
        (folder / "special_tokens_map.json").write_text(json.dumps(mapped))
    assert ours(folder, [USER]) == theirs(folder, [USER])


def test_tokens_of_a_class_are_those_of_the_class_in_transformers() -> None:
    for name, kind in CLASS_OF_TYPE.items():
        assert tokenization_auto.TOKENIZER_MAPPING_NAMES[name].removesuffix("Fast") in (kind, "MistralCommonBackend"), (
            name
        )
    for name, tokens in BY_CLASS.items():
        taken = inspect.signature(tokenization_auto.tokenizer_class_from_name(name).__init__).parameters
        own = {token: taken[token].default for token in NAMES if token in taken}
        assert {token: str(text) for token, text in own.items() if isinstance(text, str)} == tokens, name
    assert MISNAMED == tokenization_auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS


@pytest.mark.parametrize("wrote", ["<bos>", "{{ bos_token }}", ""])
@pytest.mark.parametrize("bos", [True, False])
def test_bos_stands_once_wherever_it_comes_from(tmp_path: Path, wrote: str, bos: bool) -> None:
    folder = saved(tmp_path, bos=bos, bos_token="<bos>", chat_template=wrote + "{{ messages[0].content }}")
    mine = TextTokenizer.from_folder(folder).prompt_ids(_prompt([USER]))
    theirs = transformers.AutoTokenizer.from_pretrained(folder).apply_chat_template([USER], return_dict=False)
    assert list(mine) == theirs
    assert mine.count(0) == (1 if wrote else 0)


def test_a_file_stands_before_settings_and_the_default_before_others(tmp_path: Path) -> None:
    named = [{"name": name, "template": name + "{{ messages[0].content }}"} for name in ("tool_use", "default")]
    folder = saved(tmp_path, chat_template=named)
    assert ours(folder, [USER]) == theirs(folder, [USER]) == "default" + USER["content"]
    (folder / "chat_template.jinja").write_text("file{{ messages[0].content }}\r\n")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "rag.jinja").write_text("rag")
    assert ours(folder, [USER]) == theirs(folder, [USER])
    (folder / "chat_template.jinja").unlink()
    assert not TextTokenizer.from_folder(folder).has_chat_template
    with pytest.raises(ChatUnavailable, match="the prompt is a chat, and the model has chat templates for rag alone"):
        ours(folder, [USER])


@pytest.mark.parametrize(
    "settings",
    [
        "[" * 100_000,
        '{"chat_template": [{"name": ["x"], "template": "x"}, 5, {"name": {}}]}',
        '{"chat_template": {"default": 5}}',
        '{"chat_template": 5, "bos_token": {"content": ["x"]}, "extra_special_tokens": [1]}',
        '{"tokenizer_class": ["x"]}',
        "\udcff",
    ],
)
def test_settings_that_mean_nothing_are_no_template(tmp_path: Path, settings: str) -> None:
    folder = saved(tmp_path)
    (folder / "tokenizer_config.json").write_bytes(settings.encode("utf-8", "surrogateescape"))
    (folder / "special_tokens_map.json").write_text('["x"]')
    (folder / "config.json").write_text('{"model_type": ["x"]}')
    with pytest.raises(ChatUnavailable, match="the prompt is a chat, and the model has no chat template"):
        ours(folder, [USER])


def test_a_template_of_any_length_or_of_bytes_is_not_read(tmp_path: Path) -> None:
    folder = saved(tmp_path, bos_token="<bos>")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}" * 10_000)
    with pytest.raises(ChatUnavailable, match="its template is longer than 100,000 characters"):
        ours(folder, [USER])
    (folder / "chat_template.jinja").write_bytes(b"\xff{{ messages[0].content }}")
    with pytest.raises(ChatUnavailable, match="its template is not UTF-8"):
        ours(folder, [USER])
    assert read_chat_template(folder).tokens == {"bos_token": "<bos>"}


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages[0].role }}",
        "{{ messages[0].content | replace('apple', 'pear') }}",
        "{% for m in messages %}{{ m.content[:5] }}{% endfor %}",
        "{% for m in messages %}{% for part in m.content %}{{ part.txt }}{% endfor %}{% endfor %}",
    ],
)
def test_a_template_that_loses_words_is_refused(template: str) -> None:
    with pytest.raises(ChatUnavailable, match=r"leaves out what the user says: '[a-z]+' is not in the prompt"):
        render(template, "an apple a day")


@pytest.mark.parametrize(
    "template", ["{{ messages[0].content | trim | replace('\n', ' ') }}", "{{ messages | tojson }}", "{{ messages }}"]
)
def test_words_may_be_laid_out_otherwise(template: str) -> None:
    assert render(template, ' an "apple"\n a day ')


BOMBS = {
    "loops": "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3,
    "centre": "{{ 'a'.center(3000000000) }}",
    "centre as a filter": "{{ 'a'|center(3000000000) }}",
    "percent": "{{ '%03000000000d' % 1 }}",
    "percent and a star": "{{ '%*d' % (3000000000, 1) }}",
    "format": "{{ '{:3000000000}'.format(1) }}",
    "format as a filter": "{{ '%03000000000d'|format(1) }}",
    "times": "{{ 'a' * 3000000000 }}",
    "powers": "{{ 9 ** (9 ** 9) }}",
    "bytes": "{{ (1).to_bytes(1000000000, 'big') }}",
    "digits": "{{ 1.5|round(1000000000, 'ceil') }}",
    "doubled texts": "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "added texts": "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "doubled lists": "{% set ns = namespace(x=[0]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}",
    "doubled names": "{% set ns = namespace(x=0) %}{% for i in range(99) %}"
    "{% set ns.x = namespace(a=ns.x, b=ns.x) %}{% endfor %}{{ ns.x }}",
    "doubled blocks": "{% set x0 = 'aaaaaaaa' %}"
    + "".join(f"{{% set x{i + 1} %}}{{{{ x{i} }}}}{{{{ x{i} }}}}{{% endset %}}" for i in range(60)),
    "sums of ranges": "{{ ([range(99999)] * 900000)|map('sum')|list }}",
    "replaced": "{{ ('a' * 100000).replace('a', 'b' * 1000000) }}",
    "sought from the end": "{{ ('a' * 900000).rfind('b' ~ 'a' * 500000) }}",
    "stripped": "{{ ('a' * 900000).strip('a' * 500000) }}",
    "wrapped": "{{ ('a' * 900000)|wordwrap(1) }}",
    "compared": "{% set ns = namespace(x=[0] * 1000, y=[0] * 1000) %}"
    "{% for i in range(5) %}{% set ns.x = ns.x * 900 %}{% set ns.y = ns.y * 900 %}{% endfor %}{{ ns.x == ns.y }}",
    "macros": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "many variables": "".join(f"{{% set a{i} = 1 %}}" for i in range(5000)),
    "long reason": "{{ raise_exception('x' * 100000) }}",
    "half a character": "{{ messages[0].content }}\ud800",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_template_that_would_not_end_is_a_reason_in_a_moment(name: str) -> None:
    chat, started = ChatTemplate(BOMBS[name]), time.thread_time()
    with pytest.raises(ChatUnavailable, match=r"^the model's chat template ") as raised:
        chat.render([{"role": "user", "content": "hi"}])
    assert len(str(raised.value)) < 500
    assert time.thread_time() - started < 2.5


def test_what_took_too_much_once_is_not_tried_again() -> None:
    chat = ChatTemplate("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    reasons, started = set(), time.thread_time()
    for at in range(300):
        with pytest.raises(ChatUnavailable) as raised:
            chat.render([{"role": "user", "content": f"prompt {at}"}])
        reasons.add(str(raised.value))
    assert len(reasons) == 1
    assert time.thread_time() - started < 2.5


def test_nothing_is_computed_while_a_template_is_compiled() -> None:
    from reportgen.documents.bounded_templates import BoundedEnvironment

    environment, computed = BoundedEnvironment(), []
    environment.filters["noted"] = computed.append
    environment.from_string("{{ 'x'|noted }}{{ ('a' ~ 'b')|noted }}{% set y = 'x'|noted %}")
    assert computed == []
