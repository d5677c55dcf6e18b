"""The JSON Schemas of a battery and of what it names, for editors that complete and check YAML while it is written."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from reportgen.battery import deprecations
from reportgen.battery.matrix import Matrix
from reportgen.battery.model_entry import ModelEntry
from reportgen.battery.probe_keys import ProbeKeys
from reportgen.battery.reader import BatteryFile
from reportgen.battery.schema_examples import FILES, KEYS
from reportgen.errors import BatteryError
from reportgen.look.theme import BUILT_IN, Theme
from reportgen.probes import registry
from reportgen.probing.probe import PairProbe, Probe, explanation
from reportgen.results.schema import ID
from reportgen.text.prompts import FILE_NAME, PromptSet

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAMESPACE = "urn:reportgen:schema"
"""What the names of the schemas begin with: they stay, wherever the files lie."""

Schema = dict[str, Any]


def battery_schema() -> Schema:
    """That of a battery: the keys of a battery, and for each probe the options that it takes."""
    probes = _find_usable_probes()
    written: list[type[BaseModel]] = [BatteryFile, Matrix, ModelEntry, *(probe.options for probe in probes)]
    references, shared = models_json_schema([(model, "validation") for model in dict.fromkeys(written)])
    definitions: Schema = shared["$defs"]
    top = definitions.pop(BatteryFile.__name__)
    entries = {probe.name: _entry(probe, definitions, references[probe.options, "validation"]) for probe in probes}
    for probe in probes:  # each is copied into its entry, and nothing else refers to it
        definitions.pop(_name_of(references[probe.options, "validation"]), None)
    models_by_id = _require_ids({"anyOf": [{"type": "string"}, references[ModelEntry, "validation"]]})
    top["properties"]["models"] |= models_by_id
    definitions[Matrix.__name__]["properties"]["models"] |= models_by_id
    about = top["properties"]["matrix"]["description"]
    top["properties"]["matrix"] = {**references[Matrix, "validation"], "description": about}
    top["anyOf"] = [{"required": ["models"]}, {"required": ["matrix"]}]
    top["properties"]["probes"] |= _require_ids({"anyOf": [{"$ref": f"#/$defs/{name}"} for name in entries]})
    definitions |= entries
    _add_examples({**definitions, BatteryFile.__name__: top})
    _mark_deprecated(top, definitions, entries)
    return {**top, **_head("battery", "Battery of reportgen"), "$defs": definitions}


def theme_schema() -> Schema:
    """That of the file of a theme, in which no key must stand: what it lacks is as in the theme that it extends."""
    schema = Theme.model_json_schema()
    _add_examples({Theme.__name__: schema})
    own = {key: value for key, value in schema["properties"].items() if key != "font_sha256"}
    base = {"enum": list(BUILT_IN), "default": "paper", "description": "The theme that has what this one lacks."}
    return {
        **_head("theme", "Theme of reportgen"),
        "type": "object",
        "properties": {"extends": base, **own},
        "additionalProperties": False,
    }


def prompts_schema() -> Schema:
    """That of a file of prompt sets: each under its name, with what is known about it, or as a bare list."""
    schema = PromptSet.model_json_schema(ref_template="#/$defs/{model}")
    definitions = schema.pop("$defs", {})
    _add_examples({**definitions, PromptSet.__name__: schema})
    bare = {**schema["properties"]["prompts"], "description": "A set of which nothing more is known."}
    either = {"anyOf": [{"$ref": f"#/$defs/{PromptSet.__name__}"}, bare]}
    return {
        **_head("prompts", "Prompt sets of reportgen"),
        "type": "object",
        "patternProperties": {f"^{FILE_NAME.pattern}$": either},
        "additionalProperties": False,
        "$defs": {**definitions, PromptSet.__name__: schema},
    }


SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    "battery": battery_schema,
    "theme": theme_schema,
    "prompts": prompts_schema,
}
"""What a file is of -> what gives its schema."""


def _find_usable_probes() -> list[Probe[Any, Any]]:
    found = []
    for name in registry.names():
        try:
            found.append(registry.find(name))
        except BatteryError:
            # a broken probe of a third party must not take the schema of the others away
            continue
    return found


def _require_ids(value: Schema) -> Schema:
    return {"additionalProperties": False, "patternProperties": {f"^{ID}$": value}}


def _entry(probe: Probe[Any, Any], definitions: Schema, reference: Schema) -> Schema:
    """What may stand under an id for this probe: its name, a subset of models unless it is of a pair, its options."""
    options = definitions[_name_of(reference)]
    subset = {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "description": "Ids of some of the models, or globs of ids.",
    }
    which = {} if isinstance(probe, PairProbe) else {"models": subset}
    return {
        "type": "object",
        "description": explanation(probe).shows or probe.question,
        "properties": {"probe": {"const": probe.name}, **which, **_keys(), **deepcopy(options.get("properties", {}))},
        "required": ["probe", *options.get("required", [])],
        "additionalProperties": False,
    }


def _keys() -> Schema:
    """What every probe takes in addition to its options."""
    schema = ProbeKeys.model_json_schema()
    _add_examples({ProbeKeys.__name__: schema})
    properties: Schema = schema["properties"]
    return properties


def _name_of(reference: Schema) -> str:
    """The definition that a reference names."""
    return str(reference["$ref"]).rpartition("/")[2]


def _head(kind: str, title: str) -> Schema:
    return {"$schema": DIALECT, "$id": f"{NAMESPACE}:{kind}", "title": title, "examples": [FILES[kind]]}


def _add_examples(schemas: Mapping[str, Schema]) -> None:
    """Puts the examples of keys into the schemas, by the names of their classes."""
    for name, examples in KEYS.items():
        for key, values in examples.items() if name in schemas else ():
            schemas[name]["properties"][key]["examples"] = values


def _mark_deprecated(top: Schema, definitions: Schema, entries: Mapping[str, Schema]) -> None:
    """Says of what goes that it does, so that editors strike it through; of a probe that stays they do not."""
    for one in deprecations.DEPRECATED:
        of_probes = [entry for name, entry in entries.items() if one.probe in ("", name)]
        holders = {"battery": [top], "model": [definitions[ModelEntry.__name__]], "probe": of_probes}[one.kind]
        for holder in holders if one.version is None else ():
            if not one.key:
                holder["deprecated"] = True
            elif one.key in holder["properties"]:
                holder["properties"][one.key]["deprecated"] = True
