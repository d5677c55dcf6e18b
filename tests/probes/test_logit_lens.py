from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.numerics.settling import leads_from
from reportgen.results.quantities import Outcome
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

TEXT = "I ate an apple"


def lens(source: Path | str, **options: object) -> Outcome:
    probes = {"lens": {"probe": "logit_lens", "prompts": [TEXT], **options}}
    outcome = run_probes({"m": source}, probes).outcomes["lens"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def test_the_table_against_the_reference(gemma3: Path) -> None:
    network = random_model("gemma3", seed=1)
    ids = Tokenizer.from_str(tokenizer_json(bos=False)).encode(TEXT).ids
    expected = plain.lens(network, "gemma3", ids)
    outcome = lens(gemma3, top_k=4)
    for layer, p in enumerate(expected):
        rows = [r for r in outcome.tables["top"].records() if r["layer"] == layer]
        best = p.topk(4)
        assert [r["token_id"] for r in rows] == best.indices.tolist()
        assert [r["probability"] for r in rows] == pytest.approx(best.values.tolist(), abs=1e-5)
        assert [(r["prompt"], r["step"], r["position"], r["rank"]) for r in rows] == [
            (0, 0, len(ids) - 1, rank) for rank in (1, 2, 3, 4)
        ]
        assert outcome.arrays["entropy"].values[0, 0, layer] == pytest.approx(plain.entropy(p), abs=1e-4)


@torch.no_grad()
def test_steps_follow_the_greedy_tokens(gemma3: Path) -> None:
    network = random_model("gemma3", seed=1)
    ids = Tokenizer.from_str(tokenizer_json(bos=False)).encode(TEXT).ids
    outcome = lens(gemma3, **{"continue": 3, "top_k": 1})
    steps = outcome.tables["steps"].records()
    assert [step["length"] for step in steps] == [len(ids), len(ids) + 1, len(ids) + 2]
    for step in steps:
        answer = int(network(torch.tensor([ids])).logits[0, -1].argmax())
        assert step["next_token_id"] == answer
        last = [r for r in outcome.tables["top"].records() if r["step"] == step["step"]][-1]
        assert (last["layer"], last["token_id"]) == (3, answer)
        ids = [*ids, answer]
    assert outcome.arrays["kl"].values.shape == (1, 3, 4)
    assert (outcome.arrays["kl"].values[..., -1] == 0).all()
    assert (outcome.arrays["answer_rank"].values[..., -1] == 1).all()


@pytest.mark.parametrize(
    ("prompts", "named"),
    [
        ([{"text": TEXT, "id": "fruit"}], f"“{TEXT}”"),
        ([{"text": TEXT, "id": "fruit"}, {"text": "an eye"}], "fruit and “an eye”"),
    ],
)
def test_the_title_quotes_one_prompt_and_calls_several_as_their_columns(
    gemma3: Path, prompts: list[dict[str, str]], named: str
) -> None:
    from reportgen.probes.logit_lens import probe
    from reportgen.results.section import ModelCard, Section

    outcome = lens(gemma3, prompts=prompts)
    grid = next(iter(probe.figures(Section("lens", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))))
    assert grid.title == f"Tiny: what each layer expects after {named}"


def test_every_position_reads_its_own_column(gemma3: Path) -> None:
    outcome = lens(gemma3, positions="all", top_k=1)
    network = random_model("gemma3", seed=1)
    ids = Tokenizer.from_str(tokenizer_json(bos=False)).encode(TEXT).ids
    for position in range(len(ids)):
        rows = [r for r in outcome.tables["top"].records() if r["position"] == position]
        expected = plain.lens(network, "gemma3", ids[: position + 1])
        assert [r["token_id"] for r in rows] == [int(p.argmax()) for p in expected]
    assert outcome.arrays["entropy"].values.shape == (1, 1, 4)


@pytest.mark.parametrize(
    ("ranks", "layer"), [([5, 1, 1], 1), ([1, 1, 1], 0), ([1, 2, 1], 2), ([3, 2, 1], 2), ([1, 1, 4, 1, 1], 3)]
)
def test_where_the_answer_leads_to_the_end(ranks: list[int], layer: int) -> None:
    assert leads_from(np.array(ranks)) == layer


@pytest.mark.real
def test_gemma_thinks_of_the_weather_in_english() -> None:
    outcome = lens("demo:gemma-3-270m", prompts=["今天天氣真"], top_k=10)
    rows = outcome.tables["top"].records()
    at_16 = [r["token"] for r in rows if r["layer"] == 16]
    assert " chilly" in at_16[:3]
    assert outcome.tables["steps"].records()[0]["next_token"] == "冷"
    assert rows[-10]["token"] == "冷"


def test_a_prompt_longer_than_the_context_is_refused_before_any_pass(gemma3: Path) -> None:
    from reportgen.errors import BatteryError

    with pytest.raises(BatteryError, match=r"a prompt of \d+ tokens exceeds the context of 512"):
        lens(gemma3, prompts=["z q " * 300])


def test_tokens_that_hold_a_bar_keep_their_columns(gemma3: Path) -> None:
    from reportgen.probes.logit_lens import probe
    from reportgen.results.section import ModelCard, Section

    outcome = lens(gemma3, prompts=["a | b"], positions="all")
    ids = Tokenizer.from_str(tokenizer_json(bos=False)).encode("a | b").ids
    grid = next(iter(probe.figures(Section("lens", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))))
    assert len(grid.columns) == len(ids)
    assert "".join(grid.columns).replace("␣", " ") == "a | b"


def test_many_short_prompts_share_grids_and_a_long_one_is_split(gemma3: Path) -> None:
    from reportgen.figures.describe import Curves, TokenGrid
    from reportgen.probes.logit_lens import probe
    from reportgen.results.section import ModelCard, Section

    cards = {"m": ModelCard("m", "Tiny", "X", 3)}
    many = lens(gemma3, prompts=[f"apple {n}" for n in range(20)])
    figures = list(probe.figures(Section("lens", {"m": many}, cards)))
    assert [len(f.columns) for f in figures if isinstance(f, TokenGrid)] == [14, 6]
    curves = next(f for f in figures if isinstance(f, Curves))
    assert [curve.label for curve in curves.curves] == ["median of 20 prompts (band: 10 to 90 %)"]
    low, high = curves.curves[0].band
    assert all(a <= y <= b for a, y, b in zip(low, curves.curves[0].y, high, strict=True))
    long = lens(gemma3, prompts=["z q " * 9], positions="all")
    grids = [f for f in probe.figures(Section("lens", {"m": long}, cards)) if isinstance(f, TokenGrid)]
    assert sum(len(grid.columns) for grid in grids) == len(long.tables["tokens"].rows) > 14
    assert grids[0].title.endswith("(positions 0–13)")


def test_the_continuation_must_fit_the_context_too(gemma3: Path) -> None:
    from reportgen.errors import BatteryError

    with pytest.raises(BatteryError, match=r"a prompt of \d+ tokens and 255 after it exceeds the context of 512"):
        lens(gemma3, **{"prompts": ["z q " * 100], "continue": 256})


@torch.no_grad()
def after_attention(network: torch.nn.Module, ids: list[int]) -> list[torch.Tensor]:
    """(block) the last row of what enters a block of Gemma 3 and what its attention adds, by hooks of its own."""
    kept: dict[tuple[str, int], torch.Tensor] = {}
    handles = []
    for at, block in enumerate(network.model.layers):
        for name, module in (("norm", block.input_layernorm), ("added", block.post_attention_layernorm)):

            def keep(
                _module: object, args: tuple[torch.Tensor], output: torch.Tensor, key: object = (name, at)
            ) -> None:
                kept[key] = (args[0] if key[0] == "norm" else output)[0, -1].clone()

            handles.append(module.register_forward_hook(keep))
    network(torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return [kept["norm", at] + kept["added", at] for at in range(len(network.model.layers))]


@torch.no_grad()
def test_the_rows_inside_the_blocks_against_the_reference(gemma3: Path) -> None:
    network = random_model("gemma3", seed=1)
    ids = Tokenizer.from_str(tokenizer_json(bos=False)).encode(TEXT).ids
    outcome = lens(gemma3, top_k=3, rows=["attention", "mlp"])
    rows = outcome.tables["sublayers"].records()
    for block, stream in enumerate(after_attention(network, ids)):
        p = torch.softmax(plain.lens_logits(network, "gemma3", stream).double(), -1).topk(3)
        found = [r for r in rows if (r["block"], r["part"]) == (block, "attention")]
        assert [r["token_id"] for r in found] == p.indices.tolist()
        assert [r["probability"] for r in found] == pytest.approx(p.values.tolist(), abs=1e-5)
        after_mlp = [(r["token_id"], r["probability"]) for r in rows if (r["block"], r["part"]) == (block, "mlp")]
        layer = [(r["token_id"], r["probability"]) for r in outcome.tables["top"].records() if r["layer"] == block + 1]
        assert after_mlp == layer
    entering = plain.lens(network, "gemma3", ids)[0].topk(3).indices.tolist()
    assert [r["token_id"] for r in rows if (r["block"], r["part"]) == (0, "attention")] != entering


def test_other_rows_leave_the_layers_as_they_are(gemma3: Path) -> None:
    alone, beside = lens(gemma3), lens(gemma3, rows=["block", "attention", "mlp"], compare=[[0, 0]])
    assert alone.tables["top"].rows == beside.tables["top"].rows
    for name, array in alone.arrays.items():
        assert array.values.tobytes() == beside.arrays[name].values.tobytes()
    assert alone.tables["sublayers"].rows == alone.tables["pairs"].rows == []
    assert beside.arrays["between/0"].values.tolist() == [0.0] * 4


def saved_lens(path: Path, width: int = 24, layers: int = 3) -> dict[str, torch.Tensor]:
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(9)
    held = {f"{layer}.weight": torch.randn(width, width, generator=generator) / 5 for layer in range(layers)}
    held |= {f"{layer}.bias": torch.randn(width, generator=generator) for layer in range(layers)}
    save_file(held, path)
    return held


@torch.no_grad()
def test_a_tuned_lens_against_the_reference(gemma3: Path, tmp_path: Path) -> None:
    held = saved_lens(tmp_path / "lens.safetensors")
    network = random_model("gemma3", seed=1)
    ids = Tokenizer.from_str(tokenizer_json(bos=False)).encode(TEXT).ids
    outcome = lens(gemma3, tuned_lens=str(tmp_path / "lens.safetensors"))
    stream = plain.residuals(network, "gemma3", ids)[:, -1]
    for layer in range(3):
        weight, bias = held[f"{layer}.weight"], held[f"{layer}.bias"]

        def entropy_of(row: torch.Tensor) -> float:
            return plain.entropy(torch.softmax(plain.lens_logits(network, "gemma3", row).double(), -1))

        right = entropy_of(stream[layer] + weight @ stream[layer] + bias)
        turned = entropy_of(stream[layer] + weight.T @ stream[layer] + bias)
        found = outcome.arrays["entropy"].values[0, 0, layer]
        assert found == pytest.approx(right, abs=1e-4)
        assert found != pytest.approx(turned, abs=1e-3)
    assert outcome.arrays["entropy"].values[0, 0, 3] == lens(gemma3).arrays["entropy"].values[0, 0, 3]
    assert len(outcome.options["tuned_lens_sha256"]) == 64


def test_a_tuned_lens_that_does_not_fit_is_refused_before_any_pass(gemma3: Path, tmp_path: Path) -> None:
    from reportgen.errors import BatteryError

    path = tmp_path / "lens.safetensors"
    with pytest.raises(BatteryError, match="there is no tuned lens"):
        lens(gemma3, tuned_lens=str(path))
    saved_lens(path, layers=2)
    with pytest.raises(BatteryError, match=r"lacks 2\.weight: layers 0 to 2 are expected"):
        lens(gemma3, tuned_lens=str(path))
    saved_lens(path, width=12)
    with pytest.raises(BatteryError, match=r"0\.weight of shape \(12, 12\), expected \(24, 24\)"):
        lens(gemma3, tuned_lens=str(path))
    path.write_bytes(b"no tensors at all")
    with pytest.raises(BatteryError, match="is not a safetensors file"):
        lens(gemma3, tuned_lens=str(path))


def test_two_prompts_are_compared_layer_by_layer(gemma3: Path) -> None:
    network = random_model("gemma3", seed=1)
    texts = [TEXT, "an apple a day", "my eye"]
    outcome = lens(gemma3, prompts=texts, compare=[[0, 2], [2, 0]], **{"continue": 2})
    tokenizer = Tokenizer.from_str(tokenizer_json(bos=False))
    one, _, other = (plain.lens(network, "gemma3", tokenizer.encode(text).ids) for text in texts)
    expected = [plain.kl(p, q) for p, q in zip(one, other, strict=True)]
    back = [plain.kl(q, p) for p, q in zip(one, other, strict=True)]
    assert outcome.arrays["between/0"].values == pytest.approx(expected, abs=1e-4)
    assert outcome.arrays["between/1"].values == pytest.approx(back, abs=1e-4)
    assert outcome.arrays["between/0"].values != pytest.approx(back, abs=1e-2)
    assert outcome.tables["pairs"].rows == [[0, 0, 2], [1, 2, 0]]


def test_a_prompt_that_is_not_there_cannot_be_compared(gemma3: Path) -> None:
    from reportgen.errors import BatteryError

    with pytest.raises(BatteryError, match="there is no prompt 1; they go from 0 to 0"):
        lens(gemma3, compare=[[0, 1]])


def test_the_parts_of_blocks_and_the_comparison_are_drawn(gemma3: Path) -> None:
    from reportgen.figures.describe import Curves, TokenGrid
    from reportgen.probes.logit_lens import probe
    from reportgen.results.section import ModelCard, Section

    outcome = lens(gemma3, prompts=[TEXT, "my eye"], rows=["attention"], compare=[[0, 1]])
    figures = {f.name: f for f in probe.figures(Section("lens", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))}
    inside, between = figures["inside-0"], figures["between"]
    assert isinstance(inside, TokenGrid)
    assert inside.rows == ["answer", "2 attention", "1 attention", "0 attention"]
    assert inside.texts[0] == figures["grid-0"].texts[0]
    assert isinstance(between, Curves)
    assert len(between.curves) == 1
    both = lens(gemma3, rows=["mlp", "attention"])
    figures = {f.name: f for f in probe.figures(Section("lens", {"m": both}, {"m": ModelCard("m", "Tiny", "X", 3)}))}
    assert figures["inside-0"].rows[:3] == ["2 MLP", "2 attention", "1 MLP"]
    assert figures["inside-0"].texts[0] == figures["grid-0"].texts[0]
