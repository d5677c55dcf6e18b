import json
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reportgen import resources
from reportgen.battery.reader import read_battery
from reportgen.battery.schema import NAMESPACE, SCHEMAS, battery_schema, prompts_schema, theme_schema
from reportgen.battery.schema_examples import FILES, KEYS
from reportgen.cli.schema import KINDS
from reportgen.documents.yaml_source import read_source
from reportgen.look.theme import PAPER
from reportgen.probes import registry
from tests.pinned_versions import ROOT
from tests.schema_files import write_schema

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


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_one_that_ships_is_of_this_version(kind: str) -> None:
    file = resources.folder("schemas") / f"{kind}.json"
    assert file.read_text(encoding="utf-8") == write_schema(kind), "python -m tests.schema_files"
    assert json.loads(file.read_text(encoding="utf-8"))["$id"] == f"{NAMESPACE}:{kind}"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_reference_leads_somewhere_and_nothing_is_left_over(kind: str) -> None:
    schema = SCHEMAS[kind]()
    referred = {node["$ref"] for node in _mappings(schema) if "$ref" in node}
    assert referred == {f"#/$defs/{name}" for name in schema.get("$defs", {})}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_its_example_fits_and_so_does_that_of_each_key(kind: str) -> None:
    schema = SCHEMAS[kind]()
    assert schema["examples"] == [FILES[kind]]
    whole = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in whole.iter_errors(FILES[kind])] == []
    for node in _mappings(schema):
        # without its name, references are looked for in this very document
        inner = {**{key: value for key, value in node.items() if key != "$id"}, "$defs": schema.get("$defs", {})}
        for example in node.get("examples", []) if isinstance(node.get("examples"), list) else []:
            assert jsonschema.Draft202012Validator(inner).is_valid(example), (node.get("title"), example)


def test_its_example_is_a_battery() -> None:
    assert list(read_battery(json.dumps(FILES["battery"])).probes) == list(FILES["battery"]["probes"])


def test_every_key_that_is_not_chosen_from_a_list_has_an_example() -> None:
    definitions = battery_schema()["$defs"] | {
        "BatteryFile": battery_schema(), "PromptSet": prompts_schema()["$defs"]["PromptSet"], "Theme": theme_schema(),
    }  # fmt: skip
    for name in set(KEYS) - {"ProbeKeys"}:
        for key, value in definitions[name]["properties"].items():
            choices = [one for one in value.get("anyOf", [value]) if one.get("type") != "null"]
            chosen = all("enum" in one or "const" in one or one.get("type") == "boolean" for one in choices)
            assert chosen or value.get("examples"), (name, key)


@pytest.mark.parametrize(("folder", "kind"), [("reports", "battery"), ("prompts", "prompts")])
def test_what_ships_names_its_schema_for_editors(folder: str, kind: str) -> None:
    files = sorted((ROOT / folder).glob("*.yaml"))
    assert files
    for file in files:
        said = file.read_text(encoding="utf-8").splitlines()[0]
        assert said == f"# yaml-language-server: $schema=../schemas/{kind}.json", file.name
        assert (file.parent / said.rpartition("=")[2]).is_file()


def _mappings(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from _mappings(inner)
