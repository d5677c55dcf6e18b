"""Words as vectors: king − man + woman, and whether the differences of word pairs are parallel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.embedding_arithmetic.words import (
    Template,
    Word,
    WordPair,
    pair_label,
    read_pairs,
    read_template,
    words_label,
)
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.options import Layers, ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, metric, table
from reportgen.text.spellings import word_of
from reportgen.text.words import WordNotFound, find_word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Options(ProbeOptions):
    """Which words, and where they are read."""

    pairs: Annotated[
        list[WordPair], BeforeValidator(read_pairs, json_schema_input_type=str | list[WordPair | list[str]])
    ] = Field(default=[])
    """Word pairs: [first, second], mappings of first, second and group, or the name FILE/SET of a prompt set in which
    the two prompts of a `pair` belong together. Any two of a group form an analogy: king − man + woman = queen."""
    analogies: list[Annotated[list[Word], Field(min_length=3, max_length=4)]] = Field(default=[])
    """Further analogies a − b + c, each as [a, b, c] or, with the expected word, [a, b, c, d]."""
    layers: Literal["table"] | Layers = "table"
    """`table`: rows of the embedding table. Else the layers (`all`, or a list) at which words are read in context."""
    template: Annotated[Template, BeforeValidator(read_template, json_schema_input_type=str | Template)] = Field(
        default=Template(text="This word is {word}"), validate_default=True
    )
    """The context: text (or messages) that contains {word}; its last sub-token is read. A word at the very start
    would be read as the attention sink."""
    pool: Literal["mean", "last"] | None = None
    """How a word of several tokens becomes one row of the table; without it such a word is skipped."""
    k: Annotated[int, Field(ge=1, le=100)] = 10
    """Nearest words listed for each analogy."""
    fold: Literal["none", "spelling"] = "none"
    """`spelling` leaves out of the ranking not only a, b and c but whatever spells one of them: with or without the
    space before it, in upper or lower case. Those of " small" are "small", " Small", "SMALL" and so on."""

    @model_validator(mode="after")
    def _check_something_asked(self) -> Options:
        if not self.pairs and not self.analogies:
            raise ValueError("pairs or analogies is needed")
        for words in self.analogies:
            if words[3:] and self.leaves_out(words[3], words[:3]):
                raise ValueError(f"analogies: the expected word {words[3]!r} is one of the three, which are left out")
        return self

    def leaves_out(self, word: str, given: Sequence[str]) -> bool:
        """Whether a word is no candidate because it is one of those given, or spells one where spellings are folded."""
        return word in given or (self.fold == "spelling" and word_of(word) in map(word_of, given))


@dataclass(frozen=True, kw_only=True)
class Arithmetic(Findings):
    """What embedding arithmetic gives."""

    success_at_1: float | str = metric("share", "higher")
    """Share of analogies whose expected word is nearest to a − b + c, at the best layer; of those with two candidates
    or more."""
    success_at_5: float | str = metric("share", "higher")
    """Share of analogies whose expected word is among the five nearest, at the same layer; of those with ten candidates
    or more, for among few of them five are no finding."""
    parallelism: float | str = metric("cosine")
    """Mean cosine of the differences of two pairs of one group, at the same layer."""
    random_parallelism: float | str = metric("cosine")
    """The mean of `control` at that layer."""
    best_layer: float | str = metric("layer")
    """The layer at which most analogies succeed (without analogies, the one at which differences are most parallel)."""
    rank: NDArray[np.float32] = array("item", "layer", unit="rank")
    """(analogy x layer) rank, from 1, of the expected word by cosine with a − b + c, among all tokens (in context:
    among all words of the probe) except a, b and c themselves; NaN if none is expected."""
    parallel: NDArray[np.float32] = array("pair", "layer", unit="cosine")
    """(pair x layer) cosine of the difference first − second of one word pair with that of another."""
    control: NDArray[np.float32] = array("step", "layer", unit="cosine")
    """(draw x layer) mean of `parallel` over pairs of a group if the same words had been paired at random."""
    analogies: Rows = table("item", "a", "b", "c", "expected", "rank", "candidates", "written")
    """The analogies, each once, the expected word's rank at the best layer, among how many words, and whether the
    battery has the analogy itself or two of its pairs make it."""
    nearest: Rows = table("item", "rank", "token_id", "token", "similarity")
    """What is nearest to a − b + c at the best layer, without a, b and c."""
    words: Rows = table("item", "first", "second", "group")
    """The word pairs."""
    pairs: Rows = table("pair", "item_a", "item_b", "same_group")
    """Pairs of word pairs in the order 0-1, 0-2, …, 1-2, …."""
    skipped: Rows = table("row", "reason")
    """Word pairs and analogies that cannot be formed in this model."""


class EmbeddingArithmetic(Probe[Options, Arithmetic]):
    """Shows: whether a relation between words (king and man, Paris and France, 冷 and cold) is a direction: what is
    nearest to a − b + c, and how parallel the differences of word pairs are.

    Read: the bars are the words nearest to the sum. In the matrix of cosines, strong squares along the diagonal are
    relations whose differences point the same way. Random pairs of the same words show what happens by chance:
    differences that share a word or a language are similar without any relation. In context, a curve shows at which
    depth the relation is clearest.

    Computed: vectors as they are (rows of the embedding table as stored, or the residual stream at the word's last
    sub-token in the template), float32; cosine with a − b + c. The words a, b and c themselves are left out of the
    ranking, other spellings of them only where `fold` says so. For the embedding table, all tokens are candidates; in
    context, only the words of the probe, so chance is higher. Any two pairs of one group make an analogy, in both
    directions; one that comes about twice (a − b + c is the same sum as c − b + a) counts once. Control: the same words
    paired at random, 100 times, by the seed.
    """

    name = "embedding_arithmetic"
    version = 2
    question = "Can you do arithmetic with words?"
    options = Options
    findings = Arithmetic
    sources = (literature.MIKOLOV_2013, literature.LEVY_2014)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """In context each word once; none for the table."""
        if case.options.layers == "table":
            return []
        asked_layers(case)
        for word in _every_word(case.options):
            case.tokens(case.options.template.fill_in(word))
        return [
            Pass(case.tokens(case.options.template.fill_in(word)), (need_of(case, word),))
            for word in usable_words(case)
        ]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Word pairs and analogies with a word that this tokenizer cuts, or that its sentence does not hold."""
        return rows_left_out(case)


def _every_word(options: Options) -> list[str]:
    of_pairs = (word for pair in options.pairs for word in (pair.first, pair.second))
    return list(dict.fromkeys([*of_pairs, *(word for words in options.analogies for word in words)]))


def usable_words(case: Case[Options]) -> list[str]:
    """The words that this model can read, each once."""
    refused = _refused_words(case)
    return [word for word in _every_word(case.options) if word not in refused]


def _refused_words(case: Case[Options]) -> dict[str, str]:
    """Word -> why this model has no vector for it."""
    reasons = {word: _refusal(case, word) for word in _every_word(case.options)}
    return {word: reason for word, reason in reasons.items() if reason}


def _refusal(case: Case[Options], word: str) -> str:
    if case.options.layers != "table":
        try:
            _position(case, word)
        except WordNotFound as error:
            return str(error)
        return case.tokenizer.reason_against_tokens(case.tokenizer.prompt_ids(case.options.template.fill_in(word)))
    ids = ids_of(case, word)
    if not ids:
        return f"{word!r} has no tokens"
    if len(ids) > 1 and case.options.pool is None:
        shown = case.tokenizer.show_joined(ids)
        return f"{word!r} is {len(ids)} tokens: {shown} (pool: mean accepts several)"
    return case.tokenizer.reason_against_tokens(ids)


def _first_reason(words: Iterable[str], refused: Mapping[str, str]) -> str:
    return next((refused[word] for word in words if word in refused), "")


def ids_of(case: Case[Options], word: str) -> tuple[int, ...]:
    """The tokens of a word in its prompt."""
    return case.tokenizer.encode(word, special_tokens=False).ids


def _position(case: Case[Options], word: str) -> int:
    prompt = case.options.template.fill_in(word)
    return find_word(case.tokenizer, prompt, prompt.word or "").position


def asked_layers(case: Case[Options]) -> tuple[int, ...]:
    """The layers at which words are read; the table counts as layer 0."""
    return (0,) if case.options.layers == "table" else case.named_layers(case.options.layers)


def need_of(case: Case[Options], word: str) -> Need:
    """The word's last token at the layers asked for."""
    return Need(Site.RESIDUAL, (_position(case, word),), asked_layers(case))


def rows_left_out(case: Case[Options]) -> Mapping[str, str]:
    """Word pairs and analogies with a word that this tokenizer cuts, or that its sentence does not hold."""
    refused = _refused_words(case)
    rows = {pair_label(pair): _first_reason((pair.first, pair.second), refused) for pair in case.options.pairs}
    rows |= {words_label(words): _first_reason(words, refused) for words in case.options.analogies}
    return {row: reason for row, reason in rows.items() if reason}


probe = EmbeddingArithmetic()
