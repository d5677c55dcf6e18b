import json
from typing import Any

from reportgen.baseline.compare import Difference
from reportgen.baseline.record import record, record_bytes
from reportgen.baseline.verdict import Verdict
from tests.baseline.comparisons import comparison, everything, make_drift, of_changes, quiet
from tests.report.fakes import HOSTILE


def change_of(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(change for one in found["compared"] for change in one["changes"] if change["name"] == name)


def test_it_holds_the_end_the_first_layer_beyond_tolerance_and_every_verdict() -> None:
    found = record(everything())
    assert (found["schema"], found["verdict"], found["exit_code"]) == (1, "newly failed", 3)
    assert found["environment"] == [{"what": "torch", "before": "2.13.0", "after": "2.14.0"}]
    assert found["first_beyond_tolerance"][0] == {
        "probe_id": "weather",
        "subject": "gemma",
        "quantity": "entropy",
        "gate": True,
        "layer": 7,
        "told": "layer 7 of gemma (Gemma-3-270M): weather, entropy",
    }
    assert [(one["probe_id"], one["subject"], one["verdict"]) for one in found["compared"]] == [
        ("map", "gemma", "newly failed"),
        ("weather", "gemma", "drifted"),
        ("weather", "llama", "drifted"),
        ("heads", "gemma", "not comparable"),
        ("chat", "gemma", "same"),
    ]
    assert found["counts"] == {
        "newly failed": 1, "drifted": 3, "not comparable": 1, "within tolerance": 1, "same": 3,
    }  # fmt: skip


def test_a_change_says_by_how_much_where_and_what_was_allowed() -> None:
    found = record(everything())
    entropy = change_of(found, "entropy")
    assert (entropy["worst"], entropy["bound"], entropy["place"]) == (0.31, 0.005, {"layer": 9, "prompt": 0})
    assert (entropy["first"], entropy["gate"], change_of(found, "noisy")["gate"]) == ({"layer": 7}, True, False)
    assert found["compared"][1]["first"] == {"layer": 7}
    assert found["compared"][0]["reason"] == "RuntimeError: out of memory"


def test_what_has_no_value_is_left_out_and_0_is_not() -> None:
    gone = make_drift(
        "accuracy", None, kind="metric", before=0, after=None, worst=None, mean=None, bound=None, place={}
    )
    change = change_of(record(comparison(of_changes("weather", "gemma", gone, quiet("kl")))), "accuracy")
    assert change["before"] == 0
    assert not {"after", "worst", "mean", "bound", "place", "first"} & set(change)


def test_what_is_not_finite_says_so_and_the_file_is_json_for_everyone() -> None:
    odd = make_drift(worst=float("inf"), mean=float("nan"), verdict=Verdict.UNDEFINED)
    read = json.loads(
        record_bytes(comparison(of_changes("weather", "gemma", odd))),
        parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)),
    )
    change = change_of(read, "entropy")
    assert change["worst"] == {"undefined": "the computation gave inf"}
    assert change["mean"] == {"undefined": "the computation gave nan"}


def test_strangers_text_comes_back_as_it_was() -> None:
    told = comparison(
        of_changes("weather", "gemma", make_drift(told=HOSTILE)),
        title=HOSTILE,
        environment=(Difference("a", HOSTILE, ""),),
    )
    read = json.loads(record_bytes(told))
    assert read["title"] == change_of(read, "entropy")["told"] == read["environment"][0]["before"] == HOSTILE


def test_equal_comparisons_give_equal_bytes() -> None:
    assert record_bytes(everything()) == record_bytes(everything())
