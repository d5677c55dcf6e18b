import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.model.capture import shared_passes as capture
from reportgen.numerics import steering as numerics
from reportgen.numerics.resampling import mean_interval_95
from reportgen.probes.steering import probe
from reportgen.results.quantities import Array, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from reportgen.text.refusals import refusal_tokens
from reportgen.text.tokens import TextTokenizer
from tests.reference import linear_probe as probes_of_labels
from tests.reference import plain
from tests.reference import steering as reference
from tests.runs import run_probes
from tests.tiny import LAYERS, random_model, save_tiny, tokenizer_json

TOWARDS = ["an apple a day", "the apple of my eye", "I ate"]
AWAY = ["for breakfast", "my day", "an eye of the day", "ate"]
HELD = ["I ate an apple", "a day for my eye"]
SETS = {"towards": TOWARDS, "away": AWAY, "prompts": HELD}
WORDS = {"tokens": ["a", "e"]}
ADD = {"coefficients": [-1, 2], "score": WORDS, "continue": 2}
FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]
CHAT = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}so:"


def steered(source: Path | str, **options: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"s": {"probe": "steering", **SETS, **options}}).outcomes["s"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids


def counted(bos: bool) -> frozenset[int]:
    return refusal_tokens(TextTokenizer(Tokenizer.from_str(tokenizer_json(bos))), WORDS["tokens"])


def sides(bos: bool) -> tuple[list[list[int]], list[list[int]]]:
    return [ids(text, bos) for text in TOWARDS], [ids(text, bos) for text in AWAY]


# Against plain transformers


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_adding_against_hooks_of_ones_own(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    network, outcome = random_model(family, seed), steered(request.getfixturevalue(family), **ADD)
    assert outcome.tables["cells"].column("coefficient") == [-1.0, 0.0, 2.0]
    for layer in range(LAYERS):
        r = reference.direction(network, family, *sides(bos), layer)
        assert outcome.arrays["norm"].values[layer] == pytest.approx(float(r.norm()), rel=1e-4)
        for item, factor in ((0, -1.0), (2, 2.0)):
            divergences = []
            for prompt, text in enumerate(HELD):
                own = reference.own(network, ids(text, bos))
                p = reference.added(network, family, ids(text, bos), layer, factor * r)
                mass = sum(p[i].item() for i in counted(bos))
                assert outcome.arrays["scores"].values[prompt, layer, item] == pytest.approx(mass, rel=1e-3, abs=1e-6)
                divergences.append(plain.kl(own, p))
            found = outcome.arrays["kl"].values[layer, item]
            assert found == pytest.approx(sum(divergences) / 2, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_ablation_against_hooks_of_ones_own(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    network = random_model(family, seed)
    outcome = steered(request.getfixturevalue(family), mode="ablate", score={"refusal": ["a", "e"]}, layers=[1, 2])
    assert outcome.tables["cells"].column("coefficient") == [0.0, None]
    missed = []
    for at, layer in enumerate((1, 2)):
        r = reference.direction(network, family, *sides(bos), layer)
        for prompt, text in enumerate(HELD):
            p = reference.ablated(network, family, ids(text, bos), r)
            expected = reference.odds(p, counted(bos))
            assert outcome.arrays["scores"].values[prompt, at, 1] == pytest.approx(expected, abs=2e-3)
            shallow = reference.ablated(network, family, ids(text, bos), r, inputs_only=True)
            missed.append(abs(reference.odds(shallow, counted(bos)) - expected))
    assert max(missed) > 0.02  # what is written into the last stream counts too


def test_the_reference_catches_wrong_formulas(llama: Path) -> None:
    network, outcome, layer = random_model("llama"), steered(llama, **ADD), 1
    found, price = outcome.arrays["scores"].values[0, layer, 2], outcome.arrays["kl"].values[layer, 2]
    tokens, divergences = ids(HELD[0]), []
    right = reference.direction(network, "llama", *sides(True), layer)

    def mass(vector: torch.Tensor, at: int = layer) -> float:
        p = reference.added(network, "llama", tokens, at, vector)
        return sum(p[i].item() for i in counted(True))

    assert found == pytest.approx(mass(2 * right), rel=1e-3)
    wrong = {
        "normalised": mass(2 * right / right.norm()),
        "mean over positions": mass(2 * reference.direction(network, "llama", *sides(True), layer, everywhere=True)),
        "next to last": mass(2 * reference.direction(network, "llama", *sides(True), layer, position=-2)),
        "behind the block": mass(2 * right, layer + 1),
        "other way round": mass(-2 * right),
    }
    assert {name: value for name, value in wrong.items() if value == pytest.approx(found, rel=1e-2)} == {}
    for text in HELD:
        p = reference.added(network, "llama", ids(text), layer, 2 * right)
        divergences.append(plain.kl(p, reference.own(network, ids(text))))
    assert price != pytest.approx(sum(divergences) / 2, rel=1e-2)  # KL(steered || unsteered)


def test_paired_components_against_multiplying_again_and_again() -> None:
    drawn = np.random.default_rng(0)
    towards, away = drawn.normal(size=(6, 5)) + np.array([3, 0, 0, 1, 0]), drawn.normal(size=(6, 5))
    found = numerics.paired_direction(towards, away)
    assert found == pytest.approx(reference.leading_direction(towards.tolist(), away.tolist()), rel=1e-9)
    assert found @ (towards - away).mean(0) > 0
    centred = (towards - away) - (towards - away).mean(0)
    other = np.linalg.svd(centred)[2][0]
    assert abs(other @ found) / np.linalg.norm(found) < 0.9  # about the mean it is another one


# Recovery


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.Tensor]:
    """A tiny Llama in whose embedding vowels and consonants lie on two sides of a direction, which decides the answer:
    "X" after a vowel, "Y" after a consonant.
    """
    folder = save_tiny(tmp_path_factory.mktemp("models") / "planted", "llama", seed=5)
    network = random_model("llama", 5)
    u = torch.randn(24, generator=torch.Generator().manual_seed(3))
    u = u / u.norm()
    with torch.no_grad():
        for layer in network.model.layers:
            layer.self_attn.o_proj.weight.mul_(0.02)
            layer.mlp.down_proj.weight.mul_(0.02)
        table, head = network.model.embed_tokens.weight, network.lm_head.weight
        network.model.norm.weight.fill_(1.0)
        table.mul_(0.3)
        table.sub_((table @ u)[:, None] * u)
        head.mul_(0.1)
        for letters, sign in (("aeiou", 3.0), ("bcdfg", -3.0)):
            for letter in letters:
                table[ids("q" + letter)[-1]] += sign * u
        for letter, sign in (("X", 2.0), ("Y", -2.0)):
            head[ids(letter)[-1]] = sign * u
    network.save_pretrained(folder)
    return folder, u


PLANTED = {
    "towards": [f"q{letter}" for letter in "aeio"],
    "away": [f"q{letter}" for letter in "bcdf"],
    "prompts": ["qqg"],
}


@pytest.mark.parametrize("direction", ["difference_of_means", "paired_pca"])
def test_a_planted_direction_is_recovered_and_flips_the_answer(
    planted: tuple[Path, torch.Tensor], direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.probes.steering import run as steering

    folder, u = planted
    directions: list[torch.Tensor] = []
    adding = steering._DirectionSweep.add_direction

    def watched(self: Any, at: int, name: str = "steered", factor: float = 1.0) -> Any:
        directions.append(self.vector("steered", at))
        return adding(self, at, name, factor)

    monkeypatch.setattr(steering._DirectionSweep, "add_direction", watched)
    options = {"direction": direction, "coefficients": [1], "max_kl": 100}
    outcome = steered(folder, **PLANTED, **options, score={"tokens": ["X"]})
    assert directions
    assert all(float(r @ u / r.norm()) > 0.99 for r in directions)
    scores = outcome.arrays["score"].values
    assert (scores[:, 0] < 0.02).all()
    assert (scores[:, 1] > 0.5).all()
    assert outcome.metrics["random_score"].value < 0.1
    assert outcome.metrics["shuffled_score"].value < 0.1
    assert "moves the probability of these words from" in said(outcome)
    other = steered(folder, **PLANTED, **options, score={"tokens": ["Y"]}, aim="lower")
    assert (other.arrays["score"].values[:, 0] > 0.5).all()
    assert (other.arrays["score"].values[:, 1] < 0.1).all()


def test_the_weights_of_a_probe_are_a_direction_to_steer_by(llama: Path) -> None:
    network, outcome, layer = random_model("llama"), steered(llama, direction="logistic", **ADD), 2
    rows = [np.stack([plain.residuals(network, "llama", one)[layer][-1] for one in side]) for side in sides(True)]
    labels = [1] * len(TOWARDS) + [0] * len(AWAY)
    weights = probes_of_labels.direction(np.concatenate(rows), labels, 1)
    unit = weights / np.linalg.norm(weights)
    r = torch.from_numpy(unit * float((rows[0].mean(0) - rows[1].mean(0)) @ unit))
    assert outcome.arrays["norm"].values[layer] == pytest.approx(float(r.norm()), rel=1e-3)
    for prompt, text in enumerate(HELD):
        p = reference.added(network, "llama", ids(text), layer, 2 * r)
        mass = sum(p[i].item() for i in counted(True))
        assert outcome.arrays["scores"].values[prompt, layer, 2] == pytest.approx(mass, rel=1e-2)


def test_ablation_takes_the_planted_answer_away(planted: tuple[Path, torch.Tensor]) -> None:
    outcome = steered(planted[0], **{**PLANTED, "prompts": ["qqu"]}, mode="ablate", max_kl=100, score={"tokens": ["X"]})
    before, after = outcome.arrays["score"].values[1]
    assert before > 0.5
    assert after < 0.1
    assert outcome.metrics["random_score"].value == pytest.approx(before, abs=0.2)
    assert "taking out the direction" in said(outcome)


# A direction from a file


@pytest.fixture(scope="module")
def filed(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The difference of means, at each layer, as plain transformers give it."""
    network, file = random_model("llama"), tmp_path_factory.mktemp("directions") / "words.safetensors"
    rows = [reference.direction(network, "llama", *sides(True), layer).float().numpy() for layer in range(LAYERS + 1)]
    save_file({"direction": np.stack(rows), "one": rows[1]}, file)
    return file


def steered_by_file(source: Path, file: Path, **options: Any) -> Outcome:
    asked = {"probe": "steering", "prompts": HELD, "direction": str(file), "tensor": "direction", **options}
    outcome = run_probes({"m": source}, {"s": asked}).outcomes["s"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


@pytest.mark.parametrize("options", [ADD, {"mode": "ablate", "score": WORDS, "continue": 2}])
def test_a_file_steers_as_the_sets_do_that_it_was_found_between(
    llama: Path, filed: Path, options: dict[str, Any]
) -> None:
    found, between = steered_by_file(llama, filed, **options), steered(llama, **options)
    for name in ("scores", "kl", "norm"):
        values = found.arrays[name].values
        np.testing.assert_allclose(values, between.arrays[name].values, rtol=1e-3, atol=1e-6)
    for name in ("control_score", "control_kl"):  # the random direction, as long as the other; nothing is shuffled
        values = found.arrays[name].values
        np.testing.assert_allclose(values, between.arrays[name].values[:1], rtol=1e-3, atol=1e-6)
    assert found.metrics["shuffled_score"].value is None
    assert "without sets that could be shuffled" in found.metrics["shuffled_score"].reason
    assert {row[-1] for row in found.tables["texts"].rows} == {None}
    assert all(row[-2] for row in found.tables["texts"].rows)
    assert found.options["direction_sha256"] == hashlib.sha256(filed.read_bytes()).hexdigest()
    section = Section("s", {"m": found}, {"m": ModelCard("m", "Tiny", "", LAYERS)})
    assert [figure.name for figure in probe.figures(section)][:2] == ["sweep", "price"]


def test_one_vector_steers_at_its_own_layer(llama: Path, filed: Path) -> None:
    one = steered_by_file(llama, filed, tensor="one", layers=[1], **ADD)
    rows = steered_by_file(llama, filed, layers=[0, 1], **ADD)
    np.testing.assert_allclose(one.arrays["score"].values[0], rows.arrays["score"].values[1], rtol=1e-5)


def test_what_a_file_does_is_told_with_its_name(planted: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    folder, u = planted
    file = tmp_path / "vowels.safetensors"
    save_file({"direction": np.stack([(2 * u).numpy()] * (LAYERS + 1))}, file)
    options = {"coefficients": [1, 2], "max_kl": 100, "score": {"tokens": ["X"]}, "prompts": PLANTED["prompts"]}
    told = said(steered_by_file(folder, file, **options))
    assert "× the direction of vowels.safetensors at layer" in told
    assert "a random direction leads to" in told
    assert "shuffled" not in told


def test_a_cosine_needs_sets(llama: Path, filed: Path) -> None:
    with pytest.raises(BatteryError, match="beside a direction from a file there are no sets"):
        steered_by_file(llama, filed, score="cosine")


# What does nothing


def test_nothing_added_changes_nothing(llama: Path) -> None:
    own = steered(llama, **ADD)
    zero = own.arrays["scores"].values[:, :, 1]
    assert (zero == zero[:, :1]).all()
    assert (own.arrays["kl"].values[:, 1] == 0).all()
    nearly = steered(llama, coefficients=[1e-9], score=WORDS)
    assert nearly.arrays["scores"].values[:, :, 1] == pytest.approx(zero, abs=1e-5)
    assert nearly.arrays["kl"].values[:, 1] == pytest.approx(0, abs=1e-5)
    assert own.metrics["unsteered_score"].value == pytest.approx(zero[:, 0].mean())


def test_a_direction_of_length_0_is_left_alone(llama: Path) -> None:
    """At layer 0 the last token is the same in both sets, and so is its embedding."""
    same = {"towards": ["an apple", "the apple"], "away": ["my apple", "a apple"]}
    for mode in ("add", "ablate"):
        outcome = steered(llama, **same, mode=mode, score=WORDS, layers=[0])
        assert outcome.arrays["norm"].values.tolist() == [0.0]
        assert outcome.arrays["kl"].values == pytest.approx(0, abs=1e-5)
        assert outcome.tables["chosen"].column("qualifies") == [False]
        assert outcome.metrics["best_layer"].reason == "no cell qualifies"


def test_another_seed_has_other_controls_and_the_same_sweep(llama: Path) -> None:
    one, same, other = (steered(llama, **ADD, seed=seed) for seed in (0, 0, 1))
    for name in ("scores", "kl"):
        assert one.arrays[name].values.tobytes() == same.arrays[name].values.tobytes()
        assert one.arrays[name].values.tobytes() == other.arrays[name].values.tobytes()
    assert one.arrays["control_score"].values.tobytes() == same.arrays["control_score"].values.tobytes()
    assert (one.arrays["control_score"].values[0] != other.arrays["control_score"].values[0]).all()


def test_a_normalised_direction_takes_its_length_as_coefficient(llama: Path) -> None:
    plain_one = steered(llama, coefficients=[1], score=WORDS, layers=[1])
    length = float(plain_one.arrays["norm"].values[0])
    unit = steered(llama, coefficients=[length], score=WORDS, layers=[1], normalise=True)
    assert unit.arrays["scores"].values[:, 0, 1] == pytest.approx(plain_one.arrays["scores"].values[:, 0, 1], rel=1e-4)
    one = steered(llama, coefficients=[1], score=WORDS, layers=[1], normalise=True)
    assert one.arrays["scores"].values[:, 0, 1] != pytest.approx(plain_one.arrays["scores"].values[:, 0, 1], rel=1e-2)


# What is written, and what never is


def greedy(text: str, count: int) -> list[int]:
    network, tokens = random_model("llama"), ids(text)
    for _ in range(count):
        with torch.no_grad():
            tokens.append(int(network(torch.tensor([tokens])).logits[0, -1].argmax()))
    return tokens[-count:]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every pass that is run."""
    seen: list[Any] = []
    run_all = capture.run_all
    monkeypatch.setattr(
        "reportgen.model.capture.shared_passes.run_all",
        lambda model, passes: [seen.extend(passes), run_all(model, passes)][1],
    )
    return seen


def test_texts_stand_side_by_side(llama: Path) -> None:
    outcome = steered(llama, **{**ADD, "continue": 4})
    rows = outcome.tables["texts"].records()
    assert [row["opening"] for row in rows] == HELD
    tokenizer = TextTokenizer(Tokenizer.from_str(tokenizer_json()))
    assert [row["unsteered"] for row in rows] == [tokenizer.decode(greedy(text, 4)) for text in HELD]
    assert any(row["steered"] != row["unsteered"] for row in rows)
    drawn = [steered(llama, **ADD, temperature=3, seed=seed).tables["texts"].rows for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    "options",
    [
        {"score": WORDS, "prompts": [{"text": text, "group": "harmful"} for text in HELD]},
        {"score": {"refusal": ["a"]}},
        {"score": WORDS, "towards": [{"text": text, "group": "harmful"} for text in TOWARDS]},
        {"score": WORDS, "withhold": True},
        {"score": {"refusal": ["a"]}, "mode": "ablate"},
    ],
)
def test_nothing_is_written_after_harmful_prompts(
    options: dict[str, Any], llama: Path, tmp_path: Path, ran: list[Any]
) -> None:
    """Neither generated nor stored: not by the passes, and not in any file of the bundle."""
    from reportgen import run

    entry = {"probe": "steering", **SETS, **options}
    battery = {"models": {"m": str(llama)}, "probes": {"s": entry}, "outputs": ["html"]}
    (tmp_path / "battery.yaml").write_text(json.dumps(battery))
    plan = make_plan(read_battery(json.dumps(battery)))
    asked = [single for case in plan.models[0].cases for single in case.passes]
    run(tmp_path / "battery.yaml", output=tmp_path / "bundle")
    assert ran
    assert {single.steps for single in (*asked, *ran)} == {1}
    would_be = TextTokenizer(Tokenizer.from_str(tokenizer_json())).decode(greedy(HELD[0], 8))
    held = [file for file in (tmp_path / "bundle").rglob("*") if file.is_file()]
    assert any(file.name == "results.json" for file in held)
    for file in held:
        assert would_be.encode() not in file.read_bytes(), file
        assert json.dumps(would_be)[1:-1].encode() not in file.read_bytes(), file


def test_beside_harmful_prompts_harmless_ones_are_written_after(llama: Path) -> None:
    groups = {
        "prompts": [{"text": HELD[0], "group": "harmful"}],
        "harmless": [{"text": HELD[1], "group": "harmless"}, {"text": "my day of"}],
    }
    outcome = steered(llama, **groups, score={"refusal": ["a", "e"]}, **{"continue": 3})
    assert outcome.tables["texts"].column("opening") == [HELD[1]]
    assert outcome.arrays["scores"].values.shape[0] == 1  # the score is of the harmful one, the price of the others


# The count, the rule, the errors


@pytest.mark.parametrize(
    "options",
    [
        ADD,
        {"score": "cosine", "mode": "ablate"},
        {"score": {"script": "latin"}, "coefficients": [1, 2], "continue": 3},
        {"score": {"refusal": ["a", "e"]}, "mode": "ablate", "choose": "paper",
         "harmless": [{"text": "my day of", "group": "harmless"}]},
        {**ADD, "refusal_rates": {"harmful": ["my day of"], "harmless": ["an eye", "the day"], "tokens": 2}},
        {**ADD, "direction": "words.safetensors", "tensor": "direction", "towards": None, "away": None},
    ],
)  # fmt: skip
def test_the_plan_counts_what_is_asked_for(
    options: dict[str, Any], llama: Path, filed: Path, ran: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(filed.parent)
    battery = {"models": {"m": str(llama)}, "probes": {"s": {"probe": "steering", **SETS, **options}}}
    plan = make_plan(read_battery(json.dumps(battery)))
    steered(llama, **options)
    assert len(ran) == plan.models[0].further


def test_the_papers_rule_names_what_a_layer_breaks() -> None:
    assert numerics.broken_constraints(3, 10, 0.1, 0.5) == []
    assert numerics.broken_constraints(7, 10, 0.11, 0.5) == ["kl"]
    assert numerics.broken_constraints(8, 10, 0.1, 0.0) == ["inducing", "depth"]
    assert "kl" in numerics.broken_constraints(3, 10, math.nan, 0.5)


def test_no_layer_qualifies_is_an_answer(llama: Path) -> None:
    outcome = steered(
        llama, score={"refusal": ["a", "e"]}, mode="ablate", choose="paper", harmless=["my day of", "ate an eye"]
    )
    rows = outcome.tables["choice"].records()
    assert [row["layer"] for row in rows] == [0, 1, 2]
    assert all("kl" in row["broken"] for row in rows if row["kl"] > 0.1)
    assert all(("depth" in row["broken"]) == (row["layer"] >= 0.8 * LAYERS) for row in rows)
    assert all(row["broken"] for row in rows)
    assert outcome.metrics["best_score"].value is None
    assert outcome.metrics["best_score"].reason == "no layer qualifies"
    assert "none of 3 layers qualifies by the paper's rule" in said(outcome)


def test_the_papers_rule_takes_the_lowest_score_of_those_that_keep_it(planted: tuple[Path, torch.Tensor]) -> None:
    """ "X" after a vowel stands for a refusal: it is ablated away, and adding the direction brings it."""
    answers = {"score": {"refusal": ["X"]}, "prompts": ["qqu", "qu"], "harmless": ["qqg", "qg"]}
    outcome = steered(planted[0], **{**PLANTED, **answers}, mode="ablate", choose="paper")
    rows = outcome.tables["choice"].records()
    assert all(row["inducing"] > 0 for row in rows)
    assert all("kl" in row["broken"] for row in rows)  # for here the harmless answer lies along it too


def test_a_chat_template_is_applied_and_the_position_is_stated(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "chat", chat_template=CHAT)
    outcome = steered(folder, **ADD)
    rows = outcome.tables["read"].records()
    assert all(row["chat"] for row in rows)
    text = "user: " + HELD[0] + "\nso:"
    assert outcome.tables["prompts"].column("text")[0] == text
    (row,) = [row for row in rows if row["side"] == "prompts" and row["prompt"] == 0]
    assert row["token"] == ":"
    assert row["position"] == row["token_count"] - 1
    never = steered(folder, **ADD, chat="never").tables["read"].records()
    assert not any(row["chat"] for row in never)
    back = steered(folder, **ADD, position=-2).tables["read"].records()
    assert {row["token"] for row in back if row["side"] == "towards"} == {"o"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layers": [3]}, "layer 3 cannot be steered: what enters a block are layers 0 to 2"),
        ({"towards": ["one"]}, "towards: at least 2 prompts are needed"),
        ({"away": ["one"]}, "away: at least 2 prompts are needed"),
        ({"prompts": []}, "prompts"),
        ({"direction": "paired_pca"}, "towards has 3 prompts, away 4"),
        ({"prompts": [TOWARDS[0]]}, "is in one of the sets, and so is not held out"),
        ({"score": {"language": "xx"}}, "no list of function words for the language 'xx'. Known: en"),
        ({"score": {"script": "Hann"}}, "no script 'Hann'. Did you mean 'han'"),
        ({"score": {"tokens": ["zebra"]}}, "'zebra' is not a single token: z"),
        ({"score": {"tokens": ["a", "zebra"]}}, "'zebra' can be used in no model"),
        ({"score": {"refusal": ["a"], "script": "han"}}, "a score is one of"),
        ({"score": {}}, "a score is one of"),
        ({"coefficients": [0]}, "give at least one coefficient that is not 0"),
        ({"position": -40}, "position -40 is before the start of a prompt of"),
        ({"position": 3}, "position"),
        ({"choose": "paper"}, "the paper's rule needs"),
        ({"refusal_rates": {"harmful": ["my eye"], "harmless": [AWAY[0]]}}, "is in one of the sets, and so is not"),
        (
            {"refusal_rates": {"harmful": ["my eye"], "harmless": [{"text": "of", "group": "harmful"}]}},
            "harmless: 'of' is of the group harmful, and what is written after harmless requests is shown",
        ),
        ({"refusal_rates": {"harmful": ["my eye"], "harmless": []}}, "harmless"),
        ({"refusal_rates": {"harmful": ["my eye"]}}, "harmless"),
        ({"refusal_rates": {"harmful": ["my eye"], "harmless": ["of"], "tokens": 0}}, "tokens"),
        ({"refusal_rates": {"harmful": ["zq" * 260], "harmless": ["of"]}}, "exceeds the context of 512"),
        ({"refusal_rates": {"harmful": ["my eye"], "harmless": ["of"]}, "withhold": True}, "answers are written"),
        ({"score": {"script": "latin"}, "withhold": True}, "after harmful prompts nothing is"),
        ({"prompts": ["zq" * 260]}, "exceeds the context of 512"),
    ],
)
def test_what_cannot_be_steered_is_refused_before_any_pass(options: dict[str, Any], told: str, llama: Path) -> None:
    with pytest.raises(BatteryError, match=told.replace("(", r"\(")):
        steered(llama, **{**ADD, **options})


@pytest.mark.real
def test_a_shipped_word_that_is_no_token_is_left_out_with_its_tokens(smollm2_folder: Path) -> None:
    battery = {
        "models": {"m": "demo:smollm2-135m-instruct"},
        "probes": {"s": {"probe": "steering", **SETS, "score": "refusal"}},
    }
    (case,) = make_plan(read_battery(json.dumps(battery))).models[0].cases
    assert not case.skipped
    assert not case.skipped_rows


# Formulas


def test_a_shuffled_split_holds_as_much_of_both_sets_and_pairs_like_with_like() -> None:
    one, other = numerics.split_shuffled(5, 8, 0)
    assert len(one) == len(other) == 2 + 4
    assert not set(one) & set(other)
    assert [i < 5 for i in one] == [i < 5 for i in other] == [True] * 2 + [False] * 4
    assert numerics.split_shuffled(5, 8, 0) == (one, other) != numerics.split_shuffled(5, 8, 1)
    far = np.concatenate([np.full((5, 3), 9.0), np.zeros((8, 3))])
    assert numerics.difference_of_means(far[one], far[other]) == pytest.approx(np.zeros(3))


def test_odds_lose_nothing_where_a_probability_is_near_1() -> None:
    log_p = np.log(np.array([[1 - 3e-9, 1e-9, 2e-9], [0.25, 0.25, 0.5]]))
    mass, odds = numerics.set_mass(log_p, np.array([True, False, False]))
    assert mass == pytest.approx([1.0, 0.25])
    assert odds == pytest.approx([math.log(1 / 3e-9), math.log(1 / 3)], rel=1e-6)


def test_a_mean_needs_half_of_its_values() -> None:
    nan = math.nan
    values = np.array([[1.0, nan, nan], [3.0, nan, 1.0], [nan, 2.0, nan], [5.0, 4.0, nan]])
    assert numerics.mean_of_defined(values) == pytest.approx(np.array([3.0, 3.0, nan]), nan_ok=True)


def test_the_best_cell_is_the_cheapest_of_equals_among_those_allowed() -> None:
    score = np.array([[0.5, 0.9], [math.nan, 0.9], [0.1, 0.2]])
    price = np.array([[0.0, 3.0], [0.0, 2.0], [0.0, 0.0]])
    everywhere = np.ones(score.shape, bool)
    assert numerics.best_cell(score, price, everywhere, lowest=False) == (1, 1)
    assert numerics.best_cell(score, 0 * price, everywhere, lowest=False) == (0, 1)
    assert numerics.best_cell(score, price, everywhere, lowest=True) == (2, 0)
    assert numerics.best_cell(score, price, score < 0.3, lowest=False) == (2, 1)
    assert numerics.best_cell(score, price, ~everywhere, lowest=False) is None


# The statement


def said(*outcomes: Outcome) -> str:
    names = [f"m{at}" for at in range(len(outcomes))]
    cards = {name: ModelCard(name, name.upper(), "X", LAYERS) for name in names}
    section = Section("s", dict(zip(names, outcomes, strict=True)), cards)
    assert all(figure.alt and figure.title for figure in probe.figures(section))
    return probe.statement(section)


def made(scores: Sequence[float], controls: tuple[float, float], qualifies: bool = True) -> Outcome:
    """One layer, coefficients 0 and 1."""
    tables = {
        "cells": Table(("item", "coefficient"), [[0, 0.0], [1, 1.0]]),
        "chosen": Table(("layer", "coefficient", "qualifies", "most_kl"), [[4, 1.0, qualifies, 10.0]]),
        "choice": Table(("layer", "refusal_ablated", "kl", "inducing", "broken"), []),
        "texts": Table(
            ("prompt", "opening", "unsteered", "steered", "random", "shuffled"),
            [[0, "We", " are the people", " avons été très heureux", "", " 今天天氣真好 is"]],
        ),
    }
    at = {"layer": (4,)}
    arrays = {
        "score": Array(("layer", "item"), np.array([scores]), "", at),
        "kl": Array(("layer", "item"), np.array([[0.0, 2.5]]), "nat", at),
        "control_score": Array(("component", "layer"), np.array(controls)[:, None], "", at),
        "control_kl": Array(("component", "layer"), np.array([[1.0], [2.0]]), "nat", at),
    }
    options = {"score": {"language": "fr"}, "mode": "add"}
    return Outcome("steering", 1, options, ("m",), "ok", tables=tables, arrays=arrays)


def test_an_effect_is_told_with_its_price_and_its_controls() -> None:
    assert said(made([0.02, 0.9], (0.05, 0.03))) == (
        "M0: 1 × the direction at layer 4 moves the share of the language fr in the text from 0.020 to 0.90, at a "
        "KL of 2.5 nat to the unsteered model; a random direction leads to 0.050, a shuffled split to 0.030."
    )
    assert "shuffled split to –" in said(made([0.02, 0.9], (0.05, math.nan)))


def test_the_first_words_of_the_texts_stand_below_each_other() -> None:
    section = Section("s", {"m": made([0.02, 0.9], (0.0, 0.0))}, {"m": ModelCard("m", "M", "X", LAYERS)})
    (grid,) = [figure for figure in probe.figures(section) if figure.name == "texts"]
    assert grid.rows == ["0 unsteered", "steered", "random", "shuffled"]
    assert grid.texts[1] == ["avons", "été", "très", "heureux"]
    assert grid.texts[2] == [""] * 4
    assert grid.texts[3] == ["今天天氣", "真好", "is", ""]
    assert grid.values[1].tolist() == [1, 1, 1, 0]
    assert grid.values[[0, 2, 3]].sum() == 0


def test_no_effect_is_told_where_controls_do_as_much_or_nothing_moves() -> None:
    assert said(made([0.02, 0.6], (0.4, 0.02))).startswith("No clear statement about M0: the share")
    assert said(made([0.02, 0.1], (0.0, 0.02))).startswith("No clear statement about M0: in the best cell (layer 4)")
    assert "no cell qualifies" in said(made([0.02, 0.9], (0.0, 0.0), qualifies=False))


# The real model


@pytest.mark.real
def test_gemma_is_steered_to_french_and_not_by_a_random_direction(gemma_folder: Path) -> None:
    from reportgen.text.prompts import PromptSets

    sets = PromptSets.for_battery(None)
    french, english, openings = (
        [prompt.text for prompt in sets.find(f"steering/{name}").prompts] for name in ("french", "english", "openings")
    )
    options = {"score": {"language": "fr"}, "layers": [8], "coefficients": [1], "continue": 12}
    outcome = steered(
        "demo:gemma-3-270m", towards=french[:10], away=english[:10], prompts=[*openings[2:7]], chat="never", **options
    )
    metrics = outcome.metrics
    assert metrics["unsteered_score"].value < 0.1
    assert metrics["best_score"].value > 0.6
    assert 1 < metrics["best_kl"].value < 10
    assert metrics["random_score"].value < 0.1
    assert metrics["shuffled_score"].value < 0.1
    assert outcome.arrays["repeated/0"].values[0, 1] < 0.3  # the text is no loop
    assert len(outcome.tables["texts"].rows) == 5


def test_the_curve_over_layers_has_the_interval_over_the_held_out_prompts(llama: Path) -> None:
    held = ["I ate an apple", "a day for my eye", "the day", "my apple", "of the eye"]
    for prompts in (held, held[:4]):
        outcome = steered(llama, **{**ADD, "prompts": prompts, "layers": [1, 2]})
        section = Section("s", {"m": outcome}, {"m": ModelCard("m", "M", "X", LAYERS)})
        (drawn,) = [figure for figure in probe.figures(section) if figure.name == "layers"]
        first, *controls = drawn.curves
        assert all(curve.band is None for curve in controls)
        if prompts == held:
            item = (
                outcome.tables["cells"].column("coefficient").index(outcome.tables["chosen"].column("coefficient")[0])
            )
            low, high = mean_interval_95(outcome.arrays["scores"].values[:, :, item]).tolist()
            assert first.band == (low, high)
            assert drawn.title.endswith("(95 % band over 5 prompts)")
            assert drawn.y_range[0] <= min(low)
            assert drawn.y_range[1] >= max(high)
        else:
            assert first.band is None
            assert "band" not in drawn.title
