"""Tolerances by kind of machine: a bundle's own, else the widest of all, which is said."""

import pytest

from reportgen.baseline.calibration import choose_tolerances, kind_of_machine, widen_tolerances
from reportgen.baseline.compare import Comparison
from reportgen.baseline.judgements import describe_morning
from reportgen.baseline.record import record
from reportgen.baseline.tolerance import ToleranceEntry
from reportgen.ci.junit import write_junit
from reportgen.ci.markdown import write_markdown
from reportgen.report.comparison.page import render_page
from reportgen.results.bundle import Bundle
from reportgen.results.provenance import machine, name_machine_kind
from reportgen.results.section import ModelCard
from tests.baseline.comparisons import bundle

EPYC, XEON, H200 = "x86_64-amd-epyc-cpu", "x86_64-intel-xeon-platinum-8370c-cpu", "x86_64-amd-epyc-cuda"
ENTROPY = "lens.m.entropy"
BY_KIND = {
    EPYC: {ENTROPY: ToleranceEntry(abs=1e-5, rel=0.0), "near.m.top": ToleranceEntry(abs=1e-6, overlap=0.9)},
    XEON: {ENTROPY: ToleranceEntry(abs=3e-5, rel=0.0), "near.m.top": ToleranceEntry(abs=1e-7, overlap=0.7)},
    H200: {ENTROPY: ToleranceEntry(gate=False), "lens.m.kl": ToleranceEntry(abs=2e-3)},
}


@pytest.mark.parametrize(
    ("cpu", "devices", "kind"),
    [
        ("AMD EPYC", ["cpu"], EPYC),
        ("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", ["cpu", "cpu"], XEON),
        ("AMD EPYC", ["cuda:0", "cuda:1"], H200),
        ("AMD EPYC 7763 64-Core Processor", ["cpu", "cuda:0"], "x86_64-amd-epyc-7763-cpu-cuda"),
        ("", ["cpu"], ""),
        ("../../x", [], "x86_64-x-cpu"),
        ("a" * 300, ["cpu"], f"x86_64-{'a' * 53}-cpu"),
    ],
)
def test_a_kind_of_machine_is_a_short_name_of_its_processor_and_devices(
    cpu: str, devices: list[str], kind: str
) -> None:
    ran_on = {"host": "runner-7", "processor": "x86_64", "cpu": cpu}
    assert name_machine_kind(ran_on, devices) == kind


def test_a_host_and_its_kernel_are_no_kind() -> None:
    here = machine()
    other = {**here, "host": "elsewhere", "system": "another kernel"}
    assert name_machine_kind(here, ["cpu"]) == name_machine_kind(other, ["cpu"])


def test_a_bundle_says_its_kind() -> None:
    card = ModelCard("m", "M", "X", 1, {"device": "cuda:0"})
    run = {"machine": {"processor": "x86_64", "cpu": "AMD EPYC"}}
    assert kind_of_machine(Bundle(None, "", {"m": card}, {}, run)) == H200
    assert kind_of_machine(Bundle(None, "", {"m": card}, {}, {})) == ""


def test_tolerances_of_the_own_kind_hold_and_nothing_is_told() -> None:
    found = choose_tolerances(BY_KIND, XEON, XEON)
    assert (found.entries, found.told) == (BY_KIND[XEON], "")


def test_between_two_machines_hold_the_wider_of_both() -> None:
    assert choose_tolerances(BY_KIND, EPYC, XEON).entries[ENTROPY].abs == 3e-5
    assert choose_tolerances(BY_KIND, EPYC, "another").entries[ENTROPY].abs == 1e-5


def test_of_an_unknown_kind_hold_the_widest_of_all_and_that_is_told() -> None:
    found = choose_tolerances(BY_KIND, "aarch64-neoverse-cpu")
    assert found.entries == {
        ENTROPY: ToleranceEntry(abs=3e-5, rel=0.0, gate=False),
        "near.m.top": ToleranceEntry(abs=1e-6, overlap=0.7),
        "lens.m.kl": ToleranceEntry(abs=2e-3),
    }
    assert found.told == (
        f"tolerances were not measured on aarch64-neoverse-cpu, but on {EPYC}, {XEON}, {H200}: the widest of them "
        "hold; reportgen baseline calibrate measures them here"
    )


def test_tolerances_of_before_there_were_kinds_are_read_on() -> None:
    older = {"": BY_KIND[EPYC]}
    assert choose_tolerances(older, "").told == ""
    found = choose_tolerances(older, XEON)
    assert found.entries == BY_KIND[EPYC]
    assert found.told.startswith(f"tolerances were not measured on {XEON}, but on a machine that was not recorded: ")
    assert choose_tolerances({}, XEON).told == ""


def test_the_widest_does_not_depend_on_the_order() -> None:
    kinds = list(BY_KIND.values())
    assert widen_tolerances(kinds) == widen_tolerances(kinds[::-1])


def test_every_text_says_so() -> None:
    told = choose_tolerances(BY_KIND, "odd").told
    found = Comparison("Night", bundle(), bundle(), (), measured_elsewhere=told)
    quiet = Comparison("Night", bundle(), bundle(), ())
    assert told in describe_morning(found)[1]
    assert told[1:] in write_markdown(found).replace("\\", "")
    assert told[1:] in render_page(found, [])
    assert record(found)["tolerances_measured_elsewhere"] == told
    assert "olerances were" not in write_markdown(quiet) + render_page(quiet, []) + write_junit(quiet)
