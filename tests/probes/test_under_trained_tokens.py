import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from reportgen.figures.describe import Curves, Rankings
from reportgen.probes.under_trained_tokens import PROMPTS, probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section, tell_apart
from reportgen.running.execute import Results
from reportgen.text.tokens import TextTokenizer
from tests.reference import under_trained_tokens as slow
from tests.runs import run_probes
from tests.tiny import save_tiny, tokenizer_json

WIDTH = 64
SMALL = 1e-4
"""Threshold for a model that does little more than to expect what it has read: far from what it has not learned."""
PLANTED = (270, 280, 286)
"""Tokens of the planted model that it has never been trained on, besides those that are known to be unused."""


def results(source: Any, **options: Any) -> Results:
    return run_probes({"m": source}, {"rare": {"probe": "under_trained_tokens", **options}})


def under_trained(source: Any, **options: Any) -> Outcome:
    outcome = results(source, **options).outcomes["rare"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def section(found: Results) -> Section:
    return Section("rare", found.outcomes["rare"], tell_apart(found.models.values()))


def loaded(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )


def save_copier(folder: Path, untrained: tuple[int, ...], *, reserved: bool = True) -> Path:
    """A model of one block that expects the tokens it has read: attention is the mean of what stands before. Rows of
    unused and untrained tokens lie where they were pushed to: in one direction, and short.
    """
    content = json.loads(tokenizer_json())
    names = ["<unused0>", "<unused1>", "<unused2>"] if reserved else []
    size = len(content["model"]["vocab"])
    for at, name in enumerate(names):
        content["added_tokens"].append({**content["added_tokens"][1], "id": size + at, "content": name})
    rows = size + len(names)
    config = transformers.LlamaConfig(
        vocab_size=rows, hidden_size=WIDTH, intermediate_size=8, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, tie_word_embeddings=True,
    )  # fmt: skip
    network = transformers.AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(0)
    table = 3 * torch.nn.functional.normalize(torch.randn(rows, WIDTH, generator=generator), dim=1)
    pushed = torch.randn(WIDTH, generator=generator)
    known = [token for token in range(rows) if token >= size or _writes_no_text(content, token)]
    for token in (*known, *untrained):
        table[token] = 0.02 * (pushed + 0.02 * torch.randn(WIDTH, generator=generator))
    with torch.no_grad():
        for parameter in network.model.layers.parameters():
            if parameter.ndim == 2:
                parameter.zero_()
        attention = network.model.layers[0].self_attn
        attention.v_proj.weight.copy_(torch.eye(WIDTH))
        attention.o_proj.weight.copy_(9 * torch.eye(WIDTH))
        network.model.embed_tokens.weight.copy_(table)
    network.tie_weights()
    network.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<bos>", "eos_token": "<eos>"}))
    return folder


def _writes_no_text(content: dict[str, Any], token: int) -> bool:
    """Whether a token is one of the bytes that UTF-8 never has, as GPT-2's table spells them."""
    names = {id: name for name, id in content["model"]["vocab"].items()}
    return names.get(token) in {chr(byte) for byte in (0xC0, 0xC1, *range(0xF5, 0x100))}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_copier(tmp_path_factory.mktemp("models") / "planted", PLANTED)


def test_planted_tokens_are_found_and_confirmed_and_others_are_not(planted: Path) -> None:
    found = results(planted, candidates=12, threshold=SMALL)
    outcome = found.outcomes["rare"]["m"]
    rows = outcome.tables["candidates"].records()
    assert {row["token_id"] for row in rows if row["confirmed"]} == set(PLANTED)
    assert {row["token_id"] for row in rows[:3]} == set(PLANTED)
    assert outcome.metrics["under_trained"].value == outcome.metrics["under_trained_ordinary"].value == 3
    assert (outcome.metrics["false_alarms"].value, outcome.metrics["unused_not_repeated"].value) == (0, 1)
    assert outcome.metrics["known_unused"].value == 3 + 13
    assert outcome.tables["unused"].rows[0][:2] == ["impossible", 13]
    assert [row["rank"] for row in rows] == list(range(1, 13))
    told = probe.statement(section(found))
    assert told.startswith("planted does not repeat 3 of the 12 tokens that lie nearest to its 16 unused ones, such as")
    assert told.endswith("Of 20 ordinary tokens drawn at random it fails on 0."), told


def test_a_model_that_has_learned_all_its_tokens_repeats_them(tmp_path: Path) -> None:
    found = results(save_copier(tmp_path / "learned", ()), candidates=10, threshold=SMALL)
    assert found.outcomes["rare"]["m"].metrics["under_trained"].value == 0
    assert "repeats all 10 tokens that lie nearest to its 16 unused ones: none" in probe.statement(section(found))


def test_distances_and_probabilities_are_as_the_slow_reference_has_them(planted: Path) -> None:
    outcome = under_trained(planted, candidates=12)
    network = loaded(planted)
    table = network.lm_head.weight.detach().double().numpy()
    content = json.loads((planted / "tokenizer.json").read_text())
    unused = [token for token in range(len(table)) if token >= len(table) - 3 or _writes_no_text(content, token)]
    expected = slow.distances(table, unused)
    kept, centred = slow.distances(table, unused, component="kept"), slow.distances(table, unused, centred=True)
    rows = outcome.tables["candidates"].records() + outcome.tables["controls"].records()
    for row in rows:
        assert row["distance"] == pytest.approx(expected[row["token_id"]], abs=1e-5)
    assert max(abs(row["distance"] - kept[row["token_id"]]) for row in rows) > 1e-3
    assert max(abs(row["distance"] - centred[row["token_id"]]) for row in rows) > 1e-3
    nearest = sorted((distance, token) for token, distance in enumerate(expected) if token not in unused)[:12]
    assert [row["token_id"] for row in rows[:12]] == [token for _, token in nearest]
    tokenizer = TextTokenizer.from_folder(planted)
    for row in (rows[0], rows[11], rows[-1]):
        prompts = [spell_out(tokenizer, *prompt, row["token_id"]) for prompt in PROMPTS]
        probability = slow.repeat_probability(network, prompts, row["token_id"])
        assert row["repeat_probability"] == pytest.approx(probability, rel=1e-3)
        assert probability != pytest.approx(
            slow.repeat_probability(network, prompts, row["token_id"], over="mean"), rel=1e-2
        )


def spell_out(tokenizer: TextTokenizer, beginning: str, repeated: str, times: int, end: str, token: int) -> list[int]:
    """A prompt as ids: its text is cut at each slot."""
    ids: list[int] = []
    for at, text in enumerate(f"{beginning}{repeated * times}{end}".split("{}")):
        ids += [token] if at else []
        ids += tokenizer.encode(text, special_tokens=at == 0).ids if text else []
    return ids


def test_without_names_special_tokens_whose_rows_are_alike_take_their_place(tmp_path: Path) -> None:
    folder = save_copier(tmp_path / "m", (), reserved=False)
    content = json.loads((folder / "tokenizer.json").read_text())
    bytes_of_none = [token for token in range(320) if _writes_no_text(content, token)]
    names = {id: name for name, id in content["model"]["vocab"].items()}
    for token in bytes_of_none:  # no byte that UTF-8 never has is left
        content["model"]["vocab"][f"word{token}"] = content["model"]["vocab"].pop(names[token])
    for token in (100, 101, 102, 103):
        content["added_tokens"].append({**content["added_tokens"][1], "id": token, "content": names[token]})
    (folder / "tokenizer.json").write_text(json.dumps(content))
    outcome = results(folder).outcomes["rare"]["m"]
    assert (outcome.status, outcome.reason) == (
        "skipped",
        "no token of it is known to be unused: none by its name, no row beyond the tokenizer's, no byte that UTF-8 "
        "never has, and no special tokens whose rows are alike",
    )
    network = loaded(folder)
    with torch.no_grad():
        network.model.embed_tokens.weight[[100, 101, 103]] = 0.1 * torch.ones(WIDTH)
    network.save_pretrained(folder)
    outcome = under_trained(folder, candidates=5)
    assert outcome.tables["unused"].rows == [["alike", 3, names[100]]]


def test_a_model_that_repeats_nothing_says_nothing(llama: Path) -> None:
    found = results(llama, candidates=5, controls=10, threshold=0.5)
    assert found.outcomes["rare"]["m"].metrics["false_alarms"].value == 1
    assert probe.statement(section(found)).startswith("No clear statement about tiny-llama: it does not repeat 100% of")


def test_a_model_that_repeats_unused_tokens_as_well_says_nothing(planted: Path) -> None:
    found = results(planted, candidates=5, threshold=1e-30)
    assert found.outcomes["rare"]["m"].metrics["unused_not_repeated"].value == 0
    assert probe.statement(section(found)).startswith("No clear statement about planted: it repeats 100% of the unused")


def test_a_prompt_longer_than_the_context_is_a_reason_to_skip(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "short")
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(config))
    models = {"m": folder, "long": save_tiny(tmp_path / "long")}
    found = run_probes(models, {"rare": {"probe": "under_trained_tokens", "candidates": 2, "controls": 1}})
    outcome = found.outcomes["rare"]["m"]
    assert outcome.status == "skipped"
    assert outcome.reason.startswith("a prompt of ")
    assert outcome.reason.endswith(" tokens exceeds the context of 64")


def test_the_draw_has_a_seed_and_leaves_candidates_alone(planted: Path) -> None:
    one, again, other = (under_trained(planted, candidates=3, controls=6, seed=seed) for seed in (0, 0, 1))
    assert one.tables["controls"].rows == again.tables["controls"].rows
    assert one.tables["controls"].rows != other.tables["controls"].rows
    assert one.tables["candidates"].rows == other.tables["candidates"].rows
    none = under_trained(planted, candidates=3, controls=0)
    assert none.metrics["false_alarms"].reason == "no token was drawn at random"


def test_figures_show_what_was_found(planted: Path) -> None:
    found = results(planted, candidates=12, threshold=SMALL)
    curves, nearest, distances = probe.figures(section(found))
    assert isinstance(curves, Curves)
    assert curves.curves[0].y == [0, 1, 2, 3] + [3] * 9
    assert curves.curves[1].y == [0, 12]
    assert isinstance(nearest, Rankings)
    assert [ranking.title for ranking in nearest.rankings] == ["not repeated", "repeated nevertheless"]
    assert [len(ranking.labels) for ranking in nearest.rankings] == [3, 9]
    assert isinstance(distances, Curves)
    assert all(sum(curve.y) == pytest.approx(1) for curve in distances.curves)
    assert np.argmax(distances.curves[0].y) == 0


@pytest.mark.real
@pytest.mark.slow
def test_tokens_of_file_formats_are_under_trained_in_smollm2() -> None:
    outcome = under_trained("demo:smollm2-135m-instruct", candidates=30)
    assert outcome.tables["unused"].rows == [["alike", 11, "<file_sep>"]]
    rows = outcome.tables["candidates"].records()
    assert {"swigfaiss", "kinesisfirehose", "MetaInfoClass"} <= {row["token"] for row in rows[:12]}
    assert 15 <= outcome.metrics["under_trained"].value <= 22
    assert outcome.metrics["false_alarms"].value == 0
