import errno
import json
import os
import re
import shutil
import struct
from pathlib import Path

import gguf
import httpx2
import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import errors
from tokenizers import Tokenizer

from reportgen.errors import BatteryError, ModelError
from reportgen.model.files.sources import ModelFiles, Source, locate, parse_source

COMMIT = "c" * 40
UNREACHABLE = "org/name@v1 is not in the local cache, and the Hugging Face hub cannot be reached"


def safetensors(*shape: int) -> bytes:
    size = 4 * int(np.prod(shape))
    header = json.dumps({"__metadata__": {}, "a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that looks like a whole model."""
    made = tmp_path / "Tiny-Llama"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(safetensors(2, 3))
    return made


def refusal(source: str) -> list[str]:
    with pytest.raises(ModelError) as refused:
        locate(parse_source(source))
    assert len(refused.value.mistakes) == 1
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("demo:gemma-3-270m", ("demo", "gemma-3-270m", None)),
        (" org/name ", ("hub", "org/name", None)),
        ("org/name@v1.0", ("hub", "org/name", "v1.0")),
        ("./org/name", ("folder", "./org/name", None)),
        ("/no/such", ("folder", "/no/such", None)),
        ("~/model", ("folder", "~/model", None)),
        ("a/b/c", ("folder", "a/b/c", None)),
        ("reports/", ("folder", "reports/", None)),
        ("weights.gguf", ("gguf", "weights.gguf", None)),
        ("org/Model-GGUF", ("hub", "org/Model-GGUF", None)),
        ("config:a.json", ("config", "a.json", None)),
    ],
)
def test_forms_of_sources(text, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_source(text) == Source(text.strip(), *source)


def test_a_path_that_exists_or_begins_with_one_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    assert parse_source("models").kind == "folder"
    assert parse_source("models/missing").kind == "folder"
    assert parse_source("elsewhere/missing").kind == "hub"


def test_a_revision_beside_the_source():
    assert parse_source("org/name", "main").revision == "main"
    assert parse_source("org/name@main", "main").revision == "main"


@pytest.mark.parametrize(
    ("text", "revision", "message"),
    [
        ("", None, "'' is neither a folder that exists nor a hub id"),
        ("gpt2", None, "'gpt2' is neither a folder that exists nor a hub id"),
        ("org/name@", None, "'org/name@' is neither a folder that exists nor a hub id"),
        ("config:", None, "'config:' is neither a folder that exists nor a hub id"),
        ("org/na me", None, "'org/na me' is neither a folder that exists nor a hub id"),
        ("org/name@a", "b", "'org/name@a' names another revision than `revision: b`"),
        ("demo:gemma-3-270m", "main", "'demo:gemma-3-270m' has no revisions"),
        ("/folder", "main", "'/folder' has no revisions"),
        ("demo:gema-3-270m", None, "unknown demo model 'gema-3-270m'"),
    ],
)
def test_sources_that_are_refused_from_the_battery_alone(text, revision, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BatteryError) as refused:
        parse_source(text, revision)
    assert str(refused.value).splitlines()[0] == message
    assert refused.value.mistakes[0].remedy


def test_the_nearest_demo_model_is_named():
    with pytest.raises(BatteryError, match=r"Did you mean demo:smollm2-135m-instruct\?"):
        parse_source("demo:smollm2")
    with pytest.raises(BatteryError, match=r"Demo models: smollm2-135m-instruct, gemma-3-270m\."):
        parse_source("demo:x")


def test_a_demo_model_has_its_own_name(smollm2_folder):
    found = locate(parse_source("demo:smollm2-135m-instruct"))
    folder = found.folder
    assert found == ModelFiles(folder, folder / "config.json", "SmolLM2-135M-Instruct", None, weights=True)
    assert folder.resolve() == smollm2_folder.resolve()


def test_a_folder(folder):
    assert locate(parse_source(str(folder))) == ModelFiles(folder, folder / "config.json", "Tiny-Llama", None, True)


def test_a_configuration_alone(tmp_path):
    file = tmp_path / "llama-3.2-3b.json"
    file.write_text('{"model_type": "llama"}')
    assert locate(parse_source(f"config:{file}")) == ModelFiles(tmp_path, file, "llama-3.2-3b", None, weights=False)


def test_a_configuration_is_named_by_its_folder(folder):
    assert locate(parse_source(f"config:{folder}/config.json")).name == "Tiny-Llama"


def test_a_missing_path_asks_no_hub(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", pytest.fail)
    for source in (f"{tmp_path}/none", f"{tmp_path}/none.gguf", f"config:{tmp_path}/none.json"):
        assert refusal(source) == [
            f"{source.removeprefix('config:')}: there is no such file or folder",
            "  Is the path right? It is not a hub id.",
        ]


def test_a_base_with_an_adapter(tmp_path):
    found = parse_source("org/base@v1 + ./adapter", folder=tmp_path)
    assert (found.kind, found.text) == ("adapter", "org/base@v1 + ./adapter")
    assert found.parts == (Source("org/base@v1", "hub", "org/base", "v1"),
                           Source("./adapter", "folder", "./adapter", None, tmp_path))  # fmt: skip
    assert parse_source("org/base + org/adapter@v2", "v1").parts == (
        Source("org/base", "hub", "org/base", "v1"),
        Source("org/adapter@v2", "hub", "org/adapter", "v2"),
    )


def test_a_file_instead_of_a_folder(folder):
    assert refusal(str(folder / "config.json"))[0] == f"{folder}/config.json: this is a file, not a model's folder"


def test_a_folder_that_holds_an_adapter(folder):
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "r": 2, "lora_alpha": 2, "base_model_name_or_path": "org/Base-1B"}'
    )
    assert refusal(str(folder)) == [
        f"{folder}: this is a PEFT adapter, not a whole model",
        "  Write `BASE + FOLDER`, BASE being the model that it was made for. "
        "It says that it was made for 'org/Base-1B'.",
    ]


def test_an_empty_folder(tmp_path):
    assert refusal(str(tmp_path))[0] == f"{tmp_path}/config.json: there is no such file"


def test_a_truncated_weight_file(folder):
    file = folder / "model.safetensors"
    file.write_bytes(safetensors(2, 3)[:-1])
    whole = len(safetensors(2, 3))
    assert refusal(str(folder)) == [
        f"{file}: the weights are truncated: {whole - 1} bytes instead of {whole}",
        "  Download or copy the file again.",
    ]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"abc",
        b"<html>an error page that was saved as weights</html>",
        struct.pack("<Q", 10**9) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 16) + b'{"a": {"x": []}}',
        struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    ],
)
def test_a_damaged_header(folder, damaged):
    (folder / "model.safetensors").write_bytes(damaged)
    assert refusal(str(folder))[0] == (
        f"{folder}/model.safetensors: this is not a safetensors file, or its beginning is damaged "
        f"({len(damaged)} bytes)"
    )


def shard(folder: Path, *names: str) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {f"tensor {n}": name for n, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards(folder):
    shard(folder, "a.safetensors", "b.safetensors", "b.safetensors")
    (folder / "a.safetensors").write_bytes(safetensors(2))
    index = folder / "model.safetensors.index.json"
    assert refusal(str(folder))[0] == f"{index}: 1 of 2 weight files are missing: 'b.safetensors'"
    (folder / "b.safetensors").write_bytes(safetensors(3))
    assert locate(parse_source(str(folder))).weights
    (folder / "b.safetensors").write_bytes(safetensors(3) + b"surplus")
    assert "the weights are damaged" in refusal(str(folder))[0]


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}'])
def test_an_index_that_cannot_be_read(folder, text):
    shard(folder)
    (folder / "model.safetensors.index.json").write_text(text)
    assert refusal(str(folder))[0].endswith("index.json: this index of weight files cannot be read")


def test_an_index_cannot_point_out_of_the_folder(folder):
    (folder.parent / "outside.safetensors").write_bytes(safetensors(1))
    shard(folder, "../outside.safetensors")
    assert "names a file outside its folder: '../outside.safetensors'" in refusal(str(folder))[0]


def test_an_adapter_beside_a_model_is_refused(folder):
    (folder / "adapter_config.json").write_text("{}")
    assert "a PEFT adapter lies in the model's folder" in refusal(str(folder))[0]


def test_parts_of_a_training_run_are_refused_whatever_lies_beside_them(folder):
    (folder / "shard-00001-model-00001-of-00002.safetensors").write_bytes(safetensors(1))
    assert "parts that the processes of a training run saved" in refusal(str(folder))[0]


@pytest.mark.parametrize("key", ["transformers_weights", "configuration_files"])
@pytest.mark.parametrize("part", [None, "text_config"])
def test_a_configuration_that_sends_to_other_files_is_refused(folder, key, part):
    config = json.loads((folder / "config.json").read_text())
    detour = {key: ["other.safetensors"]}
    (folder / "config.json").write_text(json.dumps(config | ({part: detour} if part else detour)))
    assert f"`{key}` redirects to another file" in refusal(str(folder))[0]


PLACES = ("config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json", "x.gguf")


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link to a pipe"])
def test_what_is_no_regular_file_is_one_line_wherever_it_stands(folder, tmp_path, name, kind):
    place = folder / name
    place.unlink(missing_ok=True)
    if name == "model.safetensors.index.json":
        (folder / "model.safetensors").unlink()
    target = tmp_path / "elsewhere" if kind == "link to a pipe" else place
    {"pipe": os.mkfifo, "folder": Path.mkdir, "link to a pipe": os.mkfifo}.get(
        kind, lambda place: place.symlink_to("/dev/zero")
    )(target)
    if target != place:
        place.symlink_to(target)
    assert refusal(str(place if name == "x.gguf" else folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_what_is_far_too_large_is_not_read(folder, name):
    (folder / "model.safetensors").unlink()
    with (folder / name).open("ab") as stream:
        stream.truncate(1 << 40)
    assert "cannot be read: it is larger than" in refusal(str(folder))[0]


def test_pickles_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert refusal(str(folder)) == [
        f"{folder}: the weights are there only as pickle files, which can run code and are never loaded",
        "  Convert them if you trust them: model.save_pretrained(FOLDER) writes safetensors.",
    ]


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    assert (
        refusal(str(folder))[0] == f"{folder}: no weights: neither model.safetensors nor model.safetensors.index.json"
    )


def test_no_fast_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    assert refusal(str(folder))[0].startswith(f"{folder}: no tokenizer.json")


def test_no_causal_model(folder):
    (folder / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    assert refusal(str(folder))[0] == f"{folder}/config.json: BertModel is not a causal language model"


def hub_answer(monkeypatch, answer):
    """Replaces the hub: an exception is raised, a folder becomes a snapshot."""
    asked = []

    def download(repo: str, **options: object) -> str:
        asked.append((repo, options))
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return asked


def response(status: int) -> httpx2.Response:
    return httpx2.Response(status, request=httpx2.Request("GET", "https://huggingface.co/org/name"))


def test_a_hub_model_records_the_commit(monkeypatch, folder):
    snapshot = folder.rename(folder.with_name(COMMIT))
    asked = hub_answer(monkeypatch, snapshot)
    told = []
    found = locate(parse_source("org/Name-1B@v1"), told.append)
    assert found == ModelFiles(snapshot, snapshot / "config.json", "Name-1B", COMMIT, weights=True)
    assert told == ["Asking the Hugging Face hub for org/Name-1B."]
    [(repo, options)] = asked
    assert (repo, options["revision"]) == ("org/Name-1B", "v1")
    assert not any("bin" in pattern or "pt" in pattern for pattern in options["allow_patterns"])


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            errors.GatedRepoError("401", response=response(401)),
            [
                "org/name@v1 is gated",
                "  Accept its licence at https://huggingface.co/org/name, then log in: hf auth login",
            ],
        ),
        (
            errors.RepositoryNotFoundError("404", response=response(404)),
            ["org/name@v1 is not a model on the Hugging Face hub, or a private one"],
        ),
        (
            errors.RevisionNotFoundError("404", response=response(404)),
            ["org/name has no revision 'v1'", "  See https://huggingface.co/org/name/tree/main."],
        ),
        (errors.HfHubHTTPError("503", response=response(503)), ["org/name@v1: the hub answered 503"]),
        (
            errors.LocalEntryNotFoundError("many\nlines"),
            [f"{UNREACHABLE} (LocalEntryNotFoundError)"],
        ),
        (
            httpx2.ConnectTimeout("slow"),
            [f"{UNREACHABLE} (ConnectTimeout)"],
        ),
        (OSError(errno.ENOSPC, "full"), ["org/name@v1 cannot be stored: No space left on device"]),
    ],
)  # fmt: skip
def test_answers_of_the_hub(monkeypatch, error, lines):
    hub_answer(monkeypatch, error)
    monkeypatch.setattr(huggingface_hub, "HfApi", None)  # what is told of the page needs no answer
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    told = refusal("org/name@v1")
    assert told[: len(lines)] == lines
    assert len(told) == 2


def test_offline_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert refusal("org/name") == [
        "org/name is not in the local cache, or incomplete, and HF_HUB_OFFLINE forbids downloading it",
        "  Unset HF_HUB_OFFLINE, or run this where there is a network: hf download org/name",
    ]


def test_offline_takes_what_is_cached(monkeypatch, folder, tmp_path):
    snapshot = tmp_path / "models--org--name" / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    shutil.copytree(folder, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    found = locate(parse_source("org/name"))
    assert (found.folder, found.name, found.revision) == (snapshot, "name", COMMIT)


def tiny_gguf(file: Path, pre: str | None = "gpt-2") -> None:
    """A Llama of one block and six tokens."""
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(16)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(4)
    writer.add_vocab_size(6)
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(["<s>", "</s>", "a", "b", "ab", "Ġ"])
    writer.add_token_types([3, 3, 1, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    shapes = {
        "token_embd": (6, 8),
        "output_norm": (8,),
        "output": (6, 8),
        "blk.0.attn_norm": (8,),
        "blk.0.ffn_norm": (8,),
    }
    shapes |= {f"blk.0.{name}": (8, 8) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {f"blk.0.{name}": (8, 8) for name in ("ffn_gate", "ffn_up", "ffn_down")}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.real
def test_a_gguf_file_is_converted_into_the_cache(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "Tiny Llama.Q8.gguf"
    tiny_gguf(file, "llama-bpe")
    found = locate(parse_source(str(file)))
    assert found.name == "Tiny Llama.Q8"
    tokenizer = Tokenizer.from_file(str(found.folder / "tokenizer.json"))
    assert tokenizer.encode("ab").tokens == ["<s>", "ab"]  # this kind begins with BOS where the file is silent
    assert found.folder.parent == tmp_path / "cache" / "models"
    assert found.folder.name.startswith("Tiny_Llama.Q8-v2-")
    assert json.loads(found.config.read_text())["architectures"] == ["LlamaForCausalLM"]
    moved = file.rename(tmp_path / "renamed.gguf")
    moved.write_bytes(b"GGUF" + bytes(100))
    assert "this GGUF file cannot be read as a causal language model" in refusal(str(moved))[0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("pre", "told"),
    [
        (None, "it does not say how its tokenizer cuts text (tokenizer.ggml.pre is missing)"),
        ("of-tomorrow", "how its tokenizer cuts text, 'of-tomorrow', is not known here"),
    ],
)
def test_a_gguf_file_that_cuts_text_in_an_unknown_way_is_refused(tmp_path, monkeypatch, pre, told):
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "cache"))
    tiny_gguf(tmp_path / "tiny.gguf", pre)
    assert told in refusal(str(tmp_path / "tiny.gguf"))[0]


def test_a_file_that_is_no_gguf(tmp_path):
    (tmp_path / "a.gguf").write_text("<html>")
    assert refusal(f"{tmp_path}/a.gguf") == [
        f"{tmp_path}/a.gguf: this is not a GGUF file",
        "  Is the download complete?",
    ]


@pytest.mark.parametrize("form", ["models/llama", "./models/llama", "models/llama/", "config:models/llama/config.json"])
def test_a_path_starts_from_the_battery(folder, tmp_path, monkeypatch, form):
    beside = tmp_path / "reports"
    (beside / "models").mkdir(parents=True)
    folder.rename(beside / "models" / "llama")
    monkeypatch.chdir(tmp_path)
    found = locate(parse_source(form, folder=beside))
    assert found.folder == beside / "models" / "llama"
    assert found.name == "llama"


def test_a_folder_of_the_working_directory_becomes_no_hub_id(folder, tmp_path, monkeypatch):
    beside = tmp_path / "reports"
    beside.mkdir()
    (tmp_path / "models").mkdir()
    folder.rename(tmp_path / "models" / "llama")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BatteryError, match="'models/llama' is not next to the battery, but in the working directory"):
        parse_source("models/llama", folder=beside)
    assert parse_source("models/llama@main", folder=beside).kind == "hub"
    assert parse_source("models/other", folder=beside).kind == "hub"
    with pytest.raises(ModelError) as refused:
        locate(parse_source("./models/llama", folder=beside))
    assert refused.value.mistakes[0].remedy == (
        f"The working directory has one, but paths in a battery start from its folder ({beside}). It is not a hub id."
    )
    with pytest.raises(ModelError, match=re.escape(f"It starts from the battery's folder ({beside})")):
        locate(parse_source("./models/none", folder=beside))


def test_a_link_is_called_by_its_own_name(folder, tmp_path):
    (tmp_path / "my-name").symlink_to(folder, target_is_directory=True)
    found = locate(parse_source(f"{tmp_path}/my-name"))
    assert (found.name, found.folder) == ("my-name", tmp_path / "my-name")


@pytest.mark.parametrize("form", ["{}", "./{}", "config:{}", "{}.gguf", "demo:{}", "org/{}", "a + {}"])
@pytest.mark.parametrize(("name", "told"), [("x" * 300, "no file has a name of 3"), ("a\0b", "zero byte")])
def test_a_name_that_no_file_can_have_is_refused_at_once(form, name, told):
    with pytest.raises(BatteryError, match=told) as refused:
        parse_source(form.format(name))
    assert len(str(refused.value).splitlines()) == 2


def test_a_demo_model_with_an_adapter_is_no_unknown_demo_model():
    assert refusal("demo:smollm2-135m-instruct + ./lora")[0] == "./lora: there is no such file or folder"


@pytest.mark.parametrize(("text", "where"), [("demo:smollm2-135m-instruct + ", "after"), (" + ./adapter", "before")])
def test_a_plus_has_something_on_either_side(text: str, where: str) -> None:
    with pytest.raises(BatteryError, match=f"nothing stands {where} the"):
        parse_source(text)
