"""What a battery to start from says, by what it is for."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Purpose = Literal["lecture", "compare", "nightly"]
SCHEMA_NAME = "reportgen.schema.json"
"""Lies beside the battery, so that an editor finds it without a network."""
_PLAIN = re.compile(r"(\./|\.\./|demo:)?[A-Za-z][\w./@ -]*(?<! )( \+ [\w./@-]+)?")
"""A text that YAML reads as it stands, without quotes."""


@dataclass(frozen=True)
class NamedSource:
    """A model of the battery: its id, and where it comes from as seen from the battery."""

    id: str
    source: str


def write_text(models: Sequence[NamedSource], purpose: Purpose | None, *, one_kind: bool) -> str:
    """A whole battery.

    Args:
        models: one at least; two for a comparison.
        purpose: None for a bit of everything.
        one_kind: whether they are of one architecture, so that their weights can be compared.
    """
    title, probes = _WRITE[purpose](models, one_kind)
    lines = [
        f"# yaml-language-server: $schema=./{SCHEMA_NAME}",
        "# A battery: which models, what to measure, what to make of it.",
        "# `reportgen run FILE` makes the report; `reportgen probes` lists what can be measured.",
        "",
        f"title: {quote(title)}",
        "",
        "models:  # an id of your choice: a demo model, a hub id (org/name), a folder or a .gguf file",
        *(f"  {model.id}: {quote(model.source)}" for model in models),
        "",
        "probes:  # an id of your choice: the probe and its options",
        *probes,
        "",
        _OUTPUTS[purpose],
    ]
    return "".join(f"{line}\n" for line in lines)


def quote(text: str) -> str:
    """A text as YAML takes it: JSON's quotes where it is not plain."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


_CENSUS = "  census: {probe: parameter_census}"
_APPLE = "  apple: {probe: word_similarity, word: apple, prompts: lecture/apple}"
_HEADS = '  heads: {probe: attention_grid, prompts: ["The apple is green. What color is the apple?"]}'
_NEAREST = "  nearest: {probe: nearest_tokens, texts: [apple, dog, red], k: 10}"
_NEXT = (
    "  next:",
    "    probe: logit_lens",
    '    prompts: ["The capital of France is", 今天天氣真]',
    "    continue: 3  # greedy tokens to follow",
    "    top_k: 5",
)
Written = tuple[str, Sequence[str]]
"""A title, and the lines of the probes."""


def _write_general(models: Sequence[NamedSource], one_kind: bool) -> Written:
    apple = (
        "  apple:",
        "    probe: word_similarity",
        "    word: apple",
        "    prompts: lecture/apple  # a prompt set: `reportgen prompts` lists them; your own go to prompts/",
        f"    models: [{models[0].id}]  # a subset; without it all models are measured",
    )
    changed = _write_drift(models) if one_kind and len(models) > 1 else ()
    return "My first report", (_CENSUS, *_NEXT, *apple, *changed)


def _write_lecture(models: Sequence[NamedSource], one_kind: bool) -> Written:
    return "What happens inside a language model", (
        "  # How a text becomes tokens, and what the model is made of",
        "  tokens: {probe: tokenization, prompts: basics/strips}",
        _CENSUS,
        "  # One word in several sentences; which words lie near each other, layer by layer",
        _APPLE,
        "  map: {probe: pca_map, prompts: lecture/words, layers: all}",
        "  # What each layer expects next",
        "  forecast: {probe: logit_lens, prompts: lecture/forecast, continue: 4, top_k: 10}",
        "  # Where the heads look, and where they rest",
        "  heads: {probe: attention_grid, prompts: lecture/green_apple}",
        "  sinks: {probe: attention_sink, prompts: attention/sink}",
    )


def _write_comparison(models: Sequence[NamedSource], one_kind: bool) -> Written:
    first, last = models[0].id, models[-1].id
    others = () if len(models) == 2 else ("  # The first against the last; any other two likewise",)
    alike = f"  alike: {{probe: similarity_between_models, base: {first}, other: {last}}}"
    carried = f"  carried: {{probe: activation_difference, base: {first}, other: {last}}}"
    changed = (*_write_drift(models), carried) if one_kind else ()
    text = "  text: {probe: bits_per_byte, texts: unrelated/texts}"
    return f"{first} and {last} compared", (*others, alike, *changed, "  # All side by side", text, _CENSUS, *_NEXT)


def _write_nightly(models: Sequence[NamedSource], one_kind: bool) -> Written:
    return "Nightly", (
        "  # Small, quick, and wide enough that a change inside shows. Accept a bundle, then compare every night:",
        "  #   reportgen baseline accept --help, reportgen nightly --help",
        _CENSUS,
        _NEAREST,
        _APPLE,
        *_NEXT,
        _HEADS,
    )


def _write_drift(models: Sequence[NamedSource]) -> Sequence[str]:
    return (f"  changed: {{probe: drift, base: {models[0].id}, other: {models[-1].id}, prompts: unrelated/texts}}",)


_WRITE: Mapping[Purpose | None, Callable[[Sequence[NamedSource], bool], Written]] = {
    None: _write_general,
    "lecture": _write_lecture,
    "compare": _write_comparison,
    "nightly": _write_nightly,
}
_OUTPUTS: Mapping[Purpose | None, str] = {
    None: "outputs: [html, pdf, figures]",
    "lecture": "outputs: [html, slides, pptx, figures]",
    "compare": "outputs: [html, pdf, figures]",
    "nightly": "outputs: [html]",
}
