"""A folder beside a target, in which the target is made anew; what a process that died left there is put right.

    .reportgen-XXXX/
      owner.json   for which target, and on which host
      lock         held for as long as the process lives
      writing/     what is made, until it is whole
      ready/       what is whole; once it and the target have changed places, what the target was
      aside/       what the target was, where changing places took two steps
      marked.json  the target's run.json with the mark of a failure, put in place where the process does not end well

Whoever finds such a folder whose lock is free ends what was begun or takes it back, as its owner would have done.
"""

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from reportgen.errors import BundleError, Mistake, OutputError
from reportgen.results.bundle import RUN, read_json, write_json
from reportgen.results.exchange import exchange
from reportgen.results.failure_mark import MARKS, remove_marks
from reportgen.results.files import carry_over, remove_own

PREFIX = ".reportgen-"
OWNER, LOCK, MARKED = "owner.json", "lock", "marked.json"
WRITING, READY, ASIDE = "writing", "ready", "aside"
LONG_AGO = 24 * 60 * 60.0
"""Seconds after which a free lock is believed of another host's folder: some disks tell no host of the locks of others,
and nothing is written for so long."""


@contextmanager
def make_folder_beside(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, on the same disk, gone when the block ends.

    Raises:
        OutputError: it cannot be made, or what the block writes cannot be written.
    """
    with writing(target), holding(target) as hold:
        yield stage_in(hold, target)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Tells what the system raises in the block, which writes `target`, as an output that cannot be written.

    Raises:
        OutputError: as it says.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        told = Mistake(f"the output cannot be written: {reason}", "free it, or name another with -o", file=target)
        raise OutputError(told) from error


@contextmanager
def holding(target: Path) -> Iterator[Path]:
    """A folder as above, for as long as the block lasts; what it leaves under way is then ended or taken back.

    Raises:
        OSError: it cannot be made.
    """
    restore(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    hold = Path(tempfile.mkdtemp(prefix=PREFIX, dir=target.parent))
    lock = FileLock(hold / LOCK)
    try:
        _acquire_lock(lock)  # before it has an owner, nobody else asks for it
        write_json(hold / OWNER, {"target": target.name, "host": platform.node()})
        yield hold
    finally:
        try:
            _end_swap(hold, target)
        except BaseException:  # interrupted in the midst of it: it goes on where it was
            _end_swap(hold, target)
            raise
        finally:
            lock.release()


def stage_in(hold: Path, target: Path) -> Path:
    """A folder to write into, open to whom the target is open."""
    stage = hold / WRITING
    stage.mkdir(exist_ok=True)
    stage.chmod(target.stat().st_mode & 0o777 if target.is_dir() else 0o755)
    return stage


def swap_in(hold: Path, target: Path) -> None:
    """What was written becomes the target; what that was is left to the end of `holding`."""
    (hold / WRITING).rename(hold / READY)
    if target.exists():
        exchange(hold / READY, target, hold / ASIDE)
    else:
        (hold / READY).rename(target)


def restore(target: Path) -> None:
    """Puts right what processes that died left beside a target; what cannot be, or is in use, stays as it is."""
    with suppress(OSError):
        for hold in sorted(_holds(target.parent)):
            owner = _owner(hold)
            if owner.get("target", target.name) == target.name:
                _take_over(hold, target, owner)


def restore_below(folder: Path) -> None:
    """The same for every target below a folder."""
    for place, folders, _ in os.walk(folder):
        for name in folders:
            owner = _owner(Path(place, name)) if name.startswith(PREFIX) else {}
            if "target" in owner:
                restore(Path(place, owner["target"]))
        folders[:] = [name for name in folders if not name.startswith(".")]


def _take_over(hold: Path, target: Path, owner: Mapping[str, str]) -> None:
    """Does for a folder what its process no longer can; nothing where it lives, or may live."""
    old = time.time() - hold.stat().st_mtime > LONG_AGO
    lock = FileLock(hold / LOCK)
    if not (owner or old) or not _acquire_lock(lock):
        return
    try:
        if old or owner.get("host") == platform.node():
            _end_swap(hold, target)
        else:
            _put_back(hold, target)
    finally:
        lock.release()


def _acquire_lock(lock: FileLock) -> bool:
    """Whether the lock is ours now; False where another has it, and where this disk knows no locks."""
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError, NotImplementedError):
        return False
    return True


def _end_swap(hold: Path, target: Path) -> None:
    """Ends what was under way, or takes it back; what is somebody's and has no place to go stays in the folder."""
    with suppress(OSError, BundleError):
        _put_back(hold, target)
        for old in (hold / READY, hold / ASIDE):
            if old.is_dir():
                remove_own(old)
                carry_over(old, target)
                old.rmdir()
        _mark(hold / MARKED, target)
        shutil.rmtree(hold / WRITING, ignore_errors=True)
        for name in (MARKED, LOCK, OWNER):
            (hold / name).unlink(missing_ok=True)
        hold.rmdir()


def _put_back(hold: Path, target: Path) -> None:
    if (hold / ASIDE).is_dir() and not os.path.lexists(target):
        (hold / ASIDE).rename(target)


def _mark(prepared: Path, target: Path) -> None:
    """Puts a mark in place that was prepared for a bundle, unless another bundle has taken its place since."""
    if not prepared.is_file():
        return
    with suppress(BundleError):  # no bundle is there, or a damaged one: nobody takes it for today's
        if remove_marks(read_json(prepared), *MARKS) == remove_marks(read_json(target / RUN), *MARKS):
            prepared.replace(target / RUN)


def _holds(folder: Path) -> Iterator[Path]:
    """Such folders of this user in a folder; what others planted there is none."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False) and _is_mine(entry):
                yield folder / entry.name


def _is_mine(entry: "os.DirEntry[str]") -> bool:
    return not hasattr(os, "geteuid") or entry.stat(follow_symlinks=False).st_uid == os.geteuid()


def _owner(hold: Path) -> dict[str, str]:
    """What a folder says of itself; nothing where its process died at once."""
    try:
        content = json.loads((hold / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    told = content if isinstance(content, dict) else {}
    named = Path(str(told.get("target", ""))).name
    return {"target": named, "host": str(told.get("host"))} if named and named == told["target"] else {}
