"""What a new bundle takes the place of, and what it leaves alone."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reportgen.errors import BundleError, OutputError
from reportgen.results.bundle import load_bundle, write_numbers
from reportgen.results.folder import Kind, check_writable, keep_earlier, stage_bundle
from tests.results.test_bundle import bundle


def store_bundle(target: Path, *others: str, title: str = "A title", kind: Kind = "bundle") -> Path:
    with stage_bundle(target, kind) as stage:
        write_numbers(stage, bundle(title))
        for name in others:
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_text("ours")
    return target


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


NUMBERS = {"results.json", "arrays.safetensors", "run.json"}


def test_folders_and_links_of_its_users_stay_and_those_of_the_bundle_go(tmp_path: Path) -> None:
    target = store_bundle(tmp_path / "out", "figures/a.svg", "more/b.txt")
    (target / "more" / "mine.txt").write_text("mine")
    (target / "empty" / "deep").mkdir(parents=True)
    (target / "link").symlink_to(tmp_path)
    store_bundle(target)
    assert everything(target) == NUMBERS | {"more", "more/mine.txt", "empty", "empty/deep", "link"}
    with stage_bundle(target, "either") as stage:
        keep_earlier(target, stage, lambda name: True)
    assert everything(target) == NUMBERS | {"more", "more/mine.txt", "empty", "empty/deep", "link"}


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_file_of_its_users_in_the_way_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    target = store_bundle(tmp_path / "out")
    mine = target / "report.html"
    if kind == "link":
        mine.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        mine.mkdir()
    else:
        mine.write_text("mine")
    with pytest.raises(OutputError, match=r"report\.html is there already, and was not written by reportgen"):
        store_bundle(target, "report.html", title="Another")
    assert load_bundle(target).title == "A title"
    assert os.path.lexists(mine)
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_written_or_removed_by_way_of_a_link_to_a_folder(tmp_path: Path) -> None:
    target = store_bundle(tmp_path / "out", "figures/a.svg")
    elsewhere = tmp_path / "elsewhere"
    (target / "figures").rename(elsewhere)
    (target / "figures").symlink_to(elsewhere)
    with pytest.raises(BundleError, match="outside the bundle"):
        store_bundle(target)
    assert everything(elsewhere) == {"a.svg"}


@pytest.mark.parametrize("file", ["results.json", "arrays.safetensors", "report.html"])
def test_a_file_of_the_bundle_that_became_a_link_goes_as_a_link(tmp_path: Path, file: str) -> None:
    target = store_bundle(tmp_path / "out", "report.html")
    (target / file).replace(tmp_path / "archived")
    (target / file).symlink_to(tmp_path / "archived")
    store_bundle(target, title="Another")
    assert (tmp_path / "archived").exists()
    assert load_bundle(target).title == "Another"
    assert everything(target) == NUMBERS


def store_baseline(target: Path) -> Path:
    return store_bundle(target, "accepted.yaml", kind="baseline")


def no_list(target: Path) -> Path:
    """A folder of somebody else's whose files are called as ours are."""
    target.mkdir()
    (target / "results.json").write_text('{"accuracy": 0.9}')
    (target / "run.json").write_text('{"id": 7}')
    return target


@pytest.mark.parametrize(
    ("make", "kind", "told"),
    [
        (store_baseline, "bundle", "a baseline, not the bundle of a run"),
        (store_bundle, "baseline", "a bundle that is not a baseline"),
        (no_list, "bundle", "something that is not a bundle"),
        (no_list, "baseline", "something that is not a baseline"),
    ],
)
def test_a_target_that_is_not_what_is_written_is_refused_before_anything_is_done(
    tmp_path: Path, make: Callable[[Path], Path], kind: Kind, told: str
) -> None:
    target = make(tmp_path / "out")
    before = {name: (target / name).read_bytes() for name in everything(target)}
    for write in (check_writable, stored_as):
        with pytest.raises(OutputError, match=f"the folder holds {told}\n"):
            write(target, kind)
    assert {name: (target / name).read_bytes() for name in everything(target)} == before


def stored_as(target: Path, kind: Kind) -> None:
    store_bundle(target, kind=kind)


@pytest.mark.parametrize("name", ["x" * 300, "loop/a"])
def test_a_list_of_what_cannot_be_files_is_damage(tmp_path: Path, name: str) -> None:
    target = store_bundle(tmp_path / "out")
    (target / "loop").symlink_to("loop")
    run = json.loads((target / "run.json").read_text())
    (target / "run.json").write_text(json.dumps(run | {"files": [*run["files"], name]}))
    with pytest.raises(BundleError, match="the bundle is damaged: ") as raised:
        store_bundle(target)
    assert len(str(raised.value).splitlines()) == 2


def test_a_folder_keeps_who_may_see_it(tmp_path: Path) -> None:
    target = store_bundle(tmp_path / "out")
    assert target.stat().st_mode & 0o777 == 0o755
    target.chmod(0o700)
    store_bundle(target, title="Another")
    assert target.stat().st_mode & 0o777 == 0o700


def test_outputs_are_kept_where_a_disk_knows_no_second_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **options: object) -> None:
        raise OSError(1, "Operation not permitted")

    target = store_bundle(tmp_path / "out", "report.html")
    monkeypatch.setattr("os.link", refuse)
    with stage_bundle(target, "either") as stage:
        keep_earlier(target, stage, lambda name: True)
    assert everything(target) == NUMBERS | {"report.html"}
    assert load_bundle(target).title == "A title"
