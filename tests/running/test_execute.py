import errno
import gc
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError, ModelError
from reportgen.model.capture.batches import JoinedPass
from reportgen.model.needs import Need, Pass, Site
from reportgen.probes import drift, logit_lens, pca_map
from reportgen.probing.case import Case
from reportgen.running import execute as run_of_plans
from reportgen.running import ready
from reportgen.running.execute import execute
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.plan import make_plan
from reportgen.running.planned import PlannedModel, PreparedModel
from tests.runs import run_probes
from tests.tiny import save_tiny

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


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (IndexError("index 1 is out of bounds"), "index 1 is out of bounds"),
        (KeyError("cache_position"), "there is no 'cache_position' where it looks for it"),
        (AssertionError(), "it does not say why"),
        (MemoryError(), "the memory is full"),
    ],
)
def test_a_model_whose_own_code_fails_while_it_is_proven_is_a_failed_card(
    raised: Exception, told: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise raised

    odd = save_tiny(tmp_path / "odd", "gpt2")
    monkeypatch.setattr(transformers.GPT2Model, "forward", broken)
    results = run_probes({"odd": odd, "m": tiny}, {"lens": LENS})
    failed = results.outcomes["lens"]["odd"]
    assert failed.status == "failed"
    assert failed.reason.startswith(f"the model's own code failed while it was proven: {told}.")
    assert results.models["odd"].facts["failed"] == failed.reason
    assert results.outcomes["lens"]["m"].status == "ok"


def test_a_model_that_cannot_be_hashed_is_a_failed_card_and_the_others_run(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(folder: Path, adapter: object) -> str:
        if folder.name == "odd":
            raise OSError(errno.EIO, "Input/output error", str(folder))
        return "0" * 64

    monkeypatch.setattr(ready, "weights_sha256", hashed)
    results = run_probes({"odd": save_tiny(tmp_path / "odd"), "m": tiny}, {"lens": LENS})
    assert results.outcomes["lens"]["odd"].reason == "the model could not be made ready: Input/output error"
    assert results.outcomes["lens"]["m"].status == "ok"


def test_no_model_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model a: .*nowhere"):
        run_probes({"a": tmp_path / "nowhere"}, {"lens": LENS})


def test_a_model_that_is_not_proven_is_refused(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model import load
    from reportgen.model.network import anatomy

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


@pytest.mark.parametrize("where", ["_drop_unmeasurable_needs", "_settle"])
def test_what_cannot_be_joined_is_a_failed_card_of_its_probe_alone(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from reportgen.model.capture import shared_passes as capture

    followed = {"lens": LENS | {"continue": 2}}
    words = {"map": {"probe": "pca_map", "prompts": ["an apple", "a day", "my eye"]}}
    alone = run_probes({"m": tiny}, words).outcomes["map"]["m"]
    original = getattr(capture, where)

    def broken(model: object, given: Any) -> object:
        if any(one.steps > 1 for one in ([given] if isinstance(given, Pass) else given)):
            raise ZeroDivisionError("it cannot be proven")
        return original(model, given)

    monkeypatch.setattr(capture, where, broken)
    outcomes = run_probes({"m": tiny}, followed | words).outcomes
    assert (outcomes["lens"]["m"].status, "it cannot be proven" in outcomes["lens"]["m"].reason) == ("failed", True)
    assert outcomes["map"]["m"].status == "ok"
    for name, array in outcomes["map"]["m"].arrays.items():
        assert array.values.tobytes() == alone.arrays[name].values.tobytes()


def test_a_shared_prompt_passes_the_model_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model.capture import shared_passes as capture

    ran: list[int] = []
    original = capture.run

    def counted(model: object, together: Sequence[JoinedPass]) -> list[capture.JoinedResult]:
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


def test_copies_of_a_prompt_in_one_batch_give_the_same_numbers_to_the_last_bits(tiny: Path) -> None:
    probes = {"lens": LENS | {"continue": 2}, "heads": {"probe": "attention_grid", "prompts": ["an apple"]}}
    one, three = (run_probes({"m": {"source": str(tiny), "batch": batch}}, probes) for batch in (1, 3))
    for id, names in {"lens": ("entropy", "kl"), "heads": ("weights/0",)}.items():
        for name in names:
            alone, among = (results.outcomes[id]["m"].arrays[name].values for results in (one, three))
            assert alone.shape == among.shape
            assert float(abs(alone - among).max()) < 1e-4


DRIFT = {"probe": "drift", "base": "a", "other": "b", "prompts": ["an apple a day", "my eye"]}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "other", seed=1)


def test_the_models_of_a_pair_are_listed_with_their_cards_in_the_order_of_the_battery(tiny: Path, other: Path) -> None:
    models = {"unused": tiny, "b": other, "a": tiny, "alone": tiny}
    results = run_probes(models, {"drift": DRIFT, "lens": LENS | {"models": ["alone"]}})
    assert list(results.models) == ["b", "a", "alone"]
    assert [len(card.facts["weights_sha256"]) for card in results.models.values()] == [64, 64, 64]
    assert list(results.outcomes["drift"]) == ["a..b"]
    outcome = results.outcomes["drift"]["a..b"]
    assert (outcome.status, outcome.models) == ("ok", ("a", "b"))
    assert outcome.options["base"] == "a"
    assert set(results.durations) == {"load a", "load b", "load alone", "drift a..b", "lens alone"}


def test_a_pair_runs_after_the_models_alone_and_with_nothing_but_its_two_models_in_memory(
    tiny: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.model.network.loaded import LoadedModel

    alive: list[tuple[str, int]] = []

    def counting(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object) -> object:
            alive.append((name, sum(type(one) is LoadedModel for one in gc.get_objects())))
            return original(*arguments)

        return run

    gc.collect()
    before = sum(type(one) is LoadedModel for one in gc.get_objects())
    monkeypatch.setattr(logit_lens.LogitLens, "run", counting("lens", logit_lens.LogitLens.run))
    monkeypatch.setattr(drift.DriftProbe, "compare", counting("drift", drift.DriftProbe.compare))
    probes = {"drift": DRIFT, "lens": LENS, "back": DRIFT | {"base": "b", "other": "a"}}
    results = run_probes({"a": tiny, "b": other}, probes)
    assert [outcome.status for by in results.outcomes.values() for outcome in by.values()] == ["ok"] * 4
    assert [(name, count - before) for name, count in alive] == [("lens", 1), ("lens", 1), ("drift", 2), ("drift", 2)]


def test_each_prompt_of_a_pair_passes_each_model_once(tiny: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model.capture import shared_passes as capture

    ran: list[int] = []
    original = capture.run

    def counted(model: object, together: Sequence[JoinedPass]) -> list[capture.JoinedResult]:
        ran.extend(id(model) for _ in together)
        return original(model, together)

    monkeypatch.setattr(capture, "run", counted)
    probes = {"one": DRIFT, "two": DRIFT | {"prompts": ["my eye", "an apple"]}}
    results = run_probes({"a": tiny, "b": other}, probes)
    assert [by["a..b"].status for by in results.outcomes.values()] == ["ok", "ok"]
    assert Counter(Counter(ran).values()) == {3 + 1: 2}, "three prompts, and the proof on load, through each of two"


@pytest.mark.parametrize("missing", ["a", "b"])
def test_a_pair_without_one_of_its_models_is_a_failed_card_that_names_it(
    tiny: Path, tmp_path: Path, missing: str
) -> None:
    models = {"a": tiny, "b": tiny, "c": {"source": str(tiny)}} | {missing: tmp_path / "nowhere"}
    probes = {"gone": DRIFT, "there": DRIFT | {"base": "c", "other": "a" if missing == "b" else "b"}}
    results = run_probes(models, probes)
    failed = results.outcomes["gone"]["a..b"]
    assert failed.status == "failed"
    assert failed.reason.startswith(f"model {missing}: ")
    assert "nowhere" in failed.reason
    (there,) = results.outcomes["there"].values()
    assert there.status == "ok", there.reason
    assert "nowhere" in results.models[missing].facts["failed"]
    assert list(results.models) == ["a", "b", "c"]


def test_a_model_of_a_pair_that_fails_on_load_is_loaded_no_second_time(tiny: Path, tmp_path: Path) -> None:
    broken = save_tiny(tmp_path / "broken")
    config = broken / "config.json"
    config.write_text(config.read_text().replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": "none"'))
    told: list[str] = []
    battery = {"models": {"a": str(tiny), "b": str(broken)}, "probes": {"drift": DRIFT, "again": DRIFT, "lens": LENS}}
    results = execute(make_plan(read_battery(json.dumps(battery))), told.append)
    assert [results.outcomes[id]["a..b"].status for id in ("drift", "again")] == ["failed", "failed"]
    assert results.outcomes["drift"]["a..b"].reason.startswith("model b: ")
    assert results.outcomes["lens"]["a"].status == "ok"
    assert sum(line.startswith("model b failed: ") for line in told) == 1
    assert sum("loaded and proven" in line for line in told) == 1, "the other is not loaded for nothing"


def test_a_pair_whose_models_are_both_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?s)model a: .*nowhere.*model b: .*nowhere"):
        run_probes({"a": tmp_path / "nowhere", "b": tmp_path / "nowhere"}, {"drift": DRIFT})


def test_a_comparison_that_raises_is_a_failed_card(tiny: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift.DriftProbe, "compare", lambda *_: 1 // 0)
    results = run_probes({"a": tiny, "b": other}, {"drift": DRIFT, "lens": LENS})
    outcome = results.outcomes["drift"]["a..b"]
    assert (outcome.status, outcome.models) == ("failed", ("a", "b"))
    assert outcome.reason.startswith("ZeroDivisionError")
    assert results.outcomes["lens"]["b"].status == "ok"


def test_a_prompt_that_one_model_of_a_pair_cannot_read_skips_the_pair(tiny: Path, tmp_path: Path) -> None:
    talks = save_tiny(tmp_path / "talks", chat_template="{% for m in messages %}{{ m.content }}{% endfor %}")
    chat = DRIFT | {"prompts": [{"messages": [{"role": "user", "content": "an apple a day"}]}]}
    outcome = run_probes({"a": tiny, "b": talks}, {"drift": chat}).outcomes["drift"]["a..b"]
    assert (outcome.status, outcome.reason) == (
        "skipped", "a: the prompt is a chat, and the model has no chat template",
    )  # fmt: skip
    with pytest.raises(BatteryError, match="no model can run it"):
        run_probes({"a": tiny, "b": tiny}, {"drift": chat})


def test_each_model_of_a_pair_passes_on_its_own_number_of_threads(
    tiny: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.model.capture import shared_passes as capture

    seen: list[int] = []
    original = capture.SharedPasses.run

    def noted(self: object, passes: Sequence[Pass]) -> object:
        seen.append(torch.get_num_threads())
        return original(self, passes)

    monkeypatch.setattr(capture.SharedPasses, "run", noted)
    models = {"a": {"source": str(tiny), "threads": 1}, "b": {"source": str(other), "threads": 2}}
    before = torch.get_num_threads()
    outcome = run_probes(models, {"drift": DRIFT}).outcomes["drift"]["a..b"]
    torch.set_num_threads(before)
    assert outcome.status == "ok", outcome.reason
    assert seen[-2:] == [1, 2]


def overwrite(file: Path) -> None:
    """Other content, of the same size and with the same time, in the same place."""
    before, content = file.stat(), file.read_bytes()
    with file.open("r+b") as stream:
        stream.write(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchange(file: Path) -> None:
    """A new file in its place."""
    new = file.with_name("new")
    new.write_bytes(file.read_bytes() + b" ")
    new.replace(file)


CHANGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "weights exchanged": ("model.safetensors", exchange),
    "weights overwritten": ("model.safetensors", overwrite),
    "configuration": ("config.json", exchange),
    "tokenizer": ("tokenizer.json", exchange),
    "an index appears": ("model.safetensors.index.json", lambda file: file.write_text("{}") and None),
}
CENSUS = {"probe": "parameter_census"}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_model_that_changes_while_it_is_loaded_is_refused_and_not_kept(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    other = Path(shutil.copytree(tiny, tmp_path / "other"))
    name, change = CHANGES[what]
    original = run_of_plans.load_network

    def loaded(planned: PlannedModel, readied: PreparedModel) -> object:
        moves = planned.id == "changed"
        if moves and when == "before":
            change(other / name)
        model = original(planned, readied)
        if moves and when == "after":
            change(other / name)
        return model

    monkeypatch.setattr(run_of_plans, "load_network", loaded)
    cache = OutcomeCache()
    probes = {"lens": LENS, "census": CENSUS}
    battery = read_battery(json.dumps({"models": {"changed": str(other), "m": str(tiny)}, "probes": probes}))
    results = execute(make_plan(battery, cache=cache), cache=cache)
    for probe in probes:
        assert results.outcomes[probe]["m"].status == "ok"
        refused = results.outcomes[probe]["changed"]
        assert (refused.status, refused.metrics, refused.tables) == ("failed", {}, {})
        assert refused.reason.startswith(f"the model changed while it was read: {name}")
    assert "weights_sha256" not in results.models["changed"].facts
    assert {entry.model for entry in cache.entries()} == {"tiny"}


def test_weights_that_change_while_probes_run_leave_no_number_of_that_model(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = save_tiny(tmp_path / "other", seed=3)
    original = logit_lens.LogitLens.run

    def measured(self: object, case: Case[Any], model: object, captured: object) -> object:
        found = original(self, case, model, captured)  # type: ignore[arg-type]
        if case.model == "changed":
            assert case.unfinished is not None
            overwrite(other / "model.safetensors")
            with pytest.raises(ModelError, match="changed while it was read"):
                case.unfinished.write(b"of another model")
        return found

    monkeypatch.setattr(logit_lens.LogitLens, "run", measured)
    cache = OutcomeCache()
    probes = {"census": CENSUS, "lens": LENS, "map": {"probe": "pca_map", "prompts": ["an apple", "a day", "my eye"]}}
    battery = read_battery(json.dumps({"models": {"changed": str(other), "m": str(tiny)}, "probes": probes}))
    results = execute(make_plan(battery, cache=cache), cache=cache)
    for probe in probes:
        assert results.outcomes[probe]["m"].status == "ok"
        refused = results.outcomes[probe]["changed"]
        assert (refused.status, refused.metrics, refused.tables) == ("failed", {}, {})
    # What was found before the change was found in the weights that the cache says.
    assert {(entry.model, entry.probe) for entry in cache.entries()} == {
        ("other", "parameter_census"), *(("tiny", probe) for probe in ("logit_lens", "parameter_census", "pca_map")),
    }  # fmt: skip


def test_no_model_left_of_those_that_changed_is_an_error(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(tiny, tmp_path / "other"))
    battery = read_battery(json.dumps({"models": {"m": str(other)}, "probes": {"lens": LENS}}))
    plan = make_plan(battery)
    overwrite(other / "model.safetensors")
    with pytest.raises(ModelError, match=r"model m: the model changed while it was read: model\.safetensors"):
        execute(plan)


def test_a_file_of_the_options_that_changes_while_a_probe_runs_is_a_failed_card_and_not_kept(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lens = tmp_path / "lens.safetensors"
    parts = {f"{layer}.weight": torch.zeros(24, 24) for layer in range(3)}
    save_file(parts | {f"{layer}.bias": torch.zeros(24) for layer in range(3)}, lens)
    original = logit_lens.LogitLens.run

    def measured(self: object, case: Case[Any], model: object, captured: object) -> object:
        found = original(self, case, model, captured)  # type: ignore[arg-type]
        overwrite(lens)
        return found

    monkeypatch.setattr(logit_lens.LogitLens, "run", measured)
    cache = OutcomeCache()
    probes = {"lens": LENS | {"tuned_lens": str(lens)}, "census": CENSUS}
    battery = read_battery(json.dumps({"models": {"m": str(tiny)}, "probes": probes}))
    results = execute(make_plan(battery, cache=cache), cache=cache)
    failed = results.outcomes["lens"]["m"]
    assert (failed.status, failed.tables) == ("failed", {})
    assert failed.reason == "a file that its options name changed while it ran: run it again"
    assert results.outcomes["census"]["m"].status == "ok"
    assert [entry.probe for entry in cache.entries()] == ["parameter_census"]
