"""Checkpoints that a library has quantised: run as transformers runs them, never read as if they were floats."""

import json
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationConfig,
    QuantizationScheme,
    QuantizationStatus,
    apply_quantization_config,
)
from safetensors.torch import load_file, save_file

from reportgen.errors import ModelError
from reportgen.model.capture.check_writes import reason_against
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.measures.difference import compare_weights
from reportgen.model.measures.tensor_summary import named_tensors
from reportgen.model.needs import Site, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.matrices import matrix_of
from reportgen.model.place import Held
from tests.runs import run_probes
from tests.tiny import VOCABULARY, save_tiny
from tests.tiny_adapters import draw_matrices, save_adapter

MATRIX = "model.layers.1.mlp.down_proj.weight"
IDS = torch.tensor([[0, 15, 90, 200, 31]])


def save_base(folder: Path, *, biases: bool = False) -> Path:
    save_tiny(folder)  # for its tokenizer
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=0, eos_token_id=1, attention_bias=biases, mlp_bias=biases,
    )  # fmt: skip
    network = transformers.AutoModelForCausalLM.from_config(config)
    for name, weight in network.named_parameters():
        if name.endswith(".bias"):
            torch.nn.init.normal_(weight, std=0.1)
    network.save_pretrained(folder)
    return folder


def save_quantised(folder: Path, bits: int) -> Path:
    save_base(folder)
    how = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"} if bits == 4 else {"load_in_8bit": True}
    wanted = transformers.BitsAndBytesConfig(**how)
    read = transformers.AutoModelForCausalLM.from_pretrained
    network = read(folder, quantization_config=wanted, device_map="cpu", dtype=torch.float32)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder)
    return folder


def loaded(folder: Path, attention: str = "eager") -> LoadedModel:
    return load(locate(parse_source(str(folder))), device="cpu", attention=attention)


def projection_of(model: LoadedModel) -> torch.nn.Module:
    """The matrix by which the MLP of block 1 writes."""
    writer = model.anatomy.mlp_writers[1]
    assert writer is not None
    assert writer.projection is not None
    return writer.projection


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("bits", [4, 8])
def test_bitsandbytes_gives_its_own_logits_and_its_bytes_are_no_weights(tmp_path: Path, bits: int) -> None:
    base, folder = loaded(save_base(tmp_path / "base")), save_quantised(tmp_path / "m", bits)
    model = loaded(folder)
    own = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", device_map="cpu")
    with torch.inference_mode():
        assert torch.equal(model.network(IDS).logits, own(IDS).logits)
        assert not torch.equal(model.network(IDS).logits, base.network(IDS).logits)
    assert model.number_format == f"bitsandbytes {bits}-bit"
    with pytest.raises(Unmeasurable, match="packed in fewer bits"):
        matrix_of(projection_of(model))
    (packed,) = named_tensors(model, [MATRIX])
    with pytest.raises(Unmeasurable, match="packed in fewer bits"):
        packed.read()
    compared = compare_weights(base, model)
    assert MATRIX in dict(compared.left_out)
    assert "model.embed_tokens.weight" in {one.name for one in compared.tensors}


def save_compressed(folder: Path, bits: int, form: str) -> Path:
    """As llm-compressor saves a checkpoint: every matrix but the unembedding rounded, with a scale a row."""
    save_base(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    how = QuantizationArgs(num_bits=bits, type="int", symmetric=True, strategy="channel")
    groups = {"all": QuantizationScheme(targets=["Linear"], weights=how)}
    apply_quantization_config(network, QuantizationConfig(config_groups=groups, ignore=["lm_head"], format=form))
    for module in network.modules():
        if hasattr(module, "weight_scale"):
            largest = module.weight.abs().amax(1, keepdim=True)
            module.weight_scale.data.copy_(largest / (2 ** (bits - 1) - 1))
            module.quantization_status = QuantizationStatus.FROZEN
    compressor = ModelCompressor.from_pretrained_model(network, quantization_format=form)
    assert compressor is not None
    compressor.compress_model(network)
    network.save_pretrained(folder)
    compressor.update_config(folder)
    return folder


@pytest.mark.parametrize(("bits", "form"), [(4, "pack-quantized"), (8, "int-quantized")])
def test_compressed_tensors_gives_its_own_logits_and_the_weights_that_it_runs_on(
    tmp_path: Path, bits: int, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    base, folder = loaded(save_base(tmp_path / "base")), save_compressed(tmp_path / "m", bits, form)
    own = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    capsys.readouterr()
    model = loaded(folder)
    assert capsys.readouterr().err == "", "bars of the library"
    with torch.inference_mode():
        assert torch.equal(model.network(IDS).logits, own(IDS).logits)
    assert model.number_format == f"compressed-tensors {bits}-bit"
    (stored,) = named_tensors(model, [MATRIX])
    matrix, before = stored.read(), base.network.get_parameter(MATRIX)
    probe = torch.randn(3, matrix.shape[1])
    assert torch.equal(projection_of(model)(probe), probe @ matrix.T), "what is read is what runs"
    assert all(len(row.unique()) <= 2**bits for row in matrix)
    step = before.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert ((matrix - before).abs() <= step / 2 * 1.001).all()
    compared = compare_weights(base, model)
    assert not compared.left_out, "scales are no weights"
    assert {one.name: one.shape for one in model.parameters()} == {one.name: one.shape for one in base.parameters()}


GROUP = 32
"""Rows of a matrix that have one scale."""
ORDER = {"gptq": range(8), "awq": (0, 2, 4, 6, 1, 3, 5, 7)}
"""Which of eight numbers lies in which four bits of a word, from the lowest."""
SAID: dict[str, dict[str, Any]] = {
    "gptq": {"bits": 4, "group_size": GROUP, "desc_act": False, "sym": True, "checkpoint_format": "gptq"},
    "awq": {"bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"},
}


def pack_words(numbers: torch.Tensor, order: Sequence[int], dim: int) -> torch.Tensor:
    """Numbers from 0 to 15, eight to an int32 along a dim."""
    eights = numbers.long().movedim(dim, -1).unflatten(-1, (-1, 8))
    words = torch.stack([eights[..., at] << 4 * place for place, at in enumerate(order)]).sum(0)
    return words.to(torch.int32).movedim(-1, dim).contiguous()


def pack_matrix(matrix: torch.Tensor, method: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The tensors of a matrix in GPTQ's layout, symmetric, or in AWQ's, with zeros of its own; what they stand for."""
    groups = matrix.T.unflatten(0, (-1, GROUP))
    low, high = groups.amin(1, keepdim=True).clamp_max(0), groups.amax(1, keepdim=True).clamp_min(0)
    if method == "gptq":
        high = groups.abs().amax(1, keepdim=True)
        low = -high * 8 / 7
    scale = ((high - low) / 15).half().float()
    zero = (-low / scale).round()
    numbers = ((groups / scale).round() + zero).clamp(0, 15)
    whole, zeros, order = numbers.flatten(0, 1), zero[:, 0], ORDER[method]
    tensors = {"scales": scale[:, 0].half()}
    if method == "gptq":  # its files hold zeros less 1
        tensors |= {"qweight": pack_words(whole, order, 0), "qzeros": pack_words(zeros - 1, order, 1)}
        tensors["g_idx"] = (torch.arange(len(whole)) // GROUP).int()
    else:
        tensors |= {"qweight": pack_words(whole, order, 1), "qzeros": pack_words(zeros, order, 1)}
    return tensors, ((numbers - zero) * scale).flatten(0, 1).T


def save_packed(folder: Path, method: str) -> dict[str, torch.Tensor]:
    """As gptqmodel saves a checkpoint: every matrix of the blocks packed in 4 bits. Returns what the matrices are."""
    save_base(folder, biases=True)
    stored: dict[str, torch.Tensor] = {}
    matrices: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.endswith("_proj.weight"):
            packed, matrices[name] = pack_matrix(tensor, method)
            stored |= {f"{name.removesuffix('weight')}{own}": one for own, one in packed.items()}
        else:
            stored[name] = tensor.half()
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    said = {"dtype": "float16", "quantization_config": {"quant_method": method, **SAID[method]}}
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **said}))
    return matrices


@pytest.mark.skipif(find_spec("gptqmodel") is None, reason="gptqmodel is not installed")
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")  # a folder of gptqmodel's
@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_gptqmodel_gives_its_own_logits_and_its_buffers_are_the_matrices_that_they_pack(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    base, folder = loaded(save_base(tmp_path / "base", biases=True)), tmp_path / "m"
    matrices = save_packed(folder, method)
    capsys.readouterr()
    model = loaded(folder)
    assert capsys.readouterr().out == "", "lines of the library"
    read = transformers.AutoModelForCausalLM.from_pretrained
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optimum's
        own = read(folder, attn_implementation="eager", device_map="cpu")
    unpacked = read(tmp_path / "base", attn_implementation="eager", dtype=torch.float32)
    unpacked.load_state_dict(matrices, strict=False)
    with torch.inference_mode():
        logits, expected = model.network(IDS).logits, unpacked(IDS).logits
        assert torch.equal(logits, own(IDS).logits)
        assert (logits.float() - expected).abs().max() < 0.01 * expected.abs().max()
    assert model.number_format == f"{method} 4-bit"
    with pytest.raises(Unmeasurable, match="packed in fewer bits"):
        matrix_of(projection_of(model))
    assert "packed in fewer bits" in reason_against(model, Site.MEMORIES, (1,))
    bias = MATRIX.replace("weight", "bias")
    packed = named_tensors(model, [MATRIX, bias])
    assert [(one.name, one.block) for one in packed] == [(MATRIX, 1), (bias, 1)]
    for one in packed:
        with pytest.raises(Unmeasurable, match="packed in fewer bits"):
            one.read()
    compared = compare_weights(base, model)
    assert set(matrices) | {name.replace("weight", "bias") for name in matrices} == dict(compared.left_out).keys()
    assert all("packed in fewer bits" in reason for _, reason in compared.left_out)
    assert "model.embed_tokens.weight" in {one.name for one in compared.tensors}
    assert {one.name: one.shape for one in model.parameters()} == {one.name: one.shape for one in base.parameters()}


@pytest.mark.skipif(find_spec("gptqmodel") is None, reason="gptqmodel is not installed")
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
def test_an_adapter_is_not_merged_into_packed_weights(tmp_path: Path) -> None:
    save_packed(tmp_path / "m", "gptq")
    adapter = save_adapter(tmp_path / "tuned", draw_matrices({"model.layers.1.self_attn.q_proj": (64, 64)}))
    with pytest.raises(ModelError, match=r"changes model\.layers\.1\.self_attn\.q_proj: its weights are packed"):
        load(locate(parse_source(f"{tmp_path / 'm'} + {adapter}")), device="cpu")


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_what_enters_a_packed_matrix_cannot_be_seen_and_attention_can_be_exchanged(tmp_path: Path) -> None:
    model = loaded(save_quantised(tmp_path / "m", 4), attention="sdpa")
    assert model.attention == "sdpa"
    for site in (Site.HEADS, Site.MEMORIES):
        assert reason_against(model, site).endswith(": its weights are packed in fewer bits (Linear4bit)")
    assert not reason_against(model, Site.MLP_WRITE)


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_weights_of_packed_matrices_alone_are_skipped_with_that_reason(tmp_path: Path) -> None:
    models = {"m": str(save_quantised(tmp_path / "m", 4))}
    outcome = run_probes(models, {"w": {"probe": "weights", "tensor": "*proj*"}}).outcomes["w"]["m"]
    assert outcome.status == "skipped"
    assert "packed in fewer bits" in outcome.reason


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_the_census_counts_the_matrices_that_packed_bytes_are(tmp_path: Path) -> None:
    plain, packed = (
        {one.name: one.shape for one in loaded(folder).parameters()}
        for folder in (save_base(tmp_path / "base"), save_quantised(tmp_path / "m", 4))
    )
    assert plain == packed


def test_a_quantised_checkpoint_is_not_streamed_and_a_missing_reader_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_quantised(tmp_path / "m", 4)
    with pytest.raises(ModelError, match=r"quantised \(bitsandbytes\), and are read whole"):
        load(locate(parse_source(str(folder))), held=Held(stream=True))
    monkeypatch.setattr("transformers.quantizers.quantizer_bnb_4bit.is_bitsandbytes_available", lambda: False)
    monkeypatch.setattr("reportgen.model.files.quantised.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install bitsandbytes, or name the model") as raised:
        loaded(folder)
    assert len(str(raised.value).splitlines()) == 2
