import datetime
import json

import pytest

from reportgen.baseline import runs
from reportgen.baseline.runs import StoredRun, find_runs, label_runs, order_of, read_metrics, sort_in_order
from reportgen.errors import BundleError
from reportgen.results.bundle import load_bundle
from reportgen.results.quantities import Metric
from tests.baseline.nights_written import write_night


def at(day, hour=0):
    return datetime.datetime(2026, 11, day, hour, tzinfo=datetime.UTC)


def test_bundles_are_found_at_any_depth_but_not_within_each_other(tmp_path):
    write_night(tmp_path / "2026" / "11" / "a", 1, {})
    write_night(tmp_path / "b", 0, {})
    write_night(tmp_path / "b" / "figures" / "c", 2, {})
    write_night(tmp_path / ".b-staging", 3, {})
    (tmp_path / "notes").mkdir()
    found, unreadable = find_runs(tmp_path)
    assert sorted(night.name for night in found) == ["2026/11/a", "b"]
    assert unreadable == []


def test_a_bundle_is_a_history_of_one_night(tmp_path):
    (night,), _ = find_runs(write_night(tmp_path / "only", 0, {}))
    assert night.name == "only"


def test_the_order_is_by_when_a_run_began_whatever_its_time_zone(tmp_path):
    for name, started in {
        "a": "2026-11-20T01:00:00+02:00",
        "b": "2026-11-19T22:00:00Z",
        "c": "2026-11-19T23:30:00",
    }.items():
        write_night(tmp_path / name, 0, {})
        (tmp_path / name / "run.json").write_text(json.dumps({"started": started}))
    found, _ = find_runs(tmp_path)
    assert order_of(found) == "started"
    assert [night.name for night in sort_in_order(found, "started")] == ["b", "a", "c"]


def test_checkpoints_are_in_the_order_of_their_numbers(tmp_path):
    for step in (100, 9, 10):
        write_night(tmp_path / f"checkpoint-{step}", None, {})
    found, _ = find_runs(tmp_path)
    assert order_of(found) == "name"
    assert [night.name for night in sort_in_order(found, "name")] == ["checkpoint-9", "checkpoint-10", "checkpoint-100"]


@pytest.mark.parametrize("run", [None, "{}", '{"started": "yesterday"}', '{"started": "0001-01-01T00:00:00+23:59"}'])
def test_one_bundle_that_does_not_say_when_puts_all_by_name(tmp_path, run):
    write_night(tmp_path / "b", 0, {})
    write_night(tmp_path / "a", 1, {})
    (tmp_path / "a" / "run.json").unlink()
    if run is not None:
        (tmp_path / "a" / "run.json").write_text(run)
    found, unreadable = find_runs(tmp_path)
    assert (order_of(found), unreadable) == ("name", [])
    with pytest.raises(BundleError, match=r"a/run\.json: it does not say when it was begun\n  order them by name"):
        sort_in_order(found, "started")


@pytest.mark.parametrize(
    ("run", "told"),
    [('{"started"', "not JSON: EOF while parsing"), ('{"started": 7}', "started: expected text, found 7")],
)
def test_a_damaged_run_json_is_named(tmp_path, run, told):
    write_night(tmp_path / "a", 0, {})
    (tmp_path / "a" / "run.json").write_text(run)
    found, (mistake,) = find_runs(tmp_path)
    assert found == []
    assert mistake.file == tmp_path / "a" / "run.json"
    assert mistake.message.startswith(f"the bundle is damaged: {told}")


def test_there_has_to_be_a_folder(tmp_path):
    with pytest.raises(BundleError, match="there is no such folder"):
        find_runs(tmp_path / "none")


def test_names_sort_by_their_numbers():
    names = ["a", "a2", "a10", "a10b", "b1", "10", "9", "", "٣"]
    assert sorted(names, key=runs.make_natural_key) == ["", "a", "a2", "a10", "a10b", "b1", "٣", "9", "10"]


def test_nights_are_called_by_date_and_by_time_where_they_share_one(tmp_path):
    many = [StoredRun(tmp_path, name, moment) for name, moment in
            {"a": at(1), "b": at(2, 3), "c": at(2, 4), "d": at(3), "e": at(3)}.items()]  # fmt: skip
    assert label_runs(many, "started") == [
        "2026-11-01", "2026-11-02 03:00:00", "2026-11-02 04:00:00", "2026-11-03 00:00:00 d", "2026-11-03 00:00:00 e",
    ]  # fmt: skip
    assert label_runs(many, "name") == ["a", "b", "c", "d", "e"]


def test_the_metrics_are_those_of_the_whole_bundle(tmp_path):
    found = {"entropy": 1.25, "layers": 18, "gone": Metric(None, "nat", reason="it is nan"), "huge": 2**60 + 1}
    folder = write_night(tmp_path / "a", 0, found, options={"text": '",\n    "tables": {\n   }'})
    whole, part = load_bundle(folder), read_metrics(folder)
    assert part.title == whole.title
    outcome, expected = part["weather"]["gemma"], whole["weather"]["gemma"]
    assert outcome.metrics == expected.metrics
    assert (outcome.version, outcome.options, outcome.models) == (1, expected.options, ("gemma",))
    assert (outcome.tables, outcome.arrays) == ({}, {})
    assert part.models["gemma"].facts["tokenizer_sha256"] == "abc"


def test_only_metrics_are_parsed(tmp_path, monkeypatch):
    folder = write_night(tmp_path / "a", 0, {"entropy": 1.25})
    parsed, parse = [], runs.parse_json
    monkeypatch.setattr(runs, "parse_json", lambda file, text: parsed.append(text) or parse(file, text))
    read_metrics(folder)
    assert len(parsed) == 1
    assert b"columns" not in parsed[0]
    assert b"tensor" not in parsed[0]


def test_a_file_in_another_layout_is_read_whole(tmp_path):
    folder = write_night(tmp_path / "a", 0, {"entropy": 1.25})
    for layout in ({"indent": None}, {"indent": 1, "sort_keys": True}, {"indent": 4}):
        content = json.loads((folder / "results.json").read_text())
        (folder / "results.json").write_text(json.dumps(content, **layout))
        assert read_metrics(folder)["weather"]["gemma"].metrics["entropy"].value == 1.25


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[: len(text) // 2], "the bundle is damaged: "),
        (lambda text: "[]", "the bundle is damaged: it is not a mapping"),
        (lambda text: "[" * 100_000, "the bundle is damaged: "),
        (lambda text: text.replace('"schema": 2', '"schema": 0'), "a bundle of schema 0; this version reads 1 to 2"),
        (lambda text: text.replace('"results"', '"result"'), "results: missing"),
        (lambda text: text.replace("1.25", '"1.25"'), "entropy.value: expected a finite number, found '1.25'"),
        (lambda text: text.replace("1.25", "true"), "entropy.value: expected a finite number, found true"),
        (lambda text: text.replace("1.25", "NaN"), "the bundle is damaged: not JSON: expected value at line"),
        (lambda text: text.replace("1.25", "1e400"), "entropy.value: expected a finite number, found inf"),
        (lambda text: text.replace("1.25", "[1]"), "entropy.value: expected a finite number, found a list of 1"),
        (
            lambda text: text.replace("1.25", "1" * 400),
            "entropy.value: expected a finite number, found a very large number",
        ),
        (lambda text: text.replace('"weather"', '"../weather"'), "'../weather' is not an id"),
        (
            lambda text: text.replace('"gemma": {\n    "probe"', '"<b>": {\n    "probe"'),
            "'<b>' is neither an id nor two with .. between them",
        ),
        (lambda text: text.replace('"value": 1.25,', ""), "entropy.value: missing"),
    ],
)
def test_a_damaged_bundle_is_refused_with_one_line(tmp_path, damage, told):
    folder = write_night(tmp_path / "a", 0, {"entropy": 1.25})
    file = folder / "results.json"
    before = file.read_text()
    file.write_text(damage(before))
    assert file.read_text() != before
    with pytest.raises(BundleError) as raised:
        read_metrics(folder)
    (mistake,) = raised.value.mistakes
    assert told in mistake.message
    assert mistake.file == file
    assert "\n" not in mistake.message
