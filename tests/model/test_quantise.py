import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from reportgen.errors import ModelError
from reportgen.model.capture.check import prove
from reportgen.model.capture.hooks import replace_stream, stream_of
from reportgen.model.capture.trial import choose_trial_tokens
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.measures.difference import compare_weights
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.quantise import quantise, stored_dtype, to_plain_tensor
from tests.tiny import random_model, save_tiny

MATRIX = "model.layers.1.mlp.down_proj.weight"


def quantised(network: torch.nn.Module) -> torch.nn.Module:
    quantise(anatomy_of(network).blocks)
    return network


def test_each_row_of_a_matrix_keeps_a_scale_and_moves_by_half_a_step_at_most() -> None:
    before = random_model("llama").get_parameter(MATRIX)
    after = quantised(random_model("llama")).get_parameter(MATRIX)
    assert (stored_dtype(before), stored_dtype(after)) == ("float32", "int8")
    step = before.abs().amax(dim=1, keepdim=True) / 127
    assert ((to_plain_tensor(after) - before).abs() <= 0.51 * step).all()
    assert not torch.equal(to_plain_tensor(after), before)


def test_what_a_matrix_multiplies_is_rounded_too() -> None:
    network = quantised(random_model("llama"))
    layer = anatomy_of(network).blocks[1].mlp.down_proj
    rows = torch.randn(5, layer.in_features, generator=torch.Generator().manual_seed(3))
    with_these_weights = rows @ to_plain_tensor(layer.weight).T
    steps = rows.abs().amax(dim=1, keepdim=True) / 127.5  # of 255 steps from one end to the other
    rounded = (rows / steps).round().clamp(-128, 127) * steps
    found = layer(rows)
    assert not torch.allclose(found, with_these_weights, rtol=1e-4)
    assert (found - rounded @ to_plain_tensor(layer.weight).T).norm() < 0.2 * (found - with_these_weights).norm()


def test_only_the_blocks_are_quantised_and_the_model_says_so(tmp_path: Path) -> None:
    model = load(locate(parse_source(str(save_tiny(tmp_path / "m")))), dtype="int8")
    formats = {parameter.name: parameter.dtype for parameter in model.parameters()}
    assert model.number_format == "int8"
    assert formats[MATRIX] == "int8"
    assert formats["model.embed_tokens.weight"] == formats["model.norm.weight"] == "float32"
    assert formats["model.layers.1.input_layernorm.weight"] == "float32"


def test_the_change_of_weights_is_that_of_the_numbers_they_stand_for() -> None:
    base, other = random_model("llama"), quantised(random_model("llama"))
    one, two = (LoadedModel(network, anatomy_of(network)) for network in (base, other))
    found = {changed.name: changed for changed in compare_weights(one, two).tensors}
    expected = (to_plain_tensor(other.get_parameter(MATRIX)) - base.get_parameter(MATRIX)).detach().norm()
    assert found[MATRIX].apart == pytest.approx(float(expected), rel=1e-5)
    assert found["model.embed_tokens.weight"].apart == 0


def test_without_linear_layers_or_torchao_int8_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no linear layers that int8 could quantise"):
        quantise([torch.nn.LayerNorm(4)])
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ModelError, match="dtype: int8 needs torchao"):
        quantise([torch.nn.Linear(4, 4)])


@pytest.mark.parametrize(("dtype", "refused"), [("int8", False), ("float32", True)])
def test_a_step_of_int8_between_two_passes_of_one_text_is_no_look_ahead(
    tmp_path: Path, dtype: str, refused: bool
) -> None:
    model = load(locate(parse_source(str(save_tiny(tmp_path / "m")))), dtype=dtype)
    whole = len(choose_trial_tokens(model))

    def nudged(_module: object, _given: object, output: Any) -> Any:
        stream = stream_of(output)
        return replace_stream(output, stream + 0.002 * stream.roll(1, -1)) if stream.shape[1] == whole else output

    model.anatomy.blocks[-1].register_forward_hook(nudged)
    with pytest.raises(ModelError, match="not causal") if refused else nullcontext():
        prove(model)
