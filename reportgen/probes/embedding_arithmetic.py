"""Words as vectors: king − man + woman, and whether the differences of word pairs are parallel."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap, Ranking, Rankings, TokenGrid
from reportgen.language import digits, listed, say, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.analogy import completed, difference_cosines
from reportgen.numerics.similarity import unit_rows
from reportgen.probing.probe import Case, Layers, Probe, ProbeOptions, Unusable, axis_label, curves_read_out
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space
from reportgen.text.prompts import STRICT, Message, Prompt, read_prompts
from reportgen.text.tokens import WordNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

PLACE = "{word}"
"""Where the word goes in a template."""
DRAWS = 100
"""Random pairings of the same words."""
PARALLEL = 0.2
"""Mean cosine from which differences beyond chance are called parallel."""
CHANCE = (0.025, 0.975)
"""Quantiles of the random pairings between which a mean cosine is chance."""
TOGETHER = 16
"""Targets compared with the whole vocabulary at a time."""
MOST_NAMED = 12
"""Pairs up to which the matrix of cosines names them and shows numbers."""
MOST_RANKED = 6
"""Analogies whose nearest words are drawn."""

Word = Annotated[str, Field(min_length=1, max_length=200)]


class WordPair(BaseModel):
    """Two words of one relation, such as king and man."""

    model_config = STRICT

    first: Word
    """The word from which the second is taken away."""
    second: Word
    """The word that is taken away."""
    group: str = ""
    """The relation; differences of one relation are compared, and make analogies of each other."""


def _pairs(value: Any, info: ValidationInfo) -> Any:
    """Pairs from the name of a prompt set, whose prompts of one `pair` belong together, or from [first, second]."""
    if isinstance(value, str):
        return _named_pairs(read_prompts(value, (info.context or {}).get("prompt_sets")))
    if not isinstance(value, list | tuple):
        return value
    return [_written_pair(item) for item in value]


def _written_pair(item: Any) -> Any:
    if not isinstance(item, list | tuple):
        return item
    if len(item) != 2:
        raise ValueError(f"a pair is two words, not {len(item)}: [king, man]")
    return {"first": item[0], "second": item[1]}


def _named_pairs(prompts: Sequence[Prompt]) -> list[WordPair]:
    by_name: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_name.setdefault(prompt.pair or "", []).append(prompt)
    found = []
    for name, halves in by_name.items():
        if len(halves) != 2 or not name or halves[0].text is None or halves[1].text is None:
            raise ValueError(f"the pair {name!r} of the prompt set is not two prompts of a word each")
        found.append(WordPair(first=halves[0].text, second=halves[1].text, group=halves[0].group or ""))
    return found


class Template(BaseModel):
    """A text or a chat in which {word} stands once."""

    model_config = STRICT

    text: str | None = None
    """The text itself."""
    messages: Annotated[tuple[Message, ...], Field(strict=False, min_length=1)] | None = None
    """Turns of a chat, which go through the model's chat template."""
    index: Annotated[int, Field(ge=0)] | None = None
    """Which occurrence of the word is meant, from 0, where it may stand elsewhere too."""

    @model_validator(mode="after")
    def _one_place(self) -> Template:
        if (self.text is None) == (self.messages is None):
            raise ValueError("a template has either text or messages")
        whole = self.text or "".join(message.content for message in self.messages or ())
        if whole.count(PLACE) != 1:
            raise ValueError(f"{PLACE} stands {whole.count(PLACE)} times in the template: once is needed")
        return self

    def filled(self, word: str) -> Prompt:
        """The prompt with the word in its place, without the spaces around it."""
        word = word.strip()
        if self.text is not None:
            return Prompt(text=self.text.replace(PLACE, word), word=word, index=self.index)
        turns = tuple(
            Message(role=turn.role, content=turn.content.replace(PLACE, word)) for turn in self.messages or ()
        )
        return Prompt(messages=turns, word=word, index=self.index)


def _template(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class Options(ProbeOptions):
    """Which words, and where they are read."""

    pairs: Annotated[
        list[WordPair], BeforeValidator(_pairs, json_schema_input_type=str | list[WordPair | list[str]])
    ] = Field(default=[])
    """Word pairs: [first, second], mappings of first, second and group, or the name FILE/SET of a prompt set in which
    the two prompts of a `pair` belong together. Each two of a group make an analogy: king − man + woman = queen."""
    analogies: list[Annotated[list[Word], Field(min_length=3, max_length=4)]] = Field(default=[])
    """Further analogies a − b + c, each as [a, b, c] or, with the expected word, [a, b, c, d]."""
    layers: Literal["table"] | Layers = "table"
    """`table`: rows of the embedding table. Else the layers (`all`, or a list) at which words are read in context."""
    template: Annotated[Template, BeforeValidator(_template, json_schema_input_type=str | Template)] = Field(
        default=Template(text="This word is {word}"), validate_default=True
    )
    """The context: text (or messages) in which {word} stands; its last sub-token is read. A word at the very start
    would be read as the attention sink."""
    pool: Literal["mean", "last"] | None = None
    """How a word of several tokens becomes one row of the table; without it such a word is skipped."""
    k: Annotated[int, Field(ge=1, le=100)] = 10
    """Nearest words listed of each analogy."""

    @field_validator("analogies")
    @classmethod
    def _something_new_expected(cls, analogies: list[list[str]]) -> list[list[str]]:
        for words in analogies:
            if len(set(words[3:])) and words[3] in words[:3]:
                raise ValueError(f"the expected word {words[3]!r} is one of the three, which are left out")
        return analogies

    @model_validator(mode="after")
    def _something_asked(self) -> Options:
        if not self.pairs and not self.analogies:
            raise ValueError("pairs or analogies is needed")
        return self


@dataclass(frozen=True, kw_only=True)
class Arithmetic(Findings):
    """What embedding arithmetic gives."""

    success_at_1: float | str = metric("share", "higher")
    """Share of analogies whose expected word is nearest to a − b + c, at the best layer."""
    success_at_5: float | str = metric("share", "higher")
    """Share of analogies whose expected word is among the five nearest, at the same layer."""
    parallelism: float | str = metric("cosine")
    """Mean cosine of the differences of two pairs of one group, at the same layer."""
    random_parallelism: float | str = metric("cosine")
    """The mean of `control` at that layer."""
    best_layer: float | str = metric("layer")
    """The layer at which most analogies succeed (without any, at which differences are most parallel)."""
    rank: NDArray[np.float32] = array("item", "layer", unit="rank")
    """(analogy x layer) rank, from 1, of the expected word by cosine with a − b + c, among all tokens (in context:
    among all words of the probe) but a, b and c themselves; NaN where none is expected."""
    parallel: NDArray[np.float32] = array("pair", "layer", unit="cosine")
    """(pair x layer) cosine of the difference first − second of one word pair with that of another."""
    control: NDArray[np.float32] = array("step", "layer", unit="cosine")
    """(draw x layer) mean of `parallel` over pairs of a group, had the same words been paired at random."""
    analogies: Rows = table("item", "a", "b", "c", "expected", "rank", "candidates")
    """The analogies, the expected word's rank at the best layer, and among how many words."""
    nearest: Rows = table("item", "rank", "token_id", "token", "similarity")
    """What is nearest to a − b + c at the best layer; a, b and c left out."""
    words: Rows = table("item", "first", "second", "group")
    """The word pairs."""
    pairs: Rows = table("pair", "item_a", "item_b", "same_group")
    """Pairs of word pairs in the order 0-1, 0-2, …, 1-2, …."""
    skipped: Rows = table("row", "reason")
    """Word pairs and analogies that this model cannot have."""


class EmbeddingArithmetic(Probe[Options, Arithmetic]):
    """Shows: whether a relation between words (king and man, Paris and France, 冷 and cold) is a direction: what lies
    nearest to a − b + c, and how parallel the differences of word pairs are.

    Read: the bars are the words nearest to the sum. In the matrix of cosines, dark squares along the diagonal are
    relations whose differences point the same way. Random pairs of the same words show what is chance: differences
    that share a word or a language are alike without any relation. In context, a curve shows at which depth the
    relation is clearest.

    Computed: vectors as they are (rows of the embedding table as stored, or the residual stream at the word's last
    sub-token in the template), float32; cosine with a − b + c. The words a, b and c themselves are left out of the
    ranking, other spellings of them are not. In the table, all tokens are candidates; in context only the words of
    the probe, so that chance is higher. Each two pairs of one group make an analogy, in both directions. Control: the
    same words paired at random, 100 times, by the seed.
    """

    name = "embedding_arithmetic"
    version = 1
    question = "Can one calculate with words?"
    options = Options
    findings = Arithmetic

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """In context each word once; none for the table."""
        if case.options.layers == "table":
            return []
        _layers(case)
        for word in _every_word(case.options):
            case.tokens(case.options.template.filled(word))
        return [
            Pass(case.tokens(case.options.template.filled(word)), (_need(case, word),)) for word in _usable_words(case)
        ]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Word pairs and analogies with a word that this tokenizer cuts, or that its sentence does not hold."""
        refused = _refused_words(case)
        rows = {_pair_label(pair): _first_reason((pair.first, pair.second), refused) for pair in case.options.pairs}
        rows |= {_label(words): _first_reason(words, refused) for words in case.options.analogies}
        return {row: reason for row, reason in rows.items() if reason}

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Arithmetic:
        """Vectors of all words, then ranks of all analogies and cosines of all differences."""
        words = _usable_words(case)
        pairs = [pair for pair in case.options.pairs if {pair.first, pair.second} <= set(words)]
        analogies = [one for one in _analogies(case.options.analogies, pairs) if set(one.words) <= set(words)]
        vectors = _vectors(case, model, words, captured)
        in_table = case.options.layers == "table"
        candidates = _WholeTable(case, model) if in_table else _WordsOfTheProbe(case.options.k)
        return _findings(case, pairs, analogies, dict(zip(words, vectors, strict=True)), candidates)

    def figures(self, section: Section) -> Iterable[Figure]:
        """Nearest words, the matrix of cosines, and, in context, success and parallelism over the layers."""
        ok = section.ok()
        for subject, outcome in ok.items():
            yield from _nearest_drawn(section.name(subject), subject, outcome)
        for subject, outcome in ok.items():
            yield from _matrix(section.name(subject), subject, outcome)
        for draw in (_success_curves, _parallel_curves):
            for subject, outcome in ok.items():
                if len(outcome.arrays["rank"].along("layer")) > 1:
                    yield from draw(section.name(subject), subject, outcome)

    def statement(self, section: Section) -> str:
        """How many analogies succeed, and whether differences are more parallel than those of random pairs."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Analogy:
    """a − b + c, and what is expected."""

    a: str
    b: str
    c: str
    expected: str | None = None
    group: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """All its words."""
        return (self.a, self.b, self.c) + (() if self.expected is None else (self.expected,))


def _analogies(written: Sequence[Sequence[str]], pairs: Sequence[WordPair]) -> list[_Analogy]:
    """Those that are written, then those that each two pairs of a group make."""
    found = [_Analogy(*words) for words in written]
    for one, other in permutations(pairs, 2):
        if one.group == other.group and other.first not in (one.first, one.second, other.second):
            found.append(_Analogy(one.first, one.second, other.second, other.first, one.group))
    return found


def _every_word(options: Options) -> list[str]:
    of_pairs = (word for pair in options.pairs for word in (pair.first, pair.second))
    return list(dict.fromkeys([*of_pairs, *(word for words in options.analogies for word in words)]))


def _usable_words(case: Case[Options]) -> list[str]:
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
        return case.tokenizer.no_row(case.tokenizer.prompt_ids(case.options.template.filled(word)))
    ids = _ids(case, word)
    if not ids:
        return f"{word!r} has no tokens"
    if len(ids) > 1 and case.options.pool is None:
        shown = case.tokenizer.show_joined(ids)
        return f"{word!r} is {len(ids)} tokens: {shown} (pool: mean accepts several)"
    return case.tokenizer.no_row(ids)


def _first_reason(words: Iterable[str], refused: Mapping[str, str]) -> str:
    return next((refused[word] for word in words if word in refused), "")


def _ids(case: Case[Options], word: str) -> tuple[int, ...]:
    return case.tokenizer.encode(word, special_tokens=False).ids


def _position(case: Case[Options], word: str) -> int:
    prompt = case.options.template.filled(word)
    return case.tokenizer.word_position(prompt, prompt.word or "")


def _layers(case: Case[Options]) -> tuple[int, ...]:
    """The layers at which words are read; the table counts as layer 0."""
    if case.options.layers == "table":
        return (0,)
    if case.options.layers == "all":
        if case.facts.layers is None:
            raise Unusable("its configuration does not say how many blocks it has")
        return tuple(range(case.facts.layers + 1))
    return case.named_layers(case.options.layers)


def _need(case: Case[Options], word: str) -> Need:
    return Need(Site.RESIDUAL, (_position(case, word),), _layers(case))


def _vectors(case: Case[Options], model: LoadedModel, words: Sequence[str], captured: Sequence[Captured]) -> Tensor:
    """(word x layer x width) in float32."""
    import torch

    if not words:
        return torch.empty(0, len(_layers(case)), 1)
    if case.options.layers == "table":
        rows = [model.embedding_table[list(_ids(case, word))].float() for word in words]
        return torch.stack([row.mean(0) if case.options.pool == "mean" else row[-1] for row in rows])[:, None]
    kept = [single.kept(_need(case, word), 0) for word, single in zip(words, captured, strict=True)]
    return torch.stack([torch.cat(layers) for layers in kept]).float()


@dataclass(frozen=True)
class _Found:
    """What one analogy came to at one layer."""

    rank: float
    """Of the expected word; NaN where none is."""
    candidates: int
    nearest: Rows
    """Rows of (rank, token_id, token, similarity)."""


class _Candidates(Protocol):
    """The words that a − b + c is compared with."""

    def found(self, analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int) -> list[_Found]:
        """(analogy) what is nearest, and where the expected word stands, at the layer that is read as number `at`."""


@dataclass(frozen=True)
class _WholeTable:
    """All rows of the embedding table."""

    case: Case[Options]
    model: LoadedModel

    def found(self, analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int) -> list[_Found]:
        found = []
        for start in range(0, len(analogies), TOGETHER):
            some = analogies[start : start + TOGETHER]
            targets = _targets(some, vectors, at)
            lengths = targets.norm(dim=1, keepdim=True).clamp_min(_SMALLEST)
            cosines = self.model.embedding_scores(targets) / lengths / self.model.embedding_norms.clamp_min(_SMALLEST)
            if not bool(cosines.isfinite().all()):
                raise ArithmeticError("the embedding table holds values that are not finite")
            found += [self._found(one, vectors, *row) for one, *row in zip(some, targets, cosines, strict=True)]
        return found

    def _found(self, analogy: _Analogy, vectors: Mapping[str, Tensor], target: Tensor, cosines: Tensor) -> _Found:
        """Of one (width) target and its (vocabulary) cosines."""
        from reportgen.model.network.loaded import likeliest

        ids = {word: _ids(self.case, word) for word in analogy.words}
        own = float("nan")
        if analogy.expected is not None:
            of_expected = ids[analogy.expected]
            # A row's cosine with itself is taken from the same product: it would differ in its last bits.
            whole = unit_rows(vectors[analogy.expected][0]) @ unit_rows(target)
            own = float(cosines[of_expected[0]] if len(of_expected) == 1 else whole)
        left_out = [ids[word][0] for word in (analogy.a, analogy.b, analogy.c) if len(ids[word]) == 1]
        cosines[left_out] = float("-inf")
        values, best = likeliest(cosines[None], min(self.case.options.k, len(cosines) - len(left_out)))
        pairs = zip(best[0].tolist(), values[0].tolist(), strict=True)
        nearest: Rows = [[rank, i, self.case.tokenizer.show(i), value] for rank, (i, value) in enumerate(pairs, 1)]
        rank = 1.0 + int((cosines > own).sum()) if analogy.expected is not None else float("nan")
        return _Found(rank, len(cosines) - len(left_out), nearest)


@dataclass(frozen=True)
class _WordsOfTheProbe:
    """All words that are read in context."""

    k: int

    def found(self, analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int) -> list[_Found]:
        import torch

        if not analogies:
            return []
        words = list(vectors)
        units = unit_rows(torch.stack([vectors[word][at] for word in words]))
        cosines = unit_rows(_targets(analogies, vectors, at)) @ units.T
        return [self._found(one, words, row) for one, row in zip(analogies, cosines.tolist(), strict=True)]

    def _found(self, analogy: _Analogy, words: Sequence[str], cosines: Sequence[float]) -> _Found:
        """Of one target's (word) cosines."""
        others = [at for at, word in enumerate(words) if word not in (analogy.a, analogy.b, analogy.c)]
        order = sorted(others, key=lambda at: (-cosines[at], at))
        nearest: Rows = [[rank, None, words[at], cosines[at]] for rank, at in enumerate(order[: self.k], 1)]
        if analogy.expected is None:
            return _Found(float("nan"), len(others), nearest)
        own = cosines[words.index(analogy.expected)]
        return _Found(1.0 + sum(cosines[at] > own for at in others), len(others), nearest)


_SMALLEST = 1e-12
"""A norm below which a row counts as zero."""


def _targets(analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int) -> Tensor:
    """(analogy x width) a − b + c."""
    import torch

    a, b, c = (
        torch.stack([vectors[word][at] for word in words])
        for words in zip(*((one.a, one.b, one.c) for one in analogies), strict=True)
    )
    targets: Tensor = completed(a, b, c)
    return targets


def _findings(
    case: Case[Options],
    pairs: Sequence[WordPair],
    analogies: Sequence[_Analogy],
    vectors: Mapping[str, Tensor],
    candidates: _Candidates,
) -> Arithmetic:
    import numpy as np

    layers = _layers(case)
    by_layer = [candidates.found(analogies, vectors, at) for at in range(len(layers))]
    ranks = np.array([[one.rank for one in found] for found in by_layer], np.float32).T
    ranks = ranks.reshape(len(analogies), len(layers))
    asked = ranks[~np.isnan(ranks).all(1)]
    places = list(combinations(range(len(pairs)), 2))
    same = [pairs[a].group == pairs[b].group for a, b in places]
    parallel = _parallel(pairs, vectors, places, len(layers))
    control = _control(pairs, vectors, [place for place, alike in zip(places, same, strict=True) if alike], case)
    alike = parallel[np.array(same, bool)] if places else parallel
    best = _best(asked, alike)
    none_expected = "no analogy with an expected word can be made here"
    no_pairs = "no two word pairs of one group are here"
    return Arithmetic(
        coordinates={"layer": layers},
        success_at_1=float((asked[:, best] <= 1).mean()) if len(asked) else none_expected,
        success_at_5=float((asked[:, best] <= 5).mean()) if len(asked) else none_expected,
        parallelism=float(alike[:, best].mean()) if len(alike) else no_pairs,
        random_parallelism=float(control[:, best].mean()) if len(control) else no_pairs,
        best_layer="words are read in the table" if case.options.layers == "table" else layers[best],
        rank=ranks,
        parallel=parallel,
        control=control,
        analogies=[
            [item, one.a, one.b, one.c, one.expected, *_rank_cells(by_layer[best][item])]
            for item, one in enumerate(analogies)
        ],
        nearest=[[item, *row] for item in range(len(analogies)) for row in by_layer[best][item].nearest],
        words=[[item, pair.first, pair.second, pair.group] for item, pair in enumerate(pairs)],
        pairs=[[at, *place, alike] for at, (place, alike) in enumerate(zip(places, same, strict=True))],
        skipped=[[row, reason] for row, reason in EmbeddingArithmetic().skipped_rows(case).items()],
    )


def _rank_cells(found: _Found) -> list[int | None]:
    return [int(found.rank) if found.rank == found.rank else None, found.candidates]


def _best(ranks: NDArray[np.float32], alike: NDArray[np.float32]) -> int:
    """Which of the layers that are read has most success, the first of equals; without ranks, most parallelism."""
    if len(ranks):
        return int((ranks <= 1).mean(0).argmax())
    return int(alike.mean(0).argmax()) if len(alike) else 0


def _parallel(
    pairs: Sequence[WordPair], vectors: Mapping[str, Tensor], places: Sequence[tuple[int, int]], layers: int
) -> NDArray[np.float32]:
    """(pair x layer) cosines of differences."""
    import numpy as np
    import torch

    if not places:
        return np.empty((0, layers), np.float32)
    first = torch.stack([vectors[pair.first] for pair in pairs], dim=1)
    second = torch.stack([vectors[pair.second] for pair in pairs], dim=1)
    return _chosen(difference_cosines(first, second), places)


def _control(
    pairs: Sequence[WordPair], vectors: Mapping[str, Tensor], places: Sequence[tuple[int, int]], case: Case[Options]
) -> NDArray[np.float32]:
    """(draw x layer) mean cosine of as many differences, of the same words paired at random."""
    import numpy as np
    import torch

    if not places:
        return np.empty((0, len(_layers(case))), np.float32)
    words = torch.stack([vectors[word] for pair in pairs for word in (pair.first, pair.second)], dim=1)
    generator = random.Random(case.options.seed)
    means = []
    for _ in range(DRAWS):
        order = generator.sample(range(words.shape[1]), words.shape[1])
        cosines = difference_cosines(words[:, order[0::2]], words[:, order[1::2]])
        means.append(_chosen(cosines, places).mean(0))
    return np.stack(means)


def _chosen(cosines: Tensor, places: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """(pair x layer) from (layer x item x item)."""
    a, b = ([place[side] for place in places] for side in (0, 1))
    chosen: NDArray[np.float32] = cosines[:, a, b].T.float().cpu().numpy()
    return chosen


def _pair_label(pair: WordPair) -> str:
    return f"{pair.first.strip()} − {pair.second.strip()}"


def _label(words: Sequence[str]) -> str:
    a, b, c = (word.strip() for word in words[:3])
    return f"{a} − {b} + {c}"


def _in_context(outcome: Outcome) -> bool:
    return bool(outcome.options["layers"] != "table")


def _place(name: str, outcome: Outcome) -> str:
    """A model, and where its words were read."""
    if not _in_context(outcome):
        return name
    return say(
        "embedding_arithmetic.at_layer",
        "{model}, layer {layer}",
        model=name,
        layer=int(outcome.metrics["best_layer"].value or 0),
    )


def _nearest_drawn(name: str, subject: str, outcome: Outcome) -> Iterable[Rankings]:
    """What is nearest to the first analogies, those that were written out before those that pairs make."""
    analogies = outcome.tables["analogies"].records()
    written = [one for one in analogies if one["item"] < len(outcome.options["analogies"])]
    groups = {pair["first"]: pair["group"] for pair in outcome.tables["words"].records()}
    of_groups = {groups[one["a"]]: one for one in reversed(analogies) if one["a"] in groups}
    shown = [*written, *(one for one in analogies if one in of_groups.values() and one not in written)][:MOST_RANKED]
    found: dict[int, list[Mapping[str, Any]]] = {}
    for record in outcome.tables["nearest"].records():
        found.setdefault(record["item"], []).append(record)
    rankings = [
        Ranking(
            title=_label([one["a"], one["b"], one["c"]]),
            labels=[mark_space(str(record["token"])) for record in found[one["item"]]],
            values=[max(float(record["similarity"]), 0.0) for record in found[one["item"]]],
        )
        for one in shown
        if found.get(one["item"])
    ]
    if not rankings:
        return
    told = [
        say(
            "embedding_arithmetic.nearest.alt",
            "Nearest to {sum}: {words}.",
            sum=ranking.title,
            words=listed(ranking.labels),
        )
        for ranking in rankings
    ]
    yield Rankings(
        name="nearest",
        subject=(subject,),
        title=_place(name, outcome),
        alt=sentences(told),
        rankings=rankings,
        value_label=say("embedding_arithmetic.cosine", "cosine with the sum"),
        value_range=(0.0, 1.0),
        model=subject,
    )


def _matrix(name: str, subject: str, outcome: Outcome) -> Iterable[Figure]:
    """Cosines of the differences of all word pairs, named where they are few."""
    import numpy as np

    pairs = [WordPair(first=r["first"], second=r["second"]) for r in outcome.tables["words"].records()]
    if len(pairs) < 2:
        return
    at = outcome.arrays["parallel"].along("layer").index(int(outcome.metrics["best_layer"].value or 0))
    cosines = np.eye(len(pairs), dtype=np.float32)
    for value, pair in zip(outcome.arrays["parallel"].values[:, at], outcome.tables["pairs"].records(), strict=True):
        one, other = pair["item_a"], pair["item_b"]
        cosines[one, other] = cosines[other, one] = value
    labels = [_pair_label(pair) for pair in pairs]
    what = say("embedding_arithmetic.matrix.cosine", "cosine of differences")
    title = say(
        "embedding_arithmetic.matrix.title", "{place}: are the differences parallel?", place=_place(name, outcome)
    )
    alt = say(
        "embedding_arithmetic.matrix.alt",
        "Cosines of the differences of {pairs}, in {place}; mean of two of a group {mean}, of random pairs {random}",
        pairs=listed(labels),
        place=_place(name, outcome),
        mean=_number(outcome, "parallelism"),
        random=_number(outcome, "random_parallelism"),
    )
    if len(pairs) <= MOST_NAMED:
        yield TokenGrid(
            name="parallel",
            subject=(subject,),
            title=title,
            alt=alt,
            row_label=say("embedding_arithmetic.matrix.pair", "difference"),
            rows=labels,
            column_label=say("embedding_arithmetic.matrix.other", "difference of another pair"),
            columns=[str(at) for at in range(len(labels))],
            texts=[[digits(f"{value:.2f}") for value in row] for row in cosines],
            values=np.clip(cosines, 0.0, 1.0),
            value_label=what,
            outlined=np.zeros(cosines.shape, bool),
        )
    else:
        counted = say("embedding_arithmetic.matrix.word_pair", "word pair")
        yield HeatMap(
            name="parallel",
            subject=(subject,),
            title=title,
            alt=alt,
            values=cosines,
            row_label=counted,
            column_label=counted,
            value_label=what,
            scale="diverging",
            value_range=(-1.0, 1.0),
        )


def _number(outcome: Outcome, metric: str) -> str:
    value = outcome.metrics[metric].value
    return "–" if value is None else digits(f"{value:.2f}")


def _success_curves(name: str, subject: str, outcome: Outcome) -> Iterable[Curves]:
    """Success over the layers, beside what guessing among the candidates would give."""
    import numpy as np

    ranks = outcome.arrays["rank"]
    asked = ranks.values[~np.isnan(ranks.values).all(1)]
    if not len(asked):
        return
    candidates = outcome.tables["analogies"].column("candidates")
    labels = {
        1: say("embedding_arithmetic.first", "nearest is the expected"),
        5: say("embedding_arithmetic.among_five", "expected is among five"),
    }
    curves = [
        Curve(
            label=label,
            x=ranks.along("layer"),
            y=(asked <= most).mean(0).tolist(),
            model=subject,
            faint=most > 1,
        )
        for most, label in labels.items()
    ]
    what = say("embedding_arithmetic.success", "share of analogies")
    yield Curves(
        name="success",
        subject=(subject,),
        title=say("embedding_arithmetic.success.title", "{model}: analogies that succeed in context", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
        references={say("embedding_arithmetic.chance", "chance"): float(np.mean([1 / n for n in candidates]))},
        y_range=(0.0, 1.0),
    )


def _parallel_curves(name: str, subject: str, outcome: Outcome) -> Iterable[Curves]:
    """Mean cosine of the differences of a group over the layers, beside random pairs of the same words."""
    import numpy as np

    same = np.array(outcome.tables["pairs"].column("same_group"), bool)
    if not same.any():
        return
    parallel, control = outcome.arrays["parallel"], outcome.arrays["control"].values
    low, high = np.quantile(control, CHANCE, axis=0).tolist()
    x = parallel.along("layer")
    curves = [
        Curve(
            label=say("embedding_arithmetic.same_group", "pairs of a group"),
            x=x,
            y=parallel.values[same].mean(0).tolist(),
            group="pairs",
        ),
        Curve(
            label=say("embedding_arithmetic.random", "random pairs"),
            x=x,
            y=control.mean(0).tolist(),
            group="random",
            band=(low, high),
        ),
    ]
    what = say("embedding_arithmetic.parallelism", "mean cosine of differences")
    yield Curves(
        name="parallelism",
        subject=(subject,),
        title=say("embedding_arithmetic.parallelism.title", "{model}: how parallel differences are", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
    )


def _seen(name: str, outcome: Outcome) -> str:
    """What one model's words come to."""
    told = [_success_seen(name, outcome), _parallel_seen(outcome)]
    if not any(told):
        return say(
            "embedding_arithmetic.no_clear_statement",
            "No clear statement about {model}: it has no analogy with an expected word, and no two pairs of a group.",
            model=name,
        )
    return say("embedding_arithmetic.of_model", "{place}: {told}", place=_place(name, outcome), told=sentences(told))


def _success_seen(name: str, outcome: Outcome) -> str:
    asked = [one for one in outcome.tables["analogies"].records() if one["rank"] is not None]
    if not asked:
        return ""
    values = {
        "first": sum(one["rank"] <= 1 for one in asked),
        "five": sum(one["rank"] <= 5 for one in asked),
        "all": len(asked),
        "candidates": digits(f"{max(one['candidates'] for one in asked):,}"),
    }
    return say(
        "embedding_arithmetic.success_seen",
        "of {all} analogies a − b + c, {first} end nearest to the expected of {candidates} words, and {five} have it "
        "among the nearest five.",
        **values,
    )


def _parallel_seen(outcome: Outcome) -> str:
    """Whether differences of a group are parallel, beyond random pairs of the same words."""
    import numpy as np

    mean = outcome.metrics["parallelism"].value
    if mean is None:
        return ""
    at = outcome.arrays["parallel"].along("layer").index(int(outcome.metrics["best_layer"].value or 0))
    _, high = np.quantile(outcome.arrays["control"].values[:, at], CHANCE)
    values = {"mean": digits(f"{mean:.2f}"), "high": digits(f"{high:.2f}")}
    if mean <= high:
        return say(
            "embedding_arithmetic.not_parallel",
            "Differences of word pairs are no more parallel (mean cosine {mean}) than those of random pairs of the "
            "same words (up to {high}).",
            **values,
        )
    if mean < PARALLEL:
        return say(
            "embedding_arithmetic.hardly_parallel",
            "Differences of word pairs are hardly parallel: mean cosine {mean}, random pairs of the same words up to "
            "{high}.",
            **values,
        )
    return say(
        "embedding_arithmetic.parallel_seen",
        "Differences of word pairs are parallel: mean cosine {mean}, random pairs of the same words up to {high}.",
        **values,
    )


probe = EmbeddingArithmetic()
