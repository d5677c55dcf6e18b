"""Models of the hub, from a hub on this machine: one commit a run, what is downloaded, and what a refusal says."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from reportgen.battery.reader import load_battery
from reportgen.cli import run_command
from reportgen.errors import ModelError
from reportgen.model.files import hub as hub_files
from reportgen.model.files.sources import locate, parse_source
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.plan import make_plan, make_plan_afresh
from reportgen.workflows.measuring import BatteryChoice
from reportgen.workflows.report import run
from tests.model.hub_server import Hub, Repository, list_files, serving
from tests.tiny import save_tiny

FIRST, SECOND = "a" * 40, "b" * 40
SECRET = "hf_" + "Secret" * 6
CENSUS = {"census": {"probe": "parameter_census"}}
OTHERS = {
    "README.md": b"# Tiny",
    "pytorch_model.bin": b"a pickle",
    "consolidated.safetensors": b"the same once more",
    "onnx/model.onnx": b"another format",
    "onnx/config.json": b"{}",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """The files of two commits of a model."""
    folder = tmp_path_factory.mktemp("models")
    return [list_files(save_tiny(folder / str(seed), seed=seed)) | OTHERS for seed in (0, 1)]


@pytest.fixture
def hub(models: list[dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, and no other; nobody is logged in."""
    commits = {FIRST: models[0], SECOND: models[1]}
    open_to_all = Repository(commits, {"main": FIRST, "step1000": SECOND})
    gated = Repository(commits, {"main": FIRST}, licence="gemma", gated=True)
    served = Hub({"org/tiny": open_to_all, "org/gated": gated}, tokens={SECRET: True, "hf_other": False})
    with serving(served):
        address = f"{served.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        places = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_TOKEN_PATH": str(tmp_path / "token")}
        for name, value in {"ENDPOINT": served.address, "HUGGINGFACE_CO_URL_TEMPLATE": address, **places}.items():
            monkeypatch.setattr(constants, name, value)
        for name, value in {"HF_ENDPOINT": served.address, **places}.items():
            monkeypatch.setenv(name, value)  # for processes that are started
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield served


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_battery(models: dict[str, Any]) -> Path:
        file = tmp_path / "battery.yaml"
        file.write_text(json.dumps({"title": "Tiny", "models": models, "probes": CENSUS, "outputs": ["html"]}))
        return file

    return write_battery


def refusal(source: str) -> list[str]:
    with pytest.raises(ModelError) as raised:
        locate(parse_source(source))
    return str(raised.value).splitlines()


def test_only_weights_configuration_and_tokenizer_come(hub: Hub) -> None:
    found = locate(parse_source("org/tiny"))
    assert (found.revision, found.folder.name) == (FIRST, FIRST)
    taken = {path.rpartition(f"{FIRST}/")[2] for path in hub.list_paths() if "/resolve/" in path}
    assert taken == {path.name for path in found.folder.iterdir()}
    assert "model.safetensors" in taken
    assert not taken & set(OTHERS)
    hub.asked.clear()
    locate(parse_source("org/tiny"))
    assert not [path for path in hub.list_paths() if "/resolve/" in path]


def test_an_interrupted_download_goes_on_where_it_was(
    hub: Hub, models: list[dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
    hub.cut_once = "model.safetensors"
    found = locate(parse_source("org/tiny"))
    assert (found.folder / "model.safetensors").read_bytes() == models[0]["model.safetensors"]
    half = len(models[0]["model.safetensors"]) // 2
    ranges = [one.range for one in hub.asked if one.method == "GET" and one.path.endswith("/model.safetensors")]
    assert ranges == ["", f"bytes={half // 1024 * 1024}-"]


def test_a_large_download_says_how_far_it_is(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_files, "_TOLD_FROM", 1)
    told: list[str] = []
    locate(parse_source("org/tiny"), told.append)
    assert told[0] == "Asking the Hugging Face hub for org/tiny."
    assert any(line.startswith("org/tiny: ") and line.endswith(" GB") for line in told[1:])
    assert len(told) <= 11


def test_a_branch_is_one_commit_in_the_whole_run(hub: Hub, write: Callable[..., Path]) -> None:
    hub.repositories["org/tiny"].moves_to = SECOND  # somebody pushes in the midst of it
    file = write({"a": "org/tiny@main", "b": {"source": "org/tiny@main", "dtype": "bfloat16"}})
    plan = make_plan(load_battery(file), cache=OutcomeCache())
    assert plan.commits == {"a": FIRST, "b": FIRST}
    chosen = BatteryChoice(file, commits=plan.commits)  # what another process is told
    assert make_plan(chosen.load()).commits == plan.commits
    assert make_plan(load_battery(file)).commits == {"a": SECOND, "b": SECOND}
    assert make_plan_afresh(plan).commits == plan.commits


@pytest.mark.slow
def test_processes_side_by_side_take_the_commit_that_was_resolved(
    hub: Hub, write: Callable[..., Path], tmp_path: Path
) -> None:
    hub.repositories["org/tiny"].moves_to = SECOND
    file = write({"a": "org/tiny@main", "b": {"source": "org/tiny@main", "dtype": "bfloat16"}})
    found = run(file, tmp_path / "out", jobs=2)
    assert [found.models[id].facts["revision"] for id in "ab"] == [FIRST, FIRST]


def test_a_card_says_the_commit_and_the_branch_that_was_asked_for(
    hub: Hub, write: Callable[..., Path], tmp_path: Path
) -> None:
    file = write({"a": "org/tiny", "b": {"source": "org/tiny", "revision": "step1000"}, "c": "org/tiny@main"})
    found = run(file, tmp_path / "out", formats=[])
    cards = {id: (card.facts["source"], card.facts["revision"]) for id, card in found.models.items()}
    assert cards == {
        "a": ("org/tiny", FIRST), "b": ("org/tiny@step1000", SECOND), "c": ("org/tiny@main", FIRST),
    }  # fmt: skip


PAGE = "https://huggingface.co/org/gated"


@pytest.mark.parametrize(
    ("source", "token", "lines"),
    [
        (
            "org/gated",
            "",
            ["org/gated is gated", f"  Accept its licence (gemma) at {PAGE}, then log in: hf auth login"],
        ),
        (
            "org/gated",
            "hf_other",
            [
                "org/gated is gated",
                f"  Accept its licence (gemma) at {PAGE}, with the account that the token here belongs to.",
            ],
        ),
        ("org/none", "", ["org/none is not a model on the Hugging Face hub, or a private one"]),
        ("org/tiny@v9", "", ["org/tiny has no revision 'v9'", "  See https://huggingface.co/org/tiny/tree/main."]),
        (
            "org/tiny",
            "hf_nobodys",
            ["org/tiny: the hub refuses the token that is set here", "  Log in anew: hf auth login, or HF_TOKEN."],
        ),
    ],
)
def test_a_refusal_says_what_to_do(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, source: str, token: str, lines: list[str]
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    told = refusal(source)
    assert told[: len(lines)] == lines
    assert len(told) == 2
    assert not token or token not in "".join(told)


def test_a_hub_that_cannot_be_reached_and_what_lies_in_its_cache(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    locate(parse_source("org/tiny"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert locate(parse_source("org/tiny")).revision == FIRST
    assert refusal("org/tiny@step1000")[0].startswith("org/tiny@step1000 is not in the local cache, and the Hugging")


@pytest.mark.parametrize("way", ["environment", "login"])
def test_a_token_lets_in_and_is_written_nowhere(
    hub: Hub, write: Callable[..., Path], tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], way: str,
) -> None:  # fmt: skip
    if way == "environment":
        monkeypatch.setenv("HF_TOKEN", SECRET)
    else:
        (tmp_path / "token").write_text(SECRET)
    battery = write({"a": "org/gated", "b": "org/none"})
    assert run_command(["run", str(battery), "-o", str(tmp_path / "out")]) == 3
    (tmp_path / "token").unlink(missing_ok=True)
    assert {one.token for one in hub.asked} == {SECRET}
    told = capfd.readouterr()
    assert "org/none is not a model" in told.err
    assert SECRET not in told.out + told.err
    places = (tmp_path, fresh_cache / "results", fresh_cache / "pages", fresh_cache / "hashes")
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    assert {"report.html", "run.json", "model.safetensors"} <= {file.name for file in files}
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
