import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from reportgen.cache import RESULTS, Shelf
from reportgen.errors import BatteryError
from reportgen.probes import pca_map
from reportgen.workflows.report import run
from tests.tiny import configurations, save_tiny

PROBES: dict[str, Any] = {
    "census": {"probe": "parameter_census"},
    "near": {"probe": "nearest_tokens", "ids": [5, 9], "k": 3},
    "lens": {"probe": "logit_lens", "prompts": ["an apple", "a day"], "continue": 3},
    "heads": {"probe": "attention_grid", "prompts": ["an apple"]},
    "map": {"probe": "pca_map", "prompts": ["an apple", "a day", "my eye"]},
}
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"a": save_tiny(folder / "a", "llama"), "b": save_tiny(folder / "b", "gemma3", seed=1, bos=False)}


@pytest.fixture
def written(models: dict[str, Path], tmp_path: Path) -> Write:
    """Writes a battery on two tiny models, without outputs."""

    def write(**changed: Any) -> Path:
        probes = {id: PROBES[id] | changed.pop(id, {}) for id in PROBES}
        content = {
            "title": "Tiny",
            "models": {id: str(source) for id, source in models.items()},
            "probes": probes,
            "outputs": [],
        }
        file = tmp_path / "battery.yaml"
        file.write_text(json.dumps(content | changed))
        return file

    return write


def numbers(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "results.json").read_bytes(), (folder / "arrays.safetensors").read_bytes()


def from_cache(folder: Path) -> set[str]:
    return set(json.loads((folder / "run.json").read_text())["from_cache"])


ALL = {f"{probe} {model}" for probe in PROBES for model in "ab"}


def test_the_same_run_again_measures_nothing_and_gives_the_same_bytes(written: Write, tmp_path: Path) -> None:
    run(written(), tmp_path / "first")
    run(written(), tmp_path / "second")
    assert from_cache(tmp_path / "first") == set()
    assert from_cache(tmp_path / "second") == ALL
    assert json.loads((tmp_path / "second" / "run.json").read_text())["durations"] == {}
    assert numbers(tmp_path / "first") == numbers(tmp_path / "second")


def test_only_the_probe_that_changed_is_measured(written: Write, tmp_path: Path) -> None:
    run(written(), tmp_path / "first")
    run(written(lens={"top_k": 3}), tmp_path / "second")
    assert from_cache(tmp_path / "second") == ALL - {"lens a", "lens b"}
    run(written(lens={"top_k": 3}), tmp_path / "fresh", cache=False)
    assert from_cache(tmp_path / "fresh") == set()
    assert numbers(tmp_path / "second") == numbers(tmp_path / "fresh")


def test_without_the_cache_nothing_is_kept_either(written: Write, tmp_path: Path) -> None:
    run(written(), tmp_path / "first", cache=False)
    run(written(), tmp_path / "second")
    assert from_cache(tmp_path / "second") == set()


def test_an_id_a_title_and_an_order_are_not_part_of_what_was_found(
    written: Write, tmp_path: Path, models: dict[str, Path]
) -> None:
    run(written(), tmp_path / "first")
    renamed = {"z": str(models["b"]), "a": str(models["a"])}
    again = run(written(models=renamed, title="Another"), tmp_path / "second")
    assert {step.split()[1] for step in from_cache(tmp_path / "second")} == {"a", "z"}
    assert list(again["lens"]) == ["z", "a"]
    assert again["lens"]["z"].models == ("z",)


def test_what_failed_is_tried_again(written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr(pca_map.PcaMap, "run", broken)
        assert run(written(), tmp_path / "first").failed
    bundle = run(written(), tmp_path / "second")
    assert not bundle.failed
    assert from_cache(tmp_path / "second") == ALL - {"map a", "map b"}


def test_a_damaged_entry_is_measured_again(written: Write, tmp_path: Path) -> None:
    run(written(), tmp_path / "first")
    for file in Shelf(RESULTS).folder.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:40])
    run(written(), tmp_path / "second")
    assert from_cache(tmp_path / "second") == set()
    assert numbers(tmp_path / "first") == numbers(tmp_path / "second")


def test_entries_that_changed_places_are_measured_again(written: Write, tmp_path: Path) -> None:
    run(written(), tmp_path / "first")
    files = Shelf(RESULTS).files()  # outcomes of two models, and how each ran
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, contents[1:] + contents[:1], strict=True):
        file.write_bytes(content)
    run(written(), tmp_path / "second")
    assert from_cache(tmp_path / "second") == set()
    assert numbers(tmp_path / "first") == numbers(tmp_path / "second")


def test_a_cache_that_cannot_be_written_costs_a_run_nothing_but_time(
    written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(written(), tmp_path / "first")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "file"))
    run(written(outputs=["html", "figures"]), tmp_path / "second")
    assert numbers(tmp_path / "first") == numbers(tmp_path / "second")
    assert (tmp_path / "second" / "report.html").is_file()


def test_what_a_prompt_set_says_of_itself_is_not_taken_from_the_cache(written: Write, tmp_path: Path) -> None:
    sets = tmp_path / "prompts"
    sets.mkdir()
    text = "fruit: {{title: {}, source: own words, what_to_see: nothing, prompts: [an apple, a day, my eye]}}"
    for title in ("First", "Second"):
        (sets / "mine.yaml").write_text(text.format(title))
        bundle = run(written(map={"prompts": "mine/fruit"}), tmp_path / "out")
        assert bundle["map"]["a"].prompt_sets["mine/fruit"]["title"] == title
    assert "map a" in from_cache(tmp_path / "out")


def test_a_row_that_no_model_can_have_is_a_mistake_also_where_its_outcome_was_kept(
    written: Write, tmp_path: Path, models: dict[str, Path]
) -> None:
    shallow = save_tiny(tmp_path / "shallow")
    config = transformers.LlamaConfig(**configurations()["llama"].to_dict() | {"num_hidden_layers": 2})
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(shallow)
    probes = {"heads": PROBES["heads"] | {"heads": [[2, 0]]}}
    run(written(probes=probes, models={"deep": str(models["a"]), "shallow": str(shallow)}), tmp_path / "out")
    alone = written(probes=probes, models={"shallow": str(shallow)})
    with pytest.raises(BatteryError, match=r"'2\.0' can be used in no model"):
        run(alone, tmp_path / "none")
    assert not (tmp_path / "none").exists()


KILLED = """
import os, signal, sys
from reportgen.workflows.report import run
left = [int(sys.argv[3])]
def progress(line):
    print(line, flush=True)
    if ": ok" in line:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
run(sys.argv[1], sys.argv[2], progress=progress)
"""


@pytest.mark.slow  # tests/failures kills a run at moments that are not chosen, with the others
@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_run_killed_at_any_moment_goes_on_where_it_was(written: Write, tmp_path: Path, after: int) -> None:
    battery = written()
    program = [sys.executable, "-c", KILLED, str(battery), str(tmp_path / "killed"), str(after)]
    killed = subprocess.run(program, capture_output=True, text=True, check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "killed").exists()
    finished = {line.replace(" on ", " ").removesuffix(": ok") for line in killed.stdout.splitlines() if ": ok" in line}
    assert len(finished) == after
    run(battery, tmp_path / "resumed")
    assert from_cache(tmp_path / "resumed") >= finished
    run(battery, tmp_path / "whole", cache=False)
    assert numbers(tmp_path / "resumed") == numbers(tmp_path / "whole")


def test_numbers_that_are_none_survive_the_cache(written: Write, tmp_path: Path) -> None:
    # The end token ends a trace early: its arrays are padded with NaN.
    probes = {"lens": {"probe": "logit_lens", "prompts": ["an apple"], "continue": 40}}
    first = run(written(probes=probes), tmp_path / "first")
    second = run(written(probes=probes), tmp_path / "second")
    assert from_cache(tmp_path / "second") == {"lens a", "lens b"}
    assert first["lens"]["a"].tables == second["lens"]["a"].tables
    assert numbers(tmp_path / "first") == numbers(tmp_path / "second")


@pytest.fixture
def pairs(models: dict[str, Path], tmp_path: Path) -> dict[str, Any]:
    """Models and probes of two pairs, beside a probe of one model."""
    moved = save_tiny(tmp_path / "moved", "llama", seed=5)
    drift = {"probe": "drift", "prompts": ["an apple a day"]}
    return {
        "models": {"a": str(models["a"]), "half": {"source": str(models["a"]), "dtype": "bfloat16"}, "c": str(moved)},
        "probes": {
            "lens": PROBES["lens"] | {"models": ["a"]},
            "half": drift | {"base": "a", "other": "half"},
            "moved": drift | {"base": "a", "other": "c"},
        },
    }


OF_PAIRS = {"lens a", "half a..half", "moved a..c"}


def test_a_pair_is_measured_once(written: Write, pairs: dict[str, Any], tmp_path: Path) -> None:
    run(written(**pairs), tmp_path / "first")
    second = run(written(**pairs), tmp_path / "second")
    assert from_cache(tmp_path / "first") == set()
    assert from_cache(tmp_path / "second") == OF_PAIRS
    assert json.loads((tmp_path / "second" / "run.json").read_text())["durations"] == {}
    assert numbers(tmp_path / "first") == numbers(tmp_path / "second")
    assert second.models["half"].facts["dtype"] == "bfloat16"


def test_a_pair_under_other_ids_is_the_same_pair(written: Write, pairs: dict[str, Any], tmp_path: Path) -> None:
    run(written(**pairs), tmp_path / "first")
    drift = pairs["probes"]["half"] | {"base": "exact", "other": "rounded"}
    models = {"rounded": pairs["models"]["half"], "exact": pairs["models"]["a"]}
    again = run(written(models=models, probes={"formats": drift}), tmp_path / "second")
    assert from_cache(tmp_path / "second") == {"formats exact..rounded"}
    outcome = again["formats"]["exact..rounded"]
    assert (outcome.models, outcome.options["base"], outcome.options["other"]) == (
        ("exact", "rounded"), "exact", "rounded",
    )  # fmt: skip


def test_a_pair_the_other_way_round_is_another(written: Write, pairs: dict[str, Any], tmp_path: Path) -> None:
    run(written(**pairs), tmp_path / "first")
    turned = {"half": pairs["probes"]["half"] | {"base": "half", "other": "a"}}
    run(written(models=pairs["models"], probes=turned), tmp_path / "second")
    assert from_cache(tmp_path / "second") == set()


@pytest.mark.slow
def test_a_run_killed_between_pairs_goes_on_where_it_was(written: Write, pairs: dict[str, Any], tmp_path: Path) -> None:
    battery = written(**pairs)
    program = [sys.executable, "-c", KILLED, str(battery), str(tmp_path / "killed"), "2"]
    killed = subprocess.run(program, capture_output=True, text=True, check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run(battery, tmp_path / "resumed")
    assert from_cache(tmp_path / "resumed") == {"lens a", "half a..half"}
    run(battery, tmp_path / "whole", cache=False)
    assert numbers(tmp_path / "resumed") == numbers(tmp_path / "whole")
