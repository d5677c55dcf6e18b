import errno
import os
from pathlib import Path

import pytest

from reportgen import cache
from reportgen.cache import DRAWINGS, RESULTS, Shelf, key_of, make_room, measure_holding


def test_what_is_kept_is_read_again() -> None:
    shelf = Shelf(RESULTS)
    assert shelf.read(key_of("a")) is None
    shelf.write(key_of("a"), b"content")
    assert shelf.read(key_of("a")) == b"content"
    assert shelf.holds(key_of("a"))
    assert not shelf.holds(key_of("b"))


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert key_of("ab", "c") != key_of("a", "bc") != key_of("abc")
    assert key_of("ab", b"c") == key_of(b"ab", "c")


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_file_is_as_good_as_none(damage: bytes | None) -> None:
    shelf = Shelf(RESULTS)
    shelf.write(key_of("a"), b"content")
    (file,) = (shelf.folder / key_of("a")[:2]).iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"!" if damage is None else damage)
    assert shelf.read(key_of("a")) is None


@pytest.mark.parametrize("place", [(RESULTS, "b"), (DRAWINGS, "a")])
def test_what_lies_under_another_key_or_on_another_shelf_is_not_there(place: tuple[str, str]) -> None:
    Shelf(RESULTS).write(key_of("a"), b"content")
    (file,) = Shelf(RESULTS).files()
    shelf, key = place
    moved = Shelf(shelf).folder / key_of(key)[:2] / key_of(key)
    moved.parent.mkdir(parents=True, exist_ok=True)
    file.rename(moved)
    assert Shelf(shelf).read(key_of(key)) is None
    Shelf(shelf).write(key_of(key), b"its own")
    assert Shelf(shelf).read(key_of(key)) == b"its own"


def test_a_full_disk_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shelf = Shelf(RESULTS)
    monkeypatch.setattr(cache.Path, "replace", full)
    shelf.write(key_of("a"), b"content")
    assert shelf.read(key_of("a")) is None
    assert measure_holding(shelf.folder).files == 0


def test_an_unused_shelf_reads_and_keeps_nothing() -> None:
    Shelf(RESULTS).write(key_of("a"), b"content")
    unused = Shelf(RESULTS, used=False)
    assert unused.read(key_of("a")) is None
    unused.write(key_of("b"), b"content")
    assert Shelf(RESULTS).read(key_of("b")) is None


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "file"))
    Shelf(RESULTS).write(key_of("a"), b"content")
    assert Shelf(RESULTS).read(key_of("a")) is None


def test_a_write_that_is_cut_short_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    shelf = Shelf(RESULTS)
    monkeypatch.setattr(cache.Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shelf.write(key_of("a"), b"content")
    assert measure_holding(shelf.folder).files == 0


def test_room_is_made_of_what_was_unused_for_longest() -> None:
    shelf = Shelf(DRAWINGS)
    for age, name in enumerate(("old", "older", "oldest"), 1):
        shelf.write(key_of(name), bytes(1000))
        (file,) = [f for f in shelf.folder.rglob("*") if f.name == key_of(name)]
        os.utime(file, ns=(0, 10**18 - age * 10**9))
    assert shelf.read(key_of("oldest")) is not None  # used just now
    make_room(2100)
    assert [shelf.holds(key_of(name)) for name in ("old", "older", "oldest")] == [True, False, True]
    assert measure_holding(shelf.folder).files == 2


def test_the_limit_may_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(DRAWINGS)
    shelf.write(key_of("a"), bytes(1000))
    make_room()
    assert shelf.holds(key_of("a"))
    monkeypatch.setenv("REPORTGEN_CACHE_GB", "0")
    make_room()
    assert not shelf.holds(key_of("a"))
