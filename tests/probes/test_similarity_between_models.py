import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, HeatMap
from reportgen.probes.similarity_between_models import compared_positions, probe
from reportgen.probes.similarity_between_models.run import _draw_orders
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section, tell_apart
from reportgen.running.execute import Results
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from tests.reference import drift as slow_cka
from tests.reference import plain
from tests.reference import similarity_between_models as slow
from tests.runs import run_probes
from tests.tiny import configurations, save_tiny, tokenizer_json

TEXTS = ["an apple a day", "the apple of my eye", "I ate breakfast for an eye", "my day, my apple"]
K = 3
CHAT = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"


def results(base: Any, other: Any, **options: Any) -> Results:
    asked = {"probe": "similarity_between_models", "base": "a", "other": "b", "prompts": TEXTS, "k": K,
             "permutations": 19, **options}  # fmt: skip
    return run_probes({"a": base, "b": other}, {"s": asked})


def similarity(base: Any, other: Any, **options: Any) -> Outcome:
    outcome = results(base, other, **options).outcomes["s"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def section(found: Results) -> Section:
    return Section("s", found.outcomes["s"], tell_apart(found.models.values()))


def values(outcome: Outcome, name: str) -> np.ndarray:
    return outcome.arrays[name].values


def other_tokenizer() -> Tokenizer:
    """Byte-level BPE of fewer merges, made of other texts, without BOS."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=268,
        special_tokens=["<bos>", "<eos>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["my apple pays for my day", "apple day"] * 4, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 of 2 blocks, 16 wide, with another tokenizer."""
    folder = tmp_path_factory.mktemp("models") / "narrow"
    config = transformers.GPT2Config(**configurations()["gpt2"].to_dict() | {"n_embd": 16, "n_layer": 2})
    torch.manual_seed(5)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(other_tokenizer().to_str())
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


class Reading:
    """As much of a case as the choice of positions looks at."""

    def __init__(self, tokenizer: Tokenizer, texts: list[str], **options: Any) -> None:
        asked = {"base": "a", "other": "b", "prompts": texts, **options}
        self.tokenizer, self.options = TextTokenizer(tokenizer), probe.options.model_validate(asked)

    def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        return self.tokenizer.prompt_ids(prompt)

    def keeping(self) -> "Reading":
        kept = Reading.__new__(Reading)
        kept.tokenizer = self.tokenizer
        kept.options = self.options.model_copy(update={"repeated_tokens": "keep"})
        return kept


def loaded(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )


@pytest.fixture(scope="module")
def read(llama: Path, narrow: Path) -> dict[str, Any]:
    """Both models at the shared positions (less the first of each text), by plain transformers and loops."""
    tokenizers = [Tokenizer.from_str(tokenizer_json()), other_tokenizer()]
    networks = [(loaded(llama), "llama"), (loaded(narrow), "gpt2")]
    streams: list[list[Any]] = [[], []]
    text, shared = [], []
    for number, prompt in enumerate(TEXTS):
        cut = [tokenizer.encode(prompt) for tokenizer in tokenizers]
        spans = [{at: span for at, span in enumerate(one.offsets) if one.ids[at] > 1} for one in cut]
        pairs = slow.shared_ends(*spans)
        shared.append(len(pairs))
        for side, ((network, family), one) in enumerate(zip(networks, cut, strict=True)):
            stream = plain.residuals(network, family, one.ids)
            streams[side].append(stream[:, [pair[side] for pair in pairs[1:]]])
        text += [number] * (len(pairs) - 1)
    candidates = [[a != b for b in text] for a in text]
    return {"streams": [torch.cat(one, dim=1).double() for one in streams], "candidates": candidates, "text": text,
            "shared": shared}  # fmt: skip


def test_models_of_other_sizes_and_tokenizers_are_as_the_slow_reference_has_them(
    llama: Path, narrow: Path, read: dict[str, Any]
) -> None:
    outcome = similarity(llama, narrow, repeated_tokens="keep")
    base, other = read["streams"]
    assert (len(base), len(other), base.shape[2], other.shape[2]) == (4, 3, 24, 16)
    assert outcome.metrics["positions"].value == base.shape[1] == len(read["text"])
    assert outcome.arrays["knn_by_layer"].dims == ("layer", "other_layer")
    matched = outcome.tables["matched"].records()
    assert [row["shared"] for row in matched] == read["shared"]
    assert any(row["token_count"] != row["other_token_count"] for row in matched)
    knn, cka, plain_cka, jaccard = (np.empty((4, 3)) for _ in range(4))
    for layer, of_other in np.ndindex(4, 3):
        one, two = base[layer], other[of_other]
        knn[layer, of_other] = slow.mutual_knn(one, two, read["candidates"], K)
        jaccard[layer, of_other] = slow.mutual_knn(one, two, read["candidates"], K, over="union")
        plain_cka[layer, of_other] = slow_cka.plain_cka(one.tolist(), two.tolist())
    assert values(outcome, "knn_by_layer") == pytest.approx(knn, abs=1e-6)
    assert np.abs(values(outcome, "knn_by_layer") - jaccard).max() > 0.02
    for layer, of_other in ((0, 0), (3, 2), (1, 2)):
        cka[layer, of_other] = slow_cka.debiased_cka(base[layer].tolist(), other[of_other].tolist())
        assert values(outcome, "cka_by_layer")[layer, of_other] == pytest.approx(cka[layer, of_other], abs=1e-4)
    assert np.abs(values(outcome, "cka_by_layer") - plain_cka).min() > 0.05


def test_the_control_is_the_same_over_other_orders(llama: Path, narrow: Path, read: dict[str, Any]) -> None:
    outcome = similarity(llama, narrow, repeated_tokens="keep")
    base, other = read["streams"]
    n, options = len(read["text"]), probe.options.model_validate(
        {"base": "a", "other": "b", "prompts": TEXTS, "permutations": 19}
    )  # fmt: skip
    orders = [order.tolist() for order in _draw_orders(read["text"], options)]
    assert all(sorted(order) == list(range(n)) for order in orders)
    tables = []
    for order in [list(range(n)), *orders]:
        tables.append({cell: slow.mutual_knn(base[cell[0]], other[cell[1]][order], read["candidates"], K)
                       for cell in np.ndindex(4, 3)})  # fmt: skip
    best = (outcome.metrics["knn_layer"].value, outcome.metrics["knn_other_layer"].value)
    calibrated = slow.calibrated(tables[0][best], [table[best] for table in tables[1:]])
    assert outcome.metrics["knn_calibrated"].value == pytest.approx(calibrated, rel=1e-4)
    assert values(outcome, "knn_by_layer_calibrated")[best] == np.nanmax(values(outcome, "knn_by_layer_calibrated"))
    assert outcome.metrics["knn_chance"].value == pytest.approx(slow.chance(tables, best))
    highest = [max(table[2, other_layer] for other_layer in range(3)) for table in tables[1:]]
    assert values(outcome, "knn_best_shuffled")[2] == pytest.approx(np.mean(highest), abs=1e-6)


def test_a_model_against_itself_agrees_at_the_same_layers(llama: Path) -> None:
    found = results(llama, {"source": str(llama)}, permutations=50)
    outcome = found.outcomes["s"]["a..b"]
    for measure in ("knn", "cka"):
        table = values(outcome, f"{measure}_by_layer")
        assert np.diag(table) == pytest.approx(np.ones(4), abs=1e-6)
        assert (table.argmax(axis=1) == np.arange(4)).all()
        assert outcome.metrics[f"{measure}_chance"].value == pytest.approx(1 / 51)
        assert outcome.metrics[f"{measure}_layers_beyond"].value == 4
        assert (outcome.metrics[f"{measure}_layer"].value == outcome.metrics[f"{measure}_other_layer"].value) is True
    told = probe.statement(section(found))
    assert told.startswith("a → b: at all 4 layers of a the two agree beyond shuffling, over "), told
    assert "100% of the 3 nearest are the same" in told
    assert "By depth, these go together: 0% with 0%, 67% with 67% and 100% with 100%." in told


def test_a_model_whose_space_is_rotated_agrees_as_with_itself(llama: Path, tmp_path: Path) -> None:
    network = loaded(llama)
    turn, _ = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        network.model.embed_tokens.weight.copy_(network.model.embed_tokens.weight @ turn)
    network.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text((llama / name).read_text())
    outcome = similarity(llama, tmp_path)
    for measure in ("knn", "cka"):
        assert values(outcome, f"{measure}_by_layer")[0, 0] == pytest.approx(1, abs=1e-5)
        assert values(outcome, f"{measure}_by_layer")[3, 3] < 0.99


def test_unrelated_models_have_no_agreement_and_the_sentence_says_so(llama: Path, tmp_path: Path) -> None:
    stranger = save_tiny(tmp_path / "stranger", "gemma3", seed=4)
    words = ["apple", "breakfast", "eye", "day", "ate", "my", "the", "for", "of", "an"]
    texts = [" ".join(random.Random(seed).sample(words, 5)) for seed in range(3)]
    found = results(llama, stranger, prompts=texts, permutations=50)
    outcome = found.outcomes["s"]["a..b"]
    assert outcome.metrics["knn_chance"].value > 0.05
    assert outcome.metrics["cka_chance"].value > 0.05
    assert outcome.metrics["knn_layers_beyond"].value == outcome.metrics["cka_layers_beyond"].value == 0
    told = probe.statement(section(found))
    positions = outcome.metrics["positions"].value
    assert told == f"tiny-llama → stranger: no agreement beyond shuffled positions, over {positions} positions."


def test_within_texts_every_position_stays_in_its_text() -> None:
    options = probe.options.model_validate(
        {"base": "a", "other": "b", "prompts": TEXTS, "shuffle": "within_texts", "permutations": 19}
    )
    text = [0, 0, 0, 1, 1, 2, 2, 2, 2]
    orders = [order.tolist() for order in _draw_orders(text, options)]
    assert len(orders) == 19
    assert all([text[at] for at in order] == text for order in orders)
    assert len({tuple(order) for order in orders}) > 10


def test_orders_and_drawn_positions_have_a_seed(llama: Path, narrow: Path) -> None:
    one, again, other = (similarity(llama, narrow, seed=seed, positions=8, k=2) for seed in (0, 0, 1))
    assert one.metrics["positions"].value == 8
    assert sum(row["compared"] for row in one.tables["matched"].records()) == 8
    assert values(one, "knn_by_layer_calibrated").tolist() == values(again, "knn_by_layer_calibrated").tolist()
    assert values(one, "knn_by_layer").tolist() != values(other, "knn_by_layer").tolist()


def test_each_token_of_either_model_stands_at_one_position_unless_asked_otherwise(llama: Path, narrow: Path) -> None:
    texts = [*TEXTS, "a day for an apple"]
    tokenizers = [Tokenizer.from_str(tokenizer_json()), other_tokenizer()]
    cases: list[Any] = [Reading(tokenizer, texts) for tokenizer in tokenizers]
    drawn = compared_positions(*cases)
    for side, tokenizer in enumerate(tokenizers):
        ids = [tokenizer.encode(text).ids[pair[side]] for text, kept in zip(texts, drawn, strict=True) for pair in kept]
        assert len(ids) == len(set(ids))
    assert 8 < sum(map(len, drawn)) < sum(map(len, compared_positions(*(case.keeping() for case in cases))))
    without, whole = similarity(llama, narrow), similarity(llama, narrow, repeated_tokens="keep")
    assert without.metrics["positions"].value < whole.metrics["positions"].value


def test_the_first_positions_count_where_they_are_asked_for(llama: Path, narrow: Path) -> None:
    without, whole = (similarity(llama, narrow, repeated_tokens="keep", skip=skip) for skip in (1, 0))
    assert whole.metrics["positions"].value == without.metrics["positions"].value + len(TEXTS)


def test_too_few_positions_are_a_reason_to_skip_and_one_text_is_a_mistake(llama: Path, narrow: Path) -> None:
    outcome = results(llama, narrow, prompts=["an apple a day", "the day"], k=10).outcomes["s"]["a..b"]
    assert outcome.status == "skipped"
    assert outcome.reason == (
        "both models end a token at 3 characters of the texts, and one of these has 0 in other texts: k = 10 nearest "
        "neighbours need more; give more texts, or a smaller k"
    )
    with pytest.raises(BatteryError, match="two texts at least"):
        results(llama, narrow, prompts=["an apple a day of my eye for breakfast"])


def test_chats_that_are_written_otherwise_share_no_positions(tmp_path: Path) -> None:
    models = [save_tiny(tmp_path / name, chat_template=f"{name}{CHAT}") for name in ("a", "b")]
    chat = [{"messages": [{"role": "user", "content": text}]} for text in TEXTS]
    outcome = results(*models, prompts=chat)
    assert outcome.outcomes["s"]["a..b"].reason == (
        "their chat templates make different texts of prompt 0: no positions are shared"
    )


def test_figures_show_every_pair_of_layers_and_the_best_of_each_row(llama: Path, narrow: Path) -> None:
    found = results(llama, narrow)
    outcome = found.outcomes["s"]["a..b"]
    knn, best, cka, _ = probe.figures(section(found))
    assert isinstance(knn, HeatMap)
    assert isinstance(cka, HeatMap)
    assert knn.values.tolist() == values(outcome, "knn_by_layer_calibrated").tolist()
    assert [row for row, _ in knn.marked] == [0, 1, 2, 3]
    assert [column for _, column in knn.marked] == knn.values.argmax(axis=1).tolist()
    assert (knn.row_label, knn.column_label) == ("layer of tiny-llama", "layer of narrow")
    assert isinstance(best, Curves)
    scores = values(outcome, "knn_by_layer")
    assert best.curves[0].y == scores.max(axis=1).tolist()
    assert best.curves[1].y == values(outcome, "knn_best_shuffled").tolist()


@pytest.mark.real
def test_llama_and_gemma_agree_in_the_middle_of_their_depth() -> None:
    models = {"a": "demo:smollm2-135m-instruct", "b": "demo:gemma-3-270m"}
    asked = {"probe": "similarity_between_models", "base": "a", "other": "b"}
    outcome = run_probes(models, {"s": asked}).outcomes["s"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    assert outcome.metrics["positions"].value == 297
    assert outcome.metrics["knn_layers_beyond"].value == outcome.metrics["cka_layers_beyond"].value == 31
    assert values(outcome, "knn_by_layer")[:8].argmax(axis=1).tolist() == [0] * 8
    partners = values(outcome, "knn_by_layer_calibrated").argmax(axis=1)
    assert partners[:2].tolist() == [0, 0]
    assert partners[-1] == 18
    assert 8 <= np.median(partners[12:25]) <= 13
    assert values(outcome, "knn_by_layer").max() == pytest.approx(0.41, abs=0.05)
    assert np.abs(values(outcome, "cka_best_shuffled")).max() < 0.05
