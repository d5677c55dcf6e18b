"""Every causal LM class that transformers registers: what it gives is what plain transformers gives, what it does not
give is said in words, and the shipped table tells the same.

`python -m tests.support_table` makes the table.
"""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from reportgen.model.files.support import FILE
from tests.shrunk import KINDS
from tests.support_page import PAGE, write_page
from tests.support_table import joined, lacking, rows_of, run_all, version_of, written
from tests.support_trial import OUTCOME_BY_CHANCE, asked_probes, tried

QUICK = ("lfm2", "gpt_neo", "granitemoehybrid", "falcon_h1", "deepseek_v3", "recurrent_gemma", "rwkv", "gemma3n_text")
"""One a way of being built differently: these run with the others."""
ASKED = ["parameter_census", "next_token", "hidden_states", "logit_lens", "attention_grid", "ablation", "ffn_memory"]
"""Probes that such a one is asked for: of every site one."""
NUMBERS = re.compile(r"\d+(\.\d+)?(e-?\d+)?")


def shipped_rows() -> dict[str, dict]:
    """Model type -> the row of the table for the installed transformers."""
    held = json.loads(FILE.read_text())
    assert version("transformers") in held, "run: python -m tests.support_table"
    return rows_of(held[version("transformers")])


def told(row: dict, probes: list[str]) -> tuple:
    """What a row says of probes, but for what chance and rounding decide."""
    certain = [probe for probe in probes if probe not in OUTCOME_BY_CHANCE]
    return (
        row["groups"],
        NUMBERS.sub("#", row["refused"]),
        {probe: row["status"].get(probe) for probe in certain},
        {probe: NUMBERS.sub("#", row["reasons"].get(probe, "")) for probe in certain},
        {probe: row["limits"].get(probe) for probe in certain},
    )


@pytest.mark.parametrize("kind", QUICK)
def test_a_class_of_its_own_kind_gives_the_right_numbers_and_is_what_the_table_says(kind: str, tmp_path: Path) -> None:
    row = tried(kind, tmp_path / kind, ASKED)
    assert row.wrong == []
    assert told(vars(row), ASKED) == told(shipped_rows()[kind], ASKED)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_every_class_gives_the_right_numbers_and_is_what_the_table_says(tmp_path: Path) -> None:
    probes, shipped = asked_probes(), shipped_rows()
    assert json.loads(FILE.read_text())[version("transformers")]["probes"] == probes
    found = run_all(dict.fromkeys(KINDS, probes), tmp_path, 2, print)
    assert {kind: row["wrong"] for kind, row in found.items() if row["wrong"]} == {}
    assert [kind for kind in KINDS if told(found[kind], probes) != told(shipped[kind], probes)] == []


def test_the_table_tells_of_every_class_and_of_probes_of_every_site() -> None:
    held = json.loads(FILE.read_text())[version("transformers")]
    assert list(held["architectures"]) == list(KINDS)
    assert set(ASKED) <= set(held["probes"]) <= set(asked_probes())


def test_no_row_of_the_table_is_a_failure() -> None:
    rows = shipped_rows()
    assert {status for row in rows.values() for status in row["status"].values()} == {"ok", "skipped"}
    assert all(row["groups"] for row in rows.values())
    refused = [kind for kind, row in rows.items() if row["refused"]]
    assert 0 < len(refused) < len(rows) / 8


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == write_page(), "run: python -m tests.support_table"


def test_the_table_is_written_as_it_was_read() -> None:
    held = json.loads(FILE.read_text())
    number = version("transformers")
    again = held | {number: version_of(rows_of(held[number]), held[number]["probes"])}
    assert written(again) == FILE.read_text()


def test_only_what_is_not_known_is_tried() -> None:
    row = {"refused": "", "groups": [], "status": {"a": "ok", "b": "skipped"}, "reasons": {"b": "why"}, "limits": {}}
    assert lacking(None, ["a", "b"]) == ["a", "b"]
    assert lacking(row, ["a", "b", "c"]) == ["c"]
    assert lacking({**row, "refused": "why"}, ["a", "c"]) == []
    again = {**row, "status": {"b": "ok", "c": "skipped"}, "reasons": {"c": "none"}}
    both = joined(row, again)
    assert both["status"] == {"a": "ok", "b": "ok", "c": "skipped"}
    assert both["reasons"] == {"c": "none"}


def test_a_process_that_ends_is_no_row_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support_table.tried", lambda *_: __import__("os")._exit(7))
    found = run_all({"llama": ["next_token"]}, tmp_path, 1, lambda _: None)
    assert found["llama"]["wrong"] == ["the process ended with 7"]
