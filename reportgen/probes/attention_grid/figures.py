"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from reportgen.figures.describe import AttentionHead, Figure, HeadMosaic
from reportgen.language import list_items, say
from reportgen.numerals import write_count, write_share
from reportgen.numerics.attention import bin_edges
from reportgen.probes.attention_grid.view import look_rows, words_of_look
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Array
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """The heads found, large; every head as one mosaic; those asked for, large."""
    views = SubjectView.each(section)
    tokens = {view.subject: _tokens(view) for view in views}
    for number in range(max((len(view.options.get("find", ())) for view in views), default=0)):
        for view in views:
            yield from _draw_found(view, tokens[view.subject], number)
    for view in views:
        for prompt, text in enumerate(view.column("prompts", "text")):
            patterns = view.outcome.arrays[f"weights/{prompt}"]
            places = _places(tokens[view.subject][prompt], patterns.values.shape[-1])
            yield _mosaic(view, patterns, places, prompt, text)
    named = {view.subject: _named_heads(view) for view in views}
    for block, head in dict.fromkeys(one for heads in named.values() for one in heads):
        for view in views:
            for prompt in range(len(view.rows("prompts"))) if (block, head) in named[view.subject] else ():
                patterns = view.outcome.arrays[f"weights/{prompt}"]
                if block in patterns.along("block") and head in patterns.along("head"):
                    yield _draw_large(view, patterns, tokens[view.subject][prompt], prompt, block, head)


def _draw_found(view: SubjectView, tokens: dict[int, list[str]], number: int) -> Iterable[AttentionHead]:
    """The head that looks most from one word at another, in the first prompt with both."""
    look = next((row for row in look_rows(view) if row["find"] == number), None)
    if look is None:
        return
    prompt = look["prompt"]
    first = next(row for row in view.rows("found") if row["find"] == number and row["rank"] == 1)
    patterns = view.outcome.arrays[f"weights/{prompt}"]
    large = _draw_large(view, patterns, tokens[prompt], prompt, first["block"], first["head"])
    title = say(
        "attention_grid.found.title",
        "{model}: head {block}.{head} looks most from “{looks}” at “{looked}”",
        model=view.name,
        block=first["block"],
        head=first["head"],
        **words_of_look(view, number),
    )
    binned = len(tokens[prompt]) > len(large.queries)
    queries, keys = ([int(at) for at in look[side].split()] for side in ("queries", "keys"))
    marked = () if binned else [(query, key) for query in queries for key in keys]
    yield replace(large, name=f"found-{number}", title=_name_prompt(view, title, prompt), marked=marked)


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
        pooled_label=say("figure.pooled", "{label} (largest of {pooled} x {pooled} per pixel)"),
        axes=say("attention_grid.mosaic.axes", "↓ head · → block · within each: ↓ query, → key"),
        queries=places,
        keys=places,
    )


def _named_heads(view: SubjectView) -> list[tuple[int, int]]:
    heads = view.options["heads"]
    of_model = heads.get(view.subject, []) if isinstance(heads, dict) else heads
    return list(dict.fromkeys((block, head) for block, head in of_model))


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
    quotes = quote_prompts(view.outcome)
    if len(quotes) == 1:
        return title
    return say("attention_grid.in_prompt", "{title}, in “{prompt}”", title=title, prompt=quotes[prompt])


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
