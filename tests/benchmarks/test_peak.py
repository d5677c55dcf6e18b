"""No run takes much more memory than its largest model."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.card import demo_card
from tests.benchmarks.rounds import Rounds
from tests.benchmarks.rows import Bench, peak

LECTURE = Path(__file__).parents[2] / "reports/lecture.yaml"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("battery", [None, LECTURE], ids=["card", "lecture"])
def test_a_run_takes_no_gigabyte_beside_its_largest_model(battery: Path | None) -> None:
    card = demo_card()
    chosen = card if battery is None else replace(card, battery=battery)
    own, together = peak.measure(Bench(chosen, Rounds({}), 1))
    assert own.verdict == "met", f"{own.measured:.2f} GB, {own.note}"
    assert own.target == card.parameters * 4e-9 + 1.0
    assert own.measured <= together.measured
