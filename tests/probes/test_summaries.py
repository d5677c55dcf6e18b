"""The few numbers a probe sums itself up in, against its own arrays and tables, by loops."""

import pytest

from reportgen.results.quantities import Outcome
from tests.runs import run_probes
from tests.tiny import save_tiny

PROBES = {
    "near": {"probe": "nearest_tokens", "ids": [5, 9], "k": 3},
    "word": {
        "probe": "word_similarity",
        "word": "apple",
        "prompts": ["an apple a day", "the apple of my eye", "apple"],
    },
    "lens": {"probe": "logit_lens", "prompts": ["an apple", "a day"], "continue": 2},
    "heads": {"probe": "attention_grid", "prompts": ["an apple a day", "my eye"]},
    "map": {"probe": "pca_map", "prompts": ["an apple", "a day", "my eye", "breakfast"], "layers": [1, 2]},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    model = save_tiny(tmp_path_factory.mktemp("models") / "m")
    return {id: by["m"] for id, by in run_probes({"m": model}, PROBES).outcomes.items()}


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_nearest(found: dict[str, Outcome]) -> None:
    rows = found["near"].tables["neighbours"].records()
    first = [row["similarity"] for row in rows if row["rank"] == 1]
    assert len(first) == 2
    assert found["near"].metrics["nearest_similarity"].value == pytest.approx(mean(first))


def test_word(found: dict[str, Outcome]) -> None:
    last = [pair[-1] for pair in found["word"].arrays["raw"].values.tolist()]
    assert len(last) == 3
    assert found["word"].metrics["last_similarity"].value == pytest.approx(mean(last))


def test_lens(found: dict[str, Outcome]) -> None:
    arrays, metrics = found["lens"].arrays, found["lens"].metrics
    own = [steps[0][-1] for steps in arrays["entropy"].values.tolist()]
    assert metrics["answer_entropy"].value == pytest.approx(mean(own))
    settled = []
    for steps in arrays["answer_rank"].values.tolist():
        layer = len(steps[0])
        while layer and steps[0][layer - 1] == 1:
            layer -= 1
        settled.append(layer)
    assert metrics["settling_layer"].value == pytest.approx(mean(settled))


def test_heads(found: dict[str, Outcome]) -> None:
    arrays, metrics = found["heads"].arrays, found["heads"].metrics
    sinks = [head for prompt in arrays["sink"].values.tolist() for block in prompt for head in block]
    assert metrics["sink_share"].value == pytest.approx(mean([float(sink > 0.3) for sink in sinks]))
    entropies = [head for prompt in arrays["entropy"].values.tolist() for block in prompt for head in block]
    assert metrics["mean_entropy"].value == pytest.approx(mean(entropies), rel=1e-5)


def test_map(found: dict[str, Outcome]) -> None:
    shares = found["map"].arrays["explained_variance"].values.tolist()[-1]
    assert found["map"].metrics["plane_variance"].value == pytest.approx(sum(shares))
