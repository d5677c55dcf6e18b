"""Numbers of a tiny model, as they were when the definitions got their number.

Where a change moves them, cached results of the old definition must not be served: raise `conditions.DEFINITIONS` (or
the probe's `version`) and run `python tests/test_definitions.py`, which writes the new numbers.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden" / "definitions.json"
PROBES: dict[str, Any] = {
    "census": {"probe": "parameter_census"},
    "near": {"probe": "nearest_tokens", "ids": [5, 9], "k": 3},
    "word": {"probe": "word_similarity", "word": "apple", "prompts": ["an apple a day", "the apple of my eye"]},
    "lens": {"probe": "logit_lens", "prompts": ["an apple", "a day"], "continue": 2},
    "heads": {"probe": "attention_grid", "prompts": ["an apple a day", "apple " * 300]},
    "map": {"probe": "pca_map", "prompts": ["an apple", "a day", "my eye", "breakfast"]},
}
OF_TWO = {"moved": {"probe": "drift", "base": "m", "other": "n", "prompts": ["an apple a day", "the apple of my eye"]}}


def measured(folder: Path) -> dict[str, Any]:
    """Versions, and of every number its mean and its size."""
    from running import run_probes
    from tiny import save_tiny

    from reportgen.conditions import DEFINITIONS

    models = {name: save_tiny(folder / name, "gemma2", seed=seed) for name, seed in (("m", 0), ("n", 1))}
    of_one = {id: probe | {"models": ["m"]} for id, probe in PROBES.items()}
    results = run_probes(models, of_one | OF_TWO)
    outcomes = {id: outcome for id, by in results.outcomes.items() for outcome in by.values()}
    assert all(outcome.status == "ok" for outcome in outcomes.values())
    return {
        "definitions": DEFINITIONS,
        "versions": {outcome.probe: outcome.version for outcome in outcomes.values()},
        "numbers": {f"{id}.{name}": value for id, outcome in outcomes.items() for name, value in told(outcome).items()},
    }


def told(outcome: Any) -> dict[str, list[float]]:
    found = {name: [float(metric.value or 0)] for name, metric in outcome.metrics.items()}
    for name, array in outcome.arrays.items():
        found[name] = [float(np.nanmean(array.values)), float(np.sqrt(np.nanmean(np.square(array.values))))]
    for name, table in outcome.tables.items():
        numbers = [[float(cell) for cell in row if isinstance(cell, int | float)] for row in table.rows]
        found[name] = np.array([sum(row) for row in numbers]).tolist()[:12]
    return found


def test_numbers_that_moved_have_a_definition_of_another_number(tmp_path: Path) -> None:
    golden, now = json.loads(GOLDEN.read_text()), measured(tmp_path)
    assert (now["definitions"], now["versions"]) == (golden["definitions"], golden["versions"]), __doc__
    assert now["numbers"].keys() == golden["numbers"].keys(), __doc__
    for name, values in golden["numbers"].items():
        assert now["numbers"][name] == pytest.approx(values, rel=2e-3, abs=1e-4), f"{name} moved. {__doc__}"


def _write() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    with tempfile.TemporaryDirectory() as folder:
        now = measured(Path(folder))
    if GOLDEN.exists():
        before = json.loads(GOLDEN.read_text())
        if (now["definitions"], now["versions"]) == (before["definitions"], before["versions"]):
            sys.exit("raise conditions.DEFINITIONS or the version of the probe that changed first")
    GOLDEN.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _write()
