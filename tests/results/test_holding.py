"""A swap that is killed at any of its steps, and what the next start makes of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reportgen.errors import OutputError
from reportgen.results.bundle import load_bundle, write_numbers
from reportgen.results.exchange import exchange
from reportgen.results.folder import stage_bundle
from reportgen.results.holding import PREFIX, make_folder_beside, restore, restore_below
from tests.results.test_bundle import bundle

Targets = Callable[[str], list[Path]]

# A copy of the folder "before" for each step; in a process of its own it is made anew and ended at that step.
KILLED = """
import os, shutil, sys
from pathlib import Path
from reportgen.results import exchange
from reportgen.results.folder import stage_bundle
from reportgen.results.bundle import write_numbers
from tests.results.test_bundle import bundle

root, in_one_step = Path(sys.argv[1]), exchange._exchange_names

def make_anew(target, how, steps, last):
    exchange._exchange_names = in_one_step if steps == "one" else lambda one, other: False
    done = 0
    def end(event, given):
        nonlocal done
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree") and done <= last:
            done += 1
            if done > last:
                os._exit(9) if how == "kill" else sys.exit(130)
    sys.addaudithook(end)
    with stage_bundle(target) as stage:
        write_numbers(stage, bundle("Another"))
        (stage / "new.html").write_text("new")
    os._exit(0)

for how, steps in [("kill", "one"), ("kill", "two"), ("interrupt", "one"), ("interrupt", "two")]:
    for last in range(99):
        place = root / f"{how}-{steps}" / str(last)
        shutil.copytree(root / "before", place, symlinks=True)
        child = os.fork()
        if not child:
            try:
                make_anew(place / "out", how, steps, last)
            finally:
                os._exit(9)
        if os.waitpid(child, 0)[1] == 0:
            break
"""


def begun(root: Path) -> Path:
    """A bundle with files and folders of its user's."""
    target = root / "before" / "out"
    with stage_bundle(target) as stage:
        write_numbers(stage, bundle())
        (stage / "figures").mkdir()
        (stage / "figures" / "old.svg").write_text("old")
    (target / "figures" / "mine.svg").write_text("mine")
    (target / "thoughts" / "empty").mkdir(parents=True)
    (target / "link").symlink_to("/nowhere")
    return target


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> "Targets":
    """The target of each try, in the order of the steps at which they ended."""
    if not hasattr(os, "fork"):
        pytest.skip("the tries are forks")
    root = tmp_path_factory.mktemp("killed")
    begun(root)
    command = [sys.executable, "-c", KILLED, str(root)]
    subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2])

    def targets(how: str) -> list[Path]:
        found = sorted((root / how).iterdir(), key=lambda place: int(place.name))
        assert len(found) > 10
        return [place / "out" for place in found]

    return targets


def is_whole(target: Path) -> bool:
    """Whether it is the old bundle or the new one, with nothing of the other, and all that is its user's."""
    new = load_bundle(target).title == "Another"
    assert (target / "new.html").exists() == new
    assert (target / "figures" / "old.svg").exists() == (not new)
    assert (target / "figures" / "mine.svg").read_text() == "mine"
    assert (target / "thoughts" / "empty").is_dir()
    assert (target / "link").is_symlink()
    return True


def nothing_is_left(target: Path) -> bool:
    """Nothing beside it; what died before it had a name, or after it was done, is empty and goes when it is old."""
    for hold in target.parent.glob(f"{PREFIX}*"):
        assert {file.name for file in hold.iterdir()} <= {"lock"}
        os.utime(hold, (0, 0))
    restore(target)
    return [path.name for path in target.parent.iterdir()] == ["out"]


def test_killed_at_any_step_there_is_a_bundle_and_the_next_start_has_all_of_it(killed: Targets) -> None:
    titles = set()
    for target in killed("kill-one"):
        titles.add(load_bundle(target).title)
        restore(target)
        assert is_whole(target)
        assert nothing_is_left(target), target
    assert titles == {"A title", "Another"}


def test_where_a_swap_takes_two_steps_the_next_start_puts_the_bundle_back(killed: Targets) -> None:
    targets = killed("kill-two")
    assert [target for target in targets if not target.exists()], "no step lies between the two"
    for target in targets:
        restore(target)
        assert is_whole(target)
        assert nothing_is_left(target), target


@pytest.mark.parametrize("how", ["interrupt-one", "interrupt-two"])
def test_interrupted_at_any_step_it_is_put_right_at_once(killed: Targets, how: str) -> None:
    for target in killed(how)[1:]:  # at the first step there is nothing yet
        assert is_whole(target), target
        assert [path.name for path in target.parent.iterdir()] == ["out"], target


def test_a_stage_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    with make_folder_beside(tmp_path / "out") as stage:
        (stage / "half").write_text("written")
        restore(tmp_path / "out")
        with make_folder_beside(tmp_path / "out"):
            pass
        assert (stage / "half").exists()
    assert not list(tmp_path.iterdir())


def leave_holding(folder: Path, owner: str, age: float = 0.0) -> Path:
    hold = folder / f"{PREFIX}abc"
    (hold / "writing").mkdir(parents=True)
    (hold / "writing" / "half").write_text("written")
    (hold / "lock").touch()
    (hold / "owner.json").write_text(owner)
    os.utime(hold, (time.time() - age,) * 2)
    return hold


@pytest.mark.parametrize(
    ("owner", "age", "cleared"),
    [
        ('{"target": "out", "host": "HERE"}', 0, True),
        ('{"target": "other", "host": "HERE"}', 0, False),
        ('{"target": "out", "host": "elsewhere"}', 0, False),
        ('{"target": "out", "host": "elsewhere"}', 100_000, True),
        ("", 0, False),
        ("", 100_000, True),
        ('{"target": "../out", "host": "HERE"}', 0, False),
        ("[]", 0, False),
    ],
)
def test_only_what_a_dead_process_of_ours_left_is_cleared(
    tmp_path: Path, owner: str, age: float, cleared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.node", lambda: "HERE")
    hold = leave_holding(tmp_path, owner, age)
    restore(tmp_path / "out")
    assert hold.exists() != cleared
    restore_below(tmp_path)
    assert (tmp_path / "out").exists() is False


def test_what_others_planted_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{PREFIX}file").write_text("x")
    restore(tmp_path / "out")
    assert len(list(tmp_path.iterdir())) == 3
    assert (tmp_path / "elsewhere" / "lock").exists()


def test_what_has_no_place_to_go_back_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = begun(tmp_path)

    def late(new: Path, old: Path, aside: Path) -> None:
        """Somebody writes a file of their own at the last moment, under the name of one of ours."""
        (old / "new.html").write_text("precious")
        exchange(new, old, aside)

    monkeypatch.setattr("reportgen.results.holding.exchange", late)
    with stage_bundle(before) as stage:
        write_numbers(stage, bundle("Another"))
        (stage / "new.html").write_text("new")
    kept = [file.read_text() for file in before.parent.rglob("new.html")]
    assert sorted(kept) == ["new", "precious"]


def test_a_disk_without_locks_is_written_to_and_nothing_on_it_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, **options: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    hold = leave_holding(tmp_path, '{"target": "out", "host": "any"}', 100_000)
    with make_folder_beside(tmp_path / "out") as stage:
        assert stage.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [hold.name]


def test_a_disk_that_is_full_is_an_output_error(tmp_path: Path) -> None:
    def fill() -> None:
        raise OSError(28, "No space left on device")

    fails: Callable[[], None] = fill
    with pytest.raises(OutputError, match="No space left"), make_folder_beside(tmp_path / "out"):
        fails()
    assert not list(tmp_path.iterdir())
