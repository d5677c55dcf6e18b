from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import TokenGrid
from reportgen.probes.hidden_states import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import hidden_states as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXTS = ["an apple a day", "an apple for breakfast and my eye"]
QUESTIONS = ["how about you?", "how are you?"]


def states(source: Path | str, **options: object) -> Outcome:
    probes = {"states": {"probe": "hidden_states", "prompts": TEXTS, **options}}
    outcome = run_probes({"m": source}, probes).outcomes["states"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids


@pytest.mark.parametrize(("family", "seed", "bos"), [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)])
def test_against_the_reference(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    network = random_model(family, seed)
    one, other = (ids(text, bos) for text in TEXTS)
    outcome = states(request.getfixturevalue(family))
    for prompt, tokens in enumerate((one, other)):
        assert outcome.arrays[f"norms/{prompt}"].values == pytest.approx(
            np.array(reference.norms(network, family, tokens)), rel=1e-4
        )
    expected = np.array(reference.differences(network, family, one, other))
    found = outcome.arrays["differences/0"].values
    assert found.shape == expected.shape == (4, min(len(one), len(other)))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
    prefix = reference.prefix(one, other)
    assert 0 < prefix < len(one)
    assert outcome.arrays["prefix"].values.tolist() == [prefix]
    assert (found[:, :prefix] == 0).all()
    assert (found[1:, prefix:] > 0.01).all()
    assert outcome.metrics["prefix_difference"].value == 0


def test_the_reference_catches_a_comparison_of_different_layers(llama: Path) -> None:
    network = random_model("llama")
    wrong = np.array(reference.differences(network, "llama", *map(ids, TEXTS), layer_shift=1))
    assert not np.allclose(states(llama).arrays["differences/0"].values, wrong, rtol=1e-2)


def test_a_model_that_looks_ahead_is_seen(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Teeth: attention without its mask, in a model that is not proven on load (which would refuse it)."""
    from transformers.models.llama import modeling_llama

    from reportgen.model import load

    eager = modeling_llama.eager_attention_forward
    monkeypatch.setattr(
        modeling_llama, "eager_attention_forward", lambda *args, **kw: eager(*args[:4], None, *args[5:], **kw)
    )
    monkeypatch.setattr(load, "prove", lambda model: None)
    outcome = states(llama)
    assert outcome.metrics["prefix_difference"].value > 0.1
    told = probe.statement(Section("s", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))
    assert "something looks ahead" in told


@pytest.mark.parametrize("family", ["mistral", "falcon", "bloom", "opt", "gpt_neox", "mamba"])
def test_no_family_looks_ahead(family: str, tmp_path: Path) -> None:
    outcome = states(save_tiny(tmp_path / family, family), prompts=[*TEXTS, "an apple"])
    assert outcome.metrics["prefix_difference"].value == 0
    assert len(outcome.tables["pairs"].rows) == 3


def test_routed_experts_differ_by_rounding_at_most(tmp_path: Path) -> None:
    outcome = states(save_tiny(tmp_path / "m", "mixtral"))
    assert outcome.tables["pairs"].records()[0]["prefix_share"] <= 1e-5


def test_pairs_by_name_and_prompts_without_a_common_beginning(gemma3: Path) -> None:
    prompts = [
        {"text": "an apple", "pair": "one"}, {"text": "an apple a day", "pair": "two"},
        {"text": "an eye", "pair": "one"}, "an apple of my eye",
    ]  # fmt: skip
    outcome = states(gemma3, prompts=prompts)
    assert [row[1:3] for row in outcome.tables["pairs"].rows] == [[0, 2]]
    apart = states(gemma3, prompts=["apple", "my eye"])
    assert apart.tables["pairs"].rows == []
    assert apart.metrics["prefix_difference"].reason == "no two prompts begin with one token"


def test_shapes_are_those_of_the_prompt_and_not_of_what_fills_it(llama: Path) -> None:
    outcome = states(llama, layers=[3, 1])
    short = [row for row in outcome.tables["shapes"].records() if row["prompt"] == 0]
    assert [(row["layer"], row["shape"], row["dtype"]) for row in short] == [
        (layer, f"{len(ids(TEXTS[0]))} x 24", "float32") for layer in (1, 3)
    ]
    assert outcome.arrays["norms/0"].along("layer") == (1, 3)
    whole = states(llama)
    assert (outcome.arrays["norms/0"].values == whole.arrays["norms/0"].values[[1, 3]]).all()


def test_a_layer_out_of_range_names_the_range(llama: Path) -> None:
    with pytest.raises(BatteryError, match="layer 4 is out of range: layers go from 0 to 3"):
        states(llama, layers=[4])


def test_exact_zeros_are_outlined_and_a_long_prompt_is_split(llama: Path) -> None:
    outcome = states(llama)
    grids = list(probe.figures(Section("s", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})))
    assert all(isinstance(grid, TokenGrid) for grid in grids)
    assert len({grid.name for grid in grids}) == len(grids)
    assert max(len(grid.columns) for grid in grids) <= 14
    first = next(grid for grid in grids if grid.name == "differences-0-0")
    prefix = int(outcome.arrays["prefix"].values[0])
    assert first.outlined[:, :prefix].all()
    assert not first.outlined[:-1, prefix:].any()
    assert {first.texts[0][at] for at in range(prefix)} == {"0"}


def test_chats_are_read_through_their_template(tmp_path: Path) -> None:
    template = "{% for m in messages %}<bos>{{ m.content }}{% endfor %}"
    model = save_tiny(tmp_path / "chat", chat_template=template)
    chats = [{"messages": [{"role": "user", "content": text}]} for text in TEXTS]
    assert states(model, prompts=chats).metrics["prefix_difference"].value == 0


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    prompts = [*QUESTIONS, "how are you today, my old friend from the mountains?"]
    return run_probes(models, {"s": {"probe": "hidden_states", "prompts": prompts}}).outcomes["s"]


@pytest.mark.real
@pytest.mark.parametrize(("model", "prefix"), [("llama", 1), ("gemma", 2)])
def test_real_models_read_how_as_one_vector_whatever_follows(real: dict[str, Outcome], model: str, prefix: int) -> None:
    outcome = real[model]
    first = outcome.tables["pairs"].records()[0]
    assert (first["prompt_a"], first["prompt_b"], first["prefix"]) == (0, 1, prefix)  # BOS, where there is one, and how
    assert outcome.metrics["prefix_difference"].value == 0
    assert first["difference"] > 10
    # "you" is the same word again, and another vector in every layer but the embedding
    you = outcome.arrays["differences/0"].values[:, prefix + 1]
    assert you[0] == 0
    assert (you[1:] > 0).all()


@pytest.mark.real
@pytest.mark.parametrize("model", ["llama", "gemma"])
def test_the_first_token_of_real_models_is_enormous(real: dict[str, Outcome], model: str) -> None:
    norms = real[model].arrays["norms/2"].values
    assert norms[len(norms) // 2].argmax() == 0
    assert norms[len(norms) // 2, 0] > 10 * np.median(norms[len(norms) // 2])
