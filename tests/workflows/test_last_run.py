"""The mark of a bundle that was to be made anew and was not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen.baseline.accepted import Acceptance, accept
from reportgen.baseline.history import read_history
from reportgen.errors import BatteryError, Mistake, ModelError, OutputError
from reportgen.results.bundle import load_bundle, write_json, write_numbers
from reportgen.results.failure_mark import FailedBefore, reason_without_places, without_places
from reportgen.results.folder import stage_bundle
from reportgen.results.holding import restore
from reportgen.workflows.baselines import calibrate
from reportgen.workflows.comparison import compare
from reportgen.workflows.last_run import marks_failure
from tests.results.test_bundle import bundle


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return write(tmp_path / "nights" / "out")


def write(target: Path, title: str = "A title") -> Path:
    with stage_bundle(target) as stage:
        write_numbers(stage, bundle(title))
    return target


def mark(target: Path) -> object:
    return load_bundle(target).run.get("last_run_failed")


def fail(target: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), marks_failure(target, "run"):
        raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelError(Mistake("model a: it is gone", "Get it.")), "model a: it is gone. Get it."),
        (OutputError(Mistake("disk full", file=Path("/home/me/x/out"))), "out: disk full"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (LookupError("a bug\nand more"), "internal error: a bug and more"),
        (MemoryError(), "there is not enough memory"),
        (SystemExit(0), "internal error: 0"),
        (ZeroDivisionError("x" * 10_000), f"internal error: {'x' * 483}…"),
    ],
)
def test_whatever_ends_a_run_is_kept_in_one_line(stored: Path, error: BaseException, reason: str) -> None:
    fail(stored, error)
    assert mark(stored) == reason
    assert [path.name for path in stored.parent.iterdir()] == ["out"]
    write(stored, "Another")
    assert mark(stored) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BatteryError("wrong")])
def test_an_interruption_and_a_wrong_battery_are_no_failures_of_what_is_there(
    stored: Path, error: BaseException
) -> None:
    before = (stored / "run.json").read_bytes()
    fail(stored, error)
    assert (stored / "run.json").read_bytes() == before
    assert [path.name for path in stored.parent.iterdir()] == ["out"]


def test_a_full_disk_leaves_room_for_the_mark(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, content: object) -> None:
        file.write_text("{")
        raise OSError(28, "No space left on device")

    def fail_late() -> None:
        with marks_failure(stored, "run"):
            monkeypatch.setattr("reportgen.workflows.last_run.write_json", full)
            raise ModelError("gone")

    with pytest.raises(ModelError):
        fail_late()
    assert mark(stored) == "it ended before it was finished, and left no reason"


KILLED = """
import os, sys
from pathlib import Path
from reportgen.workflows.last_run import marks_failure
with marks_failure(Path(sys.argv[1]), "run"):
    os._exit(0)
"""


def test_a_process_that_dies_is_seen_as_failed_by_whoever_reads_next(stored: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(stored)], check=True)
    with pytest.raises(FailedBefore, match="it ended before it was finished"):
        compare(stored, stored)
    assert [path.name for path in stored.parent.iterdir()] == ["out"]


def test_a_run_that_goes_on_marks_nothing(stored: Path) -> None:
    with marks_failure(stored, "run"):
        restore(stored)
        assert compare(stored, stored).title == "A title"
        write(stored, "Another")
    assert mark(stored) is None


def test_a_mark_is_of_the_bundle_it_was_made_for(stored: Path) -> None:
    """Another run may have ended well meanwhile."""

    def fail_late() -> None:
        with marks_failure(stored, "run"):
            write(stored, "Another")
            run = json.loads((stored / "run.json").read_text())
            write_json(stored / "run.json", run | {"started": "later"})
            raise ModelError("gone")

    with pytest.raises(ModelError):
        fail_late()
    assert mark(stored) is None


def test_where_no_bundle_lies_nothing_is_marked(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    fail(tmp_path / "mine", ModelError("gone"))
    fail(tmp_path / "nowhere", ModelError("gone"))
    (tmp_path / "mine" / "run.json").write_text("[7]")
    fail(tmp_path / "mine", ModelError("gone"))
    assert (tmp_path / "mine" / "run.json").read_text() == "[7]"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_who_relies_on_a_bundle_refuses_one_that_is_marked(stored: Path, tmp_path: Path) -> None:
    good = write(tmp_path / "nights" / "good")
    fail(stored, ModelError("it is gone"))
    told = "its last run failed, and what is there is older: it is gone\n  fix that, and run it again"
    for pair in ((stored, good), (good, stored)):
        with pytest.raises(FailedBefore, match=told) as raised:
            compare(*pair)
        assert raised.value.exit_code == 3
    with pytest.raises(FailedBefore, match=told):
        calibrate(tmp_path / "battery.yaml", stored)
    with pytest.raises(FailedBefore, match=told):
        accept(stored, tmp_path / "baseline", Acceptance("why not"))
    assert not (tmp_path / "baseline").exists()
    (left_out,) = read_history(tmp_path / "nights", {}, {}, "name").left_out
    assert str(left_out.file) == "out/run.json"
    assert "its last run failed" in left_out.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/me/models/cut: it is gone", "cut: it is gone"),
        ("see '/a/b c' and https://host.org/a/b/c", "see 'b c' and https://host.org/a/b/c"),
        (r"C:\Users\me\x is not there", "x is not there"),
        ("./models/cut, ../a/b and 1/2/3", "./models/cut, ../a/b and 1/2/3"),
    ],
)
def test_a_reason_does_not_say_where_on_this_machine(text: str, told: str) -> None:
    assert without_places(text) == told
    assert reason_without_places(ModelError(text)) == told


def test_what_lies_below_the_working_directory_is_told_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Jane Doe").mkdir()
    monkeypatch.chdir(tmp_path / "Jane Doe")
    assert without_places(f"{Path.cwd()}/models/cut: it is gone") == "models/cut: it is gone"
