import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reportgen.baseline.accepted import Acceptance, accept, baseline_of, load_tolerances, write_tolerances
from reportgen.baseline.tolerance import ToleranceEntry
from reportgen.errors import BundleError, OutputError
from reportgen.results.bundle import Bundle, load_bundle, write_numbers
from reportgen.results.quantities import Outcome
from tests.runs import run_probes
from tests.tiny import save_tiny

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a bundle of one probe on a tiny model."""
    results = run_probes({"m": save_tiny(tmp_path / "model")}, {"near": {"probe": "nearest_tokens", "ids": [5]}})

    def write(outcome: Callable[[Outcome], Outcome] = lambda one: one, **run: Any) -> Path:
        folder = tmp_path / "reports" / "nightly"
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = {id: {s: outcome(one) for s, one in by.items()} for id, by in results.outcomes.items()}
        record = {"versions": {"torch": "1"}, "durations": {"near m": 1.0}, "files": ["report.html"], **run}
        write_numbers(folder, Bundle(None, "Tiny", results.models, outcomes, record))
        return folder

    return write


def test_an_accepted_bundle_keeps_its_numbers_and_says_why(make: Make) -> None:
    bundle = make()
    target = baseline_of(bundle)
    assert target == bundle.parent / "baselines" / "nightly"
    accept(bundle, target, Acceptance("first one", by="Ada", when="2026-11-21 06:00 UTC"))
    for name in ("results.json", "arrays.safetensors"):
        assert (target / name).read_bytes() == (bundle / name).read_bytes()
    assert (target / "accepted.yaml").read_text() == "- when: 2026-11-21 06:00 UTC\n  by: Ada\n  reason: first one\n"
    run = json.loads((target / "run.json").read_text())
    assert run["versions"] == {"torch": "1"}
    assert "durations" not in run
    assert sorted(run["files"]) == ["accepted.yaml", "arrays.safetensors", "results.json", "run.json"]


def test_the_reasons_add_up_the_last_one_first(make: Make) -> None:
    bundle = make()
    target = baseline_of(bundle)
    accept(bundle, target, Acceptance("first", when="a"))
    accept(bundle, target, Acceptance("new kernel: it's faster\nand 2 ≠ 1", when="b"))
    text = (target / "accepted.yaml").read_text()
    assert text.index("new kernel") < text.index("first")
    assert "≠" in text
    accept(bundle, target, Acceptance("third", when="c"))
    assert (target / "accepted.yaml").read_text().count("when:") == 3


@pytest.mark.parametrize(
    "text", ["when: a\nreason: a mapping\n", "- first\n", "", "- {when: a", "- when: a\n  when: b\n", "- !tag x\n"]
)
def test_reasons_that_cannot_be_read_are_not_lost(make: Make, text: str) -> None:
    bundle = make()
    target = baseline_of(bundle)
    accept(bundle, target, Acceptance("first"))
    (target / "accepted.yaml").write_text(text)
    before = {file.name: file.read_bytes() for file in target.iterdir()}
    with pytest.raises(BundleError, match=r"accepted\.yaml.*: .*\n  repair it, so that no reason is lost"):
        accept(bundle, target, Acceptance("second"))
    assert {file.name: file.read_bytes() for file in target.iterdir()} == before


def test_a_bundle_with_a_failed_probe_or_a_part_of_its_battery_is_refused(make: Make) -> None:
    def fail(one: Outcome) -> Outcome:
        return replace(one, status="failed", reason="out of memory")

    for arguments, told in (({"outcome": fail}, "near on m failed"), ({"only": ["near"]}, "only near of its probes")):
        bundle = make(**arguments)
        with pytest.raises(BundleError, match=told):
            accept(bundle, baseline_of(bundle), Acceptance("why not"))
        assert not baseline_of(bundle).exists()


def test_something_else_is_not_overwritten(make: Make, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not a baseline"):
        accept(make(), tmp_path / "mine", Acceptance("oops"))


def test_load_tolerances_stay_when_another_bundle_is_accepted(make: Make) -> None:
    bundle = make()
    target = baseline_of(bundle)
    accept(bundle, target, Acceptance("first"))
    assert load_tolerances(target) == {}
    entries, wider = ({"near.m.neighbours": ToleranceEntry(abs=size, overlap=0.9)} for size in (1.5e-7, 2e-7))
    write_tolerances(target, entries)
    write_tolerances(target, wider, "x86_64-amd-epyc-cpu")
    accept(bundle, target, Acceptance("second"))
    assert load_tolerances(target) == {"": entries, "x86_64-amd-epyc-cpu": wider}
    names = [file.name for file in target.glob("*tol*")]
    assert sorted(names) == ["tolerances-x86_64-amd-epyc-cpu.yaml", "tolerances.yaml"]
    assert load_bundle(target).title == "Tiny"


@pytest.mark.parametrize("text", ["near: {abs: much}", "near: 3", "near: {abs: -1}"])
def test_damaged_tolerances_are_told_in_one_line(make: Make, text: str) -> None:
    bundle = make()
    accept(bundle, baseline_of(bundle), Acceptance("first"))
    (baseline_of(bundle) / "tolerances.yaml").write_text(text)
    with pytest.raises(BundleError, match=r"tolerances\.yaml") as error:
        load_tolerances(baseline_of(bundle))
    assert len(error.value.mistakes) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("near.*: {abs: -1}", "'near.*'.abs: expected at least 0.0, found -1"),
        ("near: {abs: .nan}", "near.abs: expected a finite number, found '.nan'"),
        ("near: {abss: 1}", "near.abss: unknown key"),
        ("near: 5", "near: expected a mapping, found 5"),
        ("0", "expected a mapping, found 0"),
        ("[1]", "expected a mapping, found a list of 1"),
    ],
)
def test_measured_tolerances_that_are_none_are_told_in_plain_words(make: Make, text: str, told: str) -> None:
    baseline = make()
    (baseline / "tolerances.yaml").write_text(text)
    with pytest.raises(BundleError) as raised:
        load_tolerances(baseline)
    (mistake,) = raised.value.mistakes
    assert told in mistake.message
    assert len(str(mistake)) < 500
