"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from reportgen.figures.describe import AttentionHead, Figure, HeadMosaic
from reportgen.language import list_items, say
from reportgen.numerals import write_count, write_share
from reportgen.numerics.attention import bin_edges
from reportgen.probing.probe import prompt_labels
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Array
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Every head as one mosaic, named heads large."""
    views = SubjectView.each(section)
    tokens = {view.subject: _tokens(view) for view in views}
    for view in views:
        for prompt, text in enumerate(view.column("prompts", "text")):
            patterns = view.outcome.arrays[f"weights/{prompt}"]
            places = _places(tokens[view.subject][prompt], patterns.values.shape[-1])
            yield _mosaic(view, patterns, places, prompt, text)
    for block, head in _named_heads(views):
        for view in views:
            for prompt in range(len(view.rows("prompts"))):
                patterns = view.outcome.arrays[f"weights/{prompt}"]
                if block in patterns.along("block") and head in patterns.along("head"):
                    yield _draw_large(view, patterns, tokens[view.subject][prompt], prompt, block, head)


def _mosaic(view: SubjectView, patterns: Array, places: list[str], prompt: int, text: str) -> HeadMosaic:
    sink = view.values("sink")[prompt]
    return HeadMosaic(
        name=f"heads-{prompt}",
        subject=(view.subject,),
        title=_name_prompt(
            view, say("attention_grid.mosaic.title", "{model}: where all heads look", model=view.name), prompt
        ),
        alt=say(
            "attention_grid.mosaic.alt",
            "Attention patterns of {blocks} blocks × {heads} heads of {model} on “{text}”; on average {share} of the "
            "weight goes to the first token",
            blocks=patterns.values.shape[0],
            heads=patterns.values.shape[1],
            model=view.name,
            text=text,
            share=write_share(sink.mean()),
        ),
        patterns=patterns.values,
        blocks=patterns.coordinates.get("block", ()),
        value_label=_weight_label(),
        pooled_label=say("figure.pooled", "{label} (largest of {pooled} x {pooled} a pixel)"),
        axes=say("attention_grid.mosaic.axes", "↓ head · → block · in each: ↓ query, → key"),
        queries=places,
        keys=places,
    )


def _named_heads(views: Iterable[SubjectView]) -> list[tuple[int, int]]:
    heads = (head for view in views for head in view.options["heads"])
    return list(dict.fromkeys((block, head) for block, head in heads))


def _tokens(view: SubjectView) -> dict[int, list[str]]:
    """Prompt -> its tokens."""
    found: dict[int, list[str]] = {}
    for record in view.rows("tokens"):
        found.setdefault(record["prompt"], []).append(str(record["token"]))
    return found


def _places(tokens: list[str], count: int) -> list[str]:
    """What stands on both axes of a pattern: the tokens, or the positions in each of `count` bins."""
    if len(tokens) <= count:
        return tokens
    return [f"{a}–{b - 1}" if b - a > 1 else str(a) for a, b in pairwise(bin_edges(len(tokens), count))]


def _draw_large(
    view: SubjectView, patterns: Array, tokens: list[str], prompt: int, block: int, head: int
) -> AttentionHead:
    pattern = patterns.sel(block=block, head=head).values
    places = _places(tokens, len(pattern))
    return AttentionHead(
        name=f"head-{block}-{head}-{prompt}",
        subject=(view.subject,),
        title=_name_prompt(view, _large_title(view.name, block, head, len(tokens), len(pattern)), prompt),
        alt=say(
            "attention_grid.head.alt",
            "Attention of block {block}, head {head} of {model}: {looks}",
            block=block,
            head=head,
            model=view.name,
            looks=list_items([_look(q, places[int(row.argmax())]) for q, row in zip(places, pattern, strict=True)]),
        ),
        pattern=pattern,
        value_label=_weight_label(),
        axes=say("attention_grid.head.axes", "↓ query (the token that looks) · → key (what it looks at)"),
        queries=places,
        keys=places,
    )


def _name_prompt(view: SubjectView, title: str, prompt: int) -> str:
    """A title with its prompt, where there are several."""
    labels = prompt_labels(view.outcome)
    if len(labels) == 1:
        return title
    return say("attention_grid.in_prompt", "{title}, in “{prompt}”", title=title, prompt=labels[prompt])


def _large_title(name: str, block: int, head: int, tokens: int, bins: int) -> str:
    if tokens <= bins:
        return say(
            "attention_grid.head.title",
            "{model}: where block {block}, head {head} looks",
            model=name,
            block=block,
            head=head,
        )
    return say(
        "attention_grid.head.binned_title",
        "{model}: where block {block}, head {head} looks, {tokens} tokens in {bins} bins",
        model=name,
        block=block,
        head=head,
        tokens=write_count(tokens),
        bins=bins,
    )


def _weight_label() -> str:
    return say("attention_grid.weight", "attention weight")


def _look(query: str, key: str) -> str:
    return say("attention_grid.look", "{query} looks at {key}", query=query, key=key)
