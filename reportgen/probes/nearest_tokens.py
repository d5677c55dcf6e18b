"""Which tokens lie nearest to a token in the embedding table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from reportgen.figures.describe import Figure, Ranking, Rankings
from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import UNDEFINED, write_number
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Findings, Rows, mean_of_rows, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    from torch import Tensor

    from reportgen.model.needs import PassResult
    from reportgen.model.network.loaded import LoadedModel

SHOWN = 20
"""Neighbours drawn in the figure; the table has all k."""
TOLD = 10
"""Neighbours that a statement looks at."""
NAMED = 3
"""Neighbours that a statement names."""
MOSTLY = 0.5
"""Share of the neighbours from which they are said to be mostly spellings of the query."""
NEAR = 0.3
"""Cosine below which not even the nearest token is near: rows at random have hardly any."""


class Options(ProbeOptions):
    """Which tokens, and how near is measured."""

    texts: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    """Texts that are one token each."""
    ids: list[Annotated[int, Field(ge=0)]] = Field(default=[])
    """Token ids, in addition to or instead of texts; each is named with its token, as `#0: !`."""
    k: Annotated[int, Field(ge=1, le=1000)] = 10
    """Neighbours per query."""
    metric: Literal["cosine", "dot"] = "cosine"
    """Cosine, or the dot product, of rows of the table."""
    pool: Literal["mean", "last"] | None = None
    """How a text of several tokens becomes one row; without it such a text is skipped."""
    include_self: bool = False
    """Whether a query is its own first neighbour."""

    @model_validator(mode="after")
    def _check_something_asked(self) -> Options:
        if not self.texts and not self.ids:
            raise ValueError("texts or ids is needed")
        return self


@dataclass(frozen=True, kw_only=True)
class Neighbours(Findings):
    """What nearest tokens gives."""

    nearest_similarity: float | str = metric("similarity", of=mean_of_rows("neighbours", "similarity", "query", rank=1))
    """Mean over queries of the similarity of the nearest row."""
    neighbours: Rows = table("query", "rank", "token_id", "token", "similarity")
    """The k rows of the embedding table that are most similar to the query's row, the query itself left out."""
    queries: Rows = table("query", "token")
    """The ids among the queries, each with the token whose row it is."""
    skipped: Rows = table("query", "tokens")
    """Texts that are several tokens in this model, with those tokens."""


@dataclass(frozen=True)
class _Query:
    label: str
    ids: tuple[int, ...]
    is_id: bool = False


class NearestTokens(Probe[Options, Neighbours]):
    """Shows: the tokens whose rows in the embedding table are most similar to that of a given token.

    Read: the longer the bar, the more similar. Neighbours are other spellings, inflections, translations, and things of
    the same kind; a multilingual model has neighbours in many scripts. ␣ marks a leading space.

    Computed: the cosine (or dot product) of one row of the embedding table with all others, in float32, the
    table as stored: an architecture's run-time scale plays no part. The row itself is left out.
    """

    name = "nearest_tokens"
    version = 1
    question = "Which tokens are neighbours?"
    options = Options
    findings = Neighbours

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Texts of several tokens, where no pooling is asked for."""
        refused = {}
        for text in case.options.texts:
            ids = _ids(case, text)
            if not ids:
                refused[text] = "no tokens"
            elif len(ids) != 1 and case.options.pool is None:
                refused[text] = f"{len(ids)} tokens: {case.tokenizer.show_joined(ids)} (pool: mean accepts several)"
            elif reason := case.tokenizer.reason_against_tokens(ids):
                refused[text] = reason
        for token_id in case.options.ids:
            if case.facts.vocabulary is not None and token_id >= case.facts.vocabulary:
                refused[f"#{token_id}"] = f"ids go from 0 to {case.facts.vocabulary - 1}"
        return refused

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Neighbours:
        """One product of all queries with the table."""
        import numpy as np

        skipped = self.skipped_rows(case)
        queries = [query for query in _queries(case) if query.label not in skipped]
        rows: Rows = []
        if queries:
            scores = _scores(model, _pool_rows(model, queries, case.options.pool), case.options.metric)
            rows = _rank_tokens(case, queries, scores)
        nearest = [row[-1] for row in rows if row[1] == 1 and isinstance(row[-1], float)]
        return Neighbours(
            nearest_similarity=float(np.mean(nearest)) if nearest else "no text is one token here",
            neighbours=rows,
            queries=[[query.label, case.tokenizer.show(query.ids[0])] for query in queries if query.is_id],
            skipped=reason_rows(skipped),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """One figure a model, a panel a query, on one scale."""
        views = SubjectView.each(section)
        values = [value for view in views for value in view.column("neighbours", "similarity")]
        top = max(values, default=1.0)
        for view in views:
            rankings = [
                Ranking(
                    title=_name_query(view, query),
                    labels=[mark_space(str(record["token"])) for record in records],
                    values=[float(record["similarity"]) for record in records],
                )
                for query, records in _group_by_query(view).items()
            ]
            if rankings:
                yield Rankings(
                    name="neighbours",
                    subject=(view.subject,),
                    title=_title(view),
                    alt=sentences(_tell_ranking(ranking) for ranking in rankings),
                    rankings=rankings,
                    value_label=_similarity(view),
                    value_range=(0.0, max(top, 1.0) if view.options["metric"] == "cosine" else top),
                    model=view.subject,
                )

    def statement(self, section: Section) -> str:
        """Of the query that most models have: whether its neighbours are its own spellings, and the first others."""
        found = [(view, _group_by_query(view)) for view in SubjectView.each(section)]
        queries = list(dict.fromkeys(query for _, by_query in found for query in by_query))
        if not queries:
            return ""
        query = max(queries, key=lambda one: sum(one in by_query for _, by_query in found))
        return sentences(_tell_query(view, query, by_query[query]) for view, by_query in found if query in by_query)

    def tell_figure_each(self, section: Section, figure: Figure) -> Mapping[str, str]:
        """Of the first query that the figure shows, its neighbours."""
        if not isinstance(figure, Rankings):
            return {}
        query = figure.rankings[0].title
        found = {view.subject: (view, _group_by_query(view)) for view in SubjectView.each(section)}
        return {
            subject: _tell_query(view, query, by_query[query])
            for subject, (view, by_query) in found.items()
            if query in by_query
        }


def _tell_query(view: SubjectView, query: str, records: Sequence[Mapping[str, str | float]]) -> str:
    """What one model's nearest tokens are."""
    looked_at = records[:TOLD]
    tokens = [str(record["token"]) for record in looked_at]
    asked = _tokens_of_ids(view).get(query, query)
    own = [token for token in tokens if _spells(token, asked)]
    others = [_quote_token(token) for token in tokens if not _spells(token, asked)][:NAMED]
    values = {
        "model": view.name,
        "query": _name_query(view, query),
        "own": len(own),
        "all": len(tokens),
        "others": list_items(others),
    }
    if not tokens or (view.options["metric"] == "cosine" and float(looked_at[0]["similarity"]) < NEAR):
        near = write_number(float(looked_at[0]["similarity"]), 2) if tokens else UNDEFINED
        return say(
            "nearest_tokens.no_clear_statement",
            "No clear statement about {model}: nothing is near “{query}” (cosine {near} at most).",
            model=view.name,
            query=_name_query(view, query),
            near=near,
        )
    if not others:
        return say(
            "nearest_tokens.all_own",
            "In {model}, all of the {all} tokens nearest to “{query}” are its own spellings and inflections.",
            **values,
        )
    if len(own) >= MOSTLY * len(tokens):
        return say(
            "nearest_tokens.mostly_own",
            "In {model}, {own} of the {all} tokens nearest to “{query}” are its own spellings and inflections; the "
            "nearest others: {others}.",
            **values,
        )
    return say(
        "nearest_tokens.mostly_others",
        "In {model}, other words are nearest to “{query}”: {others}; {own} of the nearest {all} are its own spellings.",
        **values,
    )


def _tokens_of_ids(view: SubjectView) -> dict[str, str]:
    """Query -> its token, of those that are ids; none in bundles that hold none."""
    rows = view.rows("queries") if "queries" in view.outcome.tables else []
    return {str(row["query"]): str(row["token"]) for row in rows}


def _name_query(view: SubjectView, query: str) -> str:
    """A text as it is; an id with its token, if the row is one of a token."""
    token = _tokens_of_ids(view).get(query)
    if token in (None, f"<{query}>"):
        return query
    return say("nearest_tokens.id", "{id}: {token}", id=query, token=mark_space(str(token)))


def _spells(token: str, query: str) -> bool:
    """Whether a token is the query in other letters, or begins with it: "␣Apples" of "apple"."""
    word, asked = token.strip().casefold(), query.strip().casefold()
    return bool(asked) and word.startswith(asked)


def _quote_token(token: str) -> str:
    return say("text.quoted", "“{text}”", text=mark_space(token))


def _tell_ranking(ranking: Ranking) -> str:
    """One panel, for who cannot see it."""
    return say(
        "nearest_tokens.alt", "Nearest to “{query}”: {tokens}.", query=ranking.title, tokens=list_items(ranking.labels)
    )


def _similarity(view: SubjectView) -> str:
    if view.options["metric"] == "cosine":
        return say("nearest_tokens.cosine", "cosine similarity")
    return say("nearest_tokens.dot", "dot product")


def _title(view: SubjectView) -> str:
    k = int(view.options["k"])
    if k <= SHOWN:
        return view.name
    return say_count(
        "nearest_tokens.first",
        "{model}: the first of {all}",
        "{model}: the first {count} of {all}",
        SHOWN,
        model=view.name,
        all=k,
    )


def _ids(case: Case[Options], text: str) -> tuple[int, ...]:
    return case.tokenizer.encode(text, special_tokens=False).ids


def _queries(case: Case[Options]) -> list[_Query]:
    texts = [_Query(text, _ids(case, text)) for text in dict.fromkeys(case.options.texts)]
    return texts + [_Query(f"#{token_id}", (token_id,), is_id=True) for token_id in dict.fromkeys(case.options.ids)]


def _pool_rows(model: LoadedModel, queries: Sequence[_Query], pool: str | None) -> Tensor:
    """(query x width) one row a query."""
    import torch

    table = model.embedding_table
    rows = [table[list(query.ids)].float() for query in queries]
    return torch.stack([row.mean(0) if pool == "mean" else row[-1] for row in rows])


def _scores(model: LoadedModel, rows: Tensor, metric: str) -> Tensor:
    """(query x vocabulary)"""
    scores = model.embedding_scores(rows)
    if not bool(scores.isfinite().all()):
        raise ArithmeticError("the embedding table holds values that are not finite")
    if metric == "dot":
        return scores
    norms = model.embedding_norms.clamp_min(1e-12)
    cosines: Tensor = scores / (rows.norm(dim=1, keepdim=True).clamp_min(1e-12) * norms)
    return cosines


def _rank_tokens(case: Case[Options], queries: Sequence[_Query], scores: Tensor) -> Rows:
    """The rows of all queries, fetched from the device together."""
    import torch

    if not case.options.include_self:
        for query, row in zip(queries, scores, strict=True):
            if len(query.ids) == 1:
                row[query.ids[0]] = float("-inf")
    best = [row.topk(min(case.options.k, len(row) - 1)) for row in scores]
    ids, values = (torch.stack([getattr(one, name) for one in best]).tolist() for name in ("indices", "values"))
    return [
        [query.label, rank, i, case.tokenizer.show(i), value]
        for query, of_query, near in zip(queries, ids, values, strict=True)
        for rank, (i, value) in enumerate(zip(of_query, near, strict=True), 1)
    ]


def _group_by_query(view: SubjectView) -> dict[str, list[dict[str, str | float]]]:
    found: dict[str, list[dict[str, str | float]]] = {}
    for record in view.rows("neighbours"):
        shown = found.setdefault(str(record["query"]), [])
        if len(shown) < SHOWN:
            shown.append(record)
    return found


probe = NearestTokens()
