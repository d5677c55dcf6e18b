import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, TokenGrid
from reportgen.probes.drift import probe
from reportgen.probes.drift.run import _shuffle_all
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section, tell_apart
from reportgen.running.execute import Results
from tests.reference import drift as slow
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import configurations, save_tiny, tokenizer_json

TEXTS = ["an apple a day", "the apple of my eye"]


def drift(base: Any, other: Any, **options: Any) -> Outcome:
    outcome = results(base, other, **options).outcomes["d"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def results(base: Any, other: Any, **options: Any) -> Results:
    return run_probes({"a": base, "b": other}, {"d": {"probe": "drift", "base": "a", "other": "b", "prompts": TEXTS,
                                                      **options}})  # fmt: skip


def section(found: Results) -> Section:
    return Section("d", found.outcomes["d"], tell_apart(found.models.values()))


def saved(network: Any, folder: Path, like: Path) -> Path:
    """A model as a folder, with the tokenizer of another."""
    network.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((like / name).read_text())
    return folder


def loaded(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )


def values(outcome: Outcome, name: str) -> np.ndarray:
    return outcome.arrays[name].values


@pytest.fixture(scope="module")
def moved(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama with noise on all of block 1."""
    network = loaded(llama)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in network.model.layers[1].parameters():
            tensor.add_(0.2 * tensor.std() * torch.randn(tensor.shape, generator=generator))
    return saved(network, tmp_path_factory.mktemp("models") / "moved", llama)


@pytest.fixture(scope="module")
def read(llama: Path, moved: Path) -> dict[str, Any]:
    """What both networks do at the counted positions (all but BOS), by plain transformers."""
    tokenizer = Tokenizer.from_str(tokenizer_json())
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    networks = [loaded(folder) for folder in (llama, moved)]
    streams = [torch.cat([plain.residuals(n, "llama", one)[:, 1:] for one in ids], dim=1) for n in networks]
    with torch.no_grad():
        logits = [[n(torch.tensor([one])).logits[0, 1:] for one in ids] for n in networks]
    probabilities = [[torch.softmax(part.double(), -1) for part in parts] for parts in logits]
    return {"networks": networks, "streams": streams, "probabilities": probabilities, "ids": ids}


def test_layers_are_as_the_slow_reference_has_them(llama: Path, moved: Path, read: dict[str, Any]) -> None:
    outcome = drift(llama, moved)
    base, other = read["streams"]
    assert outcome.metrics["positions"].value == base.shape[1] == sum(len(ids) - 1 for ids in read["ids"])
    changes = [slow.relative_change(*pair) for pair in zip(base, other, strict=True)]
    assert values(outcome, "relative_change") == pytest.approx(changes, rel=1e-3, abs=1e-6)
    cosines = [slow.mean_cosine(*pair) for pair in zip(base, other, strict=True)]
    assert values(outcome, "cosine") == pytest.approx(cosines, abs=1e-5)
    ckas = [slow.debiased_cka(a.tolist(), b.tolist()) for a, b in zip(base.double(), other.double(), strict=True)]
    assert values(outcome, "cka") == pytest.approx(ckas, abs=1e-4)
    assert values(outcome, "cka")[-1] < 0.999
    order = _shuffle_all(base.shape[1], 0)
    controls = [
        slow.debiased_cka(a.tolist(), b[order].tolist()) for a, b in zip(base.double(), other.double(), strict=True)
    ]
    assert values(outcome, "cka_shuffled") == pytest.approx(controls, abs=1e-4)


def test_known_wrong_formulas_give_other_numbers(llama: Path, moved: Path, read: dict[str, Any]) -> None:
    outcome = drift(llama, moved)
    base, other = read["streams"]
    swapped = [slow.relative_change(*pair, over="other") for pair in zip(base, other, strict=True)]
    assert values(outcome, "relative_change")[-1] != pytest.approx(swapped[-1], rel=1e-3)
    late = [slow.relative_change(*pair) for pair in zip(base[1:], other[1:], strict=True)]
    assert values(outcome, "relative_change")[:-1] != pytest.approx(late, rel=1e-3)
    plain_cka = slow.plain_cka(base[-1].tolist(), other[-1].tolist())
    assert values(outcome, "cka")[-1] != pytest.approx(plain_cka, abs=1e-3)
    p, q = (torch.cat(parts) for parts in read["probabilities"])
    assert outcome.metrics["kl"].value != pytest.approx(slow.mean_kl(q, p), rel=1e-2)


def test_next_tokens_are_as_the_slow_reference_has_them(llama: Path, moved: Path, read: dict[str, Any]) -> None:
    outcome = drift(llama, moved)
    by_prompt = list(zip(*read["probabilities"], strict=True))
    p, q = (torch.cat(parts) for parts in read["probabilities"])
    assert outcome.metrics["kl"].value == pytest.approx(slow.mean_kl(p, q), rel=1e-3)
    assert outcome.metrics["agreement"].value == pytest.approx(slow.agreement(p, q))
    assert 0 < outcome.metrics["agreement"].value < 1
    assert values(outcome, "kl_by_prompt") == pytest.approx([slow.mean_kl(*pair) for pair in by_prompt], rel=1e-3)
    assert values(outcome, "agreement_by_prompt") == pytest.approx([slow.agreement(*pair) for pair in by_prompt])
    partings = outcome.tables["partings"].records()
    assert len(partings) == round((1 - slow.agreement(p, q)) * len(p))
    assert all(row["base_token"] != row["other_token"] and row["position"] >= 1 for row in partings)
    assert (outcome.metrics["kl"].direction, outcome.metrics["agreement"].direction) == ("lower", "higher")


def test_the_change_begins_after_the_block_whose_weights_moved(llama: Path, moved: Path) -> None:
    found = results(llama, moved)
    outcome = found.outcomes["d"]["a..b"]
    assert outcome.metrics["first_changed_layer"].value == 2
    assert values(outcome, "relative_change")[:2].tolist() == [0, 0]
    assert values(outcome, "cka")[:2].tolist() == [1, 1]
    weights = outcome.tables["weights"].records()
    assert {row["block"] for row in weights if row["change"]} == {1}
    assert sum(1 for row in weights if row["change"]) == outcome.metrics["changed_tensors"].value == 9
    ours, theirs = (dict(loaded(folder).named_parameters()) for folder in (llama, moved))
    for row in weights:
        expected = slow.weight_change(ours[row["tensor"]], theirs[row["tensor"]])
        assert row["change"] == pytest.approx(expected, rel=1e-5, abs=1e-12), row["tensor"]
    everything = [torch.cat([t.flatten() for t in tensors.values()]) for tensors in (ours, theirs)]
    assert outcome.metrics["weight_change"].value == pytest.approx(slow.weight_change(*everything), rel=1e-5)
    told = probe.statement(section(found))
    assert told.startswith("tiny-llama → moved: the change begins at layer 2 of 3 and is largest at layer "), told
    assert "Only the weights of block 1 differ, most in block 1 (" in told
    assert f"at {outcome.metrics['agreement'].value:.0%} of {outcome.metrics['positions'].value} positions" in told


def test_equal_checkpoints_are_exactly_equal(llama: Path) -> None:
    found = results(llama, {"source": str(llama)})
    outcome = found.outcomes["d"]["a..b"]
    for name, value in {"cka": 1.0, "cosine": 1.0, "relative_change": 0.0, "kl_by_prompt": 0.0,
                        "agreement_by_prompt": 1.0}.items():  # fmt: skip
        assert set(values(outcome, name).tolist()) == {value}, name
    for name, value in {"kl": 0, "agreement": 1, "weight_change": 0, "changed_tensors": 0}.items():
        assert outcome.metrics[name].value == value, name
    assert outcome.metrics["first_changed_layer"].value is None
    assert outcome.metrics["first_changed_layer"].reason == "no layer changed"
    assert {row["change"] for row in outcome.tables["weights"].records()} == {0.0}
    assert not outcome.tables["partings"].rows
    assert probe.statement(section(found)).startswith(
        "a → b: no layer changed by more than 0.010% of its norm. The weights are equal. "
    )
    assert [type(figure) for figure in probe.figures(section(found))] == [Curves] * 3, "no grid of zeros"


def test_the_shuffled_control_is_far_below_equal_checkpoints_and_has_a_seed(llama: Path) -> None:
    same = {"source": str(llama)}
    texts = ["I ate an apple for breakfast", "my eye saw the day", "breakfast for the apple of an eye", "0123456789"]
    one, again, other = (drift(llama, same, prompts=texts, seed=seed) for seed in (0, 0, 1))
    assert np.abs(values(one, "cka_shuffled")).max() < 0.4
    assert np.abs(values(one, "cka_shuffled")).mean() < 0.15
    assert values(one, "cka_shuffled").tolist() == values(again, "cka_shuffled").tolist()
    assert values(one, "cka_shuffled").tolist() != values(other, "cka_shuffled").tolist()


@pytest.mark.parametrize("count", [2, 3, 40])
def test_no_position_keeps_its_place_in_the_shuffled_control(count: int) -> None:
    for seed in range(20):
        order = _shuffle_all(count, seed)
        assert sorted(order) == list(range(count))
        assert all(place != position for place, position in enumerate(order))


def test_special_tokens_count_where_they_are_asked_for(llama: Path, moved: Path) -> None:
    without, included = (drift(llama, moved, special_tokens=choice) for choice in ("exclude", "include"))
    assert included.metrics["positions"].value == without.metrics["positions"].value + len(TEXTS)
    assert values(included, "relative_change")[-1] != values(without, "relative_change")[-1]


def test_too_few_positions_for_a_debiased_estimate(llama: Path, moved: Path) -> None:
    with pytest.raises(BatteryError, match="3 positions together: debiased CKA needs at least 4"):
        results(llama, moved, prompts=["xyz"])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"num_hidden_layers": 2}, "they cannot be compared: layers 3 and 2"),
        ({"hidden_size": 32}, "they cannot be compared: hidden size 24 and 32"),
        ({"vocab_size": 321}, "they cannot be compared: vocabulary 320 and 321"),
    ],
)
def test_models_of_other_sizes_are_skipped_with_the_reason(
    llama: Path, tmp_path: Path, changed: dict[str, int], reason: str
) -> None:
    config = transformers.LlamaConfig(**configurations()["llama"].to_dict() | changed)
    other = saved(transformers.AutoModelForCausalLM.from_config(config), tmp_path / "other", llama)
    outcome = results(llama, other).outcomes["d"]["a..b"]
    assert (outcome.status, outcome.reason, outcome.models) == ("skipped", reason, ("a", "b"))


def test_models_that_read_otherwise_are_skipped_with_the_reason(llama: Path, tmp_path: Path) -> None:
    without_bos = save_tiny(tmp_path / "without", bos=False)
    outcome = results(llama, without_bos).outcomes["d"]["a..b"]
    assert (outcome.status, outcome.reason) == (
        "skipped",
        "they cannot be compared: they split prompt 0 into different tokens",
    )
    other = save_tiny(tmp_path / "other")
    content = json.loads((other / "tokenizer.json").read_text())
    ids = content["model"]["vocab"]
    ids["q"], ids["z"] = ids["z"], ids["q"]  # which no prompt has
    (other / "tokenizer.json").write_text(json.dumps(content))
    outcome = results(llama, other).outcomes["d"]["a..b"]
    assert outcome.status == "skipped"
    assert outcome.reason.startswith("they cannot be compared: their tokenizers differ, token "), outcome.reason
    assert outcome.reason.endswith(" is 'z' and 'q'") or outcome.reason.endswith(" is 'q' and 'z'")


def test_a_special_token_by_another_name_is_no_other_tokenizer(llama: Path, tmp_path: Path) -> None:
    renamed = save_tiny(tmp_path / "renamed")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (renamed / name).write_text((renamed / name).read_text().replace("<eos>", "<end>"))
    assert values(drift(llama, renamed), "relative_change").tolist() == [0] * 4


def test_a_copy_in_bfloat16_differs_from_the_embedding_on(llama: Path) -> None:
    outcome = drift(llama, {"source": str(llama), "dtype": "bfloat16"})
    assert outcome.metrics["first_changed_layer"].value == 0
    assert 0 < outcome.metrics["weight_change"].value < 2**-8
    assert {row["change"] > 0 for row in outcome.tables["weights"].records()} == {True}


def test_figures_show_what_was_found(llama: Path, moved: Path) -> None:
    found = results(llama, moved)
    change, cosine, cka, weights = probe.figures(section(found))
    outcome = found.outcomes["d"]["a..b"]
    assert {figure.subject for figure in (change, cosine, cka, weights)} == {("a..b",)}
    assert isinstance(change, Curves)
    assert change.curves[0].y == values(outcome, "relative_change").tolist()
    assert change.y_range is not None
    assert change.y_range[0] == 0
    positions = outcome.metrics["positions"].value
    assert cka.title == f"tiny-llama → moved: how alike each layer is as a whole (CKA) over {positions} positions"
    assert isinstance(cka, Curves)
    assert [curve.label for curve in cka.curves] == ["CKA", "shuffled"]
    assert isinstance(weights, TokenGrid)
    assert weights.rows == ["2", "1", "0"]
    assert weights.columns == ["q", "k", "v", "o", "gate", "up", "down", "norms"]
    assert weights.values[[0, 2]].tolist() == [[0] * 8] * 2
    assert weights.values.max() == 1
    assert weights.outlined.sum() == 1
    ours, theirs = (dict(loaded(folder).model.layers[1].named_parameters()) for folder in (llama, moved))
    norms = ("input_layernorm.weight", "post_attention_layernorm.weight")
    together = [torch.cat([tensors[name] for name in norms]) for tensors in (ours, theirs)]
    largest = max(slow.weight_change(ours[name], theirs[name]) for name in ours if ours[name].ndim == 2)
    largest = max(largest, slow.weight_change(*together))
    assert weights.values[1, 7] * largest == pytest.approx(slow.weight_change(*together), rel=1e-5)


PROMPTS = [
    "The capital of France is Paris, and the capital of Italy is",
    "Water boils at a hundred degrees",
    "天氣很好",
]


@pytest.fixture(scope="module")
def real(smollm2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """SmolLM2 against itself in bfloat16, with its blocks quantised dynamically to int8, and fine-tuned."""
    folder = tmp_path_factory.mktemp("checkpoints")
    tuned = saved(_tuned(loaded(smollm2_folder), smollm2_folder), folder / "tuned", smollm2_folder)
    exact = "demo:smollm2-135m-instruct"
    models = {
        "exact": exact,
        "half": {"source": exact, "dtype": "bfloat16"},
        "int8": {"source": exact, "dtype": "int8"},
        "tuned": tuned,
    }
    probes = {
        other: {"probe": "drift", "base": "exact", "other": other, "prompts": PROMPTS}
        for other in ("half", "int8", "tuned")
    }
    return run_probes(models, probes)


def _tuned(network: Any, source: Path) -> Any:
    """Three steps of AdamW on blocks 20 to 22 alone."""
    network.requires_grad_(False)
    trained = [parameter.requires_grad_() for block in network.model.layers[20:23] for parameter in block.parameters()]
    ids = Tokenizer.from_file(str(source / "tokenizer.json")).encode("The capital of Italy is Madrid.").ids
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    for _ in range(3):
        network(torch.tensor([ids]), labels=torch.tensor([ids])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return network


@pytest.mark.real
def test_a_fine_tune_of_three_blocks_of_a_real_model_begins_where_it_was_made(real: Results) -> None:
    outcome = real.outcomes["tuned"]["exact..tuned"]
    assert outcome.status == "ok", outcome.reason
    assert outcome.metrics["first_changed_layer"].value == 21
    assert values(outcome, "relative_change")[:21].tolist() == [0] * 21
    changed = [row for row in outcome.tables["weights"].records() if row["change"]]
    assert sorted({row["block"] for row in changed}) == [20, 21, 22]
    assert len(changed) == 27
    told = probe.statement(Section("tuned", real.outcomes["tuned"], real.models))
    assert told.startswith("SmolLM2-135M-Instruct → tuned: the change begins at layer 21 of 30 and is largest at layer")
    assert "Only the weights of blocks 20–22 differ" in told


@pytest.mark.real
def test_number_formats_touch_every_block_of_a_real_model_a_little(real: Results) -> None:
    half, int8 = (real.outcomes[other][f"exact..{other}"] for other in ("half", "int8"))
    assert (half.reason, int8.reason) == ("", "")
    assert (half.metrics["first_changed_layer"].value, int8.metrics["first_changed_layer"].value) == (0, 1)
    assert half.metrics["weight_change"].value == pytest.approx(0.00135, rel=0.05)
    assert int8.metrics["weight_change"].value == pytest.approx(0.0080, rel=0.05)
    # What dynamic quantisation does to the activations changes more than what it does to the weights.
    for outcome, kl, agreement, cka, change in ((half, 0.01, 0.9, 0.99, 0.05), (int8, 0.3, 0.6, 0.97, 0.3)):
        assert kl / 50 < outcome.metrics["kl"].value < kl
        assert outcome.metrics["agreement"].value > agreement
        assert values(outcome, "cka").min() > cka
        assert change / 10 < values(outcome, "relative_change")[-1] < change
        assert np.abs(values(outcome, "cka_shuffled")).max() < 0.3
    untouched = [row["component"] for row in int8.tables["weights"].records() if not row["change"]]
    assert set(untouched) == {"norms", "embedding"}
    assert "The weights of every block differ" in probe.statement(Section("int8", real.outcomes["int8"], real.models))
