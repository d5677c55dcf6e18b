"""Checkpoints that a library has quantised: run as transformers runs them, never read as if they were floats."""

from importlib.util import find_spec
from pathlib import Path

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

from reportgen.errors import ModelError
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.measures.difference import compare_weights
from reportgen.model.measures.tensor_summary import named_tensors
from reportgen.model.needs import Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.matrices import matrix_of
from reportgen.model.place import Held
from tests.tiny import VOCABULARY, save_tiny

MATRIX = "model.layers.1.mlp.down_proj.weight"
IDS = torch.tensor([[0, 15, 90, 200, 31]])


def save_base(folder: Path) -> Path:
    save_tiny(folder)  # for its tokenizer
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
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


def loaded(folder: Path) -> LoadedModel:
    return load(locate(parse_source(str(folder))), device="cpu")


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
    writer = model.anatomy.mlp_writers[1]
    assert writer is not None
    assert writer.projection is not None
    with pytest.raises(Unmeasurable, match="packed in fewer bits"):
        matrix_of(writer.projection)
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
    writer = model.anatomy.mlp_writers[1]
    assert writer is not None
    assert writer.projection is not None
    (stored,) = named_tensors(model, [MATRIX])
    matrix, before = stored.read(), base.network.get_parameter(MATRIX)
    probe = torch.randn(3, matrix.shape[1])
    assert torch.equal(writer.projection(probe), probe @ matrix.T), "what is read is what runs"
    assert all(len(row.unique()) <= 2**bits for row in matrix)
    step = before.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert ((matrix - before).abs() <= step / 2 * 1.001).all()
    compared = compare_weights(base, model)
    assert not compared.left_out, "scales are no weights"
    assert {one.name: one.shape for one in model.parameters()} == {one.name: one.shape for one in base.parameters()}


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
