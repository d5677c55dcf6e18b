"""Answers and texts that cannot be used: one line each with file and line, before any pass, and exit code 2."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import save_tiny

LENS = "  x: {probe: logit_lens, prompts: "
PATCH = "  x: {probe: activation_patching, prompts: "
BITS = "  x: {probe: bits_per_byte, "


@pytest.mark.parametrize(
    ("probe", "line", "told"),
    [
        ((f"{LENS}[", '    {text: an apple, answers: ""}]}'), 6, "prompts[0].answers: expected at least 1 character"),
        (
            (f"{LENS}[an apple,", '    {text: I ate, answers: [" a",', '      ""]}]}'),
            7,
            "prompts[1].answers[1]: expected at least 1 character, found ''",
        ),
        (
            (f"{LENS}[an apple,", '    {text: I ate, answers: [" a", e], not: e}]}'),
            6,
            "prompts[1]: 'e' is in `answers` and in `not`: it is either right or wrong",
        ),
        (
            (f"{LENS}[an apple,", '    {text: I ate, answers: " a day", not: " a"}]}'),
            6,
            "probes.x.prompts[1]: 'I ate' can be used in no model: ' a day' (␣a | ␣day) and ' a' begin with the same "
            "token, ' a'",
        ),
        (
            (
                f"{PATCH}[",
                "    {text: I ate an apple a day, pair: p, group: clean, answers: e, not: eb},",
                "    {text: I ate an eye a day, pair: p, group: corrupted}]}",
            ),
            5,
            "probes.x: 'e' and 'eb' (e | b) begin with the same token, 'e' (a, b)",
        ),
        ((f"{BITS}texts: [an apple,", '    ""]}'), 6, "probes.x.texts[1]: the text is empty"),
        ((f"{BITS}text_file: nothing.txt}}",), 5, "nothing.txt is empty (a, b)"),
        ((f"{BITS}text_file: marks.txt}}",), 5, "marks.txt is empty (a, b)"),
        ((f"{BITS}text_file: lines.jsonl}}",), 5, "lines.jsonl, line 2: the `text` is empty (a, b)"),
        ((f"{BITS}texts: [<eos>]}}",), 5, "it holds nothing but special tokens, which are not text (a, b)"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_its_place(
    probe: tuple[str, ...],
    line: int,
    told: str,
    reportgen: Callable[..., Any],
    write_battery: Callable[..., Path],
    tmp_path: Path,
) -> None:
    (tmp_path / "nothing.txt").write_text("")
    (tmp_path / "marks.txt").write_bytes(b"\xef\xbb\xbf\n")
    (tmp_path / "lines.jsonl").write_text('{"text": "an apple"}\n{"text": ""}\n')
    battery = write_battery(*probe)
    ended = reportgen("run", battery, "-o", tmp_path / "out")
    errors = [one for one in ended.err.splitlines() if one.startswith("error: ")]
    assert ended.code == 2
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {battery}:{line}: ")
    assert told in errors[0]
    assert not (tmp_path / "out").exists()


def test_models_that_have_other_reasons_are_told_apart(
    reportgen: Callable[..., Any], write_battery: Callable[..., Path], tmp_path: Path, tiny_models: dict[str, Path]
) -> None:
    other = save_tiny(tmp_path / "other", "llama")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    merges = tokenizer["model"]["merges"]
    tokenizer["model"]["merges"] = [pair for pair in merges if "".join(pair) != "Ġday"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    battery = write_battery(
        f"{LENS}[an apple,", '    {text: I ate, answers: " a day", not: " a"}]}', models={**tiny_models, "c": other}
    )
    ended = reportgen("plan", battery)
    assert ended.code == 2
    (error,) = [one for one in ended.err.splitlines() if one.startswith("error: ")]
    assert "(␣a | ␣day) and ' a' begin with the same token, ' a' (a, b); ' a day' (␣a | " in error
    assert error.endswith("(c)")


def test_a_prompt_of_a_set_has_the_place_of_its_probe(
    reportgen: Callable[..., Any], write_battery: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "own.yaml").write_text('facts: [the eye, {text: I ate, answers: " a day", not: " a"}]')
    battery = write_battery("  x:", "    probe: logit_lens", "    prompts: [an apple, own/facts]")
    ended = reportgen("plan", battery)
    assert ended.code == 2
    assert f"error: {battery}:5: probes.x: 'I ate' can be used in no model" in ended.err
