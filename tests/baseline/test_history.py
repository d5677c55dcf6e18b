import json
import math
import time

import pytest

from reportgen.baseline.history import read_history
from reportgen.baseline.history_record import as_json
from reportgen.baseline.steps import Plateau
from reportgen.baseline.tolerance import COUNT, MEASURED, ToleranceEntry
from reportgen.errors import BundleError
from reportgen.results.quantities import Metric
from tests.baseline.nights_written import date, write_night, write_nights

NAN = float("nan")


def read_runs(folder, written=None, calibrated=None, order=None):
    return read_history(folder, written or {}, calibrated or {}, order)


def tell_steps(found):
    return [found.describe_step(course, step) for course, step in found.steps]


def test_the_night_of_a_step_is_named(tmp_path):
    found = read_runs(write_nights(tmp_path, [1.2] * 19 + [1.5] * 6))
    assert tell_steps(found) == ["night 2026-11-20: weather.gemma.entropy stepped from 1.20 to 1.50"]
    (course,) = found.courses
    assert course.values == (1.2,) * 19 + (1.5,) * 6
    assert course.segments[0].plateaus == (Plateau(0, 18, 1.2), Plateau(19, 24, 1.5))
    assert course.tolerance == MEASURED
    assert found.labels[19] == "2026-11-20"
    assert (found.title, found.models) == ("Nightly", {"gemma": "Gemma-3-270M"})


def test_the_first_and_the_last_night_of_a_ramp_are_named(tmp_path):
    found = read_runs(write_nights(tmp_path, [1.0] * 10 + [1 + i / 10 for i in range(1, 11)] + [2.0] * 10))
    assert tell_steps(found) == [f"nights {date(10)} to {date(19)}: weather.gemma.entropy went from 1 to 2"]


def test_what_changed_that_night_stands_beside_the_step(tmp_path):
    for night in range(20):
        value = 1.0 if night < 8 else 2.0
        if night == 8:
            write_night(
                tmp_path / str(night), night, {"entropy": value}, status="failed", facts={"weights_sha256": "a"}
            )
            continue
        later = night > 8
        facts = {"weights_sha256": "b" if later else "a", "dtype": "bfloat16" if later else "float32", "threads": 2}
        run = {"versions": {"torch": "2.13" if later else "2.12"}, "machine": {"host": str(night)}}
        write_night(tmp_path / str(night), night, {"entropy": value}, facts=facts, run=run)
    cause = "weights of gemma, dtype of gemma float32 → bfloat16, torch 2.12 → 2.13"
    found = read_runs(tmp_path)
    assert tell_steps(found) == [
        f"night {date(9)}: weather.gemma.entropy stepped from 1 to 2; changed: {cause}"
    ]  # fmt: skip
    (step,) = json.loads(as_json(found))["metrics"]["weather.gemma.entropy"]["steps"]
    assert step["changed"] == cause


def test_what_changed_on_other_nights_or_in_other_models_is_no_cause(tmp_path):
    for night in range(20):
        facts = {"weights_sha256": "a" if night in (0, 12) else "b"}
        write_night(tmp_path / str(night), night, {"entropy": 1.0 if night < 8 else 2.0}, facts=facts)
    assert tell_steps(read_runs(tmp_path)) == [f"night {date(8)}: weather.gemma.entropy stepped from 1 to 2"]


def test_over_a_ramp_all_that_changed_on_the_way_is_told(tmp_path):
    for night, value in enumerate([1.0] * 10 + [1 + i / 10 for i in range(1, 11)] + [2.0] * 10):
        facts = {"weights_sha256": str(min(max(night, 9), 19))}
        write_night(tmp_path / str(night), night, {"entropy": value}, facts=facts)
    (told,) = tell_steps(read_runs(tmp_path))
    assert told == f"nights {date(10)} to {date(19)}: weather.gemma.entropy went from 1 to 2; changed: weights of gemma"


def test_changes_are_told_the_latest_first_and_within_a_night_in_the_order_of_the_battery(tmp_path):
    for night in range(24):
        values = {"z": 1.0 if night < 6 else 2.0, "a": 1.0 if night < 6 else 2.0, "m": 1.0 if night < 14 else 2.0}
        options = {"top_k": 5 if night < 18 else 6}
        write_night(tmp_path / str(night), night, values, options=options)
    found = read_runs(tmp_path)
    assert [line.partition(" stepped")[0].partition(" is not")[0] for line in found.describe_changes()] == [
        f"night {date(18)}: weather.gemma", f"night {date(14)}: weather.gemma.m", f"night {date(6)}: weather.gemma.z",
        f"night {date(6)}: weather.gemma.a",
    ]  # fmt: skip
    assert found.describe_changes()[0].endswith("is not comparable with before: another option top_k: 5 → 6")


def test_checkpoints_are_told_by_their_names(tmp_path):
    for step in range(12):
        write_night(tmp_path / f"checkpoint-{step}", None, {"entropy": 1.0 if step < 10 else 2.0})
    assert tell_steps(read_runs(tmp_path)) == ["bundle checkpoint-10: weather.gemma.entropy stepped from 1 to 2"]


def test_checkpoints_that_were_measured_in_any_order_can_be_read_by_name(tmp_path):
    for step in range(12):
        write_night(tmp_path / f"checkpoint-{step}", 11 - step, {"entropy": 1.0 if step < 10 else 2.0})
    assert tell_steps(read_runs(tmp_path, order="name")) == [
        "bundle checkpoint-10: weather.gemma.entropy stepped from 1 to 2"
    ]
    assert tell_steps(read_runs(tmp_path)) == [f"night {date(2)}: weather.gemma.entropy stepped from 2 to 1"]


def test_what_is_within_tolerance_is_no_step(tmp_path):
    write_nights(tmp_path, [1.0] * 10 + [1.01] * 10)
    assert tell_steps(read_runs(tmp_path)) == [f"night {date(10)}: weather.gemma.entropy stepped from 1 to 1.010"]
    wide = {"weather.*.entropy": ToleranceEntry(abs=0.02)}
    assert tell_steps(read_runs(tmp_path, written=wide)) == []
    assert tell_steps(read_runs(tmp_path, calibrated=wide)) == []
    assert len(tell_steps(read_runs(tmp_path, calibrated=wide, written={"*": ToleranceEntry(abs=0, rel=0)}))) == 1


def test_whole_numbers_are_counted_unless_a_night_has_another(tmp_path):
    write_nights(tmp_path / "counts", [28] * 5 + [29] * 2)
    (course,) = read_runs(tmp_path / "counts").courses
    assert course.tolerance == COUNT
    assert len(course.steps) == 1
    write_nights(tmp_path / "measured", [28] * 5 + [28.001] * 2)
    (course,) = read_runs(tmp_path / "measured").courses
    assert (course.tolerance, course.steps) == (MEASURED, [])


def test_metrics_that_are_not_gated_are_left_out_and_counted(tmp_path):
    for night in range(3):
        write_night(tmp_path / str(night), night, {"entropy": 1.0, "speed": 5.0})
    found = read_runs(tmp_path, written={"*.speed": ToleranceEntry(gate=False)})
    assert [course.path for course in found.courses] == ["weather.gemma.entropy"]
    assert found.ungated == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"version": 2}, "another version of logit_lens: 1 → 2"),
        ({"options": {"top_k": 7}}, "another option top_k: 5 → 7"),
        ({"tokenizer": "def"}, "another tokenizer of gemma: it cuts every text of both bundles as before"),
    ],
)
def test_what_is_not_comparable_begins_a_segment_and_is_no_step(tmp_path, changed, reason):
    for night in range(20):
        known = changed if night >= 10 else {}
        write_night(tmp_path / str(night), night, {"entropy": 1.0 if night < 10 else 2.0}, **known)
    found = read_runs(tmp_path)
    (course,) = found.courses
    assert tell_steps(found) == []
    assert [(one.first, one.reason) for one in course.segments] == [(0, ""), (10, reason)]
    assert [one.plateaus for one in course.segments] == [(Plateau(0, 9, 1.0),), (Plateau(10, 19, 2.0),)]


def test_a_step_after_another_version_is_on_its_own_night(tmp_path):
    for night in range(30):
        write_night(tmp_path / str(night), night, {"entropy": 1.0 if night < 20 else 2.0}, version=1 + (night >= 10))
    assert tell_steps(read_runs(tmp_path)) == [f"night {date(20)}: weather.gemma.entropy stepped from 1 to 2"]


def test_a_failed_night_is_a_gap_that_splits_nothing(tmp_path):
    for night in range(12):
        failed = {"status": "failed", "version": 9} if night in (3, 6) else {}
        write_night(tmp_path / str(night), night, {"entropy": 1.0 if night < 6 else 2.0}, **failed)
    found = read_runs(tmp_path)
    (course,) = found.courses
    assert [night for night, value in enumerate(course.values) if math.isnan(value)] == [3, 6]
    assert len(course.segments) == 1
    assert tell_steps(found) == [f"night {date(7)}: weather.gemma.entropy stepped from 1 to 2"]


def test_undefined_and_absent_nights_are_gaps(tmp_path):
    undefined = Metric(None, "nat", reason="it is nan")
    for night, metrics in enumerate([{}, {"entropy": 1.0}, {"entropy": undefined}, {"other": 3}, {"entropy": 1.0}, {}]):
        write_night(tmp_path / str(night), night, metrics)
    entropy, other = read_runs(tmp_path).courses
    assert [None if math.isnan(v) else v for v in entropy.values] == [None, 1.0, None, None, 1.0, None]
    assert [None if math.isnan(v) else v for v in other.values] == [None, None, None, 3.0, None, None]


def test_a_bundle_that_cannot_be_read_is_left_out_and_named_below_its_folder(tmp_path):
    write_nights(tmp_path, [1.0] * 4)
    (tmp_path / "night-1" / "results.json").write_text("{")
    (tmp_path / "night-2" / "run.json").write_text("{")
    found = read_runs(tmp_path)
    assert [night.name for night in found.runs] == ["night-0", "night-3"]
    assert sorted(str(mistake.file) for mistake in found.left_out) == ["night-1/results.json", "night-2/run.json"]
    assert all("the bundle is damaged" in mistake.message for mistake in found.left_out)


def test_no_bundle_at_all_is_an_error(tmp_path):
    with pytest.raises(BundleError, match="no bundle below it can be read\n  name a folder of bundles"):
        read_runs(tmp_path)
    write_nights(tmp_path, [1.0])
    (tmp_path / "night-0" / "results.json").write_text("{")
    with pytest.raises(BundleError, match="no bundle below it can be read; the first: the bundle is damaged: "):
        read_runs(tmp_path)


def test_probes_keep_the_batterys_order_and_the_latest_step_is_first(tmp_path):
    for night in range(12):
        write_night(tmp_path / f"z{night}", night, {"b": 1.0 + (night > 3), "a": 1.0 + (night > 6)}, probe_id="zebra")
        write_night(tmp_path / f"a{night}", 100 + night, {"b": 1.0}, probe_id="apple", title="Later")
    found = read_runs(tmp_path)
    assert [course.path for course in found.courses] == ["zebra.gemma.b", "zebra.gemma.a", "apple.gemma.b"]
    assert [(course.name, step.first) for course, step in found.steps] == [("a", 7), ("b", 4)]
    assert found.title == "Later"


def test_json_holds_nights_values_levels_and_steps(tmp_path):
    values = [1.2] * 10 + [NAN] + [1.5] * 5
    content = json.loads(as_json(read_runs(write_nights(tmp_path, values))))
    assert content["schema"] == 1
    assert content["title"] == "Nightly"
    assert content["nights"][3] == {"label": date(3), "bundle": "night-3", "started": f"{date(3)}T03:00:00+00:00"}
    assert content["left_out"] == []
    metric = content["metrics"]["weather.gemma.entropy"]
    assert metric["values"] == [1.2] * 10 + [None] + [1.5] * 5
    assert metric["steps"] == [{"first": 11, "last": 11, "before": 1.2, "after": 1.5, "changed": ""}]
    assert metric["segments"] == [
        {
            "first": 0,
            "reason": "",
            "levels": [{"first": 0, "last": 10, "level": 1.2}, {"first": 11, "last": 15, "level": 1.5}],
        }
    ]
    assert metric["tolerance"] == {"abs": 1e-3, "rel": 1e-3}
    assert (metric["probe_id"], metric["subject"], metric["name"], metric["unit"]) == (
        "weather", "gemma", "entropy", "nat",
    )  # fmt: skip


def test_four_times_the_nights_take_about_four_times_as_long(tmp_path):
    def seconds(nights):
        folder = tmp_path / str(nights)
        write_nights(folder, [1.0 + 1e-6 * (night % 7) for night in range(nights)])
        times = []
        for _ in range(3):
            begun = time.process_time()
            read_runs(folder)
            times.append(time.process_time() - begun)
        return min(times)

    assert seconds(400) < 10 * seconds(100)
