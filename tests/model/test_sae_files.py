import json
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import save_file

from reportgen.errors import BatteryError, ModelError
from reportgen.language import use_language
from reportgen.model.files.facts import ModelFacts
from reportgen.model.needs import Site
from reportgen.model.sae import sources
from reportgen.model.sae.dictionary import load_dictionary
from reportgen.model.sae.files import DictionaryError, Place
from reportgen.model.sae.fit import check_fit
from reportgen.model.sae.hook_names import place_of
from reportgen.model.sae.notes import tell_note
from reportgen.model.sae.sources import fingerprint, locate_dictionaries, parse_dictionary_source
from tests.reference import sae_files
from tests.reference.sae_files import FEATURES, OTHERS, SAELENS, WIDTH, Made

COMMIT = "d" * 40
JUMPRELU = next(made for made in SAELENS if made.name == "jumprelu")
GEMMA, GEMMA_2, LLAMA = OTHERS


def facts(**changes) -> ModelFacts:
    known = {"layers": 4, "heads": 4, "kv_heads": 4, "hidden_size": WIDTH, "features": 64, "vocabulary": 9}
    rest = {"context_length": 64, "sliding_window": None, "chat_template": False}
    return ModelFacts("llama", "LlamaForCausalLM", **{**known, **rest, **changes})


def refusal(folder, kind=DictionaryError, load=False, **wish) -> str:
    if load:
        (files,) = locate_dictionaries(str(folder), **wish)
    with pytest.raises(kind) as refused:
        load_dictionary(files) if load else locate_dictionaries(str(folder), **wish)
    assert len(refused.value.mistakes) == 1
    return str(refused.value)


def changed(root, made, *, drop=(), **fields) -> Path:
    """A dictionary whose configuration has other fields."""
    folder = sae_files.write(root, made)
    file = next(folder / name for name in ("cfg.json", "config.json", "hyperparams.json") if (folder / name).exists())
    told_there = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({key: value for key, value in told_there.items() if key not in drop}))
    return folder


# --- the forms


def test_gemma_scope_says_where_it_stands_by_its_path(tmp_path):
    (files,) = locate_dictionaries(str(sae_files.write(tmp_path, GEMMA)))
    assert (files.form, files.place, files.width, files.features) == (
        "Gemma Scope",
        Place(Site.RESIDUAL, 3),  # the stream after block 2
        WIDTH,
        FEATURES,
    )
    assert (files.card.model, files.card.l0, files.card.notes) == ("gemma-2-2b", 42.0, ())


@pytest.mark.parametrize(
    ("repository", "place"),
    [
        ("gemma-scope-9b-it-res", Place(Site.RESIDUAL, 10)),
        ("gemma-scope-2b-pt-mlp", Place(Site.MLP_WRITE, 9)),
        ("gemma-scope-2b-pt-att", Place(Site.HEADS, 9)),
    ],
)
def test_the_sites_of_gemma_scope(tmp_path, repository, place):
    made = Made(f"models--google--{repository}/snapshots/{COMMIT}/layer_9/width_16k/average_l0_7", "gemma_scope")
    (files,) = locate_dictionaries(str(sae_files.write(tmp_path, made)))
    assert files.place == place


def test_a_gemma_scope_folder_that_does_not_say_its_site_is_taken_for_the_stream_and_says_so(tmp_path):
    (files,) = locate_dictionaries(str(sae_files.write(tmp_path, Made("layer_0/width_1k", "gemma_scope"))))
    assert files.place == Place(Site.RESIDUAL, 1)
    assert "blocks.0.hook_resid_post is assumed" in tell_note(files.card.notes[0])
    assert "keep the folders" in refusal(sae_files.write(tmp_path, Made("loose", "gemma_scope"))).lower()


@pytest.mark.parametrize(
    ("hook", "place"),
    [
        ("blocks.5.hook_resid_pre", Place(Site.RESIDUAL, 5)),
        ("blocks.5.hook_resid_post", Place(Site.RESIDUAL, 6)),
        ("blocks.5.hook_attn_out", Place(Site.ATTENTION_WRITE, 5)),
        ("blocks.5.hook_mlp_out", Place(Site.MLP_WRITE, 5)),
        ("blocks.5.attn.hook_z", Place(Site.HEADS, 5)),
        ("model.layers.17.output", Place(Site.RESIDUAL, 18)),
        ("model.language_model.layers.3", Place(Site.RESIDUAL, 4)),
        ("model.layers.3.self_attn.o_proj.input", Place(Site.HEADS, 3)),
        ("model.layers.3.post_feedforward_layernorm.output", Place(Site.MLP_WRITE, 3)),
    ],
)
def test_places_by_their_hooks(hook, place):
    assert place_of(hook) == place


@pytest.mark.parametrize(
    "hook", ["", "hook_embed", "blocks.5.hook_resid_mid", "blocks.5.hook_mlp_in", "xblocks.1.hook_mlp_out"]
)
def test_other_hooks_are_no_places(hook):
    with pytest.raises(LookupError):
        place_of(hook)


def test_the_card_says_what_the_files_say(tmp_path):
    (second,) = locate_dictionaries(str(sae_files.write(tmp_path, GEMMA_2)))
    assert (second.form, second.card.model, second.card.l0) == ("Gemma Scope 2", "google/gemma-3-270m-pt", 20.0)
    (llama,) = locate_dictionaries(str(sae_files.write(tmp_path, LLAMA)))
    assert (llama.form, llama.card.model, llama.card.stored_dtype) == ("Llama Scope", "Llama-3.1-8B", "bfloat16")
    made = changed(tmp_path, JUMPRELU, metadata={"hook_name": "blocks.3.hook_resid_pre", "l0": 31.5, "made": "by us"})
    (lens,) = locate_dictionaries(str(made))
    assert (lens.place, lens.card.l0, lens.card.metadata["made"]) == (Place(Site.RESIDUAL, 3), 31.5, "by us")


# --- what is refused


@pytest.mark.parametrize(
    ("made", "fields", "lines"),
    [
        (
            JUMPRELU,
            {"architecture": "temporal"},
            'cfg.json: `architecture: "temporal"` is not supported\n  Supported: standard, ',
        ),
        (
            JUMPRELU,
            {"normalize_activations": "covariance_whitening"},
            'cfg.json: `normalize_activations: "covariance_whitening"`',
        ),
        (
            JUMPRELU,
            {"activation_fn": "tanh-relu"},
            '`activation_fn: "tanh-relu"` is not supported\n  Supported: relu, topk.',
        ),
        (JUMPRELU, {"dtype": "int8"}, '`dtype: "int8"` is not supported'),
        (JUMPRELU, {"hook_head_index": 3}, "`hook_head_index: 3` is not supported"),
        (JUMPRELU, {"reshape_activations": "hook_z"}, '`reshape_activations: "hook_z"` is not supported'),
        (
            JUMPRELU,
            {"apply_b_dec_to_input": "yes"},
            '`apply_b_dec_to_input: "yes"` is not supported\n  Supported: true or false.',
        ),
        (JUMPRELU, {"d_in": "many"}, '`d_in: "many"` is not supported'),
        (
            JUMPRELU,
            {"hook_name": "blocks.1.ln1"},
            '`hook_name: "blocks.1.ln1"` is not supported\n  Supported: blocks.N.hook_resid_pre',
        ),
        (JUMPRELU, {"architecture": "jumprelu_skip_transcoder"}, "transcoders are not supported yet"),
        (
            JUMPRELU,
            {"hook_name_out": "blocks.9.hook_mlp_out"},
            "transcoders are not supported yet: it reads blocks.2.hook_resid_pre",
        ),
        (
            GEMMA_2,
            {"architecture": "relu"},
            'config.json: `architecture: "relu"` is not supported\n  Supported: jump_relu.',
        ),
        (GEMMA_2, {"affine_connection": True}, "transcoders are not supported yet"),
        (GEMMA_2, {"type": "transcoder"}, "transcoders are not supported yet"),
        (GEMMA_2, {"type": "plugin"}, '`type: "plugin"` is not supported\n  Supported: sae.'),
        (
            GEMMA_2,
            {"hf_hook_point_out": "model.layers.3.output"},
            "transcoders are not supported yet: it reads model.layers.2.output",
        ),
        (GEMMA_2, {"width": 7}, "96 features, but config.json says `width: 7`"),
        (
            LLAMA,
            {"norm_activation": "token-wise"},
            '`norm_activation: "token-wise"` is not supported\n  Supported: dataset-wise, inference.',
        ),
        (LLAMA, {"act_fn": "gelu"}, '`act_fn: "gelu"` is not supported'),
        (LLAMA, {"use_glu_encoder": True}, "`use_glu_encoder: true` is not supported"),
        (LLAMA, {"hook_point_out": "blocks.2.hook_mlp_out"}, "transcoders are not supported yet"),
        (LLAMA, {"sae_type": "crosscoder"}, '`sae_type: "crosscoder"` is not supported'),
        (LLAMA, {"jump_relu_threshold": None}, "`jump_relu_threshold` is missing"),
        (LLAMA, {"dataset_average_activation_norm": {"in": 0.0}}, "`in: 0.0` is not supported"),
    ],
)
def test_unknown_values_are_refused_with_file_field_value_and_what_is_supported(tmp_path, made, fields, lines):
    assert lines in refusal(changed(tmp_path, made, **fields))


@pytest.mark.parametrize("made", [JUMPRELU, GEMMA, GEMMA_2, LLAMA])
def test_truncated_weights_are_refused_before_they_are_read(tmp_path, made):
    folder = sae_files.write(tmp_path, made)
    (files,) = locate_dictionaries(str(folder))
    files.weights.write_bytes(files.weights.read_bytes()[:-900])
    told_of = refusal(folder)
    assert str(files.weights) in told_of
    assert "is incomplete" in told_of
    assert told_of.endswith("Download or copy the file again.")


def test_a_damaged_member_of_an_npz_is_refused_when_it_is_read(tmp_path):
    folder = sae_files.write(tmp_path, GEMMA)
    file = folder / "params.npz"
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0xFF
    file.write_bytes(bytes(data))
    assert f"{file}: " in refusal(folder, load=True)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"W_enc": None}, "lacks 'W_enc'\n  It holds: W_dec, b_dec, b_enc, threshold."),
        ({"threshold": None}, "lacks 'threshold'"),
        ({"b_enc": torch.zeros(5)}, "'b_enc' has the shape (5,), expected (96,)"),
        ({"W_dec": torch.zeros(WIDTH, FEATURES)}, "'W_dec' has the shape (32, 96), expected (96, 32)"),
        ({"W_new": torch.zeros(2)}, "a tensor 'W_new' that this kind of dictionary does not have"),
        (
            {"W_skip": torch.zeros(WIDTH, WIDTH)},
            "transcoders are not supported yet: there is a skip connection 'W_skip'",
        ),
    ],
)
def test_missing_and_misshapen_tensors(tmp_path, weights, message):
    folder = sae_files.write(tmp_path, JUMPRELU)
    held = {name: tensor for name, tensor in (sae_files.tensors() | weights).items() if tensor is not None}
    save_file(held, folder / "sae_weights.safetensors")
    assert refusal(folder).startswith(f"{folder / 'sae_weights.safetensors'}: {message}")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, bad):
    folder = sae_files.write(tmp_path, JUMPRELU)
    held = sae_files.tensors()
    held["W_dec"][3, 4] = bad
    save_file(held, folder / "sae_weights.safetensors")
    assert "'W_dec' holds NaN or infinity in 1 of 3,072 numbers" in refusal(folder, load=True)


def test_pickles_are_never_read(tmp_path):
    (tmp_path / "sae.pt").write_bytes(b"\x80\x04nothing")
    assert "only as a pickle file (sae.pt), which can run code and is never loaded" in refusal(tmp_path)
    (tmp_path / "layer_1").mkdir()
    np.savez(tmp_path / "layer_1" / "params.npz", W_enc=np.array([{}], dtype=object))
    assert "holds pickled Python objects, which can run code and are never loaded" in refusal(tmp_path)


def test_a_batchtopk_dictionary_without_its_threshold_is_refused(tmp_path):
    folder = changed(tmp_path, JUMPRELU, architecture="batchtopk", k=5)
    held = sae_files.tensors()
    del held["threshold"]
    save_file(held, folder / "sae_weights.safetensors")
    assert "which features fire depends on the other tokens" in refusal(folder)


def test_topk_wants_a_k_that_the_dictionary_has(tmp_path):
    topk = next(made for made in SAELENS if made.name == "topk")
    assert "`k` is missing" in refusal(changed(tmp_path / "none", topk, drop=("k",)))
    assert "k = 97 exceeds its 96 features" in refusal(changed(tmp_path / "many", topk, k=97))


def test_llama_scope_wants_decoder_rows_of_unit_norm(tmp_path):
    folder = sae_files.write(tmp_path, LLAMA)
    held = sae_files.tensors()
    stored = {"encoder.weight": held["W_enc"].T, "encoder.bias": held["b_enc"], "decoder.bias": held["b_dec"]}
    stored["decoder.weight"] = held["W_dec"].T
    save_file({name: one.contiguous() for name, one in stored.items()}, folder / "checkpoints" / "final.safetensors")
    assert "decoder rows whose norm is not 1" in refusal(folder, load=True)


def test_what_holds_no_dictionary(tmp_path):
    assert "an empty folder" in refusal(tmp_path)
    (tmp_path / "notes.txt").write_text("…")
    assert "no dictionary in here" in refusal(tmp_path)
    assert "this is a file, not a dictionary's folder" in refusal(tmp_path / "notes.txt")
    assert "there is no such folder" in refusal(tmp_path / "missing")
    folder = sae_files.write(tmp_path, JUMPRELU)
    (folder / "sae_weights.safetensors").unlink()
    assert "sae_weights.safetensors: there is no such file" in refusal(folder)
    (folder / "cfg.json").write_text("{")
    assert "cfg.json:1: this is not JSON" in refusal(folder)


# --- several of them


def suite(root) -> Path:
    """A tree: layer 1 in two sizes of L0, layers 2 and 3 once."""
    for layer, l0 in ((1, 10), (1, 90), (2, 50), (3, 55)):
        name = f"layer_{layer}/width_1k/average_l0_{l0}"
        sae_files.write(root, Made(f"gemma-scope-2b-pt-res/{name}", "gemma_scope"))
    return root / "gemma-scope-2b-pt-res"


def test_a_tree_gives_one_dictionary_a_layer_and_asks_where_there_are_several(tmp_path):
    tree = suite(tmp_path)
    message = refusal(tree, BatteryError)
    assert (
        "2 dictionaries at layer 2, residual: layer_1/width_1k/average_l0_10, layer_1/width_1k/average_l0_90" in message
    )
    found = locate_dictionaries(str(tree), l0=80)
    assert [(one.place.index, one.card.l0) for one in found] == [(2, 90.0), (3, 50.0), (4, 55.0)]
    assert [one.name for one in locate_dictionaries(str(tree), layers=[4, 3])] == [
        "layer_2/width_1k/average_l0_50",
        "layer_3/width_1k/average_l0_55",
    ]
    assert "no dictionary at layer 9\n  There are some at: 2, 3, 4." in refusal(tree, layers=[9])
    assert "no dictionary of 5 features\n  There are: 96." in refusal(tree, features=5)


def test_layers_stand_in_their_order_not_their_names(tmp_path):
    for number in (2, 11, 10):
        fields = {"architecture": "jumprelu", "hook_name": f"blocks.{number}.hook_resid_pre"}
        sae_files.write(tmp_path, Made(f"layer_{number}", "saelens", fields))
    assert [one.place.index for one in locate_dictionaries(str(tmp_path))] == [2, 10, 11]


def test_a_hidden_folder_is_unfinished_work(tmp_path):
    sae_files.write(tmp_path, Made("layer_2", "saelens", JUMPRELU.fields))
    (tmp_path / ".layer_2.part").mkdir()
    (tmp_path / ".layer_2.part" / "cfg.json").write_text("{")
    assert [one.name for one in locate_dictionaries(str(tmp_path))] == ["layer_2"]


def test_the_fingerprint_follows_what_is_stored_not_what_it_is_called(tmp_path):
    one = locate_dictionaries(str(sae_files.write(tmp_path / "a", JUMPRELU)))
    other = locate_dictionaries(str(sae_files.write(tmp_path / "b", JUMPRELU)))
    assert fingerprint(one) == fingerprint(other)
    save_file(sae_files.tensors(seed=1), tmp_path / "b" / "jumprelu" / "sae_weights.safetensors")
    assert fingerprint(one) != fingerprint(locate_dictionaries(str(tmp_path / "b")))


# --- sources


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("demo:gemma-3-270m", ("demo", "gemma-3-270m", "", None)),
        ("./a/b", ("folder", "./a/b", "", None)),
        ("here/a", ("folder", "here/a", "", None)),
        ("org/name", ("hub", "org/name", "", None)),
        ("org/name@v1", ("hub", "org/name", "", "v1")),
        (
            " org/name/layer_1/width_16k/average_l0_7@main ",
            ("hub", "org/name", "layer_1/width_16k/average_l0_7", "main"),
        ),
    ],
)
def test_forms_of_sources(tmp_path, monkeypatch, text, parts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    found = parse_dictionary_source(text)
    assert (found.kind, found.target, found.path, found.revision) == parts


@pytest.mark.parametrize("text", ["", "name", "org/name@", "org/name/../secret", "org/na me", "demo:"])
def test_what_is_no_source(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BatteryError):
        parse_dictionary_source(text)


def test_the_nearest_demo_dictionaries_are_named():
    with pytest.raises(BatteryError, match="Did you mean 'gemma-3-270m'"):
        parse_dictionary_source("demo:gema-3-270")


def test_demo_dictionaries_that_are_not_here_name_the_command_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "site-packages" / "reportgen")
    assert "made again by: .venv/bin/python -m reports.dictionaries.train" in refusal("demo:gemma-3-270m")
    sae_files.write(tmp_path / "reports" / "dictionaries", Made("gemma-3-270m/layer_3", "saelens", JUMPRELU.fields))
    (found,) = locate_dictionaries("demo:gemma-3-270m")
    assert found.name == "layer_3"


class Hub:
    """A repository that answers as the hub does, and remembers what was asked."""

    def __init__(self, monkeypatch, snapshot: Path, files: list[str] | Exception) -> None:
        self.snapshot, self.files, self.asked = snapshot, files, []
        monkeypatch.setattr(huggingface_hub, "is_offline_mode", lambda: False)
        monkeypatch.setattr(huggingface_hub, "list_repo_files", self.list)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)

    def list(self, repository, revision=None):
        if isinstance(self.files, Exception):
            raise self.files
        return self.files

    def download(self, repository, *, revision, allow_patterns, ignore_patterns, tqdm_class):
        self.asked = allow_patterns
        if not self.snapshot.is_dir():
            raise errors.LocalEntryNotFoundError("not here")
        return str(self.snapshot)


def snapshot_of(tmp_path) -> Path:
    return suite(tmp_path).rename(tmp_path / COMMIT)


def listed(snapshot) -> list[str]:
    files = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    return [*files, "README.md", "layer_20/width_65k/average_l0_9/params.npz"]


def test_only_the_wanted_files_of_a_hub_repository_are_downloaded(tmp_path, monkeypatch):
    snapshot = snapshot_of(tmp_path)
    hub = Hub(monkeypatch, snapshot, listed(snapshot))
    (found,) = locate_dictionaries("google/gemma-scope-2b-pt-res/layer_2", layers=[3])
    assert (found.card.revision, found.name) == (COMMIT, "layer_2/width_1k/average_l0_50")
    assert {pattern.partition("/width")[0] for pattern in hub.asked} == {"layer_2"}
    locate_dictionaries("google/gemma-scope-2b-pt-res", layers=[4])
    assert {pattern.partition("/width")[0] for pattern in hub.asked} == {"layer_3"}
    assert "layer_3/width_1k/average_l0_55/params.npz" in hub.asked
    assert "google/name/nowhere: no dictionary is there" in refusal("google/name/nowhere")


def test_a_hub_that_cannot_be_reached_leaves_what_is_cached(tmp_path, monkeypatch):
    hub = Hub(monkeypatch, snapshot_of(tmp_path), ConnectionError("no route"))
    assert len(locate_dictionaries("google/name", layers=[3, 4])) == 2
    hub.snapshot = tmp_path / "none"
    assert refusal("google/name").startswith("google/name is not in the local cache, and the Hugging Face hub cannot")


def test_offline_asks_nobody(tmp_path, monkeypatch):
    Hub(monkeypatch, tmp_path / "none", [])
    monkeypatch.setattr(huggingface_hub, "is_offline_mode", lambda: True)
    monkeypatch.setattr(huggingface_hub, "list_repo_files", pytest.fail)
    assert "HF_HUB_OFFLINE forbids downloading it" in refusal("google/name/layer_2")


# --- the model


def test_a_dictionary_of_another_width_or_depth_does_not_fit(tmp_path):
    found = locate_dictionaries(str(sae_files.write(tmp_path, JUMPRELU)))
    with pytest.raises(ModelError) as refused:
        check_fit(found, facts(hidden_size=640), "Gemma-3-270M")
    assert str(refused.value) == (
        f"{found[0].weights}: the dictionary reads vectors of width 32; those of Gemma-3-270M have 640\n"
        "  It was trained on tiny."
    )
    with pytest.raises(DictionaryError, match="reads layer 2, residual; those of Tiny end with 1"):
        check_fit(found, facts(layers=1), "Tiny")
    heads = locate_dictionaries(str(sae_files.write(tmp_path, next(made for made in SAELENS if made.name == "heads"))))
    with pytest.raises(DictionaryError, match="has 3 heads"):
        check_fit(heads, facts(heads=3, hidden_size=999), "Tiny")


def test_another_name_of_the_model_is_a_note(tmp_path):
    found = locate_dictionaries(str(sae_files.write(tmp_path, GEMMA_2)))
    assert check_fit(found, facts(), "Gemma-3-270M") == ()
    (note,) = check_fit(found, facts(), "Gemma-3-270M-it")
    with use_language("en"):
        assert (
            tell_note(note)
            == "The dictionary was trained on google/gemma-3-270m-pt and is used here on Gemma-3-270M-it."
        )


def test_a_dictionary_of_centred_weights_says_so(tmp_path):
    fields = {"hook_name": "blocks.2.hook_resid_pre", "model_from_pretrained_kwargs": {"center_writing_weights": True}}
    (files,) = locate_dictionaries(str(changed(tmp_path, JUMPRELU, metadata=fields)))
    assert "centred writing weights" in tell_note(files.card.notes[0])


def test_dictionaries_are_found_and_checked_without_torch(tmp_path):
    folder = sae_files.write(tmp_path, JUMPRELU)
    code = (
        "import sys; from reportgen.model.sae.sources import locate_dictionaries, fingerprint; "
        "import reportgen.model.sae.fit, reportgen.model.sae.notes; "
        f"fingerprint(locate_dictionaries({str(folder)!r})); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_starts_from_the_battery_and_is_never_a_hub_id_in_silence(tmp_path, monkeypatch):
    beside = tmp_path / "reports"
    sae_files.write(beside / "mine" / "it", JUMPRELU)
    sae_files.write(tmp_path / "org" / "name", JUMPRELU)
    monkeypatch.chdir(tmp_path)
    assert locate_dictionaries("mine/it", folder=beside) == locate_dictionaries(str(beside / "mine" / "it"))
    with pytest.raises(BatteryError, match="'org/name' is not next to the battery, but in the working directory"):
        locate_dictionaries("org/name", folder=beside)
    with pytest.raises(DictionaryError, match="The working directory has one"):
        locate_dictionaries("./org/name", folder=beside)
