"""`reportgen table`: what other programs read of a bundle."""

import csv
import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

import reportgen as package
from reportgen.report.content.latex import escape_latex
from reportgen.results.bundle import write_numbers
from reportgen.results.quantities import Outcome, Table
from reportgen.workflows.table_formats import make_latex, make_markdown, make_parquet
from tests.report.fakes import GEMMA, HOSTILE, LLAMA, fake_bundle, outcome

Call = Callable[..., Any]
EVIL = "=1+1 & 50% _a_ {x} #~^ \\end{tabular} | <b> `c` -- '' $y$ [z] *\n☃\u200b"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table") / "bundle"
    folder.mkdir()
    whole = fake_bundle()
    asked = [
        {"text": "天氣", "id": "weather"},
        {"text": "今天天氣真", "id": "today"},
        {"text": "The capital of France is"},
    ]
    lenses = {
        id: replace(one, options={**one.options, "prompts": asked}) for id, one in whole.outcomes["weather"].items()
    }
    pair = f"{LLAMA}..{GEMMA}"
    both = Outcome("drift", 1, {}, (LLAMA, GEMMA), "ok", tables={"only": Table(("layer", "kl"), [[0, 0.25]])})
    evil = outcome("x", GEMMA, tables={"texts": Table(("token", "number"), [[EVIL, -1.5e-9], ["-", None]])})
    added = {"weather": lenses, "both": {pair: both}, "evil": {GEMMA: evil}}
    write_numbers(folder, replace(whole, outcomes={**whole.outcomes, **added}))
    return folder


def read_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_rows_of_all_models_have_its_name_and_the_ids_of_prompts(reportgen: Call, bundle: Path) -> None:
    ended = reportgen("table", bundle, "weather.steps")
    assert (ended.code, ended.err) == (0, "")
    rows = read_rows(ended.out)
    assert list(rows[0]) == ["model", "prompt", "prompt_id", "step", "length", "text", "next_token_id", "next_token"]
    assert len(rows) == 2 * 9
    assert {row["model"] for row in rows} == {"SmolLM2-135M-Instruct", "Gemma-3-270M"}
    assert [rows[at]["prompt_id"] for at in (0, 3, 6)] == ["weather", "today", "The capital of France is"]
    only = read_rows(reportgen("table", bundle, "weather.steps", "--model", GEMMA).out)
    assert only == [row for row in rows if row["model"] == "Gemma-3-270M"]


def test_metrics_are_a_table_with_their_units(reportgen: Call, bundle: Path) -> None:
    rows = read_rows(reportgen("table", bundle, "census.metrics").out)
    assert rows[0] == {"model": "SmolLM2-135M-Instruct", "metric": "total_parameters", "value": "134515008",
                       "unit": "parameters", "direction": "none", "reason": ""}  # fmt: skip
    assert (rows[3]["value"], rows[3]["reason"]) == ("", "a configuration alone has no tokenizer")
    assert len(rows) == 8


def test_a_probe_with_one_table_needs_no_name_and_others_list_theirs(reportgen: Call, bundle: Path) -> None:
    assert read_rows(reportgen("table", bundle, "census").out)[0]["component"] == "embedding"
    pair = read_rows(reportgen("table", bundle, "both", "--model", LLAMA).out)
    assert pair == [{"model": "SmolLM2-135M-Instruct → Gemma-3-270M", "layer": "0", "kl": "0.25"}]
    ended = reportgen("table", bundle, "weather")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        "error: weather has several tables", "  Its tables: weather.top, weather.steps, weather.prompts"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["weathr"], ["error: no probe 'weathr' in the bundle", "  Did you mean 'weather'?"]),
        (
            ["weather.stepz"],
            ["error: no table 'stepz' in weather", "  Did you mean 'steps'? Its tables: weather.top, "],
        ),
        (["apple.x"], ["error: no table 'x' in apple", "  Its tables: apple.pairs, apple.prompts"]),
        (
            ["heads"],
            ["error: heads has no table", "  Its state: llama failed, out of memory: 31 GiB wanted, 8 GiB free"],
        ),
        (["map.items", "--model", "gemna"], ["error: no model 'gemna' in map", "  Did you mean 'gemma'?"]),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(
    reportgen: Call, bundle: Path, arguments: list[str], told: list[str]
) -> None:
    ended = reportgen("table", bundle, *arguments)
    assert (ended.code, ended.out) == (2, "")
    for line, beginning in zip(ended.err.splitlines(), told, strict=True):
        assert line.startswith(beginning)


def test_a_file_holds_the_texts_as_they_are_and_stdout_spells_them(
    reportgen: Call, bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.csv"
    assert reportgen("table", bundle, "evil", "-o", file).out == f"{file}\n"
    with file.open(newline="", encoding="utf-8") as opened:
        assert next(csv.DictReader(opened, strict=True))["token"] == EVIL
    assert "<U+200B>" in reportgen("table", bundle, "evil").out
    assert "\u200b" not in reportgen("table", bundle, "evil").out
    assert reportgen("table", bundle, "evil", "-o", tmp_path / "no" / "x.csv").code == 1


def test_latex_of_a_strangers_text_is_one_row_that_commands_nothing(
    reportgen: Call, bundle: Path, tmp_path: Path
) -> None:
    reportgen("table", bundle, "evil", "-o", tmp_path / "x.tex")
    lines = (tmp_path / "x.tex").read_text().splitlines()
    assert lines[1:5] == [r"\begin{tabular}{llr}", r"\toprule", r"model & token & number \\", r"\midrule"]
    assert lines[5] == (
        r"Gemma-3-270M & =1+1 \& 50\% \_a\_ \textbraceleft{}x\textbraceright{} \#\textasciitilde{}\textasciicircum{} "
        r"\textbackslash{}end\textbraceleft{}tabular\textbraceright{} "
        r"\textbar{} \textless{}b\textgreater{} \textasciigrave{}c\textasciigrave{} -{}- '{}' \$y\$ {[}z{]} {*}↵☃"
        r"\textless{}U+200B\textgreater{} & $-$1.500 $\times 10^{-9}$ \\"
    )
    assert lines[6:] == [r"Gemma-3-270M & - & -- \\", r"\bottomrule", r"\end{tabular}"]
    assert escape_latex("[x]") == "{[}x{]}"


def test_markdown_of_a_strangers_text_stays_in_its_cell(bundle: Path) -> None:
    text = make_markdown(Table(("token", "number"), [[EVIL, 1234.5], [HOSTILE.replace("\ud800", ""), None]])).decode()
    tokens = MarkdownIt("js-default", {"html": True}).parse(text)
    assert [one.type for one in tokens].count("td_open") == 4
    inner = [child.type for one in tokens for child in one.children or ()]
    assert set(inner) == {"text"} or set(inner) <= {"text", "text_special"}
    assert "| 1,234" in text or "| 1,23" in text


def test_numbers_are_those_of_the_report_in_its_language(reportgen: Call, bundle: Path) -> None:
    assert "| SmolLM2-135M-Instruct | total\\_parameters | 134,515,008 |" in reportgen(
        "table", bundle, "census.metrics", "--format", "markdown"
    ).out  # fmt: skip


def test_parquet_wants_a_file_and_what_writes_it(
    reportgen: Call, bundle: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    assert reportgen("table", bundle, "census", "--format", "parquet").err.endswith(
        "Parquet is not text: give -o FILE\n"
    )
    import importlib.util

    monkeypatch.setattr("reportgen.workflows.table_formats.find_spec", lambda name: None)
    ended = reportgen("table", bundle, "census", "-o", tmp_path / "x.parquet")
    assert (ended.code, ended.err.splitlines()) == (
        1, ["error: a Parquet file needs pandas and pyarrow, which cannot be imported",
            '  pip install "lm-reportgen[parquet]"']
    )  # fmt: skip
    assert not (tmp_path / "x.parquet").exists()
    assert importlib.util.find_spec("pandas")


def test_parquet_keeps_the_types_of_columns(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas

    table = Table(("block", "mixed", "share"), [[1, "a", 0.5], [None, 2, None], [3, None, 0.25]])
    (tmp_path / "x.parquet").write_bytes(make_parquet(table))
    read = pandas.read_parquet(tmp_path / "x.parquet")
    assert read["block"].tolist()[::2] == [1, 3]
    assert str(read["block"].dtype) == "Int64"
    assert read["mixed"].tolist()[:2] == ["a", "2"]


def test_a_hostile_bundle_prints_no_control_and_no_command(reportgen: Call, tmp_path: Path) -> None:
    whole = fake_bundle()
    found = outcome("x", LLAMA, tables={"texts": Table(("token", "number"), [["x\n::error::\x1b[31m", 1]])})
    card = replace(whole.models[LLAMA], name="::error::x")
    write_numbers(tmp_path, replace(whole, models={LLAMA: card}, outcomes={"nearest": {LLAMA: found}}))
    out = reportgen("table", tmp_path, "nearest").out
    assert "\x1b" not in out
    assert not any(line.lstrip().startswith("::") for line in out.splitlines())


def test_python_gives_frames_with_the_same_columns(bundle: Path) -> None:
    weather = package.load(bundle)["weather"][GEMMA]
    frame = weather.tables["steps"].frame()
    assert list(frame.columns)[:4] == ["model", "prompt", "prompt_id", "step"]
    assert set(frame["model"]) == {"Gemma-3-270M"}
    entropy = weather.arrays["entropy"]
    assert list(entropy.frame().columns) == ["model", "prompt", "prompt_id", "step", "layer", "value"]
    assert entropy.sel(prompt="today", step=0).values.tolist() == entropy.sel(prompt=1, step=0).values.tolist()
    kept = entropy.sel(prompt=["today", 0], layer=3)
    assert kept.along("prompt") == (1, 0)
    assert set(kept.frame()["prompt_id"]) == {"today", "weather"}
    with pytest.raises(IndexError, match="no prompt 'todday': it goes from 0 to 2, called 'weather', 'today', 'The c"):
        entropy.sel(prompt="todday")


def test_latex_and_csv_are_written_without_torch(bundle: Path) -> None:
    import subprocess

    program = (
        "import sys; from reportgen.cli import run_command; run_command(['table', sys.argv[1], 'census']); "
        "print(*{'torch', 'transformers', 'matplotlib', 'pandas'} & set(sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(bundle)], capture_output=True, text=True, check=True)
    assert ran.stderr.split() == []
    assert make_latex(Table(("a",), [])).decode().splitlines()[1] == r"\begin{tabular}{l}"


def test_a_table_takes_the_place_of_no_file_of_the_bundle(reportgen: Call, bundle: Path) -> None:
    before = (bundle / "results.json").read_bytes()
    ended = reportgen("table", bundle, "weather.steps", "-o", bundle / "results.json", "--format", "csv")
    assert ended.code == 2
    assert "a table cannot lie in the bundle itself" in ended.err
    assert (bundle / "results.json").read_bytes() == before


def test_an_ending_that_names_no_format_is_told(reportgen: Call, bundle: Path, tmp_path: Path) -> None:
    ended = reportgen("table", bundle, "weather.steps", "-o", tmp_path / "steps.xlsx")
    assert ended.code == 2
    assert "no format is known by the ending .xlsx" in ended.err


def test_markdown_cuts_no_cell() -> None:
    long = "an apple a day " * 60 + "END"
    assert "END" in make_markdown(Table(("text",), [[long]])).decode()
