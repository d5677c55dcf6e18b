import json
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reportgen import resources
from reportgen.battery.schema import SCHEMAS, battery_schema, prompts_schema, theme_schema
from reportgen.cli.schema import KINDS
from reportgen.documents.yaml_source import read_source
from reportgen.look.theme import PAPER
from reportgen.probes import registry

REPORT = Path(__file__).parents[2] / "reports" / "llama-vs-gemma.yaml"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = battery_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def battery() -> Any:
    return read_source(REPORT.read_text(encoding="utf-8"), REPORT).value


def test_the_battery_that_ships_fits(validator: jsonschema.Draft202012Validator, battery: Any) -> None:
    assert [error.message for error in validator.iter_errors(battery)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["titel"], "x"),
        (["outputs"], ["htm"]),
        (["models", "b c"], "x"),
        (["models", "gemma", "dtype"], "float23"),
        (["models", "gemma", "device"], "gpu"),
        (["probes", "weather", "probe"], "logitlens"),
        (["probes", "weather", "topk"], 3),
        (["probes", "weather", "continue"], "three"),
        (["probes", "weather", "models"], []),
        (["probes", "map"], "pca_map"),
    ],
)
def test_what_the_loader_refuses_does_not_fit(
    validator: jsonschema.Draft202012Validator, battery: Any, path: list[str], value: Any
) -> None:
    at = battery
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert not validator.is_valid(battery)


def test_a_probe_of_two_models_names_them_and_takes_no_others(
    validator: jsonschema.Draft202012Validator, battery: Any
) -> None:
    drift = {"probe": "drift", "base": "llama", "other": "gemma", "prompts": ["a"]}
    battery["probes"] = {"d": drift}
    assert validator.is_valid(battery)
    battery["probes"] = {"d": drift | {"models": ["llama"]}}
    assert not validator.is_valid(battery)


def test_every_option_is_described() -> None:
    definitions = battery_schema()["$defs"]
    for name in registry.names():
        options = definitions[name]["properties"]
        assert options["probe"] == {"const": name}
        assert all(option.get("description") for key, option in options.items() if key != "probe")


def test_a_broken_third_party_leaves_the_schema_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints([EntryPoint("bad", "no_such_module:probe", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", points.select)
    assert "bad" in registry.names()
    definitions = battery_schema()["$defs"]
    assert "bad" not in definitions
    assert "logit_lens" in definitions


def test_every_file_of_prompts_that_ships_fits_its_schema() -> None:
    schema = prompts_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    fits = jsonschema.Draft202012Validator(schema)
    for file in sorted(resources.folder("prompts").glob("*.yaml")):
        written = read_source(file.read_text(encoding="utf-8"), file).value
        assert [error.message for error in fits.iter_errors(written)] == [], file
    assert fits.is_valid({"bare": ["an apple", {"text": "a day", "id": "day"}]})
    assert not fits.is_valid({"bare": ["an apple", {"txt": "a day"}]})
    assert not fits.is_valid({"set": {"title": "no prompts"}})
    assert not fits.is_valid({"no name": ["an apple"]})


def test_a_theme_fits_its_schema_with_any_of_its_keys() -> None:
    schema = theme_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    fits = jsonschema.Draft202012Validator(schema)
    assert fits.is_valid({})
    assert fits.is_valid({"extends": "dark", "models": ["#7a0019"], "logo": "lab.svg", "text": 10})
    assert fits.is_valid(json.loads(PAPER.model_dump_json(exclude={"font_sha256"})))
    for wrong in ({"extends": "drak"}, {"ink": "black"}, {"inks": "#000000"}, {"text": 2}, {"diverging": ["#000000"]}):
        assert not fits.is_valid(wrong), wrong


def test_the_command_knows_every_schema() -> None:
    assert tuple(SCHEMAS) == KINDS
