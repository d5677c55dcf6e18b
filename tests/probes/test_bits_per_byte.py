"""Bits per byte, against a plain loop over the network's own logits."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers

from reportgen.errors import BatteryError
from reportgen.figures.describe import Rankings, TokenGrid
from reportgen.numerics.resampling import ratio_interval_95
from reportgen.probes.bits_per_byte import probe
from reportgen.probes.bits_per_byte.texts import ReadText, cut_windows, read_texts
from reportgen.probes.bits_per_byte.words import OTHER, cut_words, scripts_of_tokens
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from tests.reference import bits_per_byte as reference
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

TEXTS = ["I ate an apple for breakfast, an apple a day: the apple of my eye 天氣", "the apple of my eye", "une pêche"]
WINDOW = 16
MODELS = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]


def measure(source: Path, texts: Sequence[Any] = TEXTS, **options: Any) -> Outcome:
    entry = {"probe": "bits_per_byte", "texts": list(texts), "window": WINDOW, **options}
    return run_probes({"m": source}, {"bits": entry}).outcomes["bits"]["m"]


def ids_of(text: str) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(False)).encode(text).ids


def sizes_of(text: str) -> list[int]:
    """(token) bytes, of tokens that have one character a byte in their names."""
    return [len(token) for token in Tokenizer.from_str(tokenizer_json(False)).encode(text).tokens]


def by_hand(model: tuple[str, int, bool], text: str, overlap: int = 1) -> list[float | None]:
    family, seed, bos = model
    bits: list[float | None] = reference.token_bits(
        random_model(family, seed), ids_of(text), [0] if bos else [], WINDOW, overlap
    )
    return bits


@pytest.mark.parametrize("overlap", [1, 5])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model[0])
def test_a_plain_loop_agrees(model: tuple[str, int, bool], overlap: int, request: pytest.FixtureRequest) -> None:
    outcome = measure(request.getfixturevalue(model[0]), overlap=overlap)
    assert outcome.status == "ok", outcome.reason
    bits = [by_hand(model, text, overlap) for text in TEXTS]
    sizes = [sizes_of(text) for text in TEXTS]
    expected = [reference.bits_per_byte(*pair) for pair in zip(bits, sizes, strict=True)]
    assert outcome.tables["texts"].column("bits_per_byte") == pytest.approx(expected, abs=1e-4)
    assert outcome.metrics["mean_of_texts"].value == pytest.approx(np.mean(expected), abs=1e-4)
    every, of_all = [one for text in bits for one in text], [size for text in sizes for size in text]
    known = [one for one in every if one is not None]
    assert outcome.metrics["bits_per_byte"].value == pytest.approx(reference.bits_per_byte(every, of_all), abs=1e-4)
    assert outcome.metrics["perplexity"].value == pytest.approx(2 ** np.mean(known), rel=1e-4)
    assert outcome.metrics["confidence"].value == pytest.approx(np.mean([2**-one for one in known]), rel=1e-4)
    assert outcome.tables["pieces"].column("bits") == pytest.approx(every, abs=1e-3)
    assert outcome.tables["pieces"].column("bytes") == of_all
    assert outcome.metrics["tokens"].value == len(known)
    left_out = 0 if model[2] else sum(size[0] for size in sizes)
    assert outcome.metrics["left_out"].value == left_out
    assert outcome.metrics["bytes"].value == sum(len(text.encode()) for text in TEXTS) - left_out


def test_one_long_text_has_an_interval_over_its_windows(llama: Path) -> None:
    text = TEXTS[0] * 5
    outcome = measure(llama, [text])
    bits, sizes = np.array(by_hand(MODELS[0], text), dtype=float), np.array(sizes_of(text))
    ends = range(WINDOW - 1, len(bits), WINDOW - 2)  # one of them is BOS, and one is read again
    of_windows = [np.array([part.sum() for part in np.split(one, ends)]) for one in (bits, sizes)]
    assert outcome.tables["texts"].column("windows") == [len(of_windows[0])]
    found = [outcome.metrics[name].value for name in ("bits_low", "bits_high")]
    assert found == pytest.approx(ratio_interval_95(of_windows[0], of_windows[1]).tolist(), abs=1e-3)
    told = probe.statement(section_of({"m": outcome}))
    assert f"Over its {len(of_windows[0])} windows the 95 % interval is " in told
    few = measure(llama, TEXTS[:1])
    assert few.metrics["bits_low"].reason == "fewer than 5 windows are too few for an interval"
    assert "windows" not in probe.statement(section_of({"m": few}))


def test_the_reference_catches_nats_and_tokens(llama: Path) -> None:
    bits, sizes = by_hand(MODELS[0], TEXTS[0]), sizes_of(TEXTS[0])
    measured = measure(llama).tables["texts"].column("bits_per_byte")[0]
    assert measured == pytest.approx(reference.bits_per_byte(bits, sizes), abs=1e-4)
    assert measured != pytest.approx(reference.bits_per_byte(bits, sizes, nats=True), rel=0.1)
    assert measured != pytest.approx(reference.bits_per_byte(bits, sizes, per_token=True), rel=0.1)


def test_every_word_has_its_bits_and_they_sum_to_those_of_the_text(llama: Path, gemma3: Path) -> None:
    outcome, other = measure(llama), measure(gemma3)
    words = outcome.tables["words"].records()
    assert "".join(row["word"] for row in words if row["text"] == 0) == TEXTS[0]
    assert [row["word"] for row in words if row["text"] == 0][-2:] == [" 天", "氣"]
    total = sum(row["bits"] for row in words)
    assert total == pytest.approx(sum(outcome.tables["pieces"].column("bits")), rel=1e-9)
    assert [row["bytes"] for row in words] == [len(row["word"].encode()) for row in words]
    assert other.tables["words"].column("word") == outcome.tables["words"].column("word")
    assert other.tables["words"].column("bits")[0] is None, "its first token is not predicted"
    scripts = {row["script"]: row for row in outcome.tables["scripts"].records()}
    assert scripts["han"]["bytes"] in (6, 7)
    assert sum(row["bytes"] for row in scripts.values()) == outcome.metrics["bytes"].value


def test_a_text_does_not_depend_on_its_neighbours(llama: Path) -> None:
    alone = measure(llama, TEXTS[1:2]).tables["texts"].records()[0]
    beside = measure(llama).tables["texts"].records()[1]
    assert alone["bits_per_byte"] == beside["bits_per_byte"]


def test_each_token_is_predicted_once_with_the_overlap_before_it() -> None:
    tokenizer = TextTokenizer(Tokenizer.from_str(tokenizer_json(True)))
    (text,) = read_texts(tokenizer, [Prompt(text=TEXTS[0])])
    for overlap in (1, 5, 14):
        windows = list(cut_windows(text, WINDOW, overlap))
        assert [at for one in windows for at in range(one.fresh, one.end)] == list(range(len(text.beginning.ids)))
        assert all(len(one.tokens) <= WINDOW for one in windows)
        assert all(one.fresh - one.start == overlap for one in windows[1:])
        assert all(one.tokens[one.first :] == text.beginning.ids[one.fresh : one.end] for one in windows)
    with pytest.raises(ValueError, match="no room for 15 that are read again"):
        list(cut_windows(text, WINDOW, 15))


def byte_fallback() -> TextTokenizer:
    """As SentencePiece has it: ▁ for a space, one before every text, and bytes for what is no token."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: at for at, token in enumerate(tokens)}, merges=[], byte_fallback=True, unk_token="<unk>"
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return TextTokenizer(tokenizer)


def test_bytes_are_those_of_the_text_whatever_the_tokens_are() -> None:
    (text,) = read_texts(byte_fallback(), [Prompt(text="a 花b")])
    assert text.beginning.pieces == (b"", b"a", b" ", b"\xe8", b"\x8a", b"\xb1", b"b")
    assert scripts_of_tokens(text.beginning.pieces) == [OTHER, "latin", OTHER, "han", "han", "han", "latin"]


def test_a_text_that_its_tokens_do_not_spell_is_not_measured() -> None:
    lower = Tokenizer.from_str(tokenizer_json(True))
    lower.normalizer = normalizers.Lowercase()
    texts: list[ReadText] = list(
        read_texts(TextTokenizer(lower), [Prompt(text="the Apple", id="big"), Prompt(text="the eye")])
    )
    reasons = {text.called: reason for text in texts if (reason := text.explain())}
    assert reasons == {"big": "its tokens spell another text: 'he apple' where 'he Apple' is written"}


def test_special_tokens_that_a_text_names_are_no_tokens_of_it(llama: Path) -> None:
    outcome = measure(llama, ["an apple<eos> a day"])
    (special,) = [row for row in outcome.tables["pieces"].records() if row["bits"] is None]
    assert (special["token"], special["bytes"]) == ("<eos>", 5)
    assert outcome.metrics["left_out"].value == 5
    assert outcome.metrics["bytes"].value == len("an apple a day")


def test_what_cannot_be_measured_is_told_before_any_pass(llama: Path, gemma3: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "an apple"}) + "\n" + json.dumps({"text": ""}) + "\n")
    entry = {"probe": "bits_per_byte", "text_file": str(tmp_path / "texts.jsonl")}
    with pytest.raises(BatteryError, match="line 2: the `text` is empty"):
        run_probes({"m": llama}, {"bits": entry})
    with pytest.raises(BatteryError, match="the text is empty"):
        measure(llama, ["an apple", ""])
    with pytest.raises(BatteryError, match="text 0 is a chat"):
        measure(llama, [{"messages": [{"role": "user", "content": "an apple"}]}])
    with pytest.raises(BatteryError, match="leaves no new token"):
        measure(llama, overlap=15)
    with pytest.raises(BatteryError, match="nothing of it is predicted"):
        measure(gemma3, ["I"])
    with pytest.raises(BatteryError, match="exceed the context of 512"):
        measure(llama, ["apple " * 600], window=1024)


def test_a_text_that_only_one_model_can_predict_is_skipped_in_the_other(llama: Path, gemma3: Path) -> None:
    entry = {"probe": "bits_per_byte", "texts": ["I", "an apple a day"], "window": WINDOW}
    outcomes = run_probes({"m": llama, "n": gemma3}, {"bits": entry}).outcomes["bits"]
    assert outcomes["m"].metrics["texts_read"].value == 2
    assert outcomes["n"].tables["texts"].column("text") == [1]
    assert outcomes["n"].tables["skipped"].column("text") == ["I"]
    assert list(probe.figures(section_of(outcomes)))


def section_of(outcomes: Any) -> Section:
    return Section("bits", dict(outcomes), {id: ModelCard(id, id.upper(), "X", 3) for id in outcomes})


def test_words_are_the_same_for_every_tokenizer() -> None:
    assert cut_words("  An apple,\n\n天氣 is はな 好 ") == [
        "  An",
        " apple,",
        "\n\n天",
        "氣",
        " is",
        " は",
        "な",
        " 好 ",
    ]
    assert cut_words(" ") == [" "]
    for text in (*TEXTS, "早 good晚,x", "\n"):
        assert "".join(cut_words(text)) == text


def test_two_models_are_drawn_and_told_apart(llama: Path, gpt2: Path) -> None:
    texts = [f"{text} {at}" for at, text in enumerate(TEXTS * 2)]
    entry = {"probe": "bits_per_byte", "texts": texts, "window": WINDOW}
    outcomes = run_probes({"m": llama, "n": gpt2}, {"bits": entry}).outcomes["bits"]
    section = section_of(outcomes)
    drawn = list(probe.figures(section))
    strips = [figure for figure in drawn if isinstance(figure, TokenGrid)]
    (difference,) = (figure for figure in drawn if isinstance(figure, Rankings))
    assert [strip.subject for strip in strips] == [("m",), ("n",)]
    most = max(float(np.nanmax(strip.values)) for strip in strips)
    assert most == 1.0, "both are on one scale"
    words = {id: one.tables["words"].column("bits") for id, one in outcomes.items()}
    apart = np.array(words["m"]) - np.array(words["n"])
    assert difference.rankings[0].values[0] == pytest.approx(apart.max())
    assert difference.rankings[1].values[0] == pytest.approx(-apart.min())
    told = probe.statement(section)
    assert told.startswith("M needs ")
    assert "bits per byte of 6 texts" in told
    assert "On the words of 6 texts that both predict, " in told
    assert "The mean over the 6 texts is" in told


def test_of_more_than_eight_models_the_first_is_compared_with_the_last_alone(llama: Path, gpt2: Path) -> None:
    one, other = measure(llama), measure(gpt2)

    def compare(count: int) -> tuple[int, list[tuple[str, ...]]]:
        """Comparisons that are told, and those that are drawn: models of one output differ in no word."""
        section = section_of({f"m{at}": one if at < 2 else other for at in range(count)})
        drawn = [figure.subject for figure in probe.figures(section) if isinstance(figure, Rankings)]
        return probe.statement(section).count("texts that both predict"), drawn

    told, drawn = compare(8)
    assert told == 28
    assert drawn == [(a, f"m{b}") for a in ("m0", "m1") for b in range(2, 8)]
    assert compare(9) == (1, [("m0", "m8")])


@pytest.mark.real
def test_one_text_is_the_same_bytes_under_three_tokenizers(llama: Path) -> None:
    models = {"smol": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m", "tiny": llama}
    text = "I ate an apple for breakfast: 今天天氣真好, une pêche, 🐠!"
    entry = {"probe": "bits_per_byte", "texts": [text]}
    outcomes = run_probes(models, {"bits": entry}).outcomes["bits"]
    assert [one.metrics["tokens"].value for one in outcomes.values()] == [31, 18, 44]
    words = {id: one.tables["words"].records() for id, one in outcomes.items()}
    for rows in words.values():
        assert "".join(row["word"] for row in rows) == text
        assert [row["bytes"] for row in rows] == [row["bytes"] for row in words["tiny"]]
    found = {id: float(one.metrics["bits_per_byte"].value or math.nan) for id, one in outcomes.items()}
    assert found["gemma"] < found["smol"] < 3 < 6 < found["tiny"]
    cards = {"smol": ModelCard("smol", "Smol", "X", 30), "gemma": ModelCard("gemma", "Gemma", "X", 18),
             "tiny": ModelCard("tiny", "Tiny", "X", 3)}  # fmt: skip
    section = Section("bits", dict(outcomes), cards)
    drawn = list(probe.figures(section))
    pairs = [one.subject for one in drawn if isinstance(one, Rankings)]
    assert pairs == [("smol", "gemma"), ("smol", "tiny"), ("gemma", "tiny")]
    assert len([one for one in drawn if isinstance(one, TokenGrid)]) == 3
    assert "Gemma needs" in probe.statement(section)


@pytest.mark.real
def test_demo_models_predict_the_shipped_text_better_than_chance() -> None:
    names = {"smol": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    outcomes = run_probes(names, {"bits": {"probe": "bits_per_byte", "texts": "long/ferry"}}).outcomes["bits"]
    found = {id: one.metrics["bits_per_byte"].value for id, one in outcomes.items()}
    assert {id: round(float(value or math.nan), 2) for id, value in found.items()} == {"smol": 1.16, "gemma": 1.09}
    sizes = {id: (one.metrics["bytes"].value, one.metrics["left_out"].value) for id, one in outcomes.items()}
    assert sizes == {"smol": (4461, 3), "gemma": (4464, 0)}
