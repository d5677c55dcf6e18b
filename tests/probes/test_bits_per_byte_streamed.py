"""Bits per byte of files that are not held whole, and of runs that are interrupted."""

import json
import tracemalloc
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.cache import Shelf
from reportgen.documents import regular_file
from reportgen.errors import BatteryError
from reportgen.features.text_options import TextSource
from reportgen.probes.bits_per_byte import extent, probe, run, tally, texts
from reportgen.probes.bits_per_byte.extent import measure_extent
from reportgen.probes.bits_per_byte.texts import ReadText, count_windows, cut_windows, read_texts
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.execute import execute
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.plan import make_plan
from reportgen.running.planned import Plan
from reportgen.text import parts
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.windows import documents_in
from tests.runs import run_probes
from tests.tiny import tokenizer_json

LINES = ["I ate an apple for breakfast", "an apple a day: the apple of my eye 天氣", "une pêche", "the apple of my eye"]
WINDOW = 16


def write_lines(file: Path, count: int = 12) -> Path:
    file.write_text("".join(json.dumps({"text": f"{LINES[at % 4]} {at}"}) + "\n" for at in range(count)))
    return file


def ask(file: Path, **options: Any) -> dict[str, Any]:
    return {"probe": "bits_per_byte", "text_file": str(file), "window": WINDOW, **options}


def measure(model: Path, file: Path, **options: Any) -> Outcome:
    return run_probes({"m": model}, {"bits": ask(file, **options)}).outcomes["bits"]["m"]


def plan_of(model: Path, file: Path, cache: OutcomeCache) -> Plan:
    return make_plan(
        read_battery(json.dumps({"models": {"m": str(model)}, "probes": {"bits": ask(file)}})), cache=cache
    )


@pytest.fixture
def tokenizer() -> TextTokenizer:
    return TextTokenizer(Tokenizer.from_str(tokenizer_json(True)))


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "split_text", lambda tokenizer, text: parts.split_text(tokenizer, text, 40))


def test_a_file_is_read_as_its_documents_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_lines(tmp_path / "texts.jsonl", 40_000)
    opened: list[BufferedReader] = []
    open_regular = regular_file.open_regular

    def remember(path: Path) -> BufferedReader:
        opened.append(open_regular(path))
        return opened[-1]

    monkeypatch.setattr(regular_file, "open_regular", remember)
    documents = documents_in(file)
    taken = 0
    for _ in range(100):
        taken += len(json.dumps({"text": next(documents).text})) + 1
    assert opened[0].tell() == taken, "no line is read ahead"
    assert opened[0].raw.tell() <= taken + 200_000 < file.stat().st_size
    assert sum(1 for _ in documents) == 40_000 - 100


def test_what_is_held_does_not_grow_with_the_file(
    tmp_path: Path, tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extent, "LOOKED_AT", 10_000)

    def peak_of(count: int) -> tuple[int, int]:
        file = tmp_path / f"{count}.jsonl"
        file.write_text("".join(json.dumps({"text": f"{' '.join(LINES * 20)} {at}"}) + "\n" for at in range(count)))
        source = TextSource((), file, str(count))
        tracemalloc.start()
        windows = measure_extent(tokenizer, source, 128, 1).windows
        passed = sum(1 for text in read_texts(tokenizer, source) for _ in cut_windows(text, 128, 1))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert windows == pytest.approx(passed, rel=0.1)
        return file.stat().st_size, peak

    (small, held), (large, held_of_large) = peak_of(10), peak_of(300)
    assert large > 25 * small
    assert held_of_large - held < 100_000 < (large - small) / 5


def test_a_bad_line_far_behind_is_told_before_any_pass(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extent, "LOOKED_AT", 100)
    file = write_lines(tmp_path / "texts.jsonl", 500)
    with file.open("a") as stream:
        stream.write("{\n")
    with pytest.raises(BatteryError, match="line 501: this is not JSON"):
        measure(llama, file)


def test_a_line_of_json_may_hold_other_line_ends(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a\xe2\x80\xa8b"}\r\n\r\n"c"')
    assert [one.text for one in documents_in(tmp_path / "texts.jsonl")] == ["a\u2028b", "c"]


@pytest.mark.parametrize("overlap", [1, 5])
def test_windows_are_counted_as_they_are_cut(tokenizer: TextTokenizer, overlap: int) -> None:
    for size in range(1, 90):
        text = ReadText(tokenizer, 0, 0, Prompt(text="apple " * size))
        windows = len(list(cut_windows(text, WINDOW, overlap)))
        assert count_windows(len(text.beginning.ids), text.head, WINDOW, overlap) == windows


def long_text() -> str:
    return "\n".join(f"{line} {at}" for at in range(20) for line in LINES)


@pytest.mark.parametrize("bos", [True, False])
def test_a_long_text_has_the_same_windows_in_parts(bos: bool, in_parts: None) -> None:
    tokenizer = TextTokenizer(Tokenizer.from_str(tokenizer_json(bos)))
    text = ReadText(tokenizer, 0, 0, Prompt(text=long_text()))
    assert not text.is_whole
    assert len(list(text.parts())) > 30
    ids = tokenizer.encode(long_text(), special_tokens=False).ids
    assert [token for part in text.parts() for token in part.ids] == list(ids)
    for overlap in (1, 5, 13):
        windows = list(cut_windows(text, WINDOW, overlap))
        assert [token for one in windows for token in one.new.ids] == list(ids)
        assert all(one.tokens[one.head :] == ids[one.start : one.end] for one in windows)
        assert [at for one in windows for at in range(one.fresh, one.end)] == list(range(0 if bos else 1, len(ids)))
        assert len(windows) == count_windows(len(ids), text.head, WINDOW, overlap)


def test_a_long_text_in_parts_has_the_same_numbers(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.txt").write_text(long_text())
    whole = measure(llama, tmp_path / "text.txt")
    monkeypatch.setattr(texts, "split_text", lambda tokenizer, text: parts.split_text(tokenizer, text, 40))
    extent.measure_extent.cache_clear()
    in_parts = measure(llama, tmp_path / "text.txt")
    assert in_parts.tables == whole.tables
    assert in_parts.metrics == whole.metrics


def test_a_cut_through_a_token_is_seen(tokenizer: TextTokenizer) -> None:
    text = long_text()
    ids = tokenizer.encode(text, special_tokens=False).ids
    wrong = [
        token
        for at in range(0, len(text), 40)
        for token in tokenizer.encode(text[at : at + 40], special_tokens=False).ids
    ]
    assert wrong != list(ids)
    cut = list(parts.split_text(tokenizer, text, 40))
    assert "".join(cut) == text
    assert [token for part in cut for token in tokenizer.encode(part, special_tokens=False).ids] == list(ids)
    assert list(parts.split_text(tokenizer, "aaaa", 4)) == ["aaaa"]


def test_a_text_that_cannot_be_read_in_a_later_part_is_left_out_whole(in_parts: None) -> None:
    tokenizer = TextTokenizer(Tokenizer.from_str(tokenizer_json(True)))
    highest = {line: max(tokenizer.encode(line).ids) for line in LINES}
    low, high = min(LINES, key=highest.__getitem__), max(LINES, key=highest.__getitem__)
    tokenizer.rows = highest[low] + 1
    assert highest[high] >= tokenizer.rows
    text = ReadText(tokenizer, 0, 0, Prompt(text=f"{low}\n" * 20 + high))
    assert text.explain_beginning() == ""
    assert "has no row in the model's embedding" in text.explain()


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_lines(tmp_path / "texts.jsonl", 24)
    whole = measure(llama, file)  # without a cache
    windows = sum(whole.tables["texts"].column("windows"))
    monkeypatch.setattr(run, "KEPT_EVERY", 5)
    taken: list[tuple[int, int]] = []
    take = tally.Tally.take

    def killed(self: Any, text: Any, window: Any, nats: Any) -> None:
        if len(taken) == 18:
            raise KeyboardInterrupt
        taken.append((text.number, window.start))
        take(self, text, window, nats)

    cache = OutcomeCache()
    monkeypatch.setattr(tally.Tally, "take", killed)
    with pytest.raises(KeyboardInterrupt):
        execute(plan_of(llama, file, cache), cache=cache)
    assert len(kept_of(cache)) == 1

    after: list[tuple[int, int]] = []

    def counted(self: Any, text: Any, window: Any, nats: Any) -> None:
        after.append((text.number, window.start))
        take(self, text, window, nats)

    monkeypatch.setattr(tally.Tally, "take", counted)
    again = execute(plan_of(llama, file, cache), cache=cache).outcomes["bits"]["m"]
    assert after[0] == taken[15], "what was kept is not done again"
    assert len(after) == windows - 15
    assert len({*taken[:15], *after}) == windows
    assert again.tables == whole.tables
    assert again.metrics == whole.metrics
    assert kept_of(cache) == [], "nothing is left behind once it is finished"


def kept_of(cache: OutcomeCache) -> list[Path]:
    shelf: Shelf = cache._shelf
    return [file for file in shelf.files() if b'"window_bits"' in file.read_bytes()]


def test_what_was_kept_and_cannot_be_read_is_done_again() -> None:
    class Kept:
        def __init__(self, content: bytes) -> None:
            self.read = lambda: content

    for content in (b"", b"{}", b"[1]", b"\xff", b'{"current": 3}'):
        keeping: Any = Kept(content)
        assert run._Keeping(keeping).restore() == tally.Tally()


def test_texts_beyond_those_listed_stand_together(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_lines(tmp_path / "texts.jsonl")
    whole = measure(llama, file)
    monkeypatch.setattr(tally, "LISTED_TEXTS", 8)
    bounded = measure(llama, file)
    assert bounded.metrics == whole.metrics
    *first, rest = bounded.tables["texts"].records()
    assert first == whole.tables["texts"].records()[:8]
    others = whole.tables["texts"].records()[8:]
    assert (rest["text"], rest["called"]) == (None, "4 more")
    assert {name: rest[name] for name in ("bytes", "tokens", "windows", "left_out")} == {
        name: sum(row[name] for row in others) for name in ("bytes", "tokens", "windows", "left_out")
    }
    total = sum(row["bits_per_byte"] * row["bytes"] for row in others)
    assert rest["bits_per_byte"] == pytest.approx(total / rest["bytes"])
    section = Section("bits", {"m": bounded}, {"m": ModelCard("m", "M", "X", 3)})
    assert "of 12 texts" in probe.statement(section)
    assert list(probe.figures(section))


def test_texts_of_which_nothing_is_predicted_are_found_when_they_are_read(
    gemma3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_lines(tmp_path / "texts.jsonl")
    with file.open("a") as stream:
        stream.write('{"text": "I"}\n')
    monkeypatch.setattr(extent, "LOOKED_AT", 40)
    outcome = measure(gemma3, file)
    assert outcome.metrics["texts_read"].value == 12
    assert outcome.tables["skipped"].column("text") == ["I"]


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_real_tokenizers_give_the_tokens_of_the_whole(name: str) -> None:
    from reportgen.model.files.demo import DEMO_MODELS, demo_folder
    from reportgen.text.prompts import PromptSets

    tokenizer = TextTokenizer.from_folder(demo_folder(DEMO_MODELS[name]))
    written = [one.text or "" for one in PromptSets.for_battery(None).find("long/ferry").prompts]
    text = "\n\n".join(
        [*written, *LINES, "今天天氣真好,我早餐吃了蘋果。" * 40, "  def f(x):\n\n\treturn x  " * 20, "🐠" * 80]
    )
    ids = tokenizer.encode(text, special_tokens=False).ids
    for size in (60, 300, 2_000):
        assert list(_ids_of_parts(tokenizer, text, size)) == list(ids)


def _ids_of_parts(tokenizer: TextTokenizer, text: str, size: int) -> Iterator[int]:
    for part in parts.split_text(tokenizer, text, size):
        yield from tokenizer.encode(part, special_tokens=False).ids
