from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reportgen.baseline.compare import Comparison, compare
from reportgen.baseline.tolerance import ToleranceEntry
from reportgen.baseline.verdict import Verdict
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard

TOP = ("prompt", "layer", "rank", "token_id", "token", "probability")


def top(*tokens: str, second: str = " warm", margin: float = 0.4) -> Table:
    """A lens of one prompt: the likeliest token of each layer, and a second one."""
    rows: list[list[Any]] = []
    for layer, token in enumerate(tokens):
        rows.append([0, layer, 1, ord(token.strip()[0]), token, 0.2 + margin])
        rows.append([0, layer, 2, ord(second.strip()[0]), second, 0.2])
    return Table(TOP, rows)


def outcome(**changed: Any) -> Outcome:
    known: dict[str, Any] = {
        "probe": "logit_lens",
        "version": 1,
        "options": {"top_k": 2, "prompts": [{"text": "天氣"}]},
        "models": ("m",),
        "status": "ok",
        "metrics": {"accuracy": Metric(0.9, direction="higher"), "layers": Metric(2)},
        "arrays": {"entropy": Array(("prompt", "layer"), np.array([[3.0, 2.0, 1.0]]), "nat")},
        "tables": {"top": top(" mild", " cool", " chilly"), "prompts": Table(("prompt", "text"), [[0, "天氣"]])},
    }
    return Outcome(**known | changed)


def bundle(outcomes: Mapping[str, Outcome], facts: Mapping[str, Any] | None = None, **run: Any) -> Bundle:
    models = {"m": ModelCard("m", "Model", "LlamaForCausalLM", 2, dict(facts or {}))}
    return Bundle(None, "Tiny", models, {id: {"m": one} for id, one in outcomes.items()}, run)


def compare_outcomes(old: Outcome, new: Outcome, **tolerances: Any) -> Comparison:
    entries = {glob: ToleranceEntry(**entry) for glob, entry in tolerances.pop("written", {}).items()}
    return compare(bundle({"weather": old}), bundle({"weather": new}), entries, {})


def read_verdicts(comparison: Comparison) -> dict[str, Verdict]:
    (one,) = comparison.compared
    return {change.name: change.verdict for change in one.changes}


def with_array(values: Any, **changed: Any) -> Outcome:
    return outcome(arrays={"entropy": Array(("prompt", "layer"), np.array([values]), "nat", **changed)})


def test_a_bundle_and_itself_are_the_same() -> None:
    found = compare_outcomes(outcome(), outcome())
    assert set(read_verdicts(found).values()) == {Verdict.SAME}
    assert found.exit_code == 0
    assert found.loud == ()


def test_an_array_beyond_tolerance_says_by_how_much_where_and_from_which_layer_on() -> None:
    found = compare_outcomes(outcome(), with_array([3.0, 2.1, 1.5]))
    (one,) = found.compared
    change = one.changes[0]
    assert (change.name, change.verdict, found.exit_code) == ("entropy", Verdict.DRIFTED, 4)
    assert (change.place, change.first, one.first) == ({"prompt": 0, "layer": 2}, {"layer": 1}, {"layer": 1})
    assert change.told == "by 0.500 nat at layer 2, prompt 0, from layer 1 on; 0.200 on average"
    assert change.worst == pytest.approx(0.5)


def test_within_tolerance_is_neither_drift_nor_the_same() -> None:
    found = compare_outcomes(outcome(), with_array([3.0, 2.0, 1.0004]))
    assert read_verdicts(found)["entropy"] is Verdict.WITHIN
    assert found.exit_code == 0


def test_the_battery_says_what_is_tolerated_and_what_gates() -> None:
    new = with_array([3.0, 2.1, 1.5])
    assert compare_outcomes(outcome(), new, written={"weather.*.entropy": {"abs": 0.6}}).exit_code == 0
    loose = compare_outcomes(outcome(), new, written={"weather.*": {"gate": False}})
    assert (loose.exit_code, read_verdicts(loose)["entropy"]) == (0, Verdict.DRIFTED)
    tight = {"weather.*": {"abs": 0.6}, "weather.m.entropy": {"abs": 0.0, "rel": 0.0}}
    assert compare_outcomes(outcome(), with_array([3.0, 2.0, 1.0004]), written=tight).exit_code == 4


@pytest.mark.parametrize(
    ("value", "verdict", "code"),
    [(0.95, Verdict.BETTER, 0), (0.85, Verdict.WORSE, 4), (0.9005, Verdict.WITHIN, 0), (0.9, Verdict.SAME, 0)],
)
def test_a_metric_that_has_a_better_direction(value: float, verdict: Verdict, code: int) -> None:
    metrics = {"accuracy": Metric(value, direction="higher"), "layers": Metric(2)}
    found = compare_outcomes(outcome(), outcome(metrics=metrics))
    assert (read_verdicts(found)["accuracy"], found.exit_code) == (verdict, code)


def test_counts_are_exact() -> None:
    found = compare_outcomes(
        outcome(), outcome(metrics={"accuracy": Metric(0.9, direction="higher"), "layers": Metric(3)})
    )
    assert (read_verdicts(found)["layers"], found.exit_code) == (Verdict.DRIFTED, 4)


def test_a_metric_that_turned_undefined_and_one_that_vanished_are_drift() -> None:
    undefined = {"accuracy": Metric(None, direction="higher", reason="NaN"), "layers": Metric(2)}
    assert read_verdicts(compare_outcomes(outcome(), outcome(metrics=undefined)))["accuracy"] is Verdict.UNDEFINED
    vanished = compare_outcomes(outcome(), outcome(metrics={"layers": Metric(2)}))
    assert (read_verdicts(vanished)["accuracy"], vanished.exit_code) == (Verdict.VANISHED, 4)
    new = compare_outcomes(outcome(metrics={"layers": Metric(2)}), outcome())
    assert (read_verdicts(new)["accuracy"], new.exit_code) == (Verdict.NEW, 0)


def test_nan_that_came_is_told_with_its_place_and_nan_that_was_there_is_equal() -> None:
    found = compare_outcomes(outcome(), with_array([3.0, np.nan, 1.0]))
    assert (read_verdicts(found)["entropy"], found.exit_code) == (Verdict.UNDEFINED, 4)
    assert found.compared[0].changes[0].place == {"prompt": 0, "layer": 1}
    assert compare_outcomes(with_array([np.nan, 2, 1]), with_array([np.nan, 2, 1])).exit_code == 0
    infinite = compare_outcomes(outcome(), with_array([3.0, np.inf, 1.0]))
    assert read_verdicts(infinite)["entropy"] is Verdict.UNDEFINED
    assert (
        read_verdicts(compare_outcomes(with_array([np.nan, 2, 1]), with_array([3.0, 2, 1])))["entropy"]
        is Verdict.DEFINED
    )


def test_the_place_is_where_the_tolerance_is_exceeded_most_not_where_values_are_large() -> None:
    old, new = with_array([1000.0, 1.0, 1.0]), with_array([1000.9, 1.0, 1.5])
    change = compare_outcomes(old, new).compared[0].changes[0]
    assert (change.place, change.first) == ({"prompt": 0, "layer": 2}, {"layer": 2})


def test_coordinates_name_the_layer() -> None:
    old = with_array([3.0, 2.0, 1.0], coordinates={"layer": (0, 8, 16)})
    new = with_array([3.0, 2.5, 1.0], coordinates={"layer": (0, 8, 16)})
    assert compare_outcomes(old, new).compared[0].first == {"layer": 8}
    moved = compare_outcomes(old, with_array([3.0, 2.0, 1.0], coordinates={"layer": (0, 8, 17)}))
    assert moved.exit_code == 5


def test_what_is_seen_from_the_final_answer_does_not_say_where_a_change_begins() -> None:
    old, new = (with_array(v, relative_to="final answer") for v in ([3.0, 2.0, 0.0], [3.5, 2.5, 0.0]))
    change = compare_outcomes(old, new).compared[0].changes[0]
    assert (change.verdict, change.first) == (Verdict.DRIFTED, {})
    assert change.told == "by 0.500 nat at layer 1, prompt 0; 0.333 on average"


def test_another_shape_is_not_comparable() -> None:
    found = compare_outcomes(outcome(), with_array([3.0, 2.0]))
    assert (read_verdicts(found)["entropy"], found.exit_code) == (Verdict.NOT_COMPARABLE, 5)


def test_a_lens_that_says_something_else_names_the_first_layer_and_both_tokens() -> None:
    found = compare_outcomes(outcome(), outcome(tables={"top": top(" mild", " cool", " freezing")}))
    change = next(change for change in found.compared[0].changes if change.name == "top")
    assert change.verdict is Verdict.DRIFTED
    assert change.told == "layer 2, prompt 0, rank 1: “ chilly” → “ freezing”; 1 of 3 lists changed"
    assert (change.first, found.exit_code) == ({"layer": 2}, 4)


def test_two_tokens_that_were_as_good_as_equal_may_change_places() -> None:
    close, swapped = top(" mild", margin=1e-5), top(" warm", second=" mild", margin=1e-5)
    found = compare_outcomes(outcome(tables={"top": close}), outcome(tables={"top": swapped}))
    assert read_verdicts(found)["top"] is Verdict.WITHIN
    clear = compare_outcomes(
        outcome(tables={"top": top(" mild")}), outcome(tables={"top": top(" warm", second=" mild")})
    )
    assert read_verdicts(clear)["top"] is Verdict.DRIFTED


def test_other_tables_are_compared_row_by_row() -> None:
    old = Table(("name", "value"), [["a", 1.0], ["b", 2.0]])
    moved, within = Table(old.columns, [["a", 1.0], ["b", 3.0]]), Table(old.columns, [["a", 1.0], ["b", 2.0001]])
    change = compare_outcomes(outcome(tables={"t": old}), outcome(tables={"t": moved})).compared[0].changes[0]
    assert change.told == "1 of 2 rows changed, the first is row 1: value 2 → 3"
    assert (
        read_verdicts(compare_outcomes(outcome(tables={"t": old}), outcome(tables={"t": within})))["t"]
        is Verdict.WITHIN
    )
    shorter = Table(old.columns, old.rows[:1])
    assert (
        read_verdicts(compare_outcomes(outcome(tables={"t": old}), outcome(tables={"t": shorter})))["t"]
        is Verdict.DRIFTED
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "another version of logit_lens: 1 → 2"),
        ({"options": {"top_k": 2, "prompts": [{"text": "天"}]}}, "another option prompts: 0 was “天氣” and is “天”"),
        ({"options": {"top_k": 3, "prompts": [{"text": "天氣"}]}}, "another option top_k: 2 → 3"),
        ({"probe": "pca_map"}, "another probe: logit_lens → pca_map"),
        (
            {"tables": {"prompts": Table(("prompt", "text"), [[0, "天"]])}},
            "something else was read: the table prompts changed, in row 0 text: “天氣” → “天”",
        ),
    ],
)  # fmt: skip
def test_what_measured_something_else_is_not_comparable_and_never_drift(change: dict[str, Any], reason: str) -> None:
    found = compare_outcomes(outcome(), outcome(**change))
    (one,) = found.compared
    assert (one.verdict, one.reason, one.changes, found.exit_code) == (Verdict.NOT_COMPARABLE, reason, (), 5)


def test_an_option_that_is_younger_than_the_baseline_was_at_its_default_then() -> None:
    old = outcome()
    new = {**old.options, "rows": ["block"], "compare": []}
    assert compare_outcomes(old, outcome(options=new)).exit_code == 0
    assert compare_outcomes(outcome(options=new), old).exit_code == 0
    (asked,) = compare_outcomes(old, outcome(options={**new, "rows": ["block", "mlp"]})).compared
    assert asked.reason == "another option rows: 1 is new (“mlp”)"


def test_another_tokenizer_is_not_comparable_and_another_dtype_is_what_a_comparison_is_for() -> None:
    old, new = (bundle({"weather": outcome()}, {"tokenizer_sha256": sha, "dtype": "float32"}) for sha in "ab")
    assert compare(old, new, {}, {}).exit_code == 5
    other = bundle({"weather": outcome()}, {"tokenizer_sha256": "a", "dtype": "bfloat16"}, versions={"torch": "2.13"})
    found = compare(replace(old, run={"versions": {"torch": "2.12"}}), other, {}, {})
    assert found.exit_code == 0
    assert found.environment[0].label == "m: dtype"
    assert [(d.what, d.before, d.after) for d in found.environment] == [
        ("dtype", "float32", "bfloat16"),
        ("torch", "2.12", "2.13"),
    ]


def test_a_probe_that_was_added_is_new_and_one_that_is_not_asked_for_any_more_removed() -> None:
    small, large = bundle({"a": outcome()}), bundle({"a": outcome(), "b": outcome()})
    assert compare(small, large, {}, {}).exit_code == 0
    assert [one.verdict for one in compare(small, large, {}, {}).compared] == [Verdict.NEW, Verdict.SAME]
    found = compare(large, small, {}, {})
    assert (found.compared[0].verdict, found.exit_code) == (Verdict.REMOVED, 5)
    assert found.compared[0].reason == "the battery does not ask for it any more"
    part = compare(large, replace(small, run={"only": ["a"]}), {}, {})
    assert part.compared[0].reason == "this run was asked for other probes only"
    broken = bundle({"a": outcome(), "b": FAILED})
    assert compare(broken, small, {}, {}).compared[0].verdict is Verdict.REMOVED


FAILED = outcome(status="failed", reason="out of memory", metrics={}, arrays={}, tables={})
SKIPPED = outcome(status="skipped", reason="no chat template", metrics={}, arrays={}, tables={})


@pytest.mark.parametrize(
    ("old", "new", "verdict", "code"),
    [
        (outcome(), FAILED, Verdict.NEWLY_FAILED, 3),
        (FAILED, FAILED, Verdict.STILL_FAILED, 3),
        (FAILED, outcome(), Verdict.FIXED, 0),
        (SKIPPED, SKIPPED, Verdict.SAME, 0),
        (outcome(), SKIPPED, Verdict.VANISHED, 4),
        (SKIPPED, outcome(), Verdict.NEW, 0),
    ],
)
def test_outcomes_without_numbers(old: Outcome, new: Outcome, verdict: Verdict, code: int) -> None:
    found = compare_outcomes(old, new)
    assert (found.compared[0].verdict, found.exit_code) == (verdict, code)


def test_the_worst_decides_about_the_end_and_stands_first() -> None:
    old = bundle({"same": outcome(), "drifted": outcome(), "other": outcome(), "failed": outcome()})
    new = {"same": outcome(), "drifted": with_array([3.0, 2.0, 9.0]), "other": outcome(version=2), "failed": FAILED}
    found = compare(old, bundle(new), {}, {})
    assert found.exit_code == 3
    assert [one.probe_id for one in found.compared] == ["failed", "drifted", "other", "same"]
    assert found.verdict is Verdict.NEWLY_FAILED
    assert compare(old, bundle(new | {"failed": outcome()}), {}, {}).exit_code == 4
    assert compare(old, bundle(new | {"failed": outcome(), "drifted": outcome()}), {}, {}).exit_code == 5


def changed_cells(column: str, value: Any) -> Table:
    table = top(" mild", " cool", " chilly")
    at = TOP.index(column)
    return Table(TOP, [[*row[:at], value, *row[at + 1 :]] for row in table.rows])


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("token", "<x>", "layer 0, prompt 0, rank 1: “ mild” → “<x>”; 3 of 3 lists changed"),
        ("rank", 7, "layer 0, prompt 0, rank 1 → 7; 3 of 3 lists changed"),
        ("probability", 0.9, "layer 0, prompt 0, rank 1: probability 0.600 → 0.900; 3 of 3 lists changed"),
        (
            "probability",
            None,
            "layer 0, prompt 0, rank 1: probability 0.6000000000000001 → nothing; 3 of 3 lists changed",
        ),
        ("token_id", 7, "layer 0, prompt 0, rank 1: token_id 109 → 7; 3 of 3 lists changed"),
    ],
)
def test_of_a_ranked_list_all_that_stands_in_it_is_compared(column: str, value: Any, told: str) -> None:
    found = compare_outcomes(outcome(), outcome(tables={"top": changed_cells(column, value)}))
    change = next(change for change in found.compared[0].changes if change.name == "top")
    assert (change.verdict, change.told, found.exit_code) == (Verdict.DRIFTED, told, 4)


def test_numbers_beside_the_first_of_a_ranked_list_are_held_to_what_holds_for_any_measured_number() -> None:
    columns = ("rank", "token_id", "probability", "logit")
    old, near, far = (Table(columns, [[1, 5, 0.5, logit]]) for logit in (20.0, 20.01, 25.0))
    measured = {"abs": 1e-5, "rel": 0.0}

    def verdict(new: Table) -> Verdict:
        found = compare_outcomes(
            outcome(tables={"t": old}), outcome(tables={"t": new}), written={"weather.m.t": measured}
        )
        return next(change.verdict for change in found.compared[0].changes if change.name == "t")

    assert (verdict(near), verdict(far)) == (Verdict.WITHIN, Verdict.DRIFTED)


def test_a_table_in_which_true_became_1_is_not_the_same() -> None:
    old, new = (Table(("kept",), [[cell]]) for cell in (True, 1))
    assert (
        read_verdicts(compare_outcomes(outcome(tables={"t": old}), outcome(tables={"t": new})))["t"] is Verdict.DRIFTED
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (np.inf, np.nan, "1 values are undefined in another way now, the first inf → nan at layer 1, prompt 0"),
        (-np.inf, np.inf, "1 values are undefined in another way now, the first -inf → inf at layer 1, prompt 0"),
    ],
)
def test_what_is_undefined_in_another_way_has_changed(old: float, new: float, told: str) -> None:
    found = compare_outcomes(with_array([3.0, old, 1.0]), with_array([3.0, new, 1.0]))
    (change, *_) = found.compared[0].changes
    assert (change.verdict, change.told, change.first) == (Verdict.DRIFTED, told, {"layer": 1})
    assert found.exit_code == 4
    assert compare_outcomes(with_array([3.0, old, 1.0]), with_array([3.0, old, 1.0])).exit_code == 0


def test_a_difference_of_the_largest_numbers_is_drift() -> None:
    assert compare_outcomes(with_array([1e308, 2.0, 1.0]), with_array([-1e308, 2.0, 1.0])).exit_code == 4


def test_a_number_in_another_unit_is_not_comparable() -> None:
    metrics = {"accuracy": Metric(0.9, "share", "higher"), "layers": Metric(2)}
    found = compare_outcomes(outcome(), outcome(metrics=metrics))
    assert read_verdicts(found)["accuracy"] is Verdict.NOT_COMPARABLE
    assert found.compared[0].changes[0].told == "its unit changed: none → share"
    lower = {"accuracy": Metric(0.9, direction="lower"), "layers": Metric(2)}
    assert compare_outcomes(outcome(), outcome(metrics=lower)).exit_code == 5
    bits = Array(("prompt", "layer"), np.array([[3.0, 2.0, 1.0]]), "bit")
    in_bits = compare_outcomes(outcome(), outcome(arrays={"entropy": bits}))
    assert (read_verdicts(in_bits)["entropy"], in_bits.exit_code) == (Verdict.NOT_COMPARABLE, 5)


def test_nothing_is_not_the_same_as_nothing() -> None:
    nothing = compare(bundle({}), bundle({}), {}, {})
    assert (nothing.verdict, nothing.exit_code) == (Verdict.NOT_COMPARABLE, 5)
    empty = outcome(metrics={}, arrays={}, tables={})
    found = compare_outcomes(empty, empty)
    assert (found.compared[0].reason, found.exit_code) == ("neither bundle holds a number of it", 5)


def test_a_tolerance_that_matches_no_number_is_told() -> None:
    entry = ToleranceEntry(abs=1.0)
    entries = {"weather.*.entropy": entry, "wether.*": entry, "chat.m.*": entry, "*.kl": entry}
    stored = bundle({"weather": outcome(), "chat": SKIPPED})
    assert compare(stored, stored, entries, {"weather.m.entropi": entry}).unmatched == ("wether.*", "weather.m.entropi")
    alone = bundle({"weather": outcome()})
    assert compare(alone, alone, entries, {}).unmatched == ("wether.*", "chat.m.*", "*.kl")
