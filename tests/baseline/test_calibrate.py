from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reportgen.baseline.calibrate import conditions_of_runs, measure_tolerances
from reportgen.baseline.compare import compare
from reportgen.baseline.verdict import Verdict
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Metric, Outcome, Table


def bundle(noise: float, **changed: Any) -> Bundle:
    values = np.array([1.0, 2.0, 3.0]) + noise * np.array([1, -0.5, 0.2])
    known: dict[str, Any] = {
        "metrics": {"accuracy": Metric(0.5 + noise), "layers": Metric(3)},
        "arrays": {"entropy": Array(("layer",), values, "nat")},
        "tables": {
            "top": Table(("layer", "rank", "token_id", "probability"), [[0, 1, 7, 0.5 + noise], [0, 2, 8, 0.5]])
        },
    }
    outcome = Outcome("logit_lens", 1, {}, ("m",), "ok", **known | changed)
    return Bundle(None, "Tiny", {}, {"weather": {"m": outcome}})


def test_runs_differ_in_threads_and_batches_and_begin_with_the_battery_own() -> None:
    assert conditions_of_runs(1, 2) == [(2, 1)]
    found = conditions_of_runs(6, 2)
    assert len(set(found)) == 6
    assert found[0] == (2, 1)
    assert {threads for threads, _ in found} > {1, 2}
    assert {batch for _, batch in found} > {1, 2}


def test_what_moved_in_repeated_runs_is_tolerated_and_ten_times_as_much_is_not() -> None:
    entries = measure_tolerances([bundle(0), bundle(1e-5), bundle(-2e-5)])
    assert entries["weather.m.entropy"].abs == pytest.approx(6e-5, rel=0.03)
    assert entries["weather.m.entropy"].rel == 0
    assert "weather.m.layers" not in entries  # counts are exact anyway
    assert compare(bundle(0), bundle(5e-5), {}, entries).exit_code == 0
    drifted = compare(bundle(0), bundle(3e-4), {}, entries)
    assert drifted.exit_code == 4
    assert compare(bundle(0), bundle(3e-4), {}, {}).exit_code == 0  # the default is wider than what was measured


def test_equal_runs_still_leave_room_for_the_last_bits() -> None:
    entries = measure_tolerances([bundle(0), bundle(0)])
    assert entries["weather.m.entropy"].abs == pytest.approx(3e-5, rel=0.05)


def test_a_number_that_is_not_the_same_twice_does_not_gate() -> None:
    entries = measure_tolerances([bundle(0), bundle(2.0)])
    assert entries["weather.m.entropy"].gate is False
    found = compare(bundle(0), bundle(-2.0), {}, entries)
    verdicts = {change.name: change.verdict for change in found.compared[0].changes}
    assert verdicts["entropy"] is Verdict.DRIFTED
    assert not next(change for change in found.compared[0].changes if change.name == "entropy").gate


def test_tokens_that_changed_places_between_equal_runs_may_do_so() -> None:
    swapped = Table(("layer", "rank", "token_id", "probability"), [[0, 1, 8, 0.5001], [0, 2, 7, 0.4999]])
    entries = measure_tolerances([bundle(0), bundle(0, tables={"top": swapped})])
    assert compare(bundle(0), bundle(0, tables={"top": swapped}), {}, entries).exit_code == 0


def test_an_outcome_that_failed_once_has_no_tolerance() -> None:
    broken = bundle(0)
    failed = replace(broken.outcomes["weather"]["m"], status="failed", reason="no memory")
    assert measure_tolerances([bundle(0), replace(broken, outcomes={"weather": {"m": failed}})]) == {}
