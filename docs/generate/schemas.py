"""Reference pages of the files that are written by hand and read back: their keys, from the models that check them."""

from collections.abc import Iterator
from typing import Any

from docs.generate.markdown import join_blocks, keep_code, write_code, write_table
from reportgen.battery.option_words import describe_type, write_default
from reportgen.battery.schema import battery_schema, prompts_schema, theme_schema
from reportgen.results import schema as stored

Schema = dict[str, Any]
WITHIN = ("Matrix", "ModelEntry", "SlideChoice", "ToleranceEntry")
"""What a battery holds besides probes, each with keys of its own."""


def write_keys(mapping: Schema, whole: Schema) -> str:
    """A table of the keys of a mapping, with types, defaults and meanings; `whole` holds what it refers to."""
    rows = [
        (
            write_code(key),
            keep_code(describe_type(option, whole).removesuffix(" or null")),
            _write_default(key, option, mapping),
            keep_code(option.get("description", "")),
        )
        for key, option in mapping.get("properties", {}).items()
    ]
    return write_table(("key", "values", "default", "meaning"), rows)


def battery_page() -> str:
    """The keys of a battery, of its models and of what every probe takes."""
    schema = battery_schema()
    definitions: Schema = schema["$defs"]
    blocks = [
        "# Battery",
        "What a battery may hold. The options of each probe stand on [its own page](probes/index.md); "
        "`reportgen schema` prints the JSON Schema of all of it, for editors. How one is written: "
        "[write a battery](../how-to/write-a-battery.md).",
        write_keys(schema, schema),
    ]
    for name in WITHIN:
        if name in definitions:
            blocks += _describe_definition(name, definitions[name], schema)
    return join_blocks([*blocks, *_describe_common(definitions)])


def prompts_page() -> str:
    """The keys of prompt sets and prompts."""
    schema = prompts_schema()
    blocks = [
        "# Prompt sets",
        "A file of prompt sets lies in `prompts/` beside a battery. Each set stands under its name: with what is known "
        "about it, or as a bare list of prompts. The sets that ship are listed "
        "[on a page of their own](shipped-prompt-sets.md).",
    ]
    for name in ("PromptSet", "Prompt", "Message"):
        blocks += _describe_definition(name, schema["$defs"][name], schema)
    return join_blocks(blocks)


def theme_page() -> str:
    """The keys of a theme's file."""
    schema = theme_schema()
    return join_blocks(
        [
            "# Themes",
            "A theme is a YAML file that `theme:` of a battery or `--theme` names. No key is needed: what is missing "
            "is as in the theme that it extends. Lengths are points.",
            write_keys(schema, schema),
        ]
    )


def bundle_page() -> str:
    """What stands in the files of a bundle."""
    results, run = stored.StoredResults.model_json_schema(), stored.StoredRun.model_json_schema()
    blocks = [
        "# Bundle",
        f"A bundle is a folder. `results.json` holds the numbers (its `schema` is {stored.SCHEMA}; older ones are "
        "read), `arrays.safetensors` the arrays that it names, `run.json` when, where and how long. For identical "
        "inputs on one machine the first two are the same bytes. A text that stands in several places is stored once, "
        "in `texts`, and put back when the bundle is read. From Python: [read a bundle](../how-to/python.md).",
        "## results.json",
        write_keys(results, results),
    ]
    for name in ("StoredModel", "StoredOutcome", "StoredMetric", "StoredTable", "StoredArray"):
        blocks += _describe_definition(name, results["$defs"][name], results)
    blocks += ["## run.json", write_keys(run, run)]
    return join_blocks([*blocks, *_describe_definition("StoredPart", run["$defs"]["StoredPart"], run)])


def _write_default(key: str, option: Schema, mapping: Schema) -> str:
    """A cell: whether the key must be there, or else what holds without it, if that is a value."""
    if key in mapping.get("required", []):
        return "required"
    default = option.get("default")
    return "" if default in (None, "") else write_code(write_default(default))


def _describe_definition(name: str, definition: Schema, whole: Schema) -> Iterator[str]:
    yield f"## {TITLES[name]}"
    yield keep_code(definition.get("description", ""))
    yield write_keys(definition, whole)


def _describe_common(definitions: Schema) -> Iterator[str]:
    """What every probe takes besides its own options."""
    from reportgen.battery.probe_keys import ProbeKeys

    common = ProbeKeys.model_json_schema()
    yield "## Every probe"
    yield (
        "`probe` names it. `models` is a list of some of the models' ids, or globs of them, unless the probe is of a "
        "pair, which names `base` and `other`."
    )
    yield write_keys(common, common)


TITLES = {
    "Matrix": "matrix",
    "ModelEntry": "A model",
    "SlideChoice": "slides",
    "ToleranceEntry": "A tolerance",
    "PromptSet": "A set",
    "Prompt": "A prompt",
    "Message": "A message of a chat",
    "StoredModel": "A model of results.json",
    "StoredOutcome": "What became of one probe on one subject",
    "StoredMetric": "A metric",
    "StoredTable": "A table",
    "StoredArray": "An array",
    "StoredPart": "A part of a battery",
}
"""Name of a model of ours -> what a reader calls it."""
