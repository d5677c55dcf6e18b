"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Figure, TokenGrid
from reportgen.language import say, say_count
from reportgen.numerals import write_cell, write_change, write_number
from reportgen.probes.hidden_states import MOST_PROMPTS
from reportgen.probes.hidden_states.view import shown_tokens, words_of
from reportgen.probing.parts import describe_layer_grid
from reportgen.probing.probe import prompt_labels, quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

WIDEST = 14
"""Columns of a grid."""
MOST_PARTS = 3
"""Grids that one prompt or pair is drawn in; the arrays have all of it."""
MOST_PAIRS = 4
"""Pairs that are drawn."""


def figures(section: Section) -> Iterable[Figure]:
    """Norms of the first prompts, then the differences of the first pairs, models side by side."""
    views = SubjectView.each(section)
    for number in range(MOST_PROMPTS):
        for view in views:
            if number < len(view.rows("prompts")):
                yield from _norm_grids(view, number)
    for number in range(MOST_PAIRS):
        for view in views:
            if number < len(view.rows("pairs")):
                yield from _difference_grids(view, number)
    for number in range(max((len(words_of(view)) for view in views), default=0)):
        for view in views:
            if number < len(words_of(view)):
                yield _number_grid(view, number)


def _parts(count: int) -> list[slice]:
    """The columns of each grid of so many positions."""
    return [slice(at, min(at + WIDEST, count)) for at in range(0, count, WIDEST)][:MOST_PARTS]


def _part_title(what: str, part: slice, count: int) -> str:
    if count <= WIDEST:
        return what
    return say(
        "hidden_states.part",
        "{what} (positions {first}–{last})",
        what=what,
        first=part.start,
        last=part.stop - 1,
    )


def _norm_grids(view: SubjectView, prompt: int) -> Iterator[TokenGrid]:
    """Layers from the last at the top; colours on a logarithmic scale, or the longest alone would be seen."""
    array = view.outcome.arrays[f"norms/{prompt}"]
    norms, tokens = np.asarray(array.values, np.float64)[::-1], shown_tokens(view, prompt)
    positive = norms[norms > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1.0, 1.0)
    logs = np.log(np.clip(norms, low, None) / low)
    shades = logs / (float(logs.max()) or 1.0)
    text = quote_prompts(view.outcome)[prompt]
    for number, part in enumerate(_parts(len(tokens))):
        yield describe_layer_grid(
            view,
            name=f"norms-{prompt}-{number}",
            title=_part_title(
                say("hidden_states.norms.title", "{model}: norms in “{prompt}”", model=view.name, prompt=text),
                part,
                len(tokens),
            ),
            alt=say(
                "hidden_states.norms.alt",
                "Norm of the residual stream of {model} at every layer and position of “{prompt}”, from {low} to "
                "{high}; the longest is that of “{token}”",
                model=view.name,
                prompt=text,
                low=write_number(low, 2),
                high=write_number(high, 2),
                token=mark_space(tokens[int(norms.max(0).argmax())]),
            ),
            rows=reversed(array.along("layer")),
            column_label=say("hidden_states.position", "position"),
            columns=tokens[part],
            texts=[[write_cell(float(value)) for value in row[part]] for row in norms],
            values=shades[:, part],
            value_label=say(
                "hidden_states.norms.value",
                "norm on a logarithmic scale (0 = {low}, 1 = {high})",
                low=write_number(low, 2),
                high=write_number(high, 2),
            ),
        )


def _difference_grids(view: SubjectView, pair: int) -> Iterator[TokenGrid]:
    """Layers from the last at the top, each on a scale of its own; exact zeros are outlined."""
    array, record = view.outcome.arrays[f"differences/{pair}"], view.rows("pairs")[pair]
    values = np.asarray(array.values, np.float64)[::-1]
    largest = values.max(axis=1, keepdims=True)
    shades = values / np.where(largest > 0, largest, 1.0)
    a, b = (shown_tokens(view, record[which]) for which in ("prompt_a", "prompt_b"))
    columns = [one if one == two else f"{one}/{two}" for one, two in zip(a, b, strict=False)]
    texts = quote_prompts(view.outcome)
    both = {"a": texts[record["prompt_a"]], "b": texts[record["prompt_b"]]}
    before, after = write_change(record["prefix_difference"], record["difference"] or 0.0, significant=2)
    for number, part in enumerate(_parts(len(columns))):
        yield describe_layer_grid(
            view,
            name=f"differences-{pair}-{number}",
            title=_part_title(
                say("hidden_states.differences.title", "{model}: “{a}” against “{b}”", model=view.name, **both),
                part,
                len(columns),
            ),
            alt=say_count(
                "hidden_states.differences.alt",
                "Largest difference of the streams of {model} on “{a}” and “{b}”: {before} on the {count} token that "
                "they share, {after} at the next",
                "Largest difference of the streams of {model} on “{a}” and “{b}”: {before} on the {count} tokens that "
                "they share, {after} at the next",
                record["prefix"],
                model=view.name,
                before=before,
                after=after,
                **both,
            ),
            rows=reversed(array.along("layer")),
            column_label=say("hidden_states.position", "position"),
            columns=columns[part],
            texts=[[write_cell(float(value)) for value in row[part]] for row in values],
            values=shades[:, part],
            value_label=say("hidden_states.differences.value", "difference, as a share of the layer's largest"),
            outlined=values[:, part] == 0,
            outline_label=say("hidden_states.exact", "exactly 0"),
        )


def _number_grid(view: SubjectView, word: int) -> TokenGrid:
    """The first numbers of a word's vectors, a row for each sentence and layer; outlined where they are exactly those
    of the first sentence.
    """
    text, rows = words_of(view)[word]
    array = view.outcome.arrays[f"vectors/{word}"]
    layers = [layer for layer in view.options["numbers_at"] if layer in array.along("layer")]
    labels = [prompt_labels(view.outcome)[row["prompt"]] for row in rows]
    by_layer = [np.asarray(array.sel(layer=layer).values, np.float64) for layer in layers]
    values = np.concatenate(by_layer)
    equal = np.concatenate([_mark_equal(of_layer) for of_layer in by_layer])
    largest = [np.abs(of_layer).max() or 1.0 for of_layer in by_layer]
    shades = np.concatenate([np.abs(of_layer) / most for of_layer, most in zip(by_layer, largest, strict=True)])
    return describe_layer_grid(
        view,
        name=f"numbers-{word}",
        title=say(
            "hidden_states.numbers.title",
            "{model}: the first numbers of the vector of “{word}”",
            model=view.name,
            word=mark_space(text),
        ),
        alt=say_count(
            "hidden_states.numbers.alt",
            "The first {numbers} numbers of the vector of “{word}” in {model}, in {count} sentence",
            "The first {numbers} numbers of the vector of “{word}” in {model}, in {count} sentences",
            len(rows),
            numbers=values.shape[1],
            word=text,
            model=view.name,
        ),
        row_label=say("hidden_states.numbers.rows", "layer: sentence"),
        rows=[
            say("hidden_states.numbers.row", "{layer}: {sentence}", layer=layer, sentence=label)
            for layer in layers
            for label in labels
        ],
        column_label=say("hidden_states.numbers.columns", "dimension"),
        columns=[str(at) for at in array.along("component")],
        texts=[[write_cell(float(value)) for value in row] for row in values],
        values=shades,
        value_label=say("hidden_states.numbers.value", "size, as a share of the layer's largest here"),
        outlined=equal,
        outline_label=say("hidden_states.numbers.equal", "exactly as in the first sentence"),
        sampleable=False,
    )


def _mark_equal(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(sentence x dimension) where a number is exactly that of the first sentence, and there where another has it."""
    equal: NDArray[np.bool_] = values == values[:1]
    equal[0] = equal[1:].any(axis=0)
    return equal
