"""What tests of failures share."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@pytest.fixture
def caches(user_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes caches of their own, with the user's fonts, in which nothing was measured yet."""
    folder = tmp_path_factory.mktemp("caches")

    def make(name: str) -> Path:
        cache = folder / name
        cache.mkdir()
        (cache / "fonts").symlink_to(user_cache / "fonts", target_is_directory=True)
        return cache

    return make


@dataclass
class SmallDisk:
    """A disk of its own in memory."""

    folder: Path

    def fill(self, leaving: int) -> None:
        """Leaves so many bytes free, in whole pages."""
        (self.folder / "filler").unlink(missing_ok=True)
        left = os.statvfs(self.folder)
        with (self.folder / "filler").open("wb") as stream:
            stream.write(bytes(max(left.f_bavail * left.f_frsize - leaving, 0)))

    def allow_reading_alone(self) -> None:
        """From now on nothing can be written to it, by whomever."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A real disk of 2 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
