from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.numerics.sampling import nucleus_size, sparsemax
from reportgen.probes.next_token import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import next_token as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXTS = ["I ate an apple", "an apple a day"]
FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]


def following(source: Path | str, **options: object) -> Outcome:
    probes = {"next": {"probe": "next_token", "prompts": TEXTS, **options}}
    outcome = run_probes({"m": source}, probes).outcomes["next"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_against_the_reference(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    network = random_model(family, seed)
    outcome = following(request.getfixturevalue(family), temperatures=[0.5, 3], top_k=7, top_p=0.8, k=5)
    rows, settings = outcome.tables["top"].records(), outcome.tables["settings"].records()
    assert len(settings) == 2 * 3 * 3
    for setting in settings:
        logits = reference.logits(network, ids(TEXTS[setting["prompt"]], bos))
        p = reference.softmax(logits, setting["temperature"])
        cuts = {"none": dict(enumerate(p)), "top_k": reference.keep_k(p, 7), "top_p": reference.keep_p(p, 0.8)}
        left = cuts[setting["cut"]]
        assert setting["kept"] == len(left)
        assert setting["mass"] == pytest.approx(sum(p[i] for i in left), abs=1e-5)
        assert setting["entropy"] == pytest.approx(reference.entropy(left.values()), abs=1e-4)
        place = [setting[name] for name in ("prompt", "temperature", "cut")]
        named = [row for row in rows if [row[name] for name in ("prompt", "temperature", "cut")] == place]
        best = sorted(left, key=lambda i: -left[i])[:5]
        assert [row["token_id"] for row in named] == best
        assert [row["probability"] for row in named] == pytest.approx([left[i] for i in best], abs=1e-5)
        assert [row["logit"] for row in named] == pytest.approx([logits[i] for i in best], abs=1e-3)
        assert [row["rank"] for row in named] == list(range(1, len(best) + 1))


def test_the_reference_catches_a_temperature_that_multiplies_and_a_cut_one_token_short(llama: Path) -> None:
    logits = reference.logits(random_model("llama"), ids(TEXTS[0]))
    settings = following(llama, temperatures=[2.0], top_p=0.8).tables["settings"].records()
    at = {(row["temperature"], row["cut"]): row for row in settings if row["prompt"] == 0}
    wrong = reference.entropy(reference.softmax(logits, 2.0, multiply=True))
    assert at[2.0, "none"]["entropy"] != pytest.approx(wrong, abs=0.05)
    short = reference.keep_p(reference.softmax(logits, 1.0), 0.8, strictly_below=True)
    assert at[1.0, "top_p"]["kept"] == len(short) + 1


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_other_maps_than_softmax_against_the_reference(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    network = random_model(family, seed)
    maps = ["softmax", "argmax", "sparsemax"]
    outcome = following(request.getfixturevalue(family), maps=maps, k=6)
    rows = outcome.tables["mapped"].records()
    kept = {(row["prompt"], row["map"]): row for row in outcome.tables["maps"].records()}
    assert len(kept) == 2 * 2
    for prompt, text in enumerate(TEXTS):
        logits = reference.logits(network, ids(text, bos))
        p = reference.sparsemax(logits)
        best = sorted((i for i in range(len(p)) if p[i] > 0), key=lambda i: -p[i])
        named = [row for row in rows if (row["prompt"], row["map"]) == (prompt, "sparsemax")]
        assert kept[prompt, "sparsemax"]["kept"] == len(best)
        assert kept[prompt, "sparsemax"]["entropy"] == pytest.approx(reference.entropy(p), abs=1e-4)
        assert [row["token_id"] for row in named] == best[:6]
        assert [row["probability"] for row in named] == pytest.approx([p[i] for i in best[:6]], abs=1e-4)
        wrong = reference.sparsemax(logits, mass=0.5)
        assert [row["probability"] for row in named] != pytest.approx([wrong[i] for i in best[:6]], abs=1e-2)
        (first,) = (row for row in rows if (row["prompt"], row["map"]) == (prompt, "argmax"))
        assert (first["token_id"], first["probability"]) == (max(range(len(p)), key=lambda i: logits[i]), 1.0)
    plain = following(request.getfixturevalue(family), k=6)
    assert plain.tables["top"].rows == outcome.tables["top"].rows
    assert (plain.tables["maps"].rows, plain.tables["mapped"].rows) == ([], [])
    section = Section("next", {"m": outcome}, {"m": ModelCard("m", "M", "X", 3)})
    titles = [ranking.title for ranking in next(iter(probe.figures(section))).rankings]
    assert "argmax: 1 token" in titles
    assert any(title.startswith("sparsemax: ") for title in titles)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([3.0, 1.0, 0.0], [1.0, 0.0, 0.0]),  # a whole logit and more apart
        ([0.5, 0.5, -9.0], [0.5, 0.5, 0.0]),
        ([1.0, 0.6, 0.2], [0.7, 0.3, 0.0]),  # τ = (1.6 - 1) / 2 = 0.3, and 1 + 3·0.2 < 1.8
        ([0.0, 0.0, 0.0, 0.0], [0.25] * 4),
    ],
)
def test_sparsemax_by_hand(logits: list[float], expected: list[float]) -> None:
    assert sparsemax(np.array(logits)).tolist() == pytest.approx(expected)
    assert reference.sparsemax(logits) == pytest.approx(expected)


def test_the_fewest_tokens_that_hold_the_mass() -> None:
    p = np.array([0.5, 0.25, 0.125, 0.125])
    assert [nucleus_size(p, mass) for mass in (0.1, 0.5, 0.51, 0.75, 0.9, 1.0)] == [1, 1, 2, 2, 4, 4]
    assert nucleus_size(np.array([0.5, 0.49999]), 1.0) == 2  # rounding may leave the sum below 1


def test_cuts_agree_with_the_samplers_of_transformers(llama: Path) -> None:
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    scores = torch.tensor([reference.logits(random_model("llama"), ids(TEXTS[0]))], dtype=torch.float32)
    outcome = following(llama, temperatures=[1.5], top_k=9, top_p=0.7)
    settings = {(row["temperature"], row["cut"]): row for row in outcome.tables["settings"].records()}
    warmed = TemperatureLogitsWarper(1.5)(None, scores)
    for cut, warper in {"top_k": TopKLogitsWarper(9), "top_p": TopPLogitsWarper(0.7)}.items():
        left = warper(None, warmed)
        last = [row for row in outcome.tables["settings"].records() if row["prompt"] == 0]
        row = next(r for r in last if (r["temperature"], r["cut"]) == (1.5, cut))
        assert row["kept"] == int(left.isfinite().sum())
    assert (1.0, "none") in settings


def test_the_model_s_own_temperature_is_always_there_and_cuts_may_be_left_out(llama: Path) -> None:
    outcome = following(llama, temperatures=[0.25], top_k=None, top_p=None)
    assert outcome.tables["temperatures"].rows == [[0, 0.25], [1, 1.0]]
    assert {row["cut"] for row in outcome.tables["settings"].records()} == {"none"}
    assert outcome.metrics["nucleus"].reason == "top_p is not asked for"
    assert outcome.metrics["own_entropy"].value == pytest.approx(outcome.arrays["entropy"].values[:, 1].mean())


@pytest.mark.parametrize(
    ("option", "told"),
    [({"temperatures": [0]}, "temperatures"), ({"temperatures": []}, "temperatures"), ({"top_p": 1.5}, "top_p"),
     ({"top_k": 0}, "top_k"), ({"prompts": []}, "prompts")],
)  # fmt: skip
def test_what_is_no_temperature_or_cut_is_a_mistake_of_the_battery(option: dict, told: str, llama: Path) -> None:
    with pytest.raises(BatteryError, match=f"probes.next.{told}"):
        following(llama, **option)


def test_a_prompt_longer_than_the_context_is_refused_before_any_pass(llama: Path) -> None:
    with pytest.raises(BatteryError, match=r"a prompt of \d+ tokens exceeds the context of 512"):
        following(llama, prompts=["z q " * 300])


def test_a_prompt_s_numbers_do_not_depend_on_its_neighbours(llama: Path) -> None:
    alone = following(llama, prompts=TEXTS[1:])
    together = following(llama, prompts=[*TEXTS, "my eye", "a day", "eye"])
    rows = [row[1:] for row in together.tables["settings"].rows if row[0] == 1]
    assert rows == [row[1:] for row in alone.tables["settings"].rows]


def test_chats_are_read_through_their_template(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "chat", chat_template="{% for m in messages %}<bos>{{ m.content }}{% endfor %}")
    chat = following(model, prompts=[{"messages": [{"role": "user", "content": TEXTS[0]}]}])
    assert chat.tables["top"].rows == following(model, prompts=TEXTS[:1]).tables["top"].rows


def test_a_slide_of_a_prompt_tells_of_that_prompt_even_where_another_is_surer(llama: Path) -> None:
    section = Section("next", {"m": following(llama)}, {"m": ModelCard("m", "M", "X", 3)})
    told = {figure.name: probe.tell_figure_each(section, figure)["m"] for figure in probe.figures(section)}
    for at, text in enumerate(TEXTS):
        for kind in ("tokens", "logits"):
            assert told[f"{kind}-{at}"].startswith("M expects “")
            assert f"after “{text}”" in told[f"{kind}-{at}"]
    assert told["entropy"] == ""
    part = replace(next(iter(probe.figures(section))), name="tokens-1-2")
    assert f"after “{TEXTS[1]}”" in probe.tell_figure_each(section, part)["m"]


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    prompts = ["Monday, Tuesday, Wednesday, Thursday,", "She opened the box and found a"]
    return run_probes(models, {"next": {"probe": "next_token", "prompts": prompts}}).outcomes["next"]


@pytest.mark.real
@pytest.mark.parametrize("model", ["llama", "gemma"])
def test_real_models_are_surer_of_a_weekday_than_of_a_box(real: dict[str, Outcome], model: str) -> None:
    outcome = real[model]
    entropy = outcome.arrays["entropy"].values
    assert entropy[0, 1] < entropy[1, 1]
    assert (np.diff(entropy, axis=1) > 0).all()  # hotter is wider
    first = [row for row in outcome.tables["top"].records() if row["prompt"] == 0 and row["rank"] == 1]
    assert {row["token"] for row in first} == {" Friday"}  # neither temperature nor cut changes what leads
    nucleus = {row["prompt"]: row["kept"] for row in outcome.tables["settings"].records()
               if (row["temperature"], row["cut"]) == (1.0, "top_p")}  # fmt: skip
    assert nucleus[0] < nucleus[1]
    section = Section("next", {"m": outcome}, {"m": ModelCard("m", "M", "X", 3)})
    assert "least sure after “She opened the box and found a”" in probe.statement(section)
    rankings = next(iter(probe.figures(section)))
    assert [ranking.title for ranking in rankings.rankings][:3] == [f"temperature {t}" for t in ("0.5", "1", "2")]
