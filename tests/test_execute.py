from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from running import run_probes
from tiny import save_tiny

from reportgen.errors import ModelError
from reportgen.needs import Need, Pass, Site
from reportgen.probes import logit_lens, pca_map

LENS = {"probe": "logit_lens", "prompts": ["an apple"]}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


def test_a_probe_that_raises_is_a_failed_card_and_the_others_run(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("division by\nzero")

    monkeypatch.setattr(logit_lens.LogitLens, "run", broken)
    results = run_probes({"m": tiny}, {"lens": LENS, "census": {"probe": "parameter_census"}})
    failed = results.outcomes["lens"]["m"]
    assert (failed.status, failed.reason) == ("failed", "ZeroDivisionError: division by")
    assert failed.options["prompts"]
    assert results.outcomes["census"]["m"].status == "ok"


def test_a_model_that_fails_is_a_failed_card_and_the_others_run(tiny: Path, tmp_path: Path) -> None:
    results = run_probes({"bad": tmp_path / "nowhere", "m": tiny}, {"lens": LENS})
    assert results.outcomes["lens"]["bad"].status == "failed"
    assert "nowhere" in results.outcomes["lens"]["bad"].reason
    assert results.outcomes["lens"]["m"].status == "ok"
    assert list(results.models) == ["bad", "m"]


def test_no_model_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model a: .*nowhere"):
        run_probes({"a": tmp_path / "nowhere"}, {"lens": LENS})


def test_a_model_that_is_not_proven_is_refused(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model import anatomy, load

    def halved(network: torch.nn.Module) -> anatomy.Anatomy:
        found = anatomy.anatomy_of(network)
        object.__setattr__(found, "logit_scale", 0.5)
        return found

    monkeypatch.setattr(load, "anatomy_of", halved)
    with pytest.raises(ModelError, match="is refused: the unembedding's logits differ from the model's own"):
        run_probes({"m": tiny}, {"lens": LENS})


def test_chat_prompts_skip_a_model_without_template(tiny: Path, tmp_path: Path) -> None:
    talks = save_tiny(tmp_path / "talks", chat_template="{% for m in messages %}{{ m.content }}{% endfor %}:")
    probes = {"lens": LENS | {"prompts": [{"messages": [{"role": "user", "content": "an apple"}]}]}}
    results = run_probes({"plain": tiny, "chat": talks}, probes)
    assert results.outcomes["lens"]["plain"].status == "skipped"
    assert results.outcomes["lens"]["plain"].reason == "the prompt is a chat, and the model has no chat template"
    chat = results.outcomes["lens"]["chat"]
    assert chat.status == "ok", chat.reason
    assert chat.tables["prompts"].column("text") == ["an apple:"]


def test_a_shared_prompt_passes_the_model_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model import capture

    ran: list[int] = []
    original = capture.run

    def counted(model: object, together: Sequence[capture.JoinedPass]) -> list[capture.Taken]:
        ran.extend(len(joined.tokens) for joined in together)
        return original(model, together)

    monkeypatch.setattr(capture, "run", counted)
    words = ["an apple", "a day", "my eye"]
    probes = {
        "lens": LENS | {"prompts": words, "continue": 2},
        "map": {"probe": "pca_map", "prompts": words},
        "heads": {"probe": "attention_grid", "prompts": words},
    }
    results = run_probes({"m": tiny}, probes)
    assert all(outcomes["m"].status == "ok" for outcomes in results.outcomes.values())
    assert len(ran) == 3 + 1  # and one of the proof on load


def test_a_probe_alone_gives_the_same_bytes_as_among_others(tiny: Path) -> None:
    others = {
        "heads": {"probe": "attention_grid", "prompts": ["an apple", "breakfast"]},
        "lens": LENS | {"prompts": ["an apple"], "continue": 3},
        "long": LENS | {"prompts": ["an apple", "of my eye"], "continue": 5, "positions": "all"},
    }
    together = run_probes({"m": tiny}, others).outcomes
    for id, probe in others.items():
        alone = run_probes({"m": tiny}, {id: probe}).outcomes[id]["m"]
        assert alone.tables == together[id]["m"].tables
        for name, array in alone.arrays.items():
            assert array.values.tobytes() == together[id]["m"].arrays[name].values.tobytes(), (id, name)


def test_a_probe_may_choose_further_passes_by_the_numbers_of_the_first(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = Need(Site.FINAL, "last")
    seen: list[tuple[int, ...]] = []

    def staged(self: object, case: SimpleNamespace, model: object, captured: list) -> object:
        first = captured[0].tokens
        (second,) = yield [Pass((*first, 7), (final,))]
        seen.append(second.tokens)
        (third,) = yield [Pass((*second.tokens, 9), (final,))]
        seen.append(third.tokens)
        return original(self, case, model, captured)

    original = pca_map.PcaMap.run
    monkeypatch.setattr(pca_map.PcaMap, "run", staged)
    results = run_probes({"m": tiny}, {"map": {"probe": "pca_map", "prompts": ["an apple", "a day", "my eye"]}})
    outcome = results.outcomes["map"]["m"]
    assert outcome.status == "ok", outcome.reason
    assert seen[0][-1:] == (7,)
    assert seen[1][-2:] == (7, 9)


def test_a_model_card_says_what_ran(tiny: Path) -> None:
    card = run_probes({"m": tiny}, {"lens": LENS}).models["m"]
    assert card.name == "tiny"
    assert card.layers == 3
    assert card.facts["dtype"] == "float32"
    assert card.facts["attention"] == "eager"
    assert len(card.facts["weights_sha256"]) == 64


def test_a_named_prompt_set_brings_what_one_should_see(tiny: Path) -> None:
    outcome = run_probes({"m": tiny}, {"lens": LENS | {"prompts": "lecture/weather"}}).outcomes["lens"]["m"]
    used = outcome.prompt_sets["lecture/weather"]
    assert used["title"] == "The weather, in Chinese"
    assert "turns to Chinese" in used["what_to_see"]
    assert outcome.options["prompts"][1]["text"] == "今天天氣真"


def test_a_model_that_fails_on_load_says_so_on_its_card(tiny: Path, tmp_path: Path) -> None:
    broken = save_tiny(tmp_path / "broken")
    (broken / "config.json").write_text(
        (broken / "config.json").read_text().replace('"vocab_size": 320', '"vocab_size": 99')
    )
    models = run_probes({"m": tiny, "broken": broken}, {"lens": LENS}).models
    assert "cannot be loaded" in models["broken"].facts["failed"]
    assert "failed" not in models["m"].facts
