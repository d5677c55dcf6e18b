from pathlib import Path

import pytest

from reportgen import fingerprints as installed
from reportgen.fingerprints import build_of, code_of, contents_of, folder_of, version_of
from reportgen.resources import PACKAGE


def test_what_is_not_installed_has_no_version_and_no_build() -> None:
    assert version_of("no-such-distribution") == build_of("no-such-distribution") == ""
    assert build_of("numpy").startswith(f"{version_of('numpy')} ")


def test_builds_of_one_version_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution:
        def __init__(self, listed: str | None) -> None:
            self.listed = listed

        def read_text(self, name: str) -> str | None:
            return self.listed if name == "RECORD" else None

    builds = []
    for listed in ("ft2font.so,sha256=a,1", "ft2font.so,sha256=b,1", None):
        build_of.cache_clear()
        monkeypatch.setattr(installed.importlib.metadata, "distribution", lambda name, it=listed: Distribution(it))
        builds.append(build_of("numpy"))
    monkeypatch.undo()
    build_of.cache_clear()
    assert len(set(builds)) == 3


def test_contents_are_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text("one")
    before = contents_of(tmp_path, "*.py")
    (tmp_path / "room" / "notes.txt").write_text("not code")
    assert contents_of(tmp_path, "*.py") == before != contents_of(tmp_path)
    (tmp_path / "room" / "a.py").write_text("two")
    changed = contents_of(tmp_path, "*.py")
    (tmp_path / "room" / "a.py").rename(tmp_path / "room" / "b.py")
    assert len({before, changed, contents_of(tmp_path, "*.py")}) == 3


def test_the_code_of_a_room_is_that_rooms() -> None:
    code_of.cache_clear()
    assert code_of("figures") == contents_of(PACKAGE / "figures", "*.py")
    assert code_of() == contents_of(PACKAGE, "*.py") != code_of("figures")


def test_a_missing_package_says_what_to_do() -> None:
    assert folder_of("reportgen") == PACKAGE
    with pytest.raises(ModuleNotFoundError, match="no package no_such_package: reinstall reportgen"):
        folder_of("no_such_package")
