"""Words that are followed through the layers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, TokenGrid
from reportgen.probes.logit_lens import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

TEXT = "I ate an apple"
WORDS = [" apple", " day", "zebra"]


def lens(source: Path | str, **options: object) -> Outcome:
    asked = {"probe": "logit_lens", "prompts": [TEXT], "follow": WORDS, **options}
    outcome = run_probes({"m": source}, {"lens": asked}).outcomes["lens"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def section(outcome: Outcome) -> Section:
    return Section("lens", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})


def by_hand(p: torch.Tensor, token: int, *, wrong: str = "") -> int:
    """Rank from 1; `wrong`: from 0, or counted upwards from the least likely."""
    above = sum(float(other) > float(p[token]) for other in p)
    return above if wrong == "from_0" else len(p) - above if wrong == "upwards" else above + 1


@pytest.mark.parametrize("wrong", ["", "from_0", "upwards"])
def test_ranks_and_probabilities_against_the_reference(gemma3: Path, wrong: str) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json(bos=False))
    outcome = lens(gemma3, **{"continue": 2})
    ids = tokenizer.encode(TEXT).ids
    firsts = [tokenizer.encode(word, add_special_tokens=False).ids for word in WORDS]
    assert [row[2] for row in outcome.tables["followed"].rows] == [word[0] for word in firsts]
    assert [row[4] for row in outcome.tables["followed"].rows] == [len(word) for word in firsts]
    ranks, probabilities = (outcome.arrays[f"follow_{what}/0"].values for what in ("rank", "probability"))
    assert ranks.shape == probabilities.shape == (2, 3, 4)
    equal = []
    for step in range(2):
        for layer, p in enumerate(plain.lens(random_model("gemma3", seed=1), "gemma3", ids)):
            for item, word in enumerate(firsts):
                equal.append(ranks[step, item, layer] == by_hand(p, word[0], wrong=wrong))
                assert probabilities[step, item, layer] == pytest.approx(float(p[word[0]]), abs=1e-6)
        ids = [*ids, outcome.tables["steps"].records()[step]["next_token_id"]]
    assert all(equal) == (not wrong)


def test_nothing_else_moves_by_what_is_followed(gemma3: Path) -> None:
    followed, alone = lens(gemma3), lens(gemma3, follow=[])
    assert followed.tables["top"].rows == alone.tables["top"].rows
    for name, array in alone.arrays.items():
        assert np.array_equal(array.values, followed.arrays[name].values, equal_nan=True)
    assert "follow_rank/0" not in alone.arrays


def test_what_leads_is_told_and_marked(gemma3: Path) -> None:
    answer = lens(gemma3, follow=[]).tables["steps"].records()[0]["next_token"]
    outcome = lens(gemma3, follow=[answer, " day"])
    told = probe.statement(section(outcome))
    assert f"In Tiny, after “{TEXT}”: “" in told
    assert "” leads at layer" in told
    assert "never leads (rank " in told
    figures = list(probe.figures(section(outcome)))
    grid = next(one for one in figures if isinstance(one, TokenGrid))
    assert grid.outline_label == "the final answer, or a followed word"
    assert grid.outlined[0].all()
    curves = {one.name: one for one in figures if isinstance(one, Curves)}
    ranks = curves["follow-rank-0"]
    assert len(ranks.curves) == 2
    assert ranks.curves[0].y[-1] == 0.0  # the answer is the first: ten to the power of 0
    assert max(curves["follow-probability-0"].curves[0].y) <= 1.0


def test_a_word_of_several_tokens_is_named_by_its_first(gemma3: Path) -> None:
    told = probe.statement(section(lens(gemma3, follow=["quagga"])))
    assert "tokens of quagga)" in told


def test_every_word_needs_a_token(gemma3: Path) -> None:
    with pytest.raises(BatteryError, match="at least 1 character"):
        lens(gemma3, follow=[""])


@pytest.mark.real
def test_gemma_holds_chilly_before_it_says_cold() -> None:
    outcome = lens("demo:gemma-3-270m", prompts=["今天天氣真"], follow=[" chilly", "冷"])
    chilly, cold = outcome.arrays["follow_rank/0"].values[0]
    assert chilly[16] <= 3
    assert cold[-1] == 1
    assert "“冷” leads at layer" in probe.statement(section(outcome))


def test_a_model_that_cannot_be_asked_one_of_the_prompts_is_drawn_all_the_same(llama: Path, gemma3: Path) -> None:
    """A prompt may hold a token that one of the models has no row for: then that model has one prompt fewer."""
    outcomes = {"m": lens(llama), "n": lens(gemma3, prompts=[TEXT, "an apple a day"])}
    models = {id: ModelCard(id, id.upper(), "X", 3) for id in outcomes}
    found = Section("lens", outcomes, models)
    curves = [one for one in probe.figures(found) if isinstance(one, Curves) and one.name.startswith("follow")]
    assert len(curves) > 0
    assert probe.statement(found)
