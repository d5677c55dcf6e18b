"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reportgen.figures.describe import AttentionHead, Figure, HeatMap
from reportgen.figures.numbered_rows import spread_rows
from reportgen.language import list_items, say
from reportgen.numerals import write_number
from reportgen.probes.head_scores.reducers import KINDS
from reportgen.probing.parts import describe_head_map
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """The scores of all heads kind by kind, and below them the best head of each kind large."""
    views = SubjectView.each(section)
    for at, kind in enumerate(KINDS):
        top = max((float(view.values(kind).mean(0).max()) for view in views), default=0.0)
        for view in views:
            yield _draw_scores(view, kind, top)
        for view in views:
            yield _draw_large(view, at)


def _name_kind(kind: str) -> str:
    """What is drawn of a kind."""
    if kind == "previous_token":
        return say("head_scores.previous_token", "share of weight on the token before")
    if kind == "duplicate_token":
        return say("head_scores.duplicate_token", "share of weight on earlier copies")
    return say("head_scores.induction", "share of weight on what followed a copy (induction)")


def _draw_scores(view: SubjectView, kind: str, top: float) -> HeatMap:
    found = view.outcome.arrays[kind]
    best = [record for record in view.rows("top") if record["kind"] == kind]
    told = [
        say(
            "head_scores.told",
            "block {block}, head {head} {score}",
            block=record["block"],
            head=record["head"],
            score=write_number(record["score"], 2),
        )
        for record in best
    ]
    return describe_head_map(
        view,
        name=kind.replace("_", "-"),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=_name_kind(kind)),
        alt=say(
            "head_scores.alt",
            "{what} of all heads of {model}; highest: {heads}",
            what=_name_kind(kind),
            model=view.name,
            heads=list_items(told),
        ),
        values=spread_rows(found.values.mean(0), found.along("block")),
        row_label=say("head_scores.block", "block"),
        column_label=say("head_scores.head", "head"),
        value_label=_name_kind(kind),
        value_range=(0.0, top or 1.0),
    )


def _draw_large(view: SubjectView, at: int) -> AttentionHead:
    """The best head of one kind."""
    kind, block, head = view.outcome.tables["shown"].rows[at][1:]
    tokens = [str(token) for token in view.column("tokens", "token")]
    pattern = view.values(f"patterns/{at}")
    values = {"model": view.name, "block": block, "head": head}
    looks = [
        say("head_scores.look", "{query} looks at {key}", query=token, key=tokens[int(row.argmax())])
        for token, row in zip(tokens, pattern, strict=True)
    ]
    return AttentionHead(
        name=f"head-{str(kind).replace('_', '-')}",
        subject=(view.subject,),
        title=_large_title(str(kind), values),
        alt=say(
            "head_scores.large.alt",
            "Attention of block {block}, head {head} of {model}: {looks}",
            looks=list_items(looks),
            **values,
        ),
        pattern=pattern,
        queries=tokens,
        keys=tokens,
    )


def _large_title(kind: str, values: Mapping[str, Any]) -> str:
    if kind == "previous_token":
        return say(
            "head_scores.large.previous_token",
            "{model}: block {block}, head {head} looks most at the token before",
            **values,
        )
    if kind == "duplicate_token":
        return say(
            "head_scores.large.duplicate_token",
            "{model}: block {block}, head {head} looks most at earlier copies",
            **values,
        )
    return say(
        "head_scores.large.induction",
        "{model}: block {block}, head {head} looks most at what followed a copy (induction)",
        **values,
    )
