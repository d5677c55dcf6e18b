from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.model.files.demo import DEMO_MODELS, demo_folder
from reportgen.numerics.confidence import margin_95
from reportgen.probes.latent_language import probe
from reportgen.probes.latent_language.statement import find_leading_language
from reportgen.resources import folder
from reportgen.results.quantities import Array, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.text.prompts import read_prompt_file
from reportgen.text.tokens import TextTokenizer
from reportgen.text.word_openings import beginnings
from tests.reference import latent_language as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

LANGUAGES = ("en", "fr", "zh")
TRIPLES = [("dog", "chien", "狗"), ("apple", "pomme", "苹果"), ("eye", "vue", "眼"), ("tree", "arbre", "树")]
OVERLAPPING = ("cat", "chat", "猫")
FAMILIES = [("llama", 0, True), ("gemma2", 3, True), ("gpt2", 2, True)]
WAY = {"source": "fr", "target": "zh", "shots": 2}


def listed(*triples: tuple[str, ...], languages: tuple[str, ...] = LANGUAGES) -> list[dict[str, str]]:
    return [
        {"text": word, "sense": triple[0], "language": language}
        for triple in triples
        for language, word in zip(languages, triple, strict=True)
    ]


def measured(source: Path | str, **options: Any) -> Outcome:
    probes = {"latent": {"probe": "latent_language", "words": listed(*TRIPLES), **WAY, **options}}
    outcome = run_probes({"m": source}, probes).outcomes["latent"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def tokenizer(bos: bool = True) -> Tokenizer:
    return Tokenizer.from_str(tokenizer_json(bos))


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_against_the_reference(family: str, seed: int, bos: bool, tmp_path: Path) -> None:
    network = random_model(family, seed)
    outcome = measured(save_tiny(tmp_path / family, family, seed=seed, bos=bos), example="eye", k=3)
    found, texts = outcome.arrays, outcome.tables["prompts"].column("text")
    assert outcome.tables["languages"].rows == [[0, "en", "pivot"], [1, "zh", "target"], [2, "fr", "source"]]
    by_item = []
    for item, (english, french, chinese) in enumerate(TRIPLES):
        ids = tokenizer(bos).encode(texts[item]).ids
        sets = [reference.tokens(tokenizer(), english), reference.tokens(tokenizer(), chinese, whole=False),
                reference.tokens(tokenizer(), french)]  # fmt: skip
        probabilities, entropies = reference.probabilities(network, family, ids, sets)
        assert found["probability"].values[item] == pytest.approx(np.array(probabilities).T, abs=1e-4)
        assert found["entropy"].values[item] == pytest.approx(np.array(entropies), abs=1e-3)
        by_item.append(probabilities)
    for layer in range(4):
        for component in range(3):
            expected = reference.mean_and_margin([item[layer][component] for item in by_item])
            got = [found[name].values[component, layer] for name in ("mean", "margin")]
            assert got == pytest.approx(expected, abs=1e-4)
    example = outcome.tables["example"].records()
    assert {row["sense"] for row in example} == {"eye"}
    assert [(row["layer"], row["rank"]) for row in example] == [
        (layer, rank) for layer in range(4) for rank in (1, 2, 3)
    ]


def test_the_reference_catches_a_sum_without_the_forms_with_a_space(llama: Path) -> None:
    outcome = measured(llama)
    ids = tokenizer().encode(outcome.tables["prompts"].column("text")[1]).ids
    right, wrong = ([reference.tokens(tokenizer(), "apple", spaced=spaced)] for spaced in (True, False))
    assert set(wrong[0]) < set(right[0])
    found = outcome.arrays["probability"].values[1, 0]
    for sets, agrees in ((right, True), (wrong, False)):
        expected = [row[0] for row in reference.probabilities(random_model("llama"), "llama", ids, sets)[0]]
        assert (found == pytest.approx(expected, abs=1e-4)) is agrees


def test_a_word_that_no_token_begins_is_left_out(llama: Path) -> None:
    outcome = measured(llama, words=listed(*TRIPLES, ("work", "œuvre", "作")))  # of œ the tiny tokenizer has bytes
    assert outcome.tables["skipped"].rows == [["work", "work · 作 · œuvre", "no token begins œuvre"]]


def test_words_whose_english_tokens_overlap_are_dropped_and_listed(llama: Path) -> None:
    outcome = measured(llama, words=listed(*TRIPLES[:2], OVERLAPPING, *TRIPLES[2:]))
    assert outcome.tables["items"].column("sense") == ["dog", "apple", "eye", "tree"]
    ((sense, words, tokens),) = outcome.tables["skipped"].rows
    assert (sense, words) == ("cat", "cat · 猫 · chat")
    assert "c" in tokens.split(" | ")
    assert outcome.arrays["probability"].values.shape[0] == 4
    assert outcome.arrays["probability"].values.sum(axis=1).max() <= 1 + 1e-5  # what is left counts no token twice


def test_a_word_that_overlaps_is_drawn_alone_where_it_is_asked_for_and_the_mean_stays(llama: Path) -> None:
    words = listed(*TRIPLES, OVERLAPPING)
    plain, named = measured(llama, words=words), measured(llama, words=words, show=["CHAT", "eye"])
    for name in ("mean", "probability", "entropy"):
        assert named.arrays[name].values == pytest.approx(plain.arrays[name].values, abs=1e-7)
    assert named.tables["items"].rows == plain.tables["items"].rows
    shown = named.tables["shown"].records()
    assert [(one["sense"], one["in_mean"]) for one in shown] == [("cat", False), ("eye", True)]
    assert "c" in shown[0]["shared"].split(" | ")
    assert plain.tables["shown"].rows == []
    texts = named.tables["prompts"].column("text")
    ids = tokenizer().encode(texts[-1]).ids
    assert texts[-1].endswith('Français: "chat" - 中文: "')
    sets = [reference.tokens(tokenizer(), "cat"), reference.tokens(tokenizer(), "猫", whole=False),
            reference.tokens(tokenizer(), "chat")]  # fmt: skip
    assert set(sets[0]) & set(sets[2])  # what they share counts for both
    expected = np.array(reference.probabilities(random_model("llama"), "llama", ids, sets)[0]).T
    assert named.arrays["shown_probability/0"].values == pytest.approx(expected, abs=1e-4)
    eye = named.tables["items"].column("sense").index("eye")
    assert (named.arrays["shown_probability/1"].values == named.arrays["probability"].values[eye]).all()
    assert {row["sense"] for row in named.tables["example"].records()} == {"cat"}
    cards = {"m": ModelCard("m", "M", "X", 3)}
    figures = list(probe.figures(Section("s", {"m": named}, cards)))
    assert [figure.name for figure in figures] == ["languages", "word-0", "word-1", "example", "entropy"]
    assert "not part of the mean" in figures[1].title
    assert "not part" not in figures[2].title
    told = probe.statement(Section("s", {"m": named}, cards))
    assert "“chat” alone: English at most " in told
    assert "because the token “c” begins it in English and in another language, and counts for both" in told


def test_a_word_beyond_the_limit_is_measured_where_it_is_asked_for(llama: Path) -> None:
    outcome = measured(llama, limit=2, show=["tree"])
    assert outcome.tables["items"].column("sense") == ["dog", "apple"]
    assert [row[1:2] + row[5:] for row in outcome.tables["shown"].rows] == [["tree", False, ""]]
    told = probe.statement(Section("s", {"m": outcome}, {"m": ModelCard("m", "M", "X", 3)}))
    assert "It is not part of the mean, which is of the first words alone." in told


def test_where_every_word_overlaps_nothing_runs(llama: Path) -> None:
    words = listed(OVERLAPPING, ("lake", "lac", "湖"), ("table", "table", "桌"))
    with pytest.raises(BatteryError, match=r"none of its 3 words is left: cat · 猫 · chat: "):
        measured(llama, words=words)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": "ja"}, r"target: there are no words in 'ja'; there are in en, fr, zh"),
        ({"pivot": "de"}, r"pivot: there are no words in 'de'"),
        ({"target": "fr"}, r"target: it is the source, 'fr'"),
        ({"shots": 4}, r"shots: 4 examples beside a word need 5 senses with words in en, zh, fr; there are 4"),
        ({"words": []}, "words"),
        ({"words": ["dog"]}, r"words: each has text, sense and language"),
        ({"words": "translations/wordz"}, r"there is no prompt set 'translations/wordz'"),
        ({"example": "moon"}, r"example: there is no sense 'moon'"),
        ({"words": listed(*TRIPLES, languages=("en", "fr", "xx")), "target": "xx"},
         r"names: a prompt has no name for 'xx': give names: \{xx: …\}"),
        ({"show": ["appel"]}, r"show: there is no word 'appel' that is in en, zh, fr. Did you mean 'apple'"),
        ({"names": {"fr": "F" * 400}}, r"a prompt of \d+ tokens exceeds the context of 512"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_refused_before_any_pass(options: dict[str, Any], told: str, llama: Path) -> None:
    with pytest.raises(BatteryError, match=told):
        measured(llama, **options)


def test_prompts_are_seeded_and_hold_other_words_alone(llama: Path) -> None:
    one, again, other = (measured(llama, seed=seed).tables["prompts"].rows for seed in (0, 0, 1))
    assert one == again
    assert one != other
    text = one[0][1]
    assert text.endswith('\nFrançais: "chien" - 中文: "')
    assert text.count("chien") == 1
    assert "狗" not in text
    assert text.count("\n") == 2


def test_a_single_word_has_no_band_and_a_chat_its_template(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "chat", chat_template="{% for m in messages %}<bos>[{{ m.content }}]{% endfor %}")
    outcome = measured(model, limit=1, chat=True)
    assert outcome.tables["prompts"].column("text")[0].endswith('Français: "chien" - 中文:]')
    assert np.isnan(outcome.arrays["margin"].values).all()
    figures = list(probe.figures(Section("s", {"m": outcome}, {"m": ModelCard("m", "M", "X", 3)})))
    assert all(curve.band is None for curve in figures[0].curves)
    assert [figure.name for figure in figures] == ["languages", "example", "entropy"]


def test_a_model_that_the_other_would_make_flat_has_an_axis_of_its_own(llama: Path) -> None:
    outcome = measured(llama)
    cards = {id: ModelCard(id, id, "X", 3) for id in "ab"}

    def axes(most: float) -> list[tuple[str, tuple[float, float]]]:
        scaled = {}
        for id, times in (("a", most), ("b", 1.0)):
            mean = outcome.arrays["mean"]
            values = np.linspace(0, times, mean.values.size).reshape(mean.values.shape)
            arrays = {**outcome.arrays, "mean": replace(mean, values=values)}
            arrays["margin"] = replace(outcome.arrays["margin"], values=np.zeros_like(values))
            scaled[id] = replace(outcome, arrays=arrays)
        drawn = [one for one in probe.figures(Section("s", scaled, cards)) if one.name == "languages"]
        return [(one.y_label, one.y_range) for one in drawn]

    (told, one), (_, other) = axes(0.05)
    assert "its own axis" in told
    assert one[1] < 0.06 < 1 < other[1]
    (told, one), (_, other) = axes(0.5)
    assert "own" not in told
    assert one == other


def test_a_model_without_a_chat_template_is_refused_a_chat(llama: Path) -> None:
    with pytest.raises(BatteryError, match="the prompt is a chat, and the model has no chat template"):
        measured(llama, chat=True)


@pytest.mark.real
def test_bytes_begin_a_word_of_another_script_and_never_a_latin_one(smollm2_folder: Path) -> None:
    tokens = TextTokenizer.from_folder(smollm2_folder)
    found = beginnings(tokens, ["天空", "école", "dog"])
    shown = {word: {tokens.show(i) for i in ids} for word, ids in found.items()}
    assert {"<E5>", "<E5 A4>"} <= shown["天空"]
    assert not any(token.startswith("<") for token in shown["école"])
    assert {"d", " d", "dog", " dog"} <= shown["dog"]
    assert " " not in shown["dog"]


def test_margin_is_1_96_standard_errors() -> None:
    values = np.array([[0.1, 0.5], [0.3, 0.5], [0.8, 0.5]])
    expected = reference.mean_and_margin(values[:, 0].tolist())[1]
    assert margin_95(values) == pytest.approx([expected, 0.0])


@pytest.mark.real
@pytest.mark.parametrize("demo", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_the_shipped_words_leave_sixty_each_way(demo: str) -> None:
    words = read_prompt_file(folder("prompts") / "translations.yaml")["words"].prompts
    by_sense: dict[str, dict[str, str]] = {}
    for word in words:
        by_sense.setdefault(str(word.sense), {})[str(word.language)] = str(word.text)
    known = beginnings(TextTokenizer.from_folder(demo_folder(DEMO_MODELS[demo])), [str(word.text) for word in words])
    for way in (("fr", "zh"), ("de", "fr"), ("en", "zh"), ("en", "zh-TW")):
        left = 0
        for of_sense in by_sense.values():
            english, *others = (known[of_sense[one]] for one in dict.fromkeys(("en", *way)))
            left += bool(english) and all(others) and not any(english & other for other in others)
        assert left >= 60, way


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    latent = {"probe": "latent_language", "words": "translations/words", "source": "en", "target": "zh", "limit": 5}
    return run_probes(models, {"latent": {**latent, "example": "dog"}}).outcomes["latent"]


@pytest.mark.real
def test_gemma_holds_the_english_word_before_it_turns_to_chinese_and_smollm2_does_not(real: dict[str, Outcome]) -> None:
    gemma, llama = (real[id].arrays["mean"].values for id in ("gemma", "llama"))
    assert gemma[0, :-1].max() > 0.5
    assert gemma[1, -1] > gemma[0, -1]
    assert llama[0, :-1].max() < 0.25
    cards = {id: ModelCard(id, id, "X", 3) for id in real}
    told = probe.statement(Section("latent", real, cards))
    assert "In the middle of gemma, English → Chinese, English leads" in told
    assert "Chinese takes over at layer" in told


EN_ZH_FR = [[0, "en", "pivot"], [1, "zh", "target"], [2, "fr", "source"]]


def told(mean: list[list[float]], margin: float = 0.01) -> str:
    arrays = {name: Array(("component", "layer"), np.array(values)) for name, values in
              {"mean": mean, "margin": np.full(np.shape(mean), margin)}.items()}  # fmt: skip
    tables = {"languages": Table(("component", "language", "roles"), EN_ZH_FR)}
    options = {"source": "fr", "target": "zh"}
    outcome = Outcome("latent_language", 1, options, ("m",), "ok", tables=tables, arrays=arrays)
    return probe.statement(Section("s", {"m": outcome}, {"m": ModelCard("m", "M", "X", 4)}))


END = "Its last layer gives the word in Chinese a probability of 60%."


@pytest.mark.parametrize(
    ("english", "chinese", "french", "said"),
    [
        ([0, 0.2, 0.4, 0.3, 0.1], [0, 0, 0, 0.1, 0.6], [0] * 5, "In the middle of M, French → Chinese, English leads "
         f"(layers 1–3 of 4; 40% at layer 2). Chinese takes over at layer 4. {END}"),
        ([0, 0, 0.4, 0, 0], [0, 0, 0, 0.1, 0.6], [0] * 5, "In the middle of M, French → Chinese, English leads "
         f"(layer 2 of 4, 40%). Chinese takes over at layer 3. {END}"),
        ([0] * 5, [0, 0.1, 0.2, 0.3, 0.6], [0] * 5, "In the middle of M, French → Chinese, Chinese leads "
         f"(layers 1–3 of 4; 30% at layer 3). {END}"),
        ([0, 0.04, 0.04, 0.2, 0], [0, 0, 0, 0.19, 0.6], [0] * 5, "No clear statement about M, French → Chinese: in its "
         f"middle layers no language leads clearly with 5% or more. {END}"),
    ],
)  # fmt: skip
def test_a_language_leads_in_the_middle_or_none_does(
    english: list[float], chinese: list[float], french: list[float], said: str
) -> None:
    assert told([english, chinese, french]) == said


def test_bands_that_touch_have_no_leader() -> None:
    assert find_leading_language([0.3, 0.2], [0.02, 0.02]) == 0
    assert find_leading_language([0.3, 0.2], [0.05, 0.05]) is None
    assert find_leading_language([0.049, 0.0], [0.0, 0.0]) is None
    assert find_leading_language([0.3, 0.2], [float("nan")] * 2) == 0
