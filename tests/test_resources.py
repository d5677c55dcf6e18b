from collections.abc import Iterator
from pathlib import Path

import pytest

from reportgen import resources


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in a folder of its own, without pyproject.toml beside it: what a wheel installs."""
    package = tmp_path / "site-packages" / "reportgen"
    package.mkdir(parents=True)
    monkeypatch.setattr(resources, "PACKAGE", package)
    resources.folder.cache_clear()
    yield package
    resources.folder.cache_clear()


def test_in_a_checkout_the_folders_beside_the_package_are_found() -> None:
    assert resources.folder("prompts") == Path(__file__).parents[1] / "prompts"
    assert (resources.folder("prompts") / "lecture.yaml").is_file()


def test_in_a_wheel_the_folders_inside_the_package_are_found(package: Path) -> None:
    (package / "prompt_sets").mkdir()
    (package / "templates").mkdir()
    (package.parent / "prompts").mkdir()
    assert resources.folder("prompts") == package / "prompt_sets"
    assert resources.folder("templates") == package / "templates"


def test_an_installation_without_them_says_so(package: Path) -> None:
    with pytest.raises(FileNotFoundError, match="this installation of reportgen lacks its templates"):
        resources.folder("templates")
