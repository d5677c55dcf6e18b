"""Whatever a third party's probe does is a card of its own; what the others found is whole."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reportgen.cli import run_command
from reportgen.probes import registry
from tests.third_party import bring_probe
from tests.tiny import save_tiny

REASONS = {
    "import: raise": "cannot be loaded: RuntimeError: no such thing",
    "import: exit": "cannot be loaded: it tried to end the program (exit code 0)",
    "options: raise": "RuntimeError: in the options",
    "passes: raise": "RuntimeError: in passes",
    "passes: exit": "it tried to end the program (exit code 0)",
    "passes: other": "`passes` gave a str, not a Pass",
    "reducer: raise": "RuntimeError: in a pass",
    "run: raise": "RuntimeError: in run",
    "run: raise base": "BaseException: as nothing else",
    "run: out of memory": "MemoryError: Unable to allocate 8.00 PiB",
    "run: exit": "it tried to end the program (exit code 0)",
    "run: hang": "it took longer than its 0.75 s (timeout of the probe)",
    "run: hang and catch": "it took longer than its 0.75 s (timeout of the probe)",
    "run: none": "it gave a NoneType, not Norms",
    "run: object array": "array norms is of object, not of plain numbers",
    "run: complex array": "array norms is of complex128, not of plain numbers",
    "run: dims": "array norms has 3 dims, not prompt, layer",
    "run: metric of an object": "metric most is of type object, not a number",
    "run: huge metric": "metric most is a whole number beyond 64 bits",
    "run: table of objects": "table told: a cell is of type object, which no table holds",
    "run: short rows": "table told: a row does not fit the columns a, b",
    "run: half a character": "table told: a text holds half of a character (a lone surrogate)",
    "figures: raise": "measured, but it cannot be shown: ValueError: in figures",
    "figures: exit": "measured, but it cannot be shown: it tried to end the program (exit code 0)",
    "figures: other": "measured, but it cannot be shown: it gave a str as a figure",
    "statement: raise": "measured, but it cannot be shown: ValueError: in the statement",
    "statement: other": "measured, but it cannot be shown: its statement is not text",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny-llama", "llama")


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Brings probes as installed distributions do; nothing of them is left."""
    monkeypatch.syspath_prepend(tmp_path)
    registry._points.cache_clear()
    yield lambda name, how="": bring_probe(tmp_path, name, how)
    registry._points.cache_clear()
    for module in [module for module in sys.modules if module.startswith("third_party_")]:
        del sys.modules[module]


def write(folder: Path, model: Path, *probes: str) -> Path:
    battery = folder / "battery.yaml"
    lens = "  lens: {probe: logit_lens, prompts: [an apple]}"
    battery.write_text("\n".join([f"models: {{a: {model}}}", "probes:", *probes, lens, "outputs: [html]", ""]))
    return battery


def outcome(folder: Path, probe: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "battery" / "results.json").read_text())["results"][probe]["a"]
    return found


@pytest.fixture(scope="module")
def undisturbed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_command(["run", str(write(folder, model)), "--quiet"]) == 0
    return outcome(folder, "lens")


@pytest.mark.parametrize("how", REASONS)
def test_it_is_a_failed_card_and_the_others_are_whole(
    how: str, bring: Callable[..., None], tmp_path: Path, model: Path, undisturbed: dict[str, Any], capsys: Any
) -> None:
    bring("third", how)
    battery = write(tmp_path, model, "  third: {probe: third, prompts: [an apple], timeout: 0.75}")
    assert run_command(["run", str(battery), "--quiet"]) == 3
    assert "Traceback" not in capsys.readouterr().err
    failed = outcome(tmp_path, "third")
    assert failed["status"] == "failed"
    assert REASONS[how] in failed["reason"]
    assert outcome(tmp_path, "lens") == undisturbed
    assert REASONS[how].partition(":")[0][:20] in (tmp_path / "battery" / "report.html").read_text()


@pytest.mark.parametrize("how", ["", "run: numbers of numpy", "run: default dtype"])
def test_one_that_does_as_it_should_is_ok(
    how: str, bring: Callable[..., None], tmp_path: Path, model: Path, undisturbed: dict[str, Any]
) -> None:
    bring("third", how)
    battery = write(tmp_path, model, "  third: {probe: third, prompts: [an apple]}")
    assert run_command(["run", str(battery), "--quiet"]) == 0
    assert outcome(tmp_path, "third")["metrics"]["most"]["value"] == (2.0 if "numpy" in how else 1.0)
    assert outcome(tmp_path, "lens") == undisturbed


def test_a_metric_that_is_nan_is_undefined_and_says_why(
    bring: Callable[..., None], tmp_path: Path, model: Path
) -> None:
    bring("third", "run: nan")
    assert run_command(["run", str(write(tmp_path, model, "  third: {probe: third, prompts: [an apple]}"))]) == 0
    most = outcome(tmp_path, "third")["metrics"]["most"]
    assert (most["value"], most["state"], most["reason"]) == (None, "undefined", "the computation gave nan")


def test_a_timeout_is_a_positive_number(tmp_path: Path, model: Path, capsys: Any) -> None:
    for wrong in ("0", "-1", ".inf", "long"):
        battery = write(tmp_path, model, f"  c: {{probe: parameter_census, timeout: {wrong}}}")
        assert run_command(["run", str(battery)]) == 2
        assert f"{battery}:3: probes.c.timeout: " in capsys.readouterr().err


def command(battery: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join(filter(None, [str(battery.parent), *sys.path]))
    program = [sys.executable, "-m", "reportgen", *words, str(battery)]
    return subprocess.run(program, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path})


@pytest.mark.parametrize(
    "places",
    [("run",), pytest.param(("import", "options", "passes", "run", "killed", "figures"), marks=pytest.mark.slow)],
    ids=["one", "everywhere"],
)
def test_a_process_that_ends_under_us_has_failed_in_what_was_underway(
    tmp_path: Path, model: Path, undisturbed: dict[str, Any], places: tuple[str, ...]
) -> None:
    killed = "killed"  # as the system does where memory runs out
    for place in places:
        bring_probe(tmp_path, place, "run: kill" if place == killed else f"{place}: end")
    battery = write(tmp_path, model, *(f"  {place}: {{probe: {place}, prompts: [an apple]}}" for place in places))
    ended = command(battery, "run", "--quiet")
    assert ended.returncode == 3, ended.stderr
    for place in places:
        how = "was ended by signal 9, perhaps because memory ran out"
        told = f"the process {how if place == killed else 'ended without a message (exit code 0)'}"
        assert outcome(tmp_path, place)["status"] == "failed"
        assert told in outcome(tmp_path, place)["reason"]
    assert outcome(tmp_path, "lens") == undisturbed
    assert len(ended.stderr.splitlines()) == len(places)
