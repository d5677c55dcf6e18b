from pathlib import Path

import numpy as np
import pytest
import torch
from reference import plain
from running import run_probes
from tiny import random_model, tokenizer_json
from tokenizers import Tokenizer

from reportgen.probes.logit_lens import leads_from
from reportgen.result import Outcome

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
    from reportgen.probes.base import ModelCard, Section
    from reportgen.probes.logit_lens import probe

    outcome = lens(gemma3, prompts=["a | b"], positions="all")
    ids = Tokenizer.from_str(tokenizer_json(bos=False)).encode("a | b").ids
    grid = next(iter(probe.figures(Section("lens", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))))
    assert len(grid.columns) == len(ids)
    assert "".join(grid.columns).replace("␣", " ") == "a | b"


def test_many_short_prompts_share_grids_and_a_long_one_is_split(gemma3: Path) -> None:
    from reportgen.figures.describe import Curves, TokenGrid
    from reportgen.probes.base import ModelCard, Section
    from reportgen.probes.logit_lens import probe

    cards = {"m": ModelCard("m", "Tiny", "X", 3)}
    many = lens(gemma3, prompts=[f"apple {n}" for n in range(20)])
    figures = list(probe.figures(Section("lens", {"m": many}, cards)))
    assert [len(f.columns) for f in figures if isinstance(f, TokenGrid)] == [14, 6]
    curves = next(f for f in figures if isinstance(f, Curves))
    assert [curve.label for curve in curves.curves] == ["median of 20 prompts"]
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
