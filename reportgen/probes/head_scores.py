"""Which heads look at the token before, at an earlier copy, or at what followed it (induction)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reportgen.figures.describe import AttentionHead, Figure, HeatMap
from reportgen.figures.numbered_rows import at_their_numbers
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.model.needs import ByIndex, Need, Pass, Site
from reportgen.numerics import head_patterns
from reportgen.probing.probe import Case, Later, Probe, ProbeOptions, Prompts, SpecialTokens, Unusable
from reportgen.results.quantities import Findings, Outcome, Rows, array, arrays, metric, table
from reportgen.results.section import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

KINDS = ("previous_token", "duplicate_token", "induction")
DRAWN = 12
"""Tokens of a random sequence that are shown large, twice: more could not be read."""
CLEAR = 0.4
"""Share of the most possible score from which a head is called one of its kind."""
_KEPT_FOR_LATER_USE = re.compile(r"<[^<>]*(unused|reserved|no token)[^<>]*>")


class Options(ProbeOptions):
    """What the heads read, and how many are listed."""

    length: Annotated[int, Field(ge=2, le=4096)] = 50
    """Random tokens of a sequence, which stands there twice."""
    sequences: Annotated[int, Field(ge=1, le=256)] = 4
    """Random sequences; scores are shown as their mean."""
    prompts: Prompts | None = None
    """Texts or chats to score the heads on, in place of random tokens."""
    special_tokens: SpecialTokens = "include"
    """Whether what the tokenizer puts in front of a text (BOS) stands before random tokens too."""
    top: Annotated[int, Field(ge=1, le=1000)] = 5
    """Heads listed of each kind."""


@dataclass(frozen=True)
class Scores(ByIndex):
    """A reducer that keeps of each block's patterns what each head scores as a head of each kind."""

    tokens: tuple[int, ...]
    """What the pass reads: the kinds are told by which tokens are the same."""

    def update(self, state: dict[int, Tensor], value: Tensor, *, index: int, step: int) -> dict[int, Tensor]:
        """One block's (head x query x key) patterns, head by head: what is computed of them stays small."""
        import torch

        tokens = torch.tensor(self.tokens, device=value.device)
        wanted = [wanted_by(kind, tokens) for kind in KINDS]
        scores = [[head_patterns.head_score(head.float(), where) for head in value] for where in wanted]
        state[index] = torch.stack([torch.stack(of_kind) for of_kind in scores])
        return state


@dataclass(frozen=True)
class OneHead:
    """A reducer that keeps the pattern of one head of a block."""

    head: int

    def init(self) -> Tensor | None:
        """Nothing seen."""
        return None

    def update(self, state: Tensor | None, value: Tensor, *, index: int, step: int) -> Tensor:
        """The head's (query x key) pattern; a copy, so that the pass may reuse its memory."""
        return value[self.head].float().clone()

    def merge(self, one: Tensor | None, other: Tensor | None) -> Tensor | None:
        """The later one."""
        return one if other is None else other

    def finish(self, state: Tensor | None) -> Tensor | None:
        """The pattern."""
        return state


def wanted_by(kind: str, tokens: Any) -> Any:
    """(query x key) true where a head of this kind looks, for (position) token ids."""
    pattern = {
        "previous_token": head_patterns.previous_token,
        "duplicate_token": head_patterns.duplicate_token,
        "induction": head_patterns.induction,
    }[kind]
    return pattern(tokens)


@dataclass(frozen=True, kw_only=True)
class HeadScores(Findings):
    """What the head scores give."""

    best_previous_token: float = metric("share")
    """Score of the head that looks most at the token before: mean of `previous_token` over prompts."""
    best_duplicate_token: float = metric("share")
    """Score of the head that looks most at an earlier copy of the token: mean of `duplicate_token` over prompts."""
    best_induction: float = metric("share")
    """Score of the head that looks most at what followed an earlier copy: mean of `induction` over prompts."""
    previous_token: NDArray[np.float32] = array("prompt", "block", "head", unit="share")
    """(prompt x block x head) sum(A * pattern) / sum(A), the pattern being 1 at the token before each query."""
    duplicate_token: NDArray[np.float32] = array("prompt", "block", "head", unit="share")
    """(prompt x block x head) the same, the pattern being 1 at all earlier copies of the query's token."""
    induction: NDArray[np.float32] = array("prompt", "block", "head", unit="share")
    """(prompt x block x head) the same, the pattern being 1 at the tokens that followed earlier copies of the query's
    token (Olsson et al. 2022)."""
    patterns: list[NDArray[np.float32]] = arrays("query", "key", unit="weight")
    """(query x key) attention of the best head of each kind, in the order of `shown`, on the tokens of `tokens`."""
    top: Rows = table("kind", "rank", "block", "head", "score", "most_possible")
    """The heads that score highest, as means over prompts, and the score of a head that always looks there when it
    can: a token that stands there for the first time has no earlier copy."""
    shown: Rows = table("pattern", "kind", "block", "head")
    """Whose attention each of `patterns` is."""
    tokens: Rows = table("position", "token")
    """What the heads read in `patterns`."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """What the heads were scored on."""


class HeadScoresProbe(Probe[Options, HeadScores]):
    """Shows: which heads do one of three simple things: look at the token before, at an earlier copy of the same
    token, or at what followed that copy. The last are induction heads, with which a model repeats what it has read.

    Read: one cell a head, blocks downwards; dark is much of the head's weight. The best head of each kind stands
    large below it: on tokens that come twice, an induction head draws a line from each token of the second half to
    the one after its first copy, a duplicate-token head one step to the left of that line, a previous-token head one
    just below the diagonal. A token that comes for the first time has nothing to look back at, so that no head can
    score 1; the table names the most that is possible.

    Computed: sum(A * pattern) / sum(A) over all queries and keys of the attention A after the softmax, on random
    tokens that stand twice after each other (drawn by the seed, each but once in a sequence, never a special token),
    behind whatever the tokenizer puts in front of a text; means over the sequences. Texts may take their place.
    """

    name = "head_scores"
    version = 1
    question = "Which heads copy?"
    options = Options
    findings = HeadScores

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each sequence or text once, reduced while it passes."""
        if case.facts.heads is None:
            raise Unusable(f"the architecture {case.facts.architecture} has no attention")
        if case.options.prompts is not None:
            read = [case.tokens(prompt) for prompt in case.options.prompts]
        else:
            read = _random_sequences(case)
        return [Pass(tokens, (_need(tokens),)) for tokens in read]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[HeadScores]:
        """The scores; then one more pass shows the best heads on tokens that are few enough to be read."""
        import torch

        stacked = [torch.stack(single.values[_need(single.tokens)]) for single in captured]
        scores: NDArray[np.float32] = torch.stack(stacked).cpu().numpy()
        of_kind = {kind: scores[:, :, at] for at, kind in enumerate(KINDS)}
        ranked = {kind: _ranked(values, model.attention_blocks) for kind, values in of_kind.items()}
        best = {kind: (first.block, first.head) for kind, (first, *_) in ranked.items()}
        tokens = _drawn_large(case, captured[0].tokens)
        needs = [Need(Site.ATTENTION, "all", (block,), OneHead(head)) for block, head in best.values()]
        (shown,) = yield [Pass(tokens, tuple(dict.fromkeys(needs)))]
        most = {kind: _most_possible(kind, captured) for kind in KINDS}
        return HeadScores(
            coordinates=model.attention_coordinates,
            best_previous_token=ranked["previous_token"][0].score,
            best_duplicate_token=ranked["duplicate_token"][0].score,
            best_induction=ranked["induction"][0].score,
            previous_token=of_kind["previous_token"],
            duplicate_token=of_kind["duplicate_token"],
            induction=of_kind["induction"],
            patterns=[shown.values[need].cpu().numpy() for need in needs],
            top=[
                [kind, rank, one.block, one.head, one.score, most[kind]]
                for kind, heads in ranked.items()
                for rank, one in enumerate(heads[: case.options.top], 1)
            ],
            shown=[[at, kind, *best[kind]] for at, kind in enumerate(KINDS)],
            tokens=[[position, token] for position, token in enumerate(case.tokenizer.show_sequence(tokens))],
            prompts=_prompt_rows(case, captured),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """The scores of all heads kind by kind, and below them the best head of each kind large."""
        ok = section.ok()
        for at, kind in enumerate(KINDS):
            top = max((float(outcome.arrays[kind].values.mean(0).max()) for outcome in ok.values()), default=0.0)
            for subject, outcome in ok.items():
                yield _scores_drawn(section.name(subject), subject, outcome, kind, top)
            for subject, outcome in ok.items():
                yield _large(section.name(subject), subject, outcome, at)

    def statement(self, section: Section) -> str:
        """Each model's clearest induction head, and how many there are; the clearest previous-token head."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


def _need(tokens: tuple[int, ...]) -> Need:
    return Need(Site.ATTENTION, "all", reducer=Scores(tokens))


def _random_sequences(case: Case[Options]) -> list[tuple[int, ...]]:
    """(sequence) token ids: what the tokenizer puts in front, and random tokens twice."""
    length, size = case.options.length, case.tokenizer.size
    front = _front(case)
    whole, most = len(front) + 2 * length, case.facts.context_length
    if most is not None and whole > most:
        raise Unusable(f"{length} random tokens twice are {whole} tokens and exceed the context of {most}")
    generator = random.Random(case.options.seed)
    vocabulary = min(size, case.facts.vocabulary or size)
    found = []
    for _ in range(case.options.sequences):
        ordinary = (token for token in _drawn(generator, vocabulary) if _is_ordinary(case, token))
        tokens = tuple(islice(ordinary, length))
        if len(tokens) < length:
            raise Unusable(f"length {length} is out of range: there are {len(tokens)} tokens to draw from")
        found.append((*front, *tokens, *tokens))
    return found


def _front(case: Case[Options]) -> tuple[int, ...]:
    """What the tokenizer puts in front of any text."""
    if case.options.special_tokens == "exclude":
        return ()
    encoded = case.tokenizer.encode("a")
    added = takewhile(lambda pair: pair[1], zip(encoded.ids, encoded.added, strict=True))
    return tuple(token for token, _ in added)


def _drawn(generator: random.Random, size: int) -> Iterator[int]:
    """All numbers below `size` in random order; the first of them cost nothing like the whole."""
    seen: set[int] = set()
    while len(seen) < size:
        number = generator.randrange(size)
        if number not in seen:
            seen.add(number)
            yield number


def _is_ordinary(case: Case[Options], token: int) -> bool:
    """Neither a special token nor one that is kept for later use, on which no model was trained."""
    return token not in case.tokenizer.special_ids and not _KEPT_FOR_LATER_USE.fullmatch(case.tokenizer.show(token))


def _drawn_large(case: Case[Options], tokens: tuple[int, ...]) -> tuple[int, ...]:
    """The tokens on which heads are shown large: the first few random ones twice, or the first text as it is."""
    if case.options.prompts is not None:
        return tokens
    front = len(tokens) - 2 * case.options.length
    few = tokens[front : front + min(DRAWN, case.options.length)]
    return (*tokens[:front], *few, *few)


@dataclass(frozen=True)
class _Head:
    """A head and what it scores as one of a kind."""

    block: int
    head: int
    score: float


def _ranked(scores: NDArray[np.float32], blocks: Sequence[int]) -> list[_Head]:
    """All heads of (prompt x block x head) scores of the blocks of these numbers, the highest mean first."""
    import numpy as np

    order = np.argsort(-scores.mean(0), axis=None, kind="stable").tolist()
    places = [divmod(at, scores.shape[2]) for at in order]
    return [_Head(blocks[row], head, float(scores[:, row, head].mean())) for row, head in places]


def _most_possible(kind: str, captured: Sequence[Captured]) -> float:
    """The mean over prompts of what the best of all heads could score."""
    import numpy as np

    wanted = [wanted_by(kind, np.asarray(single.tokens)) for single in captured]
    return sum(head_patterns.most_possible(where) for where in wanted) / len(wanted)


def _prompt_rows(case: Case[Options], captured: Sequence[Captured]) -> Rows:
    if case.options.prompts is not None:
        return case.prompt_rows(case.options.prompts)
    show = case.tokenizer
    return [
        [prompt, show.decode(single.tokens), show.show_joined(single.tokens), len(single.tokens)]
        for prompt, single in enumerate(captured)
    ]


def _called(kind: str) -> str:
    """What is drawn of a kind."""
    if kind == "previous_token":
        return say("head_scores.previous_token", "share of weight on the token before")
    if kind == "duplicate_token":
        return say("head_scores.duplicate_token", "share of weight on earlier copies")
    return say("head_scores.induction", "share of weight on what followed a copy (induction)")


def _scores_drawn(name: str, subject: str, outcome: Outcome, kind: str, top: float) -> HeatMap:
    found = outcome.arrays[kind]
    best = [record for record in outcome.tables["top"].records() if record["kind"] == kind]
    told = [
        say(
            "head_scores.told",
            "block {block}, head {head} {score}",
            block=record["block"],
            head=record["head"],
            score=digits(f"{record['score']:.2f}"),
        )
        for record in best
    ]
    return HeatMap(
        name=kind.replace("_", "-"),
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=_called(kind)),
        alt=say(
            "head_scores.alt",
            "{what} of all heads of {model}; highest: {heads}",
            what=_called(kind),
            model=name,
            heads=listed(told),
        ),
        values=at_their_numbers(found.values.mean(0), found.along("block")),
        row_label=say("head_scores.block", "block"),
        column_label=say("head_scores.head", "head"),
        value_label=_called(kind),
        value_range=(0.0, top or 1.0),
    )


def _large(name: str, subject: str, outcome: Outcome, at: int) -> AttentionHead:
    """The best head of one kind."""
    kind, block, head = outcome.tables["shown"].rows[at][1:]
    tokens = [str(token) for token in outcome.tables["tokens"].column("token")]
    pattern = outcome.arrays[f"patterns/{at}"].values
    values = {"model": name, "block": block, "head": head}
    looks = [
        say("head_scores.look", "{query} looks at {key}", query=token, key=tokens[int(row.argmax())])
        for token, row in zip(tokens, pattern, strict=True)
    ]
    return AttentionHead(
        name=f"head-{str(kind).replace('_', '-')}",
        subject=(subject,),
        title=_large_title(str(kind), values),
        alt=say(
            "head_scores.large.alt",
            "Attention of block {block}, head {head} of {model}: {looks}",
            looks=listed(looks),
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
            "{model}: block {block}, head {head} looks most of all at the token before",
            **values,
        )
    if kind == "duplicate_token":
        return say(
            "head_scores.large.duplicate_token",
            "{model}: block {block}, head {head} looks most of all at earlier copies",
            **values,
        )
    return say(
        "head_scores.large.induction",
        "{model}: block {block}, head {head} looks most of all at what followed a copy (induction)",
        **values,
    )


def _seen(name: str, outcome: Outcome) -> str:
    """What one model has of the three kinds."""
    first = {r["kind"]: r for r in outcome.tables["top"].records() if r["rank"] == 1}
    induction, before = first["induction"], first["previous_token"]
    if not induction["most_possible"]:
        return say(
            "head_scores.nothing_twice",
            "No clear statement about {model}: nothing that it read stands there twice.",
            model=name,
        )
    if induction["score"] < CLEAR * induction["most_possible"]:
        return say(
            "head_scores.no_clear_statement",
            "No clear statement about {model}: no head follows a copy clearly; the nearest to it, block {block}, head "
            "{head}, puts {score} of its weight there, of {most} that are possible.",
            model=name,
            **_values(induction),
        )
    clear = outcome.arrays["induction"].values.mean(0) >= CLEAR * induction["most_possible"]
    told = say_count(
        "head_scores.induction_heads",
        "{model} has {count} clear induction head: block {block}, head {head} puts {score} of its weight on what "
        "followed a copy, of {most} that are possible.",
        "{model} has {count} clear induction heads; the clearest, block {block}, head {head}, puts {score} of its "
        "weight on what followed a copy, of {most} that are possible.",
        int(clear.sum()),
        model=name,
        **_values(induction),
    )
    if before["score"] < CLEAR * before["most_possible"]:
        return told
    feeding = say(
        "head_scores.previous_token_head",
        "The clearest head of the token before it is block {block}, head {head}: {score}.",
        **_values(before),
    )
    return sentences([told, feeding])


def _values(record: Mapping[str, Any]) -> dict[str, Any]:
    score, most = digits(f"{record['score']:.0%}"), digits(f"{record['most_possible']:.0%}")
    return {"block": record["block"], "head": record["head"], "score": score, "most": most}


probe = HeadScoresProbe()
