"""What the unembedding has nearest to a concept that may have no token: seahorse + emoji."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from reportgen.figures.describe import Figure, Ranking, Rankings
from reportgen.language import digits, listed, say, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.similarity import unit_rows
from reportgen.probing.probe import Case, Layers, Probe, ProbeOptions, Prompts, Unusable
from reportgen.results.quantities import Findings, Outcome, Rows, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space
from reportgen.text.prompts import STRICT, Prompt
from reportgen.text.tokens import WordNotFound

if TYPE_CHECKING:
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

MEASURES = ("cosine", "dot")
TOLD = 3
"""Tokens that a statement names."""
CLEAR = 3.0
"""Standard deviations of all rows' cosines above their mean from which the nearest row counts as near."""
COMPARED = 10
"""Tokens of which the two measures are compared."""

Word = Annotated[str, Field(min_length=1, max_length=200)]


class Concept(BaseModel):
    """Texts whose rows of the unembedding are added."""

    model_config = STRICT

    texts: Annotated[list[Word], Field(min_length=1)]
    """The parts, such as " seahorse" and " emoji"."""
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What the sum is called; its parts where it has no name."""
    stands_for: Word | None = None
    """The word that is meant: its rank is shown where it is one token, else its tokens."""


def _concepts(value: Any) -> Any:
    """A list of texts is a concept without a name."""
    if not isinstance(value, list | tuple):
        return value
    return [{"texts": list(item)} if isinstance(item, list | tuple) else item for item in value]


class Options(ProbeOptions):
    """Which concepts, from texts or from places in the residual stream."""

    concepts: Annotated[list[Concept], BeforeValidator(_concepts, json_schema_input_type=list[Concept | list[str]])] = (
        Field(default=[])
    )
    """Sums of texts, each a list of texts or a mapping of texts, name and stands_for."""
    prompts: Prompts | None = None
    """Texts or chats whose residual stream is a concept, at the word of the prompt or else at `position`."""
    layers: Layers | None = None
    """Layers of the residual stream, for `prompts`; the last where none is named."""
    position: Literal["last"] | Annotated[int, Field(ge=0)] = "last"
    """Position of the residual stream where a prompt names no word."""
    pool: Literal["mean", "last"] | None = None
    """How a text of several tokens becomes one row; without it such a concept is skipped."""
    k: Annotated[int, Field(ge=1, le=1000)] = 10
    """Tokens listed a concept and measure."""

    @model_validator(mode="after")
    def _something_asked(self) -> Options:
        if not self.concepts and self.prompts is None:
            raise ValueError("concepts or prompts is needed")
        return self


@dataclass(frozen=True, kw_only=True)
class Nearest(Findings):
    """What the concept sum gives."""

    nearest_cosine: float | str = metric("cosine")
    """Mean over concepts of the highest cosine that a row of the unembedding has with them."""
    overlap: float | str = metric("share")
    """Mean over concepts of the share of the ten nearest by cosine that are also among the ten nearest by dot
    product."""
    nearest: Rows = table("item", "measure", "rank", "token_id", "token", "score")
    """The rows of the unembedding nearest to each concept, by cosine and by dot product; the tokens of its own parts
    left out."""
    concepts: Rows = table("item", "name", "parts", "prompt", "layer", "position", "usual", "spread")
    """What each concept was made of: the tokens of its parts, or a prompt, layer and position; mean and standard
    deviation of the cosines of all rows with it."""
    missing: Rows = table("item", "stands_for", "token_count", "tokens", "rank_cosine", "rank_dot")
    """The words that concepts stand for, their tokens in this model, and their ranks where they are one token."""
    skipped: Rows = table("row", "reason")
    """Concepts that this model cannot have."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


@dataclass(frozen=True)
class _Target:
    """A concept as a direction."""

    name: str
    direction: Tensor
    """(width) in float32."""
    own: tuple[int, ...] = ()
    """Tokens of its parts."""
    parts: str = ""
    place: tuple[int | None, int | None, int | None] = (None, None, None)
    """(prompt, layer, position)"""
    stands_for: str | None = None


class ConceptSum(Probe[Options, Nearest]):
    """Shows: which tokens the model's unembedding has nearest to a concept, made of the rows of several words or taken
    from the residual stream: what could be written for a word that the vocabulary does not have.

    Read: one panel a concept. Where the concept has a token of its own, it should be near the top; where it has none,
    these are the tokens that take its place. By cosine, only the direction counts; by dot product, as the model itself
    chooses, rows of great norm win, sometimes rare tokens of a table that was hardly trained there. Rows share a
    direction, so that any of them has some cosine with anything: the table names the mean.

    Computed: the mean, over the texts, of their rows of the unembedding, each scaled to norm 1 first (a text of
    several tokens, where it is pooled, is the mean of its rows before that). A place in the residual stream goes
    through the final norm, as in the logit lens. Cosine and dot product with every row of the unembedding in float32,
    without its bias, softcap or scaling; the tokens of the parts are left out.
    """

    name = "concept_sum"
    version = 1
    question = "What is written for a word that has no token?"
    options = Options
    findings = Nearest

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, at one position."""
        if case.options.prompts is None:
            return []
        return [Pass(case.tokens(prompt), (_need(case, prompt),)) for prompt in case.options.prompts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Concepts with a text of several tokens, where no pooling is asked for."""
        rows = {_name(concept): _refusal(case, concept) for concept in case.options.concepts}
        return {name: reason for name, reason in rows.items() if reason}

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Nearest:
        """Each direction against the whole unembedding."""
        import numpy as np

        from reportgen.model.measures.directions import along

        targets = [*_sums(case, model), *_residuals(case, model, captured)]
        nearest: Rows = []
        concepts: Rows = []
        missing: Rows = []
        highest, overlap = [], []
        for item, target in enumerate(targets):
            by_measure = dict(zip(MEASURES, along(model, target.direction), strict=True))
            if not all(bool(scores.isfinite().all()) for scores in by_measure.values()):
                raise ArithmeticError("the unembedding, or the concept, holds values that are not finite")
            cosines = by_measure["cosine"]
            concepts.append(
                [item, target.name, target.parts, *target.place, float(cosines.mean()), float(cosines.std())]
            )
            ranked = {measure: _ranked(case, target, scores) for measure, scores in by_measure.items()}
            nearest += [[item, measure, *row] for measure, rows in ranked.items() for row in rows[: case.options.k]]
            highest.append(ranked["cosine"][0][-1])
            overlap.append(_overlap(ranked))
            if target.stands_for is not None:
                missing.append([item, *_missing(case, target, by_measure)])
        none = "every concept holds a text of several tokens here"
        return Nearest(
            nearest_cosine=float(np.mean(highest)) if highest else none,
            overlap=float(np.mean(overlap)) if overlap else none,
            nearest=nearest,
            concepts=concepts,
            missing=missing,
            skipped=[[row, reason] for row, reason in self.skipped_rows(case).items()],
            prompts=case.prompt_rows(case.options.prompts or []),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """One figure a model and measure, a panel a concept."""
        for measure in MEASURES:
            for subject, outcome in section.ok().items():
                if outcome.tables["concepts"].rows:
                    yield _drawn(section.name(subject), subject, outcome, measure)

    def statement(self, section: Section) -> str:
        """Of the concept that most models have: what is nearest, by either measure, and whether it has a token."""
        found = {subject: outcome.tables["concepts"].column("name") for subject, outcome in section.ok().items()}
        names = list(dict.fromkeys(name for of_model in found.values() for name in of_model))
        if not names:
            return ""
        name = max(names, key=lambda one: sum(one in of_model for of_model in found.values()))
        return sentences(
            _seen(section.name(subject), section.outcomes[subject], of_model.index(name))
            for subject, of_model in found.items()
            if name in of_model
        )


def _name(concept: Concept) -> str:
    return concept.name or " + ".join(text.strip() for text in concept.texts)


def _ids(case: Case[Options], text: str) -> tuple[int, ...]:
    return case.tokenizer.encode(text, special_tokens=False).ids


def _refusal(case: Case[Options], concept: Concept) -> str:
    """Why this model has no row for a part; empty where it has one for each."""
    for text in concept.texts:
        ids = _ids(case, text)
        if not ids:
            return f"{text!r} has no tokens"
        if len(ids) > 1 and case.options.pool is None:
            shown = case.tokenizer.show_joined(ids)
            return f"{text!r} is {len(ids)} tokens: {shown} (pool: mean accepts several)"
        if reason := case.tokenizer.no_row(ids):
            return reason
    return ""


def _need(case: Case[Options], prompt: Prompt) -> Need:
    return Need(Site.RESIDUAL, (_position(case, prompt),), _layers(case))


def _position(case: Case[Options], prompt: Prompt) -> int:
    if prompt.word is not None:
        try:
            return case.tokenizer.word_position(prompt, prompt.word)
        except WordNotFound as error:
            raise Unusable(str(error)) from error
    last = len(case.tokens(prompt)) - 1
    if case.options.position == "last":
        return last
    if case.options.position > last:
        raise Unusable(f"position {case.options.position} is out of range: positions go from 0 to {last}")
    return case.options.position


def _layers(case: Case[Options]) -> tuple[int, ...]:
    last, asked = case.facts.layers, case.options.layers
    if asked is None or asked == "all":
        if last is None:
            raise Unusable("its configuration does not say how many blocks it has")
        return (last,) if asked is None else tuple(range(last + 1))
    return case.named_layers(asked)


def _sums(case: Case[Options], model: LoadedModel) -> list[_Target]:
    """The concepts of texts that this model can have."""
    import torch

    from reportgen.model.measures.directions import unembedding_rows

    found = []
    for concept in case.options.concepts:
        if _refusal(case, concept):
            continue
        ids = [_ids(case, text) for text in concept.texts]
        rows = [unembedding_rows(model, of_text) for of_text in ids]
        pooled = torch.stack([row.mean(0) if case.options.pool == "mean" else row[-1] for row in rows])
        found.append(
            _Target(
                _name(concept),
                unit_rows(pooled).mean(0),
                tuple(dict.fromkeys(token for of_text in ids for token in of_text)),
                " + ".join(case.tokenizer.show_joined(of_text) for of_text in ids),
                stands_for=concept.stands_for,
            )
        )
    return found


def _residuals(case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> list[_Target]:
    """Places of the residual stream, layer by layer of each prompt."""
    from reportgen.model.measures.directions import normed_residual

    found = []
    for index, (prompt, single) in enumerate(zip(case.options.prompts or (), captured, strict=True)):
        label = prompt.id or (prompt.text if prompt.text is not None else (prompt.messages or ())[-1].content)
        position = _position(case, prompt)
        for layer, row in zip(_layers(case), single.kept(_need(case, prompt), 0), strict=True):
            name = say("concept_sum.at_layer", "layer {layer}: {prompt}", prompt=label, layer=layer)
            found.append(_Target(name, normed_residual(model, row)[0], place=(index, layer, position)))
    return found


def _ranked(case: Case[Options], target: _Target, scores: Tensor) -> list[list[Any]]:
    """Rows of (rank, token_id, token, score) of the (vocabulary) scores."""
    from reportgen.model.network.loaded import likeliest

    others = _without_own(target, scores)
    most = min(max(case.options.k, COMPARED), len(scores) - len(target.own))
    values, ids = likeliest(others[None], most)
    pairs = zip(ids[0].tolist(), values[0].tolist(), strict=True)
    return [[rank, i, case.tokenizer.show(i), value] for rank, (i, value) in enumerate(pairs, 1)]


def _without_own(target: _Target, scores: Tensor) -> Tensor:
    others = scores.clone()
    others[list(target.own)] = float("-inf")
    return others


def _overlap(ranked: Mapping[str, Sequence[Sequence[Any]]]) -> float:
    """Share of the first ten of one measure that are among the first ten of the other."""
    one, other = ({row[1] for row in ranked[measure][:COMPARED]} for measure in MEASURES)
    return len(one & other) / len(one)


def _missing(case: Case[Options], target: _Target, by_measure: Mapping[str, Tensor]) -> list[Any]:
    """What became of the word that a concept stands for."""
    assert target.stands_for is not None
    ids = _ids(case, target.stands_for)
    ranks: list[int | None] = [None, None]
    if len(ids) == 1 and ids[0] not in target.own:
        others = [_without_own(target, by_measure[measure]) for measure in MEASURES]
        ranks = [1 + int((scores > scores[ids[0]]).sum()) for scores in others]
    return [target.stands_for, len(ids), case.tokenizer.show_joined(ids), *ranks]


def _measured(measure: str) -> str:
    if measure == "cosine":
        return say("concept_sum.cosine", "cosine similarity")
    return say("concept_sum.dot", "dot product")


def _by_item(outcome: Outcome, measure: str) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = {}
    for record in outcome.tables["nearest"].records():
        if record["measure"] == measure:
            found.setdefault(record["item"], []).append(record)
    return found


def _drawn(name: str, subject: str, outcome: Outcome, measure: str) -> Rankings:
    records = _by_item(outcome, measure)
    rankings = [
        Ranking(
            title=concept["name"],
            labels=[mark_space(str(record["token"])) for record in records[concept["item"]]],
            values=[max(float(record["score"]), 0.0) for record in records[concept["item"]]],
        )
        for concept in outcome.tables["concepts"].records()
    ]
    top = max((value for ranking in rankings for value in ranking.values), default=1.0)
    told = [
        say("concept_sum.alt", "Nearest to {concept}: {tokens}.", concept=one.title, tokens=listed(one.labels))
        for one in rankings
    ]
    return Rankings(
        name=measure,
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=_measured(measure)),
        alt=sentences(told),
        rankings=rankings,
        value_label=_measured(measure),
        value_range=(0.0, 1.0 if measure == "cosine" else top or 1.0),
        model=subject,
    )


def _seen(name: str, outcome: Outcome, item: int) -> str:
    """What is nearest to one concept in one model."""
    concept = outcome.tables["concepts"].records()[item]
    by_cosine, by_dot = (_by_item(outcome, measure)[item] for measure in MEASURES)
    missing = next((one for one in outcome.tables["missing"].records() if one["item"] == item), None)
    above = (by_cosine[0]["score"] - concept["usual"]) / (concept["spread"] or 1.0)
    values = {
        "model": name,
        "concept": concept["name"],
        "tokens": _quoted(by_cosine),
        "cosine": digits(f"{by_cosine[0]['score']:.2f}"),
        "usual": digits(f"{concept['usual']:.2f}").replace("-", "−"),
        "dot": _quoted(by_dot),
    }
    if above < CLEAR:
        told = say(
            "concept_sum.no_clear_statement",
            "No clear statement about {model}: nothing lies much nearer to {concept} (cosine {cosine} at most) than "
            "tokens do on average ({usual}).",
            **values,
        )
    elif [r["token_id"] for r in by_cosine[:TOLD]] == [r["token_id"] for r in by_dot[:TOLD]]:
        told = say(
            "concept_sum.same",
            "In {model}, {tokens} lie nearest to {concept}, by cosine ({cosine}; tokens on average: {usual}) as by "
            "dot product.",
            **values,
        )
    else:
        told = say(
            "concept_sum.other",
            "In {model}, {tokens} lie nearest to {concept} by cosine ({cosine}; tokens on average: {usual}), {dot} "
            "by dot product.",
            **values,
        )
    return sentences([told, "" if missing is None else _missing_seen(missing)])


def _missing_seen(missing: Mapping[str, Any]) -> str:
    """Whether there is a token for what is meant, and where it stands."""
    if missing["rank_cosine"] is None:
        if missing["token_count"] == 1:
            return say("concept_sum.part", "“{word}” is left out, being one of the parts.", word=missing["stands_for"])
        return say(
            "concept_sum.not_one_token",
            "There is no token for “{word}”; the number of its tokens is {tokens}.",
            word=missing["stands_for"],
            tokens=missing["token_count"],
        )
    return say(
        "concept_sum.token",
        "The token “{word}” stands at rank {cosine} by cosine and {dot} by dot product.",
        word=missing["stands_for"],
        cosine=digits(f"{missing['rank_cosine']:,}"),
        dot=digits(f"{missing['rank_dot']:,}"),
    )


def _quoted(records: Sequence[Mapping[str, Any]]) -> str:
    return listed([say("text.quoted", "“{text}”", text=mark_space(str(r["token"]))) for r in records[:TOLD]])


probe = ConceptSum()
