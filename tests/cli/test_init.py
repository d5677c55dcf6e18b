import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from reportgen import cli
from reportgen.battery.reader import Battery, load_battery
from reportgen.battery.schema import battery_schema
from reportgen.documents.yaml_source import read_source
from reportgen.errors import BatteryError, OutputError
from reportgen.model.files.sources import parse_source
from reportgen.running.plan import make_plan
from reportgen.workflows.starter_texts import SCHEMA_NAME, quote
from tests.tiny import save_tiny
from tests.tiny_adapters import save_adapter

PURPOSES = ["lecture", "compare", "nightly"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty at first."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def make_model(folder: str, **config: object) -> Path:
    """As much of a model's folder as is looked at."""
    path = Path(folder)
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8, **config}))
    return path


def start(*arguments: object) -> str:
    """What the command said."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(cli.reportgen, ["init", *words], catch_exceptions=False).output


def sources(battery: Battery) -> dict[str, str]:
    return {id: entry.source for id, entry in battery.models.items()}


def test_the_starter_is_a_battery_that_loads(here: Path) -> None:
    assert start() == f"report.yaml written, with {SCHEMA_NAME} for editors. Next: reportgen run report.yaml\n"
    battery = load_battery(here / "report.yaml")
    assert battery.title == "My first report"
    assert {one: entry.models for one, entry in battery.probes.items()} == {
        "census": ("llama", "gemma"), "next": ("llama", "gemma"), "apple": ("llama",),
    }  # fmt: skip


def test_its_first_line_names_the_schema_that_lies_beside_it(here: Path) -> None:
    (here / "reports").mkdir()
    start("reports/mine.yaml")
    first = (here / "reports" / "mine.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=./{SCHEMA_NAME}"
    assert json.loads((here / "reports" / SCHEMA_NAME).read_text()) == battery_schema()


@pytest.mark.parametrize("purpose", PURPOSES)
def test_each_purpose_is_a_battery_that_loads(here: Path, purpose: str) -> None:
    start("--for", purpose, "x.yaml")
    battery = load_battery(here / "x.yaml")
    assert sources(battery) == {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    assert ("pptx" in battery.outputs) == (purpose == "lecture")
    assert ("alike" in battery.probes) == (purpose == "compare")
    written = read_source((here / "x.yaml").read_text(), "x.yaml").value
    jsonschema.validate(written, json.loads((here / SCHEMA_NAME).read_text()))


@pytest.mark.real
@pytest.mark.parametrize("purpose", [None, *PURPOSES])
def test_nothing_of_it_is_skipped_on_the_demo_models(here: Path, purpose: str | None) -> None:
    start(*(("--for", purpose) if purpose else ()))
    plan = make_plan(load_battery(here / "report.yaml"))
    assert not [case for model in plan.models for case in model.cases if case.skipped or case.failed]
    assert not [case for pair in plan.pairs for case in pair.cases if case.skipped or case.failed]


def test_a_models_folder(here: Path) -> None:
    make_model("my-model")
    assert start("./my-model").startswith("my-model-report.yaml written")
    assert sources(load_battery(here / "my-model-report.yaml")) == {"my-model": "./my-model"}


def test_a_battery_elsewhere_finds_the_model_from_there(here: Path) -> None:
    make_model("my-model")
    (here / "reports").mkdir()
    start("my-model", "-o", "reports/r.yaml")
    battery = load_battery(here / "reports" / "r.yaml")
    assert sources(battery) == {"my-model": "../my-model"}
    assert parse_source(battery.models["my-model"].source, folder=here / "reports").path == here / "my-model"


def test_a_battery_whose_bundle_would_go_where_the_model_lies(here: Path) -> None:
    make_model("my-model")
    with pytest.raises(BatteryError, match=r"the report of my-model\.yaml would go to my-model, where the model lies"):
        start("my-model", "my-model.yaml")


def test_an_adapter_and_its_base(here: Path) -> None:
    save_adapter(here / "tuned", {}, base_model_name_or_path="org/tiny")
    start("tuned", "--for", "compare")
    battery = load_battery(here / "tuned-report.yaml")
    assert sources(battery) == {"base": "org/tiny", "tuned": "org/tiny + ./tuned"}
    assert {"alike", "changed", "carried"} < set(battery.probes)


def test_an_adapter_whose_base_lies_here(here: Path) -> None:
    base = make_model("base-model")
    save_adapter(here / "tuned", {}, base_model_name_or_path=str(base.resolve()))
    start("tuned")
    assert sources(load_battery(here / "tuned-report.yaml")) == {
        "base": "./base-model",
        "tuned": "./base-model + ./tuned",
    }


@pytest.mark.parametrize(("base", "told"), [("", "does not say which"), ("/gone/model", "for /gone/model, which is")])
def test_an_adapter_without_a_base(here: Path, base: str, told: str) -> None:
    save_adapter(here / "tuned", {}, base_model_name_or_path=base)
    with pytest.raises(BatteryError, match=told) as caught:
        start("tuned")
    assert caught.value.mistakes[0].remedy == 'Name it: reportgen init "BASE + tuned"'
    make_model("base-model")
    start("base-model + tuned", "x.yaml")
    assert sources(load_battery(here / "x.yaml")) == {"base": "./base-model", "tuned": "./base-model + ./tuned"}


def test_checkpoints_in_the_order_of_their_training(here: Path) -> None:
    for name in ("checkpoint-1000", "checkpoint-500", "runs/final"):
        make_model(f"training/{name}")
    (here / "training" / "config.json").write_text('{"model_type": "llama", "hidden_size": 8}')
    start("training", "--for", "compare")
    battery = load_battery(here / "training-report.yaml")
    assert list(sources(battery)) == ["checkpoint-500", "checkpoint-1000", "training"]
    assert battery.probes["changed"].models == ("checkpoint-500", "training")


def test_checkpoints_that_are_adapters_share_a_base(here: Path) -> None:
    for step in (20, 100):
        save_adapter(here / "lora" / f"checkpoint-{step}", {}, base_model_name_or_path="org/tiny")
    start("lora")
    assert sources(load_battery(here / "lora-report.yaml")) == {
        "base": "org/tiny",
        "checkpoint-20": "org/tiny + ./lora/checkpoint-20",
        "checkpoint-100": "org/tiny + ./lora/checkpoint-100",
    }


def test_weights_are_compared_where_architectures_are_alike(here: Path) -> None:
    make_model("a")
    make_model("b")
    make_model("wider", hidden_size=16)
    start("a", "b", "--for", "compare", "same.yaml")
    start("a", "wider", "--for", "compare", "other.yaml")
    assert "changed" in load_battery(here / "same.yaml").probes
    assert "changed" not in load_battery(here / "other.yaml").probes


def test_gguf_files_and_models_of_the_hub(here: Path) -> None:
    (here / "some").mkdir()
    (here / "some" / "m.Q4_0.gguf").touch()
    start("some", "org/name@v1", "demo:gemma-3-270m", "x.yaml")
    assert sources(load_battery(here / "x.yaml")) == {
        "m-Q4_0": "./some/m.Q4_0.gguf",
        "name": "org/name@v1",
        "gemma-3-270m": "demo:gemma-3-270m",
    }


def test_names_that_yaml_would_misread(here: Path) -> None:
    for name in ("1e3", "no", "a # b", "x/天氣", "y/天氣"):
        make_model(name)
    start("1e3", "no", "a # b", "x/天氣", "y/天氣", "r.yaml")
    assert sources(load_battery(here / "r.yaml")) == {
        "m-1e3": "./1e3", "m-no": "./no", "a-b": "./a # b", "model": "./x/天氣", "model-2": "./y/天氣",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("./m", "./m"), ("demo:x + ./y", "demo:x + ./y"), ("a: b", '"a: b"'), ("../x #1", '"../x #1"'), ("a ", '"a "')],
)
def test_what_is_not_plain_is_quoted(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["./gone"], "./gone: there is no such folder or file"),
        (["gone"], "'gone' is neither a folder that exists nor a hub id"),
        (["empty"], "empty: no model lies here, nor in a folder of it"),
        (["org/one", "--for", "compare"], "a comparison wants two models, and there is one: org/one"),
        (["config:c.json"], "config:c.json has no weights"),
    ],
)
def test_what_cannot_be_written_for_is_told(here: Path, arguments: list[str], told: str) -> None:
    (here / "empty").mkdir()
    with pytest.raises(BatteryError) as caught:
        start(*arguments)
    assert caught.value.mistakes[0].message == told
    assert [file.name for file in here.iterdir()] == ["empty"]


def test_two_files_are_a_usage_error(reportgen) -> None:
    assert reportgen("init", "a.yaml", "b.yaml").code == 2


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    with pytest.raises(BatteryError, match=r"mine\.yaml exists already; nothing was written") as caught:
        start(path)
    assert caught.value.exit_code == 2
    assert caught.value.mistakes[0].remedy == f"Name another file: reportgen init {tmp_path}/mine-2.yaml"
    assert path.read_text() == "precious"
    assert not (tmp_path / SCHEMA_NAME).exists()


def test_a_strangers_schema_is_never_overwritten(here: Path) -> None:
    (here / SCHEMA_NAME).write_text('{"title": "mine"}')
    with pytest.raises(BatteryError, match="is no schema of reportgen; nothing was written"):
        start()
    assert [file.name for file in here.iterdir()] == [SCHEMA_NAME]
    older = {"title": battery_schema()["title"], "$defs": {}}
    (here / SCHEMA_NAME).write_text(json.dumps(older))
    start()
    assert json.loads((here / SCHEMA_NAME).read_text()) == battery_schema()


def test_a_folder_that_is_missing_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        start(tmp_path / "no" / "x.yaml")


def test_a_battery_for_a_model_runs(here: Path, reportgen) -> None:
    save_tiny(here / "tiny")
    start("tiny")
    ran = reportgen("run", "tiny-report.yaml", "--format", "html", "--only", "census", "--only", "next")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "tiny-report/report.html"), ran.err
