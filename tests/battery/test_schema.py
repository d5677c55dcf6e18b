from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reportgen.battery.schema import json_schema
from reportgen.documents.yaml_source import read_source
from reportgen.probes import registry

REPORT = Path(__file__).parents[2] / "reports" / "llama-vs-gemma.yaml"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
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
    definitions = json_schema()["$defs"]
    for name in registry.names():
        options = definitions[name]["properties"]
        assert options["probe"] == {"const": name}
        assert all(option.get("description") for key, option in options.items() if key != "probe")


def test_a_broken_third_party_leaves_the_schema_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints([EntryPoint("bad", "no_such_module:probe", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", points.select)
    assert "bad" in registry.names()
    definitions = json_schema()["$defs"]
    assert "bad" not in definitions
    assert "logit_lens" in definitions
