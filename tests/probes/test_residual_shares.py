"""What a block's output is made of, against parts taken by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves
from reportgen.probes.residual_shares import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import residual_shares as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "I ate an apple for a day"
SHARES = ("share_kept", "share_attention", "share_mlp")


def found(source: Path, **options: Any) -> Outcome:
    entry = {"probe": "residual_shares", "prompts": [TEXT], "words": ["apple"], **options}
    return run_probes({"m": source}, {"shares": entry}).outcomes["shares"]["m"]


@pytest.mark.parametrize("family", reference.STREAM)
def test_shares_lengths_and_cosines_by_hand(family: str, tmp_path: Path) -> None:
    outcome = found(save_tiny(tmp_path / "m", family))
    assert outcome.status == "ok", outcome.reason
    ids = Tokenizer.from_str(tokenizer_json()).encode(TEXT).ids
    parts = reference.parts(random_model(family), family, ids)
    for block, (entered, attention, mlp, output) in enumerate(parts):
        assert np.allclose(entered + attention + mlp, output, atol=1e-5)
        for name, part in zip(SHARES, (entered, attention, mlp), strict=True):
            by_hand = [reference.share(part[at], output[at]) for at in range(1, len(ids))]
            assert outcome.arrays[name].values[0, block] == pytest.approx(np.mean(by_hand), abs=1e-4)
            # lengths alone are another thing: parts may cancel
            lengths = [float(part[at].norm() / output[at].norm()) for at in range(1, len(ids))]
            assert outcome.arrays[name].values[0, block] != pytest.approx(np.mean(lengths), abs=1e-3)
        at = outcome.tables["items"].records()[1]["position"]
        assert outcome.arrays["norm_mlp"].values[1, block] == pytest.approx(float(mlp[at].norm()), rel=1e-4)
        assert outcome.arrays["norm_attention"].values[1, block] == pytest.approx(float(attention[at].norm()), rel=1e-4)
        cosine = float(entered[at] @ output[at] / entered[at].norm() / output[at].norm())
        assert outcome.arrays["cosine_through"].values[1, block] == pytest.approx(cosine, abs=1e-5)
        first = parts[0][0][at]
        began = float(output[at] @ first / output[at].norm() / first.norm())
        assert outcome.arrays["cosine_embedding"].values[1, block + 1] == pytest.approx(began, abs=1e-5)


@pytest.mark.parametrize("family", [*reference.STREAM, "gpt2", "granite", "cohere", "falcon", "mixtral", "olmo2"])
def test_the_three_shares_add_up_to_one(family: str, tmp_path: Path) -> None:
    outcome = found(save_tiny(tmp_path / "m", family))
    assert outcome.status == "ok", outcome.reason
    assert sum(outcome.arrays[name].values for name in SHARES) == pytest.approx(np.ones((2, 3)), abs=1e-5)
    assert 0 <= float(outcome.metrics["gap"].value or 0) < 1e-5
    assert outcome.arrays["cosine_embedding"].values[:, 0] == pytest.approx([1.0, 1.0], abs=1e-6)


def test_a_model_without_an_mlp_in_its_blocks_is_skipped_with_the_reason(llama: Path, tmp_path: Path) -> None:
    entry = {"probe": "residual_shares", "prompts": [TEXT]}
    outcomes = run_probes({"m": save_tiny(tmp_path / "m", "mamba"), "l": llama}, {"shares": entry}).outcomes["shares"]
    assert outcomes["l"].status == "ok"
    assert outcomes["m"].status == "skipped"
    assert "not measurable in MambaForCausalLM" in outcomes["m"].reason


def test_a_word_that_no_prompt_contains_is_told_before_any_pass(llama: Path) -> None:
    with pytest.raises(BatteryError, match="the word 'zebra' is not in the sentence"):
        found(llama, words=["zebra"])


def test_what_is_said_and_drawn(llama: Path) -> None:
    outcome = found(llama)
    section = Section("shares", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    told = probe.statement(section)
    assert "of a block's output" in told
    assert "the stream of “apple” in “I ate an apple for a day” has a cosine of" in told
    figures = [figure for figure in probe.figures(section) if isinstance(figure, Curves)]
    assert [figure.name for figure in figures] == ["kept", "shares-0", "shares-1"]
    assert figures[0].curves[0].x[-1] == 1.0


def test_one_token_has_nothing_but_the_first_position(tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="no prompt has a token besides its first"):
        found(save_tiny(tmp_path / "m", bos=False), prompts=["a"], words=[])
