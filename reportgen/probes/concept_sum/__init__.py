"""What the unembedding has nearest to a concept that may have no token: seahorse + emoji."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.options import Layers, ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, metric, table
from reportgen.text.prompts import STRICT, Prompt
from reportgen.text.words import WordNotFound, find_word

if TYPE_CHECKING:
    pass


Word = Annotated[str, Field(min_length=1, max_length=200)]


class Concept(BaseModel):
    """Texts whose rows of the unembedding are added."""

    model_config = STRICT

    texts: Annotated[list[Word], Field(min_length=1)]
    """The parts, such as " seahorse" and " emoji"."""
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What the sum is called; by default its parts."""
    stands_for: Word | None = None
    """The word that is meant: its rank is shown if it is one token, else its tokens."""


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
    """Layers of the residual stream, for `prompts`; by default the last."""
    position: Literal["last"] | Annotated[int, Field(ge=0)] = "last"
    """Position of the residual stream for a prompt that names no word."""
    pool: Literal["mean", "last"] | None = None
    """How a text of several tokens becomes one row; without it such a concept is skipped."""
    k: Annotated[int, Field(ge=1, le=1000)] = 10
    """Tokens listed per concept and measure."""

    @model_validator(mode="after")
    def _check_something_asked(self) -> Options:
        if not self.concepts and self.prompts is None:
            raise ValueError("concepts or prompts is needed")
        return self


@dataclass(frozen=True, kw_only=True)
class ConceptNeighbours(PromptFindings):
    """What the concept sum gives."""

    nearest_cosine: float | str = metric("cosine")
    """Mean over concepts of the highest cosine with any row of the unembedding."""
    overlap: float | str = metric("share")
    """Mean over concepts of the share of the ten nearest by cosine that are also among the ten nearest by dot
    product."""
    nearest: Rows = table("item", "measure", "rank", "token_id", "token", "score")
    """The rows of the unembedding nearest to each concept, by cosine and by dot product, without the tokens of its own
    parts."""
    concepts: Rows = table("item", "name", "parts", "prompt", "layer", "position", "usual", "spread")
    """What each concept was made of: the tokens of its parts, or a prompt, layer and position; mean and standard
    deviation of the cosines of all rows with it."""
    missing: Rows = table("item", "stands_for", "token_count", "tokens", "rank_cosine", "rank_dot")
    """The words that the concepts stand for, their tokens in this model, and their ranks if they are a single token."""
    skipped: Rows = table("row", "reason")
    """Concepts that cannot be formed in this model."""
    words: Rows = word_table()
    """The words that prompts name, the tokens that hold them, and whether they are the word and nothing else."""


class ConceptSum(Probe[Options, ConceptNeighbours]):
    """Shows: which tokens of the model's unembedding are nearest to a concept, formed from the rows of several words or
    taken from the residual stream: what could be written for a word that the vocabulary does not have.

    Read: one panel per concept. If the concept has a token of its own, it should be near the top; if it has none, these
    are the tokens that take its place. By cosine, only the direction counts; by dot product, as the model itself
    chooses, rows of large norm win, sometimes rare tokens that were hardly trained. All rows share a direction, so any
    of them has some cosine with anything: the table gives the mean.

    Computed: the mean, over the texts, of their rows of the unembedding, each first scaled to norm 1 (a text of several
    tokens, if pooled, is the mean of its rows before that). A place in the residual stream goes through the final norm,
    as in the logit lens. Cosine and dot product with every row of the unembedding in float32, without its bias, softcap
    or scaling; the tokens of the parts are left out.
    """

    name = "concept_sum"
    version = 1
    question = "What is written for a word that has no token?"
    options = Options
    findings = ConceptNeighbours

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, at one position."""
        if case.options.prompts is None:
            return []
        return [Pass(case.tokens(prompt), (need_of(case, prompt),)) for prompt in case.options.prompts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Concepts with a text of several tokens, where no pooling is asked for."""
        return rows_left_out(case)


def concept_name(concept: Concept) -> str:
    """What figures call a concept."""
    return concept.name or " + ".join(text.strip() for text in concept.texts)


def ids_of(case: Case[Options], text: str) -> tuple[int, ...]:
    """The tokens of a text, without special ones."""
    return case.tokenizer.encode(text, special_tokens=False).ids


def refusal(case: Case[Options], concept: Concept) -> str:
    """Why this model has no row for a part; empty where it has one for each."""
    for text in concept.texts:
        ids = ids_of(case, text)
        if not ids:
            return f"{text!r} has no tokens"
        if len(ids) > 1 and case.options.pool is None:
            shown = case.tokenizer.show_joined(ids)
            return f"{text!r} is {len(ids)} tokens: {shown} (pool: mean accepts several)"
        if reason := case.tokenizer.reason_against_tokens(ids):
            return reason
    return ""


def need_of(case: Case[Options], prompt: Prompt) -> Need:
    """One row of the residual stream."""
    return Need(Site.RESIDUAL, (position_of(case, prompt),), asked_layers(case))


def position_of(case: Case[Options], prompt: Prompt) -> int:
    """Where the concept of a prompt is read."""
    if prompt.word is not None:
        try:
            return find_word(case.tokenizer, prompt, prompt.word).position
        except WordNotFound as error:
            raise Unusable(str(error)) from error
    last = len(case.tokens(prompt)) - 1
    if case.options.position == "last":
        return last
    if case.options.position > last:
        raise Unusable(f"position {case.options.position} is out of range: positions go from 0 to {last}")
    return case.options.position


def asked_layers(case: Case[Options]) -> tuple[int, ...]:
    """The layers at which concepts of prompts are read."""
    asked = case.options.layers
    return (case.last_layer,) if asked is None else case.named_layers(asked)


def rows_left_out(case: Case[Options]) -> Mapping[str, str]:
    """Concepts with a text of several tokens, where no pooling is asked for."""
    rows = {concept_name(concept): refusal(case, concept) for concept in case.options.concepts}
    return {name: reason for name, reason in rows.items() if reason}


probe = ConceptSum()
