import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from reportgen.errors import ModelError
from reportgen.text.pattern_cost import is_bounded
from reportgen.text.tokenizer_parts import UnknownPart, check_parts
from reportgen.text.tokenizer_process import BrokenProcess, TokenizerProcess
from reportgen.text.tokens import TextTokenizer
from tests.tiny import tokenizer_json

Change = Callable[[dict[str, Any]], Any]
TEXTS = ("an apple", "a" * 40 + "b", "", "天氣 🐠\n\n")


def changed(change: Change) -> bytes:
    """The tokenizer of tiny models, with a part of it exchanged."""
    parts = json.loads(tokenizer_json())
    change(parts)
    return json.dumps(parts).encode()


def normaliser(*kinds: dict[str, Any]) -> Change:
    return lambda parts: parts.update(normalizer={"type": "Sequence", "normalizers": list(kinds)})


def replaces(kind: str, sought: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: sought}, "content": content}


def split(pattern: Any) -> Change:
    part = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return lambda parts: parts.update(pre_tokenizer=part)


BOUNDED = [
    r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\p{Lu}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{M}]+(?i:'s|'t)?",
    r"\d{1,3}(?=(?:\d{3})*\b)",
    r" {2,}",
    r"[一-龥぀-ゟ]+",
    r"(?<=\s)a",
]
ENDLESS = [
    r"(a+)+$", r"(a*)*", r"(a|aa)+$", r"(?:a?){50}", r"(a)\1", "((", "a**", r"(x+x+)+y", "", r"\k<a>", r"(?R)",
    r"(?<n>a+)", "a{2000}", r".*.*b", "a?" * 20 + "b", "(a|a)" * 20, "a{1,2}+", "(?x: a )+", "[" * 500, "a" * 5000,
    r"[\p{L}" * 400, 5,
]  # fmt: skip


@pytest.mark.parametrize("pattern", BOUNDED)
def test_patterns_of_published_tokenizers_are_bounded(pattern: str) -> None:
    assert is_bounded(pattern)
    check_parts(changed(split(pattern)))


@pytest.mark.parametrize("pattern", ENDLESS)
def test_patterns_that_may_not_end_are_not(pattern: Any) -> None:
    assert not is_bounded(pattern)


def test_the_usual_parts_run_here(smollm2_folder: Path, gemma_folder: Path) -> None:
    for folder in (smollm2_folder, gemma_folder):
        check_parts((folder / "tokenizer.json").read_bytes())
    check_parts(tokenizer_json().encode())
    check_parts(changed(normaliser({"type": "NFC"}, {"type": "Prepend", "prepend": "▁"}, replaces("String", " ", "▁"))))
    check_parts(changed(lambda parts: parts.pop("version")))


UNKNOWN: dict[str, Change] = {
    "grows": normaliser(*[replaces("String", "a", "a" * 100)] * 2),
    "replaces nothing": normaliser(replaces("String", "", "x")),
    "replaces what may be nothing": normaliser(replaces("Regex", "a*", "x")),
    "searches for ever": normaliser(replaces("Regex", "(a+)+$", "x")),
    "puts nothing in front": normaliser({"type": "Prepend", "prepend": ""}),
    "a table": normaliser({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    "splits for ever": split("(a+)+$"),
    "of length 0": lambda parts: parts.update(pre_tokenizer={"type": "FixedLength", "length": 0}),
    "a token that is not there": lambda parts: parts["post_processor"]["special_tokens"].clear(),
    "a second text": lambda parts: parts["post_processor"]["single"].append({"Sequence": {"id": "B", "type_id": 0}}),
    "long words": lambda parts: parts["model"].update(type="WordPiece", max_input_chars_per_word=10**9),
    "another kind": lambda parts: parts["model"].update(type="Neural"),
    "no mapping": lambda parts: parts.update(normalizer=[1]),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_part_of_which_it_is_not_known_that_it_ends(name: str) -> None:
    with pytest.raises(UnknownPart):
        check_parts(changed(UNKNOWN[name]))


@pytest.mark.parametrize("name", ["normalizer", "norm\\u0061lizer", "normalize\\u0072", "pre_tokenizer", "model"])
def test_a_part_that_stands_twice_is_seen(name: str) -> None:
    written = tokenizer_json().strip()
    again = '{"type": "Prepend", "prepend": ""}'
    with pytest.raises(UnknownPart):
        check_parts(f'{written[:-1]}, "{name}" : {again}}}'.encode())
    with pytest.raises(UnknownPart):
        check_parts(f'{{"{name}": null, {written[1:-1]}, "{name}": {again}}}'.encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b"\xff",
        b"{}",
        b'{"model": 5}',
        b'{"normalizer": 5, "model": {}}',
        b'{"normalizer":' + b'{"type": "Sequence", "normalizers": [' * 5000,
    ],
)
def test_what_is_not_a_tokenizer_is_unknown(content: bytes) -> None:
    with pytest.raises(UnknownPart):
        check_parts(content)


def test_a_process_encodes_as_the_library_does() -> None:
    content = changed(split(r"(?:\r?\n)+|\s?\w+"))
    process, library = TokenizerProcess(content), Tokenizer.from_buffer(content)
    for text in TEXTS:
        for special in (True, False):
            mine, theirs = (one.encode(text, add_special_tokens=special) for one in (process, library))
            assert list(mine.ids) == theirs.ids
            assert [tuple(pair) for pair in mine.offsets] == theirs.offsets
            assert list(mine.special_tokens_mask) == theirs.special_tokens_mask


BROKEN: dict[str, Change] = {
    **{
        name: UNKNOWN[name]
        for name in ("replaces nothing", "splits for ever", "of length 0", "a token that is not there")
    },
    "merges": lambda parts: parts["model"]["merges"].append(["zz", "qq"]),
    "no such unknown token": lambda parts: parts["model"].update(unk_token="nope", vocab={"a": 0}, merges=[]),
    "a table": UNKNOWN["a table"],
    "patterns that cannot be read": split("(("),
    "not in the list": lambda parts: parts.update(model={"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]]}),
}


def _encode_all(folder: Path) -> None:
    for text in TEXTS:
        TextTokenizer.from_folder(folder).encode(text)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_tokenizer_is_told_in_a_line(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tokenizer.json").write_bytes(changed(BROKEN[name]))
    with pytest.raises(ModelError, match=r"the tokenizer (cannot be read|fails on)") as raised:
        _encode_all(tmp_path)
    assert len(raised.value.mistakes) == 1
    assert "\n" not in raised.value.mistakes[0].message
    assert "Exception" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_tokenizer_that_grows_is_stopped() -> None:
    process = TokenizerProcess(changed(normaliser(*[replaces("String", "a", "a" * 100)] * 8)))
    for _ in range(2):
        with pytest.raises(BrokenProcess, match="too many seconds, or too much memory"):
            process.encode("aaaa")
