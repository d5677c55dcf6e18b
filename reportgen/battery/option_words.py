"""The values that an option takes, in words: from its JSON Schema, as pydantic writes it."""

import json
from typing import Any

TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def describe_type(option: dict[str, Any], schema: dict[str, Any]) -> str:
    """The values that an option takes; `schema` holds the definitions that it refers to."""
    if "$ref" in option:
        return describe_type(schema["$defs"][option["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in option:
        return " or ".join(dict.fromkeys(describe_type(branch, schema) for branch in option["anyOf"]))
    if "enum" in option or "const" in option:
        return " or ".join(write_default(value) for value in option.get("enum", [option.get("const")]))
    match option.get("type"):
        case "array":
            items = option.get("items") or {}
            return f"list of ({describe_type(items, schema)})" if items else "list"
        case "object":
            return "mapping"
    return TYPES.get(option.get("type", ""), "any value")


def describe_default(key: str, option: dict[str, Any], schema: dict[str, Any]) -> str:
    """Its default, or that there is none: `schema` is that of the mapping in which the key stands."""
    return "required" if key in schema.get("required", []) else f"default {write_default(option.get('default'))}"


def write_default(value: Any) -> str:
    """A default as it would stand in a battery."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
