"""A tokenizer of which what was asked is kept answers as the tokenizers library does, and as before."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from reportgen.cache import TOKENS, Shelf
from reportgen.errors import ModelError
from reportgen.text import kept_tokens
from reportgen.text.kept_tokens import KeptTokenizer
from reportgen.text.tokens import TextTokenizer
from tests.tiny import tokenizer_json

TEXTS = (
    "an apple",
    "the 李 of my 🐠",
    "",
    " an  apple ",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "cache"))
    written = tmp_path / "model" / "tokenizer.json"
    written.parent.mkdir()
    written.write_text(tokenizer_json(bos=True))
    return written


def _ask(tokenizer: TextTokenizer) -> list[object]:
    encoded = [tokenizer.encode(text, special_tokens=special) for text in TEXTS for special in (True, False)]
    pieces = [tokenizer.piece(token_id) for token_id in range(tokenizer.size + 2)]
    return [encoded, pieces, tokenizer.special_ids, tokenizer.reserved, tokenizer.size]


def _ask_library(file: Path) -> list[object]:
    return _ask(TextTokenizer(Tokenizer.from_file(str(file))))


def _count_readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    read: list[int] = []
    own = KeptTokenizer._open

    def count(self: KeptTokenizer, content: bytes) -> Tokenizer:
        read.append(len(content))
        return own(self, content)

    monkeypatch.setattr(KeptTokenizer, "_open", count)
    return read


def test_the_second_run_reads_no_tokenizer_and_gives_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = _count_readings(monkeypatch)
    first = TextTokenizer.from_folder(file.parent, kept=True)
    assert _ask(first) == _ask_library(file)
    first.rest()
    assert len(read) == 1
    assert _ask(first) == _ask_library(file)
    again = TextTokenizer.from_folder(file.parent, kept=True)
    assert _ask(again) == _ask_library(file)
    assert len(read) == 1


def test_a_text_that_nobody_asked_before_is_read_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TextTokenizer.from_folder(file.parent, kept=True).rest()
    read = _count_readings(monkeypatch)
    tokenizer = TextTokenizer.from_folder(file.parent, kept=True)
    assert read == []
    expected = TextTokenizer(Tokenizer.from_file(str(file)))
    for text in ("a new text", "another"):
        assert tokenizer.encode(text) == expected.encode(text)
    assert len(read) == 1
    tokenizer.rest()
    assert TextTokenizer.from_folder(file.parent, kept=True).encode("another") == expected.encode("another")
    assert len(read) == 1


def test_another_tokenizer_is_asked_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = TextTokenizer.from_folder(file.parent, kept=True)
    _ask(known)
    known.rest()
    changed = json.loads(file.read_text())
    changed["post_processor"] = None
    file.write_text(json.dumps(changed))
    read = _count_readings(monkeypatch)
    found = _ask(TextTokenizer.from_folder(file.parent, kept=True))
    assert found == _ask_library(file)
    assert len(read) == 1
    with pytest.raises(ModelError, match="changed while it was read"):
        known.encode("what was not asked before it changed")


@pytest.mark.parametrize("damage", ["cut", "other bytes", "other content"])
def test_what_is_damaged_in_the_cache_changes_nothing(file: Path, damage: str) -> None:
    first = TextTokenizer.from_folder(file.parent, kept=True)
    _ask(first)
    first.rest()
    shelf = Shelf(TOKENS)
    files = shelf.files()
    assert len(files) == 3  # its parts, its vocabulary, the texts
    for kept in files:
        if damage == "cut":
            kept.write_bytes(kept.read_bytes()[:40])
        elif damage == "other bytes":
            kept.write_bytes(kept.read_bytes()[:-1] + b"?")
        else:
            shelf.write(kept.name, b'[["an apple", true, [1], [0], "x", 7]]')
    assert _ask(TextTokenizer.from_folder(file.parent, kept=True)) == _ask_library(file)


def test_nothing_is_kept_where_nothing_is_to_be(file: Path) -> None:
    tokenizer = TextTokenizer.from_folder(file.parent)
    _ask(tokenizer)
    tokenizer.rest()
    assert _ask(tokenizer) == _ask_library(file)
    assert Shelf(TOKENS).files() == []


def test_a_vocabulary_with_gaps_is_read_each_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gaps = json.loads(file.read_text())
    vocabulary = gaps["model"]["vocab"]
    last = max(vocabulary, key=vocabulary.__getitem__)
    vocabulary[last] += 7
    file.write_text(json.dumps(gaps))
    for _ in range(2):
        tokenizer = TextTokenizer.from_folder(file.parent, kept=True)
        assert _ask(tokenizer) == _ask_library(file)
        assert tokenizer.piece(vocabulary[last]) == _library_piece(file, vocabulary[last])
        tokenizer.rest()


def _library_piece(file: Path, token_id: int) -> bytes:
    return TextTokenizer(Tokenizer.from_file(str(file))).piece(token_id)


def test_long_texts_and_too_many_are_not_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_tokens, "LONGEST_KEPT", 9)
    monkeypatch.setattr(kept_tokens, "MOST_KEPT", 400)
    tokenizer = TextTokenizer.from_folder(file.parent, kept=True)
    for text in ("an apple of mine", *(f"apple {at}" for at in range(90))):
        tokenizer.encode(text)
    tokenizer.rest()
    kept = json.loads(Shelf(TOKENS).read(tokenizer._encoder._key("texts")) or b"")  # type: ignore[union-attr]
    assert 0 < len(kept) < 10
    assert kept[0][0] == "apple 0"
