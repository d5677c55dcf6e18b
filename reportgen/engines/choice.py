"""The one place where an engine is chosen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from reportgen.engines import ENGINES
from reportgen.engines.local import LocalEngine
from reportgen.engines.ray_engine import RayEngine
from reportgen.engines.slurm import SlurmEngine, read_settings
from reportgen.engines.task import Engine
from reportgen.errors import BatteryError, Mistake

LIBRARIES = {"ray": "ray", "slurm": "submitit"}
"""What an engine needs in addition; our extra is called as the engine is."""


@dataclass(frozen=True)
class EngineChoice:
    """What the command line, or Python, says of where a run measures."""

    name: str = "local"
    jobs: int = 1
    """Processes at the same time, of the local engine."""
    address: str | None = None
    """Of a Ray cluster."""
    slurm: Sequence[str] = ()
    """KEY=VALUE, of an array job."""

    @property
    def in_this_process(self) -> bool:
        """Whether there is no engine at all: one model after the other, here."""
        return self.name == "local" and self.jobs == 1

    def open(self, target: Path) -> Engine:
        """The engine.

        Args:
            target: the bundle's folder; what Slurm's jobs print is kept beside it.

        Raises:
            BatteryError: what is asked of Slurm is nothing that can be.
        """
        if self.name == "ray":
            return RayEngine(self.address)
        if self.name == "slurm":
            settings = read_settings(self.slurm)
            return SlurmEngine(settings, target.absolute().with_name(f"{target.name}-slurm"))
        return LocalEngine(self.jobs)

    def check(self) -> None:
        """Refuses a choice that cannot be.

        Raises:
            BatteryError: there is no such engine, what it needs is not installed, or what is said of it is another's.
        """
        if self.name not in ENGINES:
            raise BatteryError(Mistake(f"unknown engine {self.name!r}", f"engines are {', '.join(ENGINES)}"))
        said = {
            "--jobs": ("local", self.jobs != 1),
            "--address": ("ray", self.address),
            "--slurm": ("slurm", self.slurm),
        }
        for option, (owner, given) in said.items():
            if given and owner != self.name:
                told = f"{option} is for --engine {owner}, and does not go with --engine {self.name}"
                raise BatteryError(Mistake(told, "leave one of them out"))
        if self.address is not None and not re.fullmatch(r"auto|[^/]+:[0-9]+", self.address):
            told = f"--address {self.address}: not the address of a Ray cluster"  # ray:// is of Ray's clients
            raise BatteryError(Mistake(told, "name HOST:PORT or auto, on a machine that is one of the cluster's nodes"))
        library = LIBRARIES.get(self.name)
        if library is not None and find_spec(library) is None:
            told = f"--engine {self.name}: {library} is not installed"
            raise BatteryError(Mistake(told, f"pip install 'lm-reportgen[{self.name}]'"))
