"""Numbers of a tiny model, as they were when the definitions got their number.

Where a change moves them, cached results of the old definition must not be served: raise `conditions.DEFINITIONS` (or
the probe's `version`) and run `python -m tests.test_definitions`, which writes the new numbers.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.probes.registry import find, names

GOLDEN = Path(__file__).parent / "golden" / "definitions.json"
LONG = {"long": {"probe": "attention_grid", "prompts": ["an apple a day", "apple " * 300]}}
"""Beyond what is kept whole: attention is reduced to bins."""

OF_ROUNDING = {"rerouted.decided_flips", "rerouted.margins"}
"""Multiples of what rounding moves, which is another number on another machine."""
OF_DESCENT = "trees."
"""Numbers of maps that are trained by many steps: the last bits of another processor's products end 0.4 % apart."""


def measure_folder(folder: Path) -> dict[str, Any]:
    """Versions, and of every number its mean and its size."""
    from reportgen.running.outcome_key import DEFINITIONS
    from tests.all_probes import CHANGING, FIRST, READING, ROUTED, WORDS, of_two, of_two_routed, sparse
    from tests.runs import run_probes
    from tests.tiny import save_tiny
    from tests.tiny_dictionaries import save_dictionaries

    models = {name: save_tiny(folder / name, "gemma2", seed=seed) for name, seed in (("m", 0), ("n", 1))}
    models |= {name: save_tiny(folder / name, "mixtral", seed=seed) for name, seed in (("e", 0), ("f", 1))}
    dictionaries = save_dictionaries(folder / "dictionaries", layers=[2])
    alone = FIRST | READING | CHANGING | WORDS | LONG | sparse(dictionaries)
    of_one = {id: probe | {"models": ["m"]} for id, probe in alone.items()}
    routed = {id: probe | {"models": ["e"]} for id, probe in ROUTED.items()} | of_two_routed("e", "f")
    results = run_probes(models, of_one | of_two("m", "n", dictionaries) | routed)
    outcomes = {id: outcome for id, by in results.outcomes.items() for outcome in by.values()}
    assert {id: outcome.reason for id, outcome in outcomes.items() if outcome.status != "ok"} == {}
    return {
        "definitions": DEFINITIONS,
        "versions": {outcome.probe: outcome.version for outcome in outcomes.values()},
        "numbers": {
            f"{id}.{name}": value
            for id, outcome in outcomes.items()
            for name, value in summarise_outcome(outcome).items()
            if f"{id}.{name}" not in OF_ROUNDING
        },
    }


def summarise_outcome(outcome: Any) -> dict[str, list[float]]:
    found = {name: [float(metric.value or 0)] for name, metric in outcome.metrics.items()}
    for name, array in outcome.arrays.items():
        there = array.values[np.isfinite(array.values)].astype(float)
        found[name] = [float(there.mean()), float(np.sqrt(np.square(there).mean()))] if there.size else []
    for name, table in outcome.tables.items():
        numbers = [[float(cell) for cell in row if isinstance(cell, int | float)] for row in table.rows]
        found[name] = np.array([sum(row) for row in numbers]).tolist()[:12]
    return found


def test_every_probe_is_held() -> None:
    golden = json.loads(GOLDEN.read_text())
    built_in = [name for name in names() if type(find(name)).__module__.startswith("reportgen.probes.")]
    assert sorted(golden["versions"]) == built_in, "add it to tests/all_probes.py, and write its numbers"


def test_numbers_that_moved_have_a_definition_of_another_number(tmp_path: Path) -> None:
    golden, now = json.loads(GOLDEN.read_text()), measure_folder(tmp_path)
    assert (now["definitions"], now["versions"]) == (golden["definitions"], golden["versions"]), __doc__
    assert now["numbers"].keys() == golden["numbers"].keys(), __doc__
    for name, values in golden["numbers"].items():
        assert _agree(name, now["numbers"][name], values), f"{name} moved. {__doc__}"


def _agree(name: str, now: list[float] | None, before: list[float]) -> bool:
    within = 1e-2 if name.startswith(OF_DESCENT) else 2e-3
    return now is not None and now == pytest.approx(before, rel=within, abs=1e-4)


def _write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        now = measure_folder(Path(folder))
    if GOLDEN.exists():
        before = json.loads(GOLDEN.read_text())
        moved = [
            name for name, values in before["numbers"].items() if not _agree(name, now["numbers"].get(name), values)
        ]
        if moved and (now["definitions"], now["versions"]) == (before["definitions"], before["versions"]):
            sys.exit(f"{moved[0]} moved: raise outcome_key.DEFINITIONS or the version of the probe that changed first")
    numbers = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in now.pop("numbers").items())
    GOLDEN.write_text(json.dumps(now | {"numbers": "HERE"}, indent=1).replace('"HERE"', f"{{\n{numbers}\n }}") + "\n")


if __name__ == "__main__":
    _write()
