"""Fixtures that more than one folder of tests needs."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from reportgen.cache import cache_folder
from reportgen.model.files.demo import DEMO_MODELS, demo_folder

# A machine that does other things at the same time draws slowly, which is no fault of what is drawn.
settings.register_profile("patient", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def user_cache() -> Path:
    """The user's own cache, from which tests take models and fonts."""
    return cache_folder()


def _cache_like(users: Path, folder: Path) -> Path:
    """A cache with the user's models and fonts, in which nothing was measured or drawn yet."""
    folder.mkdir()
    for shared in ("models", "fonts"):
        (users / shared).mkdir(parents=True, exist_ok=True)
        (folder / shared).symlink_to(users / shared, target_is_directory=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def session_cache(user_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What fixtures of a wider scope than a test run in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPORTGEN_CACHE", str(_cache_like(user_cache, tmp_path_factory.mktemp("session") / "cache")))
        yield


@pytest.fixture(autouse=True)
def fresh_cache(
    user_cache: Path, session_cache: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """No test finds what another has measured."""
    folder = _cache_like(user_cache, tmp_path_factory.mktemp("test") / "cache")
    monkeypatch.setenv("REPORTGEN_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def smollm2_folder() -> Path:
    """The converted SmolLM2-135M-Instruct, in the user's own cache."""
    return demo_folder(DEMO_MODELS["smollm2-135m-instruct"])


@pytest.fixture(scope="session")
def gemma_folder() -> Path:
    """The converted Gemma-3-270M, in the user's own cache."""
    return demo_folder(DEMO_MODELS["gemma-3-270m"])


LONGEST = (
    "engines/test_ray.py",
    "test_default_report.py",
    "outputs/test_cache.py",
    "report/test_document.py",
    "cli/test_run.py",
    "workflows/test_side_by_side.py",
    "cli/test_merge.py",
    "running/test_outcome_cache.py",
    "look/test_fonts.py",
    "cli/test_privacy.py",
    "cli/test_without_torch.py",
    "report/browser",
    "outputs/test_make.py",
    "probing/test_third_party_probes.py",
    "test_wheel.py",
)
"""Files whose few tests take long: begun first, so that no process is left with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take long first; all else stays as it is."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(LONGEST) if f"/tests/{name}" in item.path.as_posix()), len(LONGEST))

    items.sort(key=place)


def pytest_collection() -> None:
    """Nothing that is imported to find the tests is garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What the imported test modules hold stays until the end: no collection of garbage looks through it again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Neither does one look again through what a file of tests had to import."""
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()
