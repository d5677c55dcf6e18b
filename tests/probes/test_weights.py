from pathlib import Path

import numpy as np
import pytest
import torch

from reportgen.errors import BatteryError, ModelError
from reportgen.model.measures.tensor_summary import singular_values, summary
from reportgen.probes.weights import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import weights as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny

DOWN = "model.layers.1.mlp.down_proj.weight"


def weights(source: Path | str, **options: object) -> Outcome:
    return run_probes({"m": source}, {"w": {"probe": "weights", **options}}).outcomes["w"]["m"]


def section(outcome: Outcome) -> Section:
    return Section("w", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})


@pytest.mark.parametrize(
    ("family", "seed", "name"),
    [("llama", 0, DOWN), ("gemma3", 1, "model.layers.0.self_attn.q_norm.weight"),
     ("gpt2", 2, "transformer.h.2.attn.c_attn.weight")],
)  # fmt: skip
def test_against_the_reference(family: str, seed: int, name: str, request: pytest.FixtureRequest) -> None:
    tensor = random_model(family, seed).get_parameter(name).detach()
    outcome = weights(request.getfixturevalue(family), tensor=name, spectrum=True)
    (row,) = outcome.tables["tensors"].records()
    mean, std, least, largest, zeros = reference.summary(tensor)
    assert [row[x] for x in ("mean", "std", "min", "max", "zeros")] == pytest.approx([mean, std, least, largest, zeros])
    assert row["std"] != pytest.approx(reference.summary(tensor, sample=True)[1])  # teeth: n, not n - 1
    assert row["shape"] == " x ".join(map(str, tensor.shape))
    assert row["farthest"] == pytest.approx(max(largest - mean, mean - least) / std)
    assert outcome.metrics["farthest"].value == row["farthest"]
    expected = reference.histogram(tensor, row["low"], row["high"], 100)
    found = outcome.arrays["histogram"].values[0]
    assert np.abs(np.cumsum(found) - np.cumsum(expected)).max() <= 1.5 / tensor.numel()  # one on an edge may fall over
    matrix = tensor if tensor.ndim == 2 else tensor[None]
    assert (outcome.arrays["corners/0"].values == matrix[:100, :100].numpy()).all()
    assert outcome.arrays["spectrum/0"].values == pytest.approx(reference.singular_values(matrix), abs=1e-6)


def test_an_outlier_leaves_the_histogram_readable_and_is_told() -> None:
    tensor = torch.randn(50, 400, generator=torch.Generator().manual_seed(0))
    tensor[3, 7] = 90.0
    one = summary(tensor)
    assert one.largest == 90.0
    assert one.high == pytest.approx(one.mean + 6 * one.std)
    assert (one.histogram > 0).sum() > 40
    assert float(one.histogram.sum()) == pytest.approx(1 - 1 / tensor.numel())


def test_numbers_that_are_all_the_same_have_a_histogram_too() -> None:
    one = summary(torch.full((8,), 2.5))
    assert (one.std, one.zeros, float(one.histogram.sum())) == (0.0, 0.0, 1.0)


def test_halves_of_zeros_are_counted_and_low_rank_is_seen() -> None:
    left, right = torch.randn(300, 2), torch.randn(2, 40)
    assert summary(torch.cat([torch.zeros(5, 40), torch.ones(5, 40)])).zeros == 0.5
    spectrum = singular_values(left @ right)
    assert (spectrum[2:] < 1e-4 * spectrum[0]).all()
    assert spectrum[:2].tolist() == pytest.approx(reference.singular_values(left @ right)[:2], rel=1e-6)


def test_globs_and_tied_tensors(gemma3: Path) -> None:
    outcome = weights(gemma3, tensor=["*.layers.0.mlp.*", "lm_head.weight", "model.embed_tokens.weight"])
    rows = outcome.tables["tensors"].records()
    assert [row["tensor"] for row in rows] == [
        "model.embed_tokens.weight", *(f"model.layers.0.mlp.{x}_proj.weight" for x in ("gate", "up", "down")),
    ]  # fmt: skip
    assert [(row["component"], row["block"]) for row in rows][:2] == [("embedding", None), ("MLP gate", 0)]
    assert "spectrum/0" not in outcome.arrays
    alone = weights(gemma3, tensor="lm_head.weight")
    assert alone.tables["tensors"].column("component") == ["head"]
    assert alone.tables["tensors"].column("mean") == [rows[0]["mean"]]


def test_experts_show_the_first_of_their_matrices(tmp_path: Path) -> None:
    outcome = weights(save_tiny(tmp_path / "m", "mixtral"), tensor="*.layers.0.*experts.*", spectrum=True)
    row = outcome.tables["tensors"].records()[0]
    sizes = [int(size) for size in row["shape"].split(" x ")]
    assert len(sizes) == 3
    assert outcome.arrays["corners/0"].values.shape == tuple(sizes[1:])
    assert len(outcome.arrays["spectrum/0"].values) == min(sizes[1:])


def test_a_name_that_matches_nothing_is_shown_with_the_nearest(llama: Path, gemma3: Path) -> None:
    wrong = DOWN.replace("down", "dwon")
    with pytest.raises(BatteryError, match=f"tensor '{wrong}': no tensor of the model has this name") as raised:
        run_probes({"m": llama}, {"w": {"probe": "weights", "tensor": wrong}})
    assert f"Did you mean '{DOWN}'" in str(raised.value)
    both = run_probes({"m": llama, "g": gemma3}, {"w": {"probe": "weights", "tensor": [DOWN, "*.q_norm.weight"]}})
    partly = both.outcomes["w"]["m"]
    assert (partly.status, both.outcomes["w"]["g"].tables["skipped"].rows) == ("ok", [])
    assert [row[0] for row in partly.tables["skipped"].rows] == ["*.q_norm.weight"]


def test_a_tensor_that_is_not_finite_is_named(llama: Path, tmp_path: Path) -> None:
    network = random_model("llama")
    folder = save_tiny(tmp_path / "m")
    network.model.layers[0].input_layernorm.weight.data[3] = float("inf")
    network.save_pretrained(folder)
    with pytest.raises(ModelError):  # the proof on load refuses such a model
        weights(folder, tensor="*layernorm*")
    with pytest.raises(ArithmeticError, match="not finite"):
        summary(network.model.layers[0].input_layernorm.weight)


def test_each_tensor_has_its_figures(llama: Path) -> None:
    outcome = weights(llama, tensor=["*.layers.1.mlp.*", "model.norm.weight"], spectrum=True)
    figures = list(probe.figures(section(outcome)))
    assert [figure.name for figure in figures][:3] == ["histogram-0", "corner-0", "spectrum-0"]
    assert "histogram-3" in {figure.name for figure in figures}
    assert "spectrum-3" not in {figure.name for figure in figures}  # a vector has but one singular value
    normal = figures[0].curves[1]
    assert sum(normal.y) == pytest.approx(1, abs=0.01)
    assert probe.statement(section(outcome)).startswith("No clear outliers in Tiny")


def test_the_first_numbers_are_shown_as_they_are_where_that_is_asked(llama: Path) -> None:
    outcome = weights(llama, tensor=[DOWN, "model.norm.weight"], numbers=3)
    tensor = random_model("llama").get_parameter(DOWN).detach()
    figures = {figure.name: figure for figure in probe.figures(section(outcome))}
    grid = figures["values-0"]
    for row in range(3):
        for column in range(3):
            told = grid.texts[row][column].replace("−", "-").replace("\u2212", "-")
            assert float(told) == pytest.approx(tensor[row, column].item(), rel=6e-3)
    assert grid.values.max() == 1.0
    assert np.shape(figures["values-1"].texts) == (1, 3)  # a vector is one row
    table = weights(llama, tensor="model.embed_tokens.weight", numbers=3)
    assert table.tables["named_rows"].column("token") == ["<bos>", "<eos>", "!"]
    (grid,) = (figure for figure in probe.figures(section(table)) if figure.name == "values-0")
    assert grid.rows[2] == "2: !"
    plain = weights(llama, tensor=[DOWN, "model.norm.weight"])
    assert not any(figure.name.startswith("values") for figure in probe.figures(section(plain)))
    assert plain.tables == outcome.tables


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    names = ["model.layers.0.input_layernorm.weight", "model.layers.10.mlp.down_proj.weight"]
    return run_probes(models, {"w": {"probe": "weights", "tensor": names, "spectrum": True}}).outcomes["w"]


@pytest.mark.real
@pytest.mark.parametrize(("model", "width"), [("llama", 576), ("gemma", 640)])
def test_real_weights_are_long_tailed_noise_around_zero_with_structure(
    real: dict[str, Outcome], model: str, width: int
) -> None:
    norm, down = real[model].tables["tensors"].records()
    assert abs(down["mean"]) < 0.01 * down["std"]
    assert down["farthest"] > 6
    assert down["shape"].startswith(f"{width} x ")
    spectrum = real[model].arrays["spectrum/1"].values
    rows, columns = (int(size) for size in down["shape"].split(" x "))
    assert spectrum[0] > down["std"] * (rows**0.5 + columns**0.5)  # more than noise would have
    assert len(spectrum) == width
    assert norm["shape"] == str(width)
