import re
import time

import pytest
from markdown_it import MarkdownIt

from reportgen.baseline.compare import Comparison
from reportgen.baseline.environment import Difference
from reportgen.baseline.judgements import describe_causes
from reportgen.baseline.verdict import Verdict
from reportgen.ci.markdown import BUDGET, fit_lines, write_markdown
from reportgen.look.legible import make_legible
from tests.baseline.comparisons import MARKS, comparison, everything, make_drift, make_failed, of_changes, quiet

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def tables(text: str) -> list[list[list[str]]]:
    """Every table of a Markdown text as another library reads it: its rows of cells, as HTML."""
    html = GITHUB.render(text)
    return [
        [re.findall(r"<t[hd]>(.*?)</t[hd]>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)]
        for table in re.findall(r"<table>(.*?)</table>", html, re.S)
    ]


def rows_of_changes(text: str) -> list[list[str]]:
    """The cells of the first table, split by hand: the other library takes seconds for a megabyte."""
    table = text.partition("### What changed\n\n")[2].partition("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def size(text: str) -> int:
    return len(text.encode())


def many(drifts: int, others: int) -> Comparison:
    """Drifts below a heap of other changes, in an order that nobody sorted."""
    new = [quiet(f"new {i}", Verdict.NEW) for i in range(others)]
    return comparison(
        of_changes(
            "weather",
            "gemma",
            *new,
            *(make_drift(f"drift {i}", told=f"by 0.31 nat, “天氣” → “{i}”") for i in range(drifts)),
        ),
        environment=(Difference("torch", "2.13.0", "2.14.0"),),
    )


def test_the_head_says_the_verdict_and_the_first_layer_beyond_tolerance_of_each_model() -> None:
    lines = [line for line in write_markdown(everything()).splitlines() if line]
    assert lines[:5] == [
        "## A probe failed: Nightly",
        "**Changed: torch 2.13.0 → 2.14.0**",
        "**First beyond tolerance: layer 7 of gemma (Gemma-3-270M): weather, entropy**",
        "First in the other models: layer 9 of llama (SmolLM2-135M-Instruct): weather, entropy",
        "1 newly failed, 2 drifted, 1 drifted (not gated), 1 not comparable, 1 within tolerance, 3 same.",
    ]


def test_changes_stand_worst_first_with_what_was_allowed() -> None:
    changed, environment, within, same = tables(write_markdown(everything()))
    assert [row[0] for row in changed] == [
        "Verdict", "newly failed", "drifted", "drifted", "not comparable", "drifted (not gated)",
    ]  # fmt: skip
    assert changed[2] == [
        "drifted", "weather", "gemma (Gemma-3-270M)", "entropy",
        "by 0.31 nat at layer 9, prompt 0, from layer 7 on; 0.1 on average", "0.00500",
    ]  # fmt: skip
    assert environment[1:] == [["torch", "2.13.0", "2.14.0"]]
    assert within[1:] == [["weather", "gemma (Gemma-3-270M)", "kl", "0.00100", "0.00500"]]
    assert same[1:] == [
        ["weather", "gemma (Gemma-3-270M)", "top"],
        ["weather", "llama (SmolLM2-135M-Instruct)", "kl"],
        ["chat", "gemma (Gemma-3-270M)", "skipped: it has no chat template"],
    ]


def test_a_bundle_and_itself_are_told_in_a_word() -> None:
    text = write_markdown(comparison(of_changes("weather", "gemma", quiet("kl"))))
    assert text.startswith("## Same: Nightly\n\n1 same.\n")
    assert "What changed" not in text
    assert "First beyond" not in text


def test_of_50_000_changes_every_drift_is_kept_within_the_budget() -> None:
    found = many(drifts=500, others=49_500)
    before = time.process_time()
    text = write_markdown(found)
    assert time.process_time() - before < 5  # under one here; all of them in words would take ten times that
    assert BUDGET - 4096 < size(text) <= BUDGET
    rows = rows_of_changes(text)
    assert [row[0] for row in rows[:501]] == ["drifted"] * 500 + ["new"]
    assert {row[3] for row in rows[:500]} == {f"drift {i}" for i in range(500)}
    left = re.search(r"\*([\d,]+) left out because there is no room: ([\d,]+) new\.\*", text)
    assert left is not None
    assert int(left[1].replace(",", "")) == 50_000 - len(rows)
    assert left[1] == left[2]
    assert "### Environment\n" in text


def test_of_50_000_drifts_as_many_as_fit_are_shown_and_the_others_are_counted() -> None:
    text = write_markdown(many(drifts=50_000, others=0))
    assert size(text) <= BUDGET
    rows = rows_of_changes(text)
    assert len(rows) > 4_000
    assert f"*{50_000 - len(rows):,} left out because there is no room: {50_000 - len(rows):,} drifted.*" in text
    assert "50,000 drifted." in text.splitlines()[6]


def test_what_quieter_sections_leave_out_is_counted() -> None:
    drifts = comparison(of_changes("weather", "gemma", *(make_drift(f"d{i}") for i in range(20))))
    found = comparison(
        of_changes(
            "weather",
            "gemma",
            *(quiet(f"kl{i}", Verdict.WITHIN) for i in range(50)),
            *(make_drift(f"d{i}") for i in range(20)),
        ),
        environment=tuple(Difference(f"library {i}", "1", "2") for i in range(40)),
    )
    text = write_markdown(found, budget=size(write_markdown(drifts)) + 2_600)
    assert len(rows_of_changes(text)) == 20
    environment, within = text.partition("### Environment")[2].split("### Within tolerance")
    for section, rows in ((environment, 40), (within, 50)):
        left = re.search(r"\*(\d+) left out because there is no room\.\*\n", section)
        assert left is not None
        assert section.count("\n| ") - 2 * ("---" in section) + int(left[1]) == rows


def test_quieter_sections_take_no_room_from_drifts() -> None:
    noise = tuple(Difference(f"library {i}", "1" * 99, "2" * 99) for i in range(40))
    drifts = of_changes("weather", "gemma", *(make_drift(f"d{i}") for i in range(20)))
    bare = write_markdown(comparison(drifts), budget=4_500)
    assert 5 < len(rows_of_changes(bare)) < 20
    noisy = comparison(drifts, environment=noise)
    head = size(f"\n**Changed: {describe_causes(noisy)}**\n")
    assert rows_of_changes(write_markdown(noisy, budget=4_500 + head)) == rows_of_changes(bare)


@pytest.mark.parametrize("found", [everything(), many(40, 40), comparison(make_failed(reason=MARKS * 9), title=MARKS)])
def test_no_budget_is_ever_exceeded(found: Comparison) -> None:
    for budget in range(0, 12_000, 97):
        assert size(write_markdown(found, budget)) <= budget


def test_strangers_texts_stay_in_their_cells_and_become_no_picture_link_or_element() -> None:
    found = comparison(
        make_failed(reason=MARKS),
        of_changes("weather", "gemma", make_drift(MARKS, told=MARKS)),
        title=MARKS,
        environment=(Difference(MARKS, MARKS, MARKS),),
    )
    html = GITHUB.render(write_markdown(found))
    allowed = {"h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"<([a-z0-9]+)", html)) <= allowed
    changed, environment = tables(write_markdown(found))
    assert {len(row) for row in changed} == {6}
    shown = make_legible(MARKS).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    assert environment[1] == [re.sub(" +", " ", shown.strip())] * 3 or environment[1] == [shown.strip()] * 3


def test_an_address_in_a_token_is_no_link() -> None:
    text = write_markdown(comparison(make_failed(reason="see https://example.org or www.example.org")))
    assert "://" not in text
    assert "www." not in text
    assert "see https://example.org or www.example.org" in GITHUB.render(text)


def test_a_text_is_cut_at_a_line_and_says_so() -> None:
    text = "".join(f"{i:04} ...\n" for i in range(100))
    assert fit_lines(text, 900) == text
    assert fit_lines(text, 200).startswith("0000 ...\n0001 ...\n")
    assert fit_lines(text, 200).endswith("\n*The rest is left out because it would not fit.*\n")
    assert size(fit_lines(text, 200)) <= 200
    assert fit_lines(text, 10) == ""
