"""MLPs as key-value memories (Geva et al. 2021, 2022): which ones speak, what they say, what sets them off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self
from unicodedata import east_asian_width

from pydantic import Field, model_validator

from reportgen.figures.describe import Figure, Ranking, Rankings, TokenGrid
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.probe import Case, Layers, Probe, ProbeOptions, Prompts, SpecialTokens, Unusable, prompt_labels
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space
from reportgen.text.prompts import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.measures.memories import Reading
    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel
    from reportgen.probing.probe import Later

LETTERS = 4
"""Letters that a token and a word of the prompt must have in common."""
SHOWN_KEYS = 6
"""Keys whose prefixes are drawn."""
LABEL_WIDTH = 9
"""Narrow letters at the end of a prefix that a figure shows; a Han character is as wide as two."""
TOLD = 2
"""Prompts of a model that a statement is about."""
TOP, BOTTOM = "top", "bottom"

Key = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, which memories, and where to look for what sets them off."""

    prompts: Prompts
    """What the model reads."""
    position: Annotated[int, Field(ge=0)] | None = None
    """The position whose memories are looked at, counted from 0; the last of each prompt where none is given."""
    blocks: Layers = "all"
    """Blocks, counted from 0."""
    k: Annotated[int, Field(ge=1, le=20)] = 5
    """Memories kept a block."""
    tokens: Annotated[int, Field(ge=1, le=50)] = 5
    """Tokens read off a value at either end."""
    texts: Prompts | None = None
    """A set of texts in which to look for the prefixes that set memories off."""
    keys: list[Key] = Field(default=[])
    """The memories that are looked for there, each as [block, feature]; the strongest of each block after the first
    prompt where none is given."""
    prefixes: Annotated[int, Field(ge=1, le=50)] = 5
    """Prefixes kept a key."""
    special_tokens: SpecialTokens = "exclude"
    """Whether a prefix may end with a special token, such as BOS alone."""

    @model_validator(mode="after")
    def _keys_have_texts(self) -> Self:
        if self.keys and self.texts is None:
            raise ValueError("keys: name the texts in which to look for them")
        return self


@dataclass(frozen=True, kw_only=True)
class Memories(Findings):
    """What is read of the memories."""

    strongest_share: float = metric("share")
    """Mean over prompts and blocks of the strongest memory's share of all strength in its block."""
    telling_blocks: float = metric("block")
    """Mean over prompts of the number of blocks in which one of the strongest memories speaks for the model's answer
    or for a word of the prompt (four letters or more in common, from the beginning)."""
    strength: NDArray[np.float32] = array("prompt", "block", "rank", unit="norm")
    """(prompt x block x rank) |m| * ‖v‖ of the strongest memories: coefficient times norm of the value vector."""
    memories: Rows = table("prompt", "block", "rank", "feature", "coefficient", "strength", "speaks_for", "word")
    """The strongest memories. The coefficient m is what enters the down projection: act(x·g)(x·u) in a gated MLP, where
    it may be negative; a memory with m < 0 speaks for the bottom tokens of its value. `word` is the first of its tokens
    that is the answer, or spells a word of the prompt."""
    readings: Rows = table("block", "feature", "end", "rank", "token_id", "token", "score")
    """The tokens at both ends of W_U v, where v is the value: its column of the down projection, each number times the
    gain of the norm behind the MLP where there is one."""
    triggers: Rows = table("block", "feature", "rank", "text", "position", "prefix", "coefficient")
    """The prefixes of the texts after which the coefficient of a memory is largest, by size."""
    answers: Rows = table("prompt", "position", "answer_id", "answer")
    """What the model itself expects after the position."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


@dataclass(frozen=True)
class Strongest:
    """A reducer that keeps the positions at which some memories are set off most; nothing else of the text."""

    keys: tuple[tuple[int, int], ...]
    """(block, feature)"""
    most: int
    left_out: tuple[int, ...] = ()
    """Positions that do not count."""

    def init(self) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """Nothing seen."""
        return {}

    def update(
        self, state: dict[tuple[int, int], list[tuple[float, int]]], value: Tensor, *, index: int, step: int
    ) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """One block's (position x feature) coefficients of the text."""
        features = [feature for block, feature in self.keys if block == index and feature < value.shape[1]]
        for feature, column in zip(features, value[:, features].float().T.tolist(), strict=True):
            seen = [(m, position) for position, m in enumerate(column) if position not in self.left_out]
            state[index, feature] = largest(seen, self.most)
        return state

    def merge(
        self,
        one: dict[tuple[int, int], list[tuple[float, int]]],
        other: dict[tuple[int, int], list[tuple[float, int]]],
    ) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """The largest of both."""
        return {key: largest([*one.get(key, []), *other.get(key, [])], self.most) for key in {**one, **other}}

    def finish(
        self, state: dict[tuple[int, int], list[tuple[float, int]]]
    ) -> dict[tuple[int, int], list[tuple[float, int]]]:
        """Key -> (coefficient, position), by size."""
        return state


def largest(seen: Sequence[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    """The coefficients of largest size with their places; equal ones in their order."""
    return sorted(seen, key=lambda one: -abs(one[0]))[:most]


class FfnMemory(Probe[Options, Memories]):
    """Shows: which memories of each MLP answer to the prompt most, which tokens they speak for, and what else sets
    them off.

    Read: one row a block, one column a memory, the strongest first; the cell holds the first token that it adds to, or
    the one that is outlined: the answer, or a word of the prompt. Its shade is its strength. Values of low blocks
    seldom read as words. A memory is
    known by its prefixes: what the texts that set it off have in common.

    Computed: an MLP is keys and values: the coefficient m of a memory is what enters the down projection, act(x·g)
    (x·u) in a gated MLP; its value v is its column there. Strength is |m|·‖v‖; tokens are those at both ends of W_U v,
    without the final norm; behind an MLP with a norm after it (Gemma) each number of v has that norm's gain first. A
    negative coefficient turns the ends around. Geva et al. 2021, "Transformer Feed-Forward Layers Are Key-Value
    Memories"; 2022, "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space".
    """

    name = "ffn_memory"
    version = 1
    question = "What do the MLPs remember?"
    options = Options
    findings = Memories

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once at one position; the texts too where it is known what to look for."""
        _check_blocks(case)
        texts = [case.tokens(text) for text in case.options.texts or ()]
        first = [Pass(tokens, _needs(case, tokens)) for tokens in map(case.tokens, case.options.prompts)]
        return first + (_text_passes(case, texts, _named(case)) if case.options.keys else [])

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Memories | Later[Memories]:
        """The strongest memories first, then, where it was not known before, what sets them off."""
        count = len(case.options.prompts)
        found = _strongest(case, model, captured[:count])
        if case.options.texts is None:
            return _memories(case, model, captured, found, {})
        if case.options.keys:
            return _memories(case, model, captured[:count], found, _triggers(case, _named(case), captured[count:]))
        return self._then_texts(case, model, captured, found)

    def _then_texts(
        self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured], found: Sequence[_Memory]
    ) -> Later[Memories]:
        keys = tuple((memory.block, memory.feature) for memory in found if memory.prompt == 0 and memory.rank == 1)
        texts = [case.tokens(text) for text in case.options.texts or ()]
        passed = yield _text_passes(case, texts, keys)
        return _memories(case, model, captured, found, _triggers(case, keys, passed))

    def figures(self, section: Section) -> Iterable[Figure]:
        """A grid of memories a prompt; ranked prefixes of some keys."""
        ok = section.ok()
        for prompt in range(max((len(outcome.tables["prompts"].rows) for outcome in ok.values()), default=0)):
            for subject, outcome in ok.items():
                yield _grid(section.name(subject), subject, outcome, prompt)
        for subject, outcome in ok.items():
            if outcome.tables["triggers"].rows:
                yield _prefixes(section.name(subject), subject, outcome)

    def statement(self, section: Section) -> str:
        """How many of the strongest memories speak for the answer or a word of the prompt."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Memory:
    """One of the strongest memories after a prompt."""

    prompt: int
    block: int
    rank: int
    feature: int
    coefficient: float
    strength: float
    share: float
    """Of all strength in its block."""


def _blocks(case: Case[Options]) -> list[int]:
    layers = case.facts.layers
    if layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    return list(range(layers)) if case.options.blocks == "all" else sorted(set(case.options.blocks))


def _check_blocks(case: Case[Options]) -> None:
    layers = case.facts.layers or 0
    wrong = [block for block in (*_blocks(case), *(block for block, _ in case.options.keys)) if block >= layers]
    if wrong:
        raise Unusable(f"there is no block {wrong[0]}: blocks go from 0 to {layers - 1}")
    features = case.facts.features
    unknown = [key for key in case.options.keys if features is not None and key[1] >= features]
    if features is not None and unknown:
        block, feature = unknown[0]
        raise Unusable(f"there is no memory {block}.{feature}: features go from 0 to {features - 1}")


def _position(case: Case[Options], tokens: Sequence[int]) -> int:
    position, last = case.options.position, len(tokens) - 1
    if position is not None and position > last:
        text = case.tokenizer.decode(tokens)
        raise Unusable(f"there is no position {position}: those of {text!r} go from 0 to {last}")
    return last if position is None else position


def _needs(case: Case[Options], tokens: Sequence[int]) -> tuple[Need, Need]:
    at = (_position(case, tokens),)
    return Need(Site.MEMORIES, at, tuple(_blocks(case))), Need(Site.FINAL, at)


def _named(case: Case[Options]) -> tuple[tuple[int, int], ...]:
    return tuple(dict.fromkeys((block, feature) for block, feature in case.options.keys))


def _text_passes(
    case: Case[Options], texts: Sequence[tuple[int, ...]], keys: tuple[tuple[int, int], ...]
) -> list[Pass]:
    return [Pass(tokens, (_trigger_need(case, tokens, keys),)) for tokens in texts]


def _trigger_need(case: Case[Options], tokens: Sequence[int], keys: tuple[tuple[int, int], ...]) -> Need:
    special = case.tokenizer.special_ids if case.options.special_tokens == "exclude" else frozenset()
    left_out = tuple(position for position, token in enumerate(tokens) if token in special)
    blocks = tuple(sorted({block for block, _ in keys}))
    return Need(Site.MEMORIES, "all", blocks, Strongest(keys, case.options.prefixes, left_out))


def _strongest(case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> list[_Memory]:
    """Of every prompt and block, all prompts of a block together."""
    import torch

    from reportgen.model.measures.memories import strengths

    by_prompt = [single.kept(_needs(case, single.tokens)[0], 0) for single in captured]
    found = []
    for at, block in enumerate(_blocks(case)):
        coefficients = torch.cat([blocks[at] for blocks in by_prompt]).float()
        strong = strengths(model, block, coefficients)
        best = strong.topk(min(case.options.k, strong.shape[1]))
        for prompt, (features, values) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
            whole = float(strong[prompt].sum()) or 1.0
            found += [
                _Memory(prompt, block, rank, feature, float(coefficients[prompt, feature]), value, value / whole)
                for rank, (feature, value) in enumerate(zip(features, values, strict=True), 1)
            ]
    return sorted(found, key=lambda memory: (memory.prompt, memory.block, memory.rank))


def _triggers(
    case: Case[Options], keys: Sequence[tuple[int, int]], passed: Sequence[Captured]
) -> dict[tuple[int, int], list[tuple[float, int, int]]]:
    """Key -> (coefficient, text, position), by size."""
    found = {}
    for key in keys:
        seen = []
        for text, single in enumerate(passed):
            of_text = single.values[_trigger_need(case, single.tokens, tuple(keys))]
            seen += [(m, text, position) for m, position in of_text.get(key, [])]  # a feature may be none of the model
        found[key] = sorted(seen, key=lambda one: -abs(one[0]))[: case.options.prefixes]
    return found


def _memories(
    case: Case[Options],
    model: LoadedModel,
    captured: Sequence[Captured],
    found: Sequence[_Memory],
    triggers: Mapping[tuple[int, int], Sequence[tuple[float, int, int]]],
) -> Memories:
    import numpy as np

    read = _readings(case, model, [*((memory.block, memory.feature) for memory in found), *triggers])
    answers = _answers(case, model, captured)
    blocks, prompts = _blocks(case), len(case.options.prompts)
    strength = np.array([memory.strength for memory in found], np.float32).reshape(prompts, len(blocks), -1)
    show = case.tokenizer.show
    said = [[show(i) for i in _speaks_for(m, read[m.block, m.feature])] for m in found]
    words = [_words(prompt, str(row[3])) for prompt, row in zip(case.options.prompts, answers, strict=True)]
    told = [
        next((t for t in tokens if _spells(t, words[m.prompt])), None) for m, tokens in zip(found, said, strict=True)
    ]
    telling = {(m.prompt, m.block) for m, word in zip(found, told, strict=True) if word is not None}
    return Memories(
        coordinates={"block": blocks, "rank": range(1, strength.shape[2] + 1)},
        strongest_share=float(np.mean([memory.share for memory in found if memory.rank == 1])),
        telling_blocks=len(telling) / prompts,
        strength=strength,
        memories=[
            [m.prompt, m.block, m.rank, m.feature, m.coefficient, m.strength, " · ".join(map(mark_space, tokens)), word]
            for m, tokens, word in zip(found, said, told, strict=True)
        ],
        readings=[row for (block, feature), one in read.items() for row in _ends(case, block, feature, one)],
        triggers=_trigger_rows(case, triggers),
        answers=answers,
        prompts=case.prompt_rows(case.options.prompts),
    )  # fmt: skip


def _readings(
    case: Case[Options], model: LoadedModel, keys: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], Reading]:
    """What each memory's value says; all of them pass the unembedding together, each once."""
    import torch

    from reportgen.model.measures.memories import as_written, readings

    wanted = sorted(set(keys))
    by_block: dict[int, list[int]] = {}
    for block, feature in wanted:
        by_block.setdefault(block, []).append(feature)
    rows = torch.cat([as_written(model, block, features) for block, features in by_block.items()])
    return dict(zip(wanted, readings(model, rows, case.options.tokens), strict=True))


def _speaks_for(memory: _Memory, reading: Reading) -> list[int]:
    """The tokens that the memory adds to: those at the other end where its coefficient is negative."""
    return reading.top_ids if memory.coefficient > 0 else reading.bottom_ids


def _words(prompt: Prompt, answer: str) -> list[str]:
    """The longer words of a prompt, and the answer, in small letters."""
    texts = [message.content for message in prompt.messages] if prompt.messages else [prompt.text or ""]
    words = [word.casefold() for text in texts for word in re.findall(r"\w+", text)]
    return [*dict.fromkeys([answer.strip().casefold(), *(word for word in words if len(word) >= LETTERS)])]


def _spells(token: str, words: Sequence[str]) -> bool:
    """Whether a token is one of the words, or has enough of its letters from the beginning: "␣Japanese" of "japan"."""
    spelt = token.strip().casefold()
    if not any(letter.isalpha() for letter in spelt):
        return False
    long = [word for word in words if min(len(word), len(spelt)) >= LETTERS]
    return spelt in words or any(spelt.startswith(word) or word.startswith(spelt) for word in long)


def _ends(case: Case[Options], block: int, feature: int, reading: Reading) -> Rows:
    ends = ((TOP, reading.top_ids, reading.top_scores), (BOTTOM, reading.bottom_ids, reading.bottom_scores))
    return [
        [block, feature, end, rank, i, case.tokenizer.show(i), score]
        for end, ids, scores in ends
        for rank, (i, score) in enumerate(zip(ids, scores, strict=True), 1)
    ]


def _answers(case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Rows:
    import torch

    from reportgen.model.network.loaded import likeliest

    singles = captured[: len(case.options.prompts)]
    normed = torch.cat([single.kept(_needs(case, single.tokens)[1], 0)[0] for single in singles])
    ids = [
        i
        for rows, logits in model.final_logits(normed)
        for i in likeliest(logits, 1)[1][: rows.stop - rows.start, 0].tolist()
    ]
    places = (_position(case, single.tokens) for single in singles)
    return [[p, at, i, case.tokenizer.show(i)] for p, (at, i) in enumerate(zip(places, ids, strict=True))]


def _trigger_rows(case: Case[Options], triggers: Mapping[tuple[int, int], Sequence[tuple[float, int, int]]]) -> Rows:
    texts = [case.tokens(text) for text in case.options.texts or ()]
    return [
        [block, feature, rank, text, position, case.tokenizer.decode(texts[text][: position + 1]), m]
        for (block, feature), seen in triggers.items()
        for rank, (m, text, position) in enumerate(seen, 1)
    ]


def _first_tokens(outcome: Outcome) -> dict[tuple[int, int, str], list[str]]:
    """(block, feature, end) -> its tokens."""
    found: dict[tuple[int, int, str], list[str]] = {}
    for record in outcome.tables["readings"].records():
        found.setdefault((record["block"], record["feature"], record["end"]), []).append(str(record["token"]))
    return found


def _end(record: Mapping[str, Any]) -> str:
    return TOP if record["coefficient"] > 0 else BOTTOM


def _grid(name: str, subject: str, outcome: Outcome, prompt: int) -> TokenGrid:
    """Blocks from the last at the top; the strongest memory of each first."""
    import numpy as np

    tokens = _first_tokens(outcome)
    by_block: dict[int, list[dict[str, Any]]] = {}
    for record in outcome.tables["memories"].records():
        if record["prompt"] == prompt:
            by_block.setdefault(record["block"], []).append(record)
    blocks = sorted(by_block, reverse=True)
    most = max((float(by_block[block][0]["strength"]) for block in blocks), default=1.0) or 1.0
    said = [[tokens[r["block"], r["feature"], _end(r)] for r in by_block[block]] for block in blocks]
    label = prompt_labels(outcome)[prompt]
    return TokenGrid(
        name=f"memories-{prompt}",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=label),
        alt=say(
            "ffn_memory.grid.alt",
            "First tokens that the strongest memories of {model} add to after “{prompt}”: {memories}",
            model=name,
            prompt=label,
            memories=listed(
                [
                    say("ffn_memory.grid.block", "“{token}” in block {block}", token=mark_space(row[0][0]), block=block)
                    for block, row in zip(blocks, said, strict=True)
                ]
            ),
        ),
        row_label=say("figure.block", "block"),
        rows=[str(block) for block in blocks],
        column_label=say("ffn_memory.memory", "memory, the strongest first"),
        columns=[str(rank) for rank in range(1, max((len(row) for row in said), default=0) + 1)],
        texts=[[r["word"] or each[0] for r, each in zip(by_block[block], row, strict=True)]
               for block, row in zip(blocks, said, strict=True)],
        values=np.array([[float(r["strength"]) / most for r in by_block[block]] for block in blocks]),
        value_label=say("ffn_memory.strength", "strength, as a share of the largest"),
        outlined=np.array([[r["word"] is not None for r in by_block[block]] for block in blocks]),
        outline_label=say("ffn_memory.outline", "speaks for the answer or a word of the prompt"),
    )  # fmt: skip


def _prefixes(name: str, subject: str, outcome: Outcome) -> Rankings:
    """The prefixes of the keys of the last blocks, where values read as words."""
    by_key: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for record in outcome.tables["triggers"].records():
        by_key.setdefault((record["block"], record["feature"]), []).append(record)
    keys = sorted(by_key, reverse=True)[:SHOWN_KEYS]
    tokens = _first_tokens(outcome)
    rankings = [
        Ranking(
            title=f"{block}.{feature} {tokens[block, feature, _end(by_key[block, feature][0])][0]}",
            labels=[_last_words(str(record["prefix"])) for record in by_key[block, feature]],
            values=[abs(float(record["coefficient"])) for record in by_key[block, feature]],
        )
        for block, feature in keys
    ]
    return Rankings(
        name="prefixes",
        subject=(subject,),
        title=say("ffn_memory.prefixes.title", "{model}: prefixes that set a memory off", model=name),
        alt=sentences(
            say("ffn_memory.prefixes.alt", "Memory {key}: {prefixes}.", key=one.title, prefixes=listed(one.labels))
            for one in rankings
        ),
        rankings=rankings,
        value_label=say("ffn_memory.coefficient", "size of the coefficient"),
        value_range=(0.0, max((value for one in rankings for value in one.values), default=1.0)),
        model=subject,
    )


def _quoted(token: str) -> str:
    return say("text.quoted", "“{text}”", text=mark_space(token))


def _last_words(prefix: str) -> str:
    """The end of a prefix, which is what sets a memory off, as wide as a label may be."""
    room, start = LABEL_WIDTH, len(prefix)
    while start and room >= (width := 2 if east_asian_width(prefix[start - 1]) in "WF" else 1):
        room, start = room - width, start - 1
    return f"…{prefix[start:].lstrip()}" if start else prefix


def _seen(name: str, outcome: Outcome) -> str:
    """Where, after one model's first prompts, memories speak for the answer or a word of the prompt."""
    tokens, told = _first_tokens(outcome), []
    labels = prompt_labels(outcome)
    for prompt in range(min(TOLD, len(labels))):
        records = [r for r in outcome.tables["memories"].records() if r["prompt"] == prompt]
        telling = [r for r in records if r["word"] is not None]
        values = {"model": name, "prompt": labels[prompt], "all": digits(f"{len(records):,}")}
        if not telling:
            told.append(
                say(
                    "ffn_memory.no_clear_statement",
                    "No clear statement about {model} after “{prompt}”: none of its {all} strongest memories speaks "
                    "for the answer or a word of the prompt.",
                    **values,
                )
            )
            continue
        first = min(telling, key=lambda r: (r["rank"], -r["block"]))
        told.append(
            say_count(
                "ffn_memory.speaks",
                "In {model}, {count} of the {all} strongest memories after “{prompt}” speaks for the answer or a word "
                "of the prompt: {key}, number {rank} of its block, which adds to {tokens}.",
                "In {model}, {count} of the {all} strongest memories after “{prompt}” speak for the answer or a word "
                "of the prompt; {key}, number {rank} of its block, adds to {tokens}.",
                len(telling),
                key=f"{first['block']}.{first['feature']}",
                rank=digits(str(first["rank"])),
                tokens=listed([_quoted(t) for t in tokens[first["block"], first["feature"], _end(first)]]),
                **values,
            )
        )
    return sentences(told)


probe = FfnMemory()
