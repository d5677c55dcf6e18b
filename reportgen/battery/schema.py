"""The JSON Schema of a battery, for editors that complete and check YAML while it is written."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from reportgen.battery.probe_keys import ProbeKeys
from reportgen.battery.reader import BatteryFile, ModelEntry
from reportgen.errors import BatteryError
from reportgen.probes import registry
from reportgen.probing.probe import PairProbe, Probe, explanation
from reportgen.results.schema import ID

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema: the keys of a battery, and for each probe the options that it takes."""
    probes = _find_usable_probes()
    models: list[type[BaseModel]] = [BatteryFile, ModelEntry, *(probe.options for probe in probes)]
    references, shared = models_json_schema([(model, "validation") for model in dict.fromkeys(models)])
    definitions: Schema = shared["$defs"]
    top = definitions.pop(BatteryFile.__name__)
    entries = {probe.name: _entry(probe, definitions, references[probe.options, "validation"]) for probe in probes}
    top["properties"]["models"] |= _require_ids({"anyOf": [{"type": "string"}, references[ModelEntry, "validation"]]})
    top["properties"]["probes"] |= _require_ids({"anyOf": [{"$ref": f"#/$defs/{name}"} for name in entries]})
    return {"$schema": DIALECT, **top, "title": "Battery of reportgen", "$defs": definitions | entries}


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
    options = definitions[reference["$ref"].rpartition("/")[2]]
    subset = {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "Ids of some of the models."}
    which = {} if isinstance(probe, PairProbe) else {"models": subset}
    return {
        "type": "object",
        "description": explanation(probe).shows or probe.question,
        "properties": {"probe": {"const": probe.name}, **which, **_keys(), **options.get("properties", {})},
        "required": ["probe", *options.get("required", [])],
        "additionalProperties": False,
    }


def _keys() -> Schema:
    """What every probe takes in addition to its options."""
    properties: Schema = ProbeKeys.model_json_schema()["properties"]
    return properties
