"""Models with attention in some blocks only: blocks keep their numbers in arrays, tables, pictures and sentences."""

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.figures.data import csv_of
from reportgen.figures.describe import AttentionHead, Figure, HeadMosaic, HeatMap
from reportgen.figures.numbered_rows import spread_rows
from reportgen.numerics.attention import sink_importance
from reportgen.probes.attention_grid import statement as attention_grid
from reportgen.probes.head_scores import run as head_scores
from reportgen.probes.registry import find
from reportgen.results.section import Section
from reportgen.running.execute import Results
from tests.runs import run_probes
from tests.tiny import WITH_ATTENTION, random_model, save_tiny, tokenizer_json

TEXT = "I ate an apple for breakfast"
PROBES = {
    "heads": {"probe": "attention_grid", "prompts": [TEXT], "heads": [[0, 1], [1, 1], [3, 1]]},
    "sinks": {"probe": "attention_sink", "prompts": [TEXT, "an apple a day"]},
    "copies": {"probe": "head_scores", "length": 8, "sequences": 1, "top": 2},
}
JAMBA = WITH_ATTENTION["jamba"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_probes({"m": save_tiny(tmp_path_factory.mktemp("hybrid") / "jamba", "jamba")}, PROBES)


@cache
def patterns() -> dict[int, np.ndarray]:
    """Block -> (head x query x key) as transformers itself gives it."""
    ids = torch.tensor([Tokenizer.from_str(tokenizer_json()).encode(TEXT).ids])
    with torch.no_grad():
        seen = random_model("jamba")(ids, output_attentions=True, use_cache=False).attentions
    return {block: weights[0].numpy() for block, weights in zip(JAMBA, seen, strict=True)}


def section(results: Results, id: str) -> Section:
    return Section(id, results.outcomes[id], results.models)


def figures(results: Results, id: str, kind: type[Figure]) -> list[Any]:
    one = section(results, id)
    probe = find(one.outcomes["m"].probe)
    return [figure for figure in probe.figures(one) if isinstance(figure, kind)]


def rows_of(figure: Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_of(figure))))


def test_heads_are_those_of_the_blocks_they_are_named_by(measured: Results) -> None:
    outcome = measured.outcomes["heads"]["m"]
    assert outcome.tables["skipped"].rows == [["0.1", "block 0 has no attention"]]
    for name in ("weights/0", "sink", "entropy"):
        assert outcome.arrays[name].along("block") == JAMBA
    for block in JAMBA:
        found = outcome.arrays["weights/0"].sel(block=block).values
        np.testing.assert_allclose(found, patterns()[block], atol=1e-5)
    large = {figure.name: figure for figure in figures(measured, "heads", AttentionHead)}
    assert list(large) == ["head-1-1-0", "head-3-1-0"]
    for block in JAMBA:
        np.testing.assert_allclose(large[f"head-{block}-1-0"].pattern, patterns()[block][1], atol=1e-5)


def test_the_picture_of_all_heads_numbers_its_blocks(measured: Results) -> None:
    (mosaic,) = figures(measured, "heads", HeadMosaic)
    assert mosaic.blocks == JAMBA
    for row in rows_of(mosaic)[::7]:
        expected = patterns()[int(row["block"])][int(row["head"]), int(row["query"]), int(row["key"])]
        assert float(row["weight"]) == pytest.approx(expected, abs=1e-5)


def test_sinks_are_told_of_the_blocks_that_have_attention(measured: Results) -> None:
    outcome = measured.outcomes["sinks"]["m"]
    assert outcome.status == "ok", outcome.reason
    assert outcome.arrays["importance"].along("block") == JAMBA
    assert outcome.tables["blocks"].column("block") == list(JAMBA)
    for at, block in enumerate(JAMBA):
        expected = sink_importance(torch.tensor(patterns()[block])).numpy()
        np.testing.assert_allclose(outcome.arrays["importance"].values[0, at], expected, atol=1e-5)
    (heads,) = figures(measured, "sinks", HeatMap)
    assert heads.values.shape == (4, 4)
    assert np.isnan(heads.values[[0, 2]]).all()
    np.testing.assert_array_equal(heads.values[[1, 3]], outcome.arrays["importance"].values.mean(0))


def test_scores_and_the_heads_they_name_are_those_of_their_blocks(measured: Results) -> None:
    outcome = measured.outcomes["copies"]["m"]
    assert outcome.status == "ok", outcome.reason
    for record in outcome.tables["top"].records():
        scores = outcome.arrays[record["kind"]].sel(block=record["block"], head=record["head"]).values
        assert record["score"] == pytest.approx(float(scores.mean()))
    assert {record["block"] for record in outcome.tables["top"].records()} <= set(JAMBA)
    shown = outcome.tables["shown"].records()[0]
    read = random_tokens(outcome.tables["tokens"].column("token"))
    assert read == len(outcome.arrays["patterns/0"].values)
    assert np.isnan(figures(measured, "copies", HeatMap)[0].values[0]).all()
    assert f"block {shown['block']}, head {shown['head']}" in figures(measured, "copies", AttentionHead)[0].title


def random_tokens(tokens: list[str]) -> int:
    """How many there are: BOS, and the random ones twice."""
    return 1 + 2 * len(set(tokens[1:]))


def test_sentences_name_blocks_by_their_numbers() -> None:
    sinks = np.array([[True] * 4, [False] * 4, [True] * 4])
    assert attention_grid._tell_others(sinks, (1, 3, 5)) == "The heads that do not are mostly in block 3."
    ranked = head_scores._rank_heads(np.array([[[0.1, 0.2], [0.9, 0.3]]], dtype=np.float32), (1, 3))
    assert [(one.block, one.head) for one in ranked] == [(3, 0), (3, 1), (1, 1), (1, 0)]


def test_rows_stand_at_their_numbers_and_as_they_are_where_they_count_from_0() -> None:
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert spread_rows(values, (0, 1)) is values
    np.testing.assert_array_equal(
        spread_rows(values, (1, 3)), [[np.nan, np.nan], [1.0, 2.0], [np.nan, np.nan], [3.0, 4.0]]
    )


def test_attention_under_another_name_is_found_and_counted(tmp_path: Path) -> None:
    probes = {"heads": PROBES["heads"] | {"heads": [[2, 0]]}, "sinks": PROBES["sinks"], "copies": PROBES["copies"]}
    folder = save_tiny(tmp_path / "nemotron_h", "nemotron_h")
    assert "num_hidden_layers" not in (folder / "config.json").read_text()
    results = run_probes({"m": folder}, probes)
    assert {id: by["m"].reason for id, by in results.outcomes.items()} == dict.fromkeys(probes, "")
    assert results.models["m"].layers == 4
    assert results.outcomes["heads"]["m"].arrays["weights/0"].along("block") == (2,)


def test_what_only_some_blocks_have_is_measured_there_and_refused_elsewhere_by_the_block(tmp_path: Path) -> None:
    parts = {"probe": "attention_parts", "prompts": [TEXT]}
    ablated = {"probe": "ablation", "prompts": [TEXT], "components": ["heads"]}
    probes = {
        "here": parts | {"heads": [[3, 1]]},
        "none": parts | {"heads": [[3, 1], [0, 0]]},
        "some": ablated | {"blocks": [1, 3]},
        "all": ablated,
    }
    outcomes = run_probes({"m": save_tiny(tmp_path / "jamba", "jamba")}, probes).outcomes
    assert {id: (by["m"].status, by["m"].reason) for id, by in outcomes.items()} == {
        "here": ("ok", ""),
        "none": ("skipped", "not measurable in JambaForCausalLM: block 0 has no attention"),
        "some": ("ok", ""),
        "all": ("skipped", "not measurable in JambaForCausalLM: block 0 has no attention"),
    }
    found = outcomes["here"]["m"]
    np.testing.assert_allclose(found.arrays["weights/0"].values[0], patterns()[3][1, -1], atol=1e-5)
    assert found.tables["heads"].rows == [[0, 3, 1]]
    assert outcomes["some"]["m"].arrays["heads"].along("block") == JAMBA
    assert not np.isnan(outcomes["some"]["m"].arrays["heads"].values).any()


def test_a_model_that_is_continued_without_its_cache_says_so(tmp_path: Path) -> None:
    models = {family: save_tiny(tmp_path / family, family) for family in ("bamba", "jamba")}
    cards = run_probes(models, {"lens": {"probe": "logit_lens", "prompts": [TEXT], "continue": 3}}).models
    assert cards["bamba"].facts["continued"].startswith("without its cache: a step that reads it differs by ")
    assert "continued" not in cards["jamba"].facts
