"""The benchmark itself works, on tiny work. (`make bench` measures.)"""

import json
import sys
from pathlib import Path

import pytest

from reportgen.battery.reader import load_battery
from tests.benchmarks import __main__ as table_program
from tests.benchmarks import growth, large_model, work
from tests.benchmarks.card import Card, demo_card
from tests.benchmarks.measurement import Measurement, growth_table, table
from tests.benchmarks.memory import PeakOfTree
from tests.benchmarks.processes import ProgramFailedError, run_module, run_program
from tests.benchmarks.rounds import PARTS, probe_seconds, take_rounds
from tests.benchmarks.rows import Bench, phases, rows
from tests.tiny import save_tiny

BATTERY = """
models: {models}
probes:
  near: {{probe: nearest_tokens, ids: [5]}}
  lens: {{probe: logit_lens, prompts: [an apple], top_k: 10}}
  heads: {{probe: attention_grid, prompts: [an apple]}}
"""


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    folder = tmp_path_factory.mktemp("card")
    models = {"a": save_tiny(folder / "a"), "b": save_tiny(folder / "b", seed=1)}
    battery = folder / "card.yaml"
    battery.write_text(BATTERY.format(models=json.dumps({id: str(model) for id, model in models.items()})))
    return Card(battery, models, parameters=50_000, cache=folder / "cache")


def test_the_card_asks_for_what_the_notebook_and_the_floor_compute() -> None:
    probes = {
        id: entry.options.model_dump()
        for id, entry in load_battery(Path(__file__).with_name("card.yaml")).probes.items()
    }

    def texts(id: str) -> tuple[str, ...]:
        return tuple(prompt["text"] for prompt in probes[id]["prompts"])

    assert list(probes) == ["census", "near", "word", "lens", "heads", "map"]
    assert (tuple(probes["near"]["texts"]), probes["near"]["k"]) == (work.NEAREST, work.NEIGHBOURS)
    assert (probes["word"]["word"], texts("word")) == (work.WORD, work.SENTENCES)
    assert (texts("lens"), probes["lens"]["continue_"], probes["lens"]["top_k"]) == (
        work.CONTINUED,
        work.STEPS,
        work.TOP,
    )
    assert texts("heads") == (work.ATTENDED,)
    assert texts("map") == work.MAPPED


def test_a_measurement_is_judged_by_its_target_and_told_without_one() -> None:
    assert [Measurement("x", value, 1.5).verdict for value in (1.4, 1.5, 1.51, float("nan"))] == [
        "met", "met", "MISSED", "MISSED",
    ]  # fmt: skip
    assert Measurement("x", 9.0).verdict == ""


def test_the_table_has_a_line_for_each_measurement() -> None:
    lines = table([(1, Measurement("speed", 2.0, 1.5, "s", "slow")), (2, Measurement("size", 0.25))]).splitlines()
    assert lines[2].split() == ["1", "speed", "2", "s", "(slow)", "≤", "1.50", "s", "MISSED"]
    assert lines[3].split() == ["2", "size", "0.25"]


def test_growth_is_written_between_the_markers_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "scale.md"
    page.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    monkeypatch.setattr(table_program, "PAGE", page)
    measured = [Measurement("prompts: late / early", 1.0, series=(1.0, 4.02, 16.3)), Measurement("no growth", 1.0)]
    table_program.write_page(measured)
    assert page.read_text() == f"before\n<!-- bench -->\n{growth_table(measured)}\n<!-- /bench -->\nafter\n"
    assert "| prompts | 1 | 4.02 | 16.3 |" in page.read_text()
    assert "no growth" not in page.read_text()


def test_the_large_model_has_the_parameters_of_llama_3_2_3b() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**large_model.SHAPE, num_hidden_layers=28))
    assert model.num_parameters() == 3_212_749_824


@pytest.mark.slow
def test_a_program_that_fails_is_no_measurement() -> None:
    with pytest.raises(ProgramFailedError, match="no such thing"):
        run_program(sys.executable, "-c", "raise SystemExit('no such thing')")


@pytest.mark.slow
def test_processor_time_and_peak_memory_of_a_program_and_its_child_are_its_own() -> None:
    heavy = "b = b'1' * 200_000_000; import time; time.sleep(0.3)"
    watch = PeakOfTree()
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {heavy!r}])"
    ran = run_program(sys.executable, "-c", program, watch=watch)
    assert watch.own < 100e6 < 200e6 < watch.child < 300e6
    assert watch.together > watch.child
    assert 0 < ran.cpu_seconds < ran.seconds


@pytest.mark.slow
def test_every_row_of_a_round_is_measured(card: Card) -> None:
    told: list[str] = []
    rounds = take_rounds(card, PARTS, 1, told.append)
    assert [line.split(": ")[1].rpartition(" s")[0].rpartition(" ")[0] for line in told] == list(PARTS)
    bench = Bench(card, rounds, 1)
    measured = {number: rows()[number].measure(bench) for number in (1, 2, 3, 4, 5)}
    assert [one.what.rpartition(" ")[2] for one in measured[1]] == ["a", "b"]
    assert all(one.measured > 0 for number in (1, 2, 4, 5) for one in measured[number])
    assert len(measured[3]) == 3
    assert all(part in PARTS for row in rows().values() for part in row.parts)


@pytest.mark.slow
def test_a_run_finds_an_empty_cache_and_reuses_what_the_machine_has_made(card: Card) -> None:
    with card.place() as place:
        cache = Path(place.env["REPORTGEN_CACHE"])
        assert sorted(file.name for file in cache.iterdir()) == ["fonts", "hashes", "models"]
        ran = run_module("command", "run", card.battery, "-o", place.bundle, env=place.env)
        assert set(ran.told["imported"]) >= {"torch", "transformers"}
        assert list((card.cache / "hashes").iterdir())
        durations = json.loads((place.bundle / "run.json").read_text())["durations"]
        assert sum(probe_seconds(place.bundle, card.models).values()) == pytest.approx(
            sum(seconds for step, seconds in durations.items() if not step.startswith("load "))
        )
    assert not place.folder.exists()


@pytest.mark.slow
def test_what_a_long_prompt_keeps_is_counted(card: Card) -> None:
    told = run_module("long_attention", card.models["a"], 300, "reduced").told
    assert told["attention of a layer"] == 4 * 300 * 300 * 4
    assert told["kept"] >= 3 * 4 * 256 * 256 * 4
    assert told["peak"] > 100e6


@pytest.mark.slow
def test_a_sweep_gives_what_one_forward_a_variant_gives(card: Card) -> None:
    told = run_module("sweep", card.models["a"], 1).told
    assert told["variants"] == 5 * told["layers"]
    assert told["apart"] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("what", growth.WORK)
def test_growth_runs_the_work_as_often_as_it_says(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(growth, "PROMPTS", 3)
    monkeypatch.setattr(growth, "SHOWN_PROMPTS", 3)
    monkeypatch.setattr(growth, "LAYERS", 1)
    monkeypatch.setattr(growth, "TIMES", (1, 2))
    growth.main(what, "1", str(tmp_path))
    told = json.loads(capsys.readouterr().out)
    assert {times: len(seconds) for times, seconds in told.items()} == {"1": 1, "2": 1}
    once, twice = (load_battery(tmp_path / f"times-{times}.yaml") for times in (1, 2))
    prompts = [len(one.probes["lens"].options.prompts) for one in (once, twice)]
    layers = [
        sum(json.loads((Path(m.source) / "config.json").read_text())["num_hidden_layers"] for m in one.models.values())
        for one in (once, twice)
    ]
    assert prompts == ([3, 6] if what in ("prompts", "pages") else [3, 3])
    assert layers == ([1, 2] if what in ("models", "layers") else [1, 1])
    assert twice.outputs == (("html",) if what == "pages" else ())


@pytest.mark.slow
def test_no_phase_of_a_run_costs_a_third_more_than_when_it_was_last_looked_at() -> None:
    rounds = take_rounds(demo_card(), phases.ROW.parts, 1, lambda line: None)
    before = phases.committed()
    grown = {name: share for name, share in phases.shares(rounds).items() if share > 1.3 * before[name]}
    assert not grown, f"committed: {before}"
