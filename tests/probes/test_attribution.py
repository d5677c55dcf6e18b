from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.attribution import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import attribution as reference
from tests.runs import run_probes
from tests.tiny import FAMILIES, random_model, save_tiny, tokenizer_json

TEXT = "I ate an apple"
SEEDS = {"llama": 3, "gemma3": 4, "gpt2": 5, "falcon": 6, "granite": 7}


def attribution(source: Path | str, **options: Any) -> Outcome:
    probes = {"parts": {"probe": "attribution", "prompts": [TEXT], **options}}
    return run_probes({"m": source}, probes).outcomes["parts"]["m"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """What the probe says of a tiny model a family; of the token "e"."""
    folder = tmp_path_factory.mktemp("families")
    return {
        family: attribution(save_tiny(folder / family, family, seed=seed), answers=["e"])
        for family, seed in SEEDS.items()
    }


def by_hand(family: str, **wrong: Any) -> tuple[float, list[list[float]], list[float]]:
    tokenizer = Tokenizer.from_str(tokenizer_json())
    ids, (token,) = tokenizer.encode(TEXT).ids, tokenizer.encode("e", add_special_tokens=False).ids
    return reference.parts(random_model(family, SEEDS[family]), family, ids, token, 4, **wrong)


def agree(outcome: Outcome, expected: tuple[float, list[list[float]], list[float]]) -> bool:
    embedding, heads, mlp = expected
    arrays = outcome.arrays
    pairs = ((arrays["embedding"], embedding), (arrays["heads"], heads), (arrays["mlp"], mlp))
    return all(np.allclose(array.values[0], right, atol=1e-4) for array, right in pairs)


@pytest.mark.parametrize("family", SEEDS)
def test_every_part_against_the_reference(family: str, found: Mapping[str, Outcome]) -> None:
    assert agree(found[family], by_hand(family))


@pytest.mark.parametrize(
    ("family", "wrong"),
    [
        ("llama", {"own_scale": True}),
        ("gemma3", {"gain": "w alone"}),
        ("gemma3", {"no_norm_after": True}),
        ("gpt2", {"centred": False}),
        ("gpt2", {"bias_in_every_head": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_wrong_formula_does_not_agree(family: str, wrong: dict[str, Any], found: Mapping[str, Outcome]) -> None:
    assert not agree(found[family], by_hand(family, **wrong))


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "mamba"])
def test_the_parts_sum_to_the_logit_in_every_family(family: str, tmp_path: Path) -> None:
    outcome = attribution(save_tiny(tmp_path / family, family), answers=["e"], against=["a"])
    assert outcome.status == "ok", outcome.reason
    arrays = {name: array.values for name, array in outcome.arrays.items()}
    total = arrays["embedding"] + arrays["heads"].sum((1, 2)) + arrays["mlp"].sum(1) + arrays["bias"]
    assert total == pytest.approx(arrays["logit"], rel=1e-3, abs=1e-4)


def test_the_models_own_answer_is_taken_apart_where_none_is_named(llama: Path) -> None:
    outcomes = run_probes(
        {"m": llama},
        {
            "parts": {"probe": "attribution", "prompts": [TEXT, "an apple a day"]},
            "lens": {"probe": "logit_lens", "prompts": [TEXT, "an apple a day"]},
        },
    ).outcomes
    own = outcomes["lens"]["m"].tables["steps"].column("next_token_id")
    assert outcomes["parts"]["m"].tables["answers"].column("answer_id") == own
    heads, mlp = (np.abs(outcomes["parts"]["m"].arrays[name].values) for name in ("heads", "mlp"))
    shares = [m.sum() / (h.sum() + m.sum()) for h, m in zip(heads, mlp, strict=True)]
    assert outcomes["parts"]["m"].metrics["mlp_share"].value == pytest.approx(sum(shares) / 2)
    logits = outcomes["parts"]["m"].arrays["logit"].values
    assert outcomes["parts"]["m"].metrics["mean_logit"].value == pytest.approx(float(logits.mean()))


def test_an_answer_of_several_tokens_needs_pooling(llama: Path) -> None:
    with pytest.raises(BatteryError, match=r"is \d tokens: .*pool: mean accepts several"):
        attribution(llama, answers=["王"])
    of_both = attribution(llama, answers=["zq"], pool="mean")
    assert of_both.tables["answers"].column("answer_id") == [None]
    one, two = (attribution(llama, answers=[token]).arrays["heads"].values for token in ("z", "q"))
    assert of_both.arrays["heads"].values == pytest.approx((one + two) / 2, abs=1e-5)
    assert attribution(llama, answers=["zq"], pool="last").arrays["heads"].values == pytest.approx(two, abs=1e-6)


def test_answers_must_be_one_or_one_a_prompt(llama: Path) -> None:
    with pytest.raises(BatteryError, match="2 tokens for 1 prompts"):
        attribution(llama, answers=["a", "e"])


def test_a_model_without_attention_is_skipped_and_says_why(tmp_path: Path, llama: Path) -> None:
    models = {"m": save_tiny(tmp_path / "mamba", "mamba"), "l": llama}
    outcomes = run_probes(models, {"parts": {"probe": "attribution", "prompts": [TEXT]}}).outcomes["parts"]
    assert outcomes["l"].status == "ok"
    assert (outcomes["m"].status, outcomes["m"].reason) == (
        "skipped",
        "the architecture MambaForCausalLM has no attention",
    )


NAMED = [{"id": "a-day", "text": "an apple a day"}, {"id": "my-eye", "text": TEXT}]


@pytest.fixture(scope="module")
def gemma(llama: Path) -> Mapping[str, Mapping[str, Outcome]]:
    """Gemma 3 270M, and beside it a tiny model that has no token for 王."""
    in_gemma = {"probe": "attribution", "models": ["gemma"]}
    probes = {
        "english": {**in_gemma, "prompts": "components/giving", "answers": [" Mary"], "against": [" John"]},
        "chinese": {**in_gemma, "prompts": "components/giving_zh", "answers": ["明"], "against": ["美"]},
        "rows": {"probe": "attribution", "prompts": NAMED, "answers": ["王", "e"]},
    }
    return run_probes({"m": llama, "gemma": "demo:gemma-3-270m"}, probes).outcomes


@pytest.mark.real
def test_one_head_of_gemma_copies_the_name_in_english_and_in_chinese(gemma: Mapping[str, Any]) -> None:
    for id in ("english", "chinese"):
        heads = gemma[id]["gemma"].arrays["heads"].values[0]
        assert np.unravel_index(heads.argmax(), heads.shape) == (11, 3)
        (record,) = gemma[id]["gemma"].tables["answers"].records()
        assert record["logit"] > 4
        assert record["sum"] == pytest.approx(record["logit"], rel=1e-3)
    cards = {"gemma": ModelCard("gemma", "Gemma", "X", 18)}
    said = probe.statement(Section("english", gemma["english"], cards))
    assert "the heads contribute" in said
    assert "head 11.3" in said


@pytest.mark.real
def test_a_prompt_whose_answer_is_several_tokens_is_skipped_beside_others(gemma: Mapping[str, Any]) -> None:
    assert len(gemma["rows"]["m"].arrays["logit"].values) == 1
    assert "'王' is 3 tokens" in gemma["rows"]["m"].tables["skipped"].rows[0][1]
    assert gemma["rows"]["gemma"].tables["skipped"].rows == []
    assert len(gemma["rows"]["gemma"].arrays["logit"].values) == 2
    cards = {id: ModelCard(id, id, "X", 3) for id in ("m", "gemma")}
    titles = [figure.title for figure in probe.figures(Section("rows", gemma["rows"], cards))]
    quoted = [f"after “{one['text']}”" for one in NAMED]
    assert all(title.endswith(tuple(quoted)) for title in titles)  # by its own text, whichever others are skipped
    assert all(title.endswith(quoted[1]) for title in titles if title.startswith("m: "))


def test_the_parts_sum_to_the_logit_in_smollm2() -> None:
    outcome = attribution("demo:smollm2-135m-instruct", prompts=["The capital of France is"])
    (record,) = outcome.tables["answers"].records()
    assert record["answer"] == " Paris"
    assert record["sum"] == pytest.approx(record["logit"], rel=1e-3)
    assert outcome.tables["parts"].records()[0]["part"] == "mlp"
