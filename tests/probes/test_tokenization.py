from pathlib import Path

import pytest
import transformers
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.tokenization import probe
from reportgen.probes.tokenization.run import kind_of
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import tokenization as reference
from tests.runs import run_probes
from tests.tiny import save_tiny, tokenizer_json

TEXTS = ["an apple a day", "my eye, 天氣!"]
CHINESE, EMOJI = 1, 3
"""Of the set of strips."""


def tokens(source: Path | str, **options: object) -> Outcome:
    probes = {"t": {"probe": "tokenization", "prompts": TEXTS, **options}}
    outcome = run_probes({"m": source}, probes).outcomes["t"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


@pytest.mark.parametrize(("family", "bos"), [("llama", True), ("gemma3", False)])
def test_against_the_tokenizer_itself(family: str, bos: bool, request: pytest.FixtureRequest) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json(bos))
    outcome = tokens(request.getfixturevalue(family))
    for prompt, text in enumerate(TEXTS):
        rows = [row for row in outcome.tables["tokens"].records() if row["prompt"] == prompt]
        own = tokenizer.encode(text, add_special_tokens=False).ids
        assert [row["token_id"] for row in rows] == [0] * bos + own
        assert [row["added"] for row in rows] == [True] * bos + [False] * len(own)
        assert sum(row["characters"] for row in rows) == len(text)
        counted = outcome.tables["texts"].records()[prompt]
        assert (counted["characters"], counted["bytes"]) == (len(text), len(text.encode()))
        assert counted["characters_per_token"] == pytest.approx(len(text) / len(own))
    expected, wrong = (reference.characters_per_token(tokenizer, TEXTS, count_added=count) for count in (False, True))
    assert outcome.metrics["characters_per_token"].value == pytest.approx(expected)
    assert (expected != pytest.approx(wrong)) == bos  # teeth: BOS is no part of the text
    assert outcome.metrics["added"].value == int(bos)
    assert outcome.metrics["vocabulary"].value == tokenizer.get_vocab_size()
    make_up = {row["kind"]: row["tokens"] for row in outcome.tables["make_up"].records()}
    assert sum(make_up.values()) == tokenizer.get_vocab_size()
    assert make_up["special"] == outcome.metrics["special"].value == 2


def test_fragments_of_one_character_stand_apart_and_the_last_shows_it(llama: Path) -> None:
    outcome = tokens(llama, prompts=["天"])
    rows = outcome.tables["tokens"].records()
    assert [row["token"] for row in rows] == ["<bos>", "<E5>", "<A4>", "<A9>→天"]
    assert [row["characters"] for row in rows] == [0, 1, 0, 0]
    assert outcome.metrics["fragments"].value == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [(" apple", "latin"), ("café", "latin"), ("天氣", "han"), ("ひ", "kana"), ("привет", "cyrillic"), ("天a", "mixed"),
     ("  \n", "space"), (" 12", "digits"), ("٣", "digits"), ("!?", "symbols"), ("🐠", "symbols"),
     ("ሰላም", "other script"), ("a1", "latin")],
)  # fmt: skip
def test_what_a_token_is(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_a_long_text_fills_several_lines_and_says_where_it_ends(llama: Path) -> None:
    outcome = tokens(llama, prompts=["z q " * 50])
    grid = next(iter(probe.figures(Section("t", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))))
    assert len(grid.rows) == 2 * 6
    assert len(grid.columns) == 14
    assert grid.column_label.startswith("the first 84 of ")
    assert grid.outlined[0, 0]
    assert grid.outlined.sum() == 1


def test_chats_are_cut_as_their_template_writes_them(tmp_path: Path, llama: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "an apple"}]}
    model = save_tiny(tmp_path / "chat", chat_template="{% for m in messages %}<bos>{{ m.content }}{% endfor %}")
    outcome = tokens(model, prompts=[chat])
    assert outcome.tables["tokens"].rows[0][2] == 0
    assert not any(outcome.tables["tokens"].column("added"))
    assert outcome.tables["prompts"].rows[0][1] == "<bos>an apple"
    with pytest.raises(BatteryError, match="no chat template"):
        tokens(llama, prompts=[chat])


def test_a_configuration_alone_has_no_tokenizer(llama: Path) -> None:
    with pytest.raises(BatteryError, match="a configuration alone has no tokenizer"):
        tokens(f"config:{llama}/config.json")


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    return run_probes(models, {"t": {"probe": "tokenization", "prompts": "basics/strips"}}).outcomes["t"]


@pytest.mark.real
def test_real_texts_against_transformers(real: dict[str, Outcome], smollm2_folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2_folder, local_files_only=True)
    outcome = real["llama"]
    texts = outcome.tables["prompts"].column("text")
    for prompt, text in enumerate(texts):
        rows = [row["token_id"] for row in outcome.tables["tokens"].records() if row["prompt"] == prompt]
        assert rows == tokenizer(text).input_ids
    fragments = [i for text in texts for i in tokenizer(text).input_ids if reference.is_fragment(tokenizer, i)]
    count = sum(row["fragments"] for row in outcome.tables["texts"].records())
    assert count == len(fragments) > 5
    vocabulary = [tokenizer.decode([i]) for i in range(outcome.metrics["vocabulary"].value)]
    make_up = {row["kind"]: row["tokens"] for row in outcome.tables["make_up"].records()}
    assert make_up["cyrillic"] == sum(reference.is_script(text, "CYRILLIC") for text in vocabulary if "�" not in text)
    written_so = tokenizer("�").input_ids  # that sign itself is a token too
    assert make_up["bytes"] == sum("�" in text for i, text in enumerate(vocabulary) if [i] != written_so)


@pytest.mark.real
def test_gemma_keeps_tokens_for_later_and_adds_bos(real: dict[str, Outcome]) -> None:
    outcome = real["gemma"]
    assert outcome.metrics["added"].value == 1
    assert outcome.metrics["reserved"].value == 6242
    assert real["llama"].metrics["added"].value == real["llama"].metrics["reserved"].value == 0
    longest = real["llama"].tables["longest"].records()
    assert [row["rank"] for row in longest] == list(range(1, 21))
    assert all(row["characters"] == len(row["token"].strip()) for row in longest)
    assert longest[0]["token"] == "ManagementPlaneProtection"


@pytest.mark.real
def test_gemma_has_chinese_words_where_smollm2_has_bytes(real: dict[str, Outcome]) -> None:
    def shown(model: str, prompt: int) -> list[str]:
        return [row["token"] for row in real[model].tables["tokens"].records() if row["prompt"] == prompt]

    assert shown("gemma", CHINESE)[:2] == ["<bos>", "小"]
    assert any(token.endswith(">→樹") for token in shown("llama", CHINESE))
    assert {" 🐠", "🐠"} & set(shown("gemma", EMOJI))
    assert any(token.endswith(">→🐠") for token in shown("llama", EMOJI))
    assert any(token.endswith(">→💺") for token in shown("gemma", EMOJI))
    han = {
        model: {row["kind"]: row["share"] for row in o.tables["make_up"].records()}["han"] for model, o in real.items()
    }
    assert han["gemma"] > 0.05 > 0.01 > han["llama"]
    cards = {id: ModelCard(id, id.title(), "X", 3) for id in real}
    told = probe.statement(Section("t", real, cards))
    assert "They differ most on “小狗在老樹下睡覺。”" in told
