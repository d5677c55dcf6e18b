from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from reportgen.cli import run_command
from tests.tiny import save_tiny


@dataclass
class CommandResult:
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def reportgen(capsys: pytest.CaptureFixture[str]) -> Callable[..., CommandResult]:
    """Calls the command line in this process."""

    def call(*arguments: object) -> CommandResult:
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return CommandResult(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two tiny models of different families, without and with BOS."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "a": save_tiny(folder / "tiny-llama", "llama"),
        "b": save_tiny(folder / "tiny-gemma", "gemma3", seed=1, bos=False),
    }


@pytest.fixture
def write_battery(tmp_path: Path, tiny_models: dict[str, Path]) -> Callable[..., Path]:
    """Writes a battery on the tiny models."""

    def write(*probes: str, models: dict[str, object] | None = None, outputs: Sequence[str] = ()) -> Path:
        chosen = tiny_models if models is None else models
        lines = ["models:", *(f"  {id}: {source}" for id, source in chosen.items()), "probes:", *probes]
        lines.append(f"outputs: [{', '.join(outputs)}]")
        file = tmp_path / "battery.yaml"
        file.write_text("\n".join(lines))
        return file

    return write
