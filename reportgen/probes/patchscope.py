"""A representation told in words: put into another prompt, which the model then goes on with (Patchscopes)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reportgen.figures.describe import Figure, HeatMap, TokenGrid
from reportgen.language import digits, listed, say, say_count, sentences
from reportgen.model.needs import Edit, Need, Pass, Site
from reportgen.probing.patch_targets import OneTarget, OutOfRange, Place, Target, Targets, place_of
from reportgen.probing.probe import Case, Later, Layers, Probe, ProbeOptions, Prompts, Unusable, prompt_labels
from reportgen.results.quantities import Array, Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import WordNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

WIDEST = 14
"""Tokens of an answer that are drawn."""
MOST_DRAWN = 4
"""Prompts whose answers are drawn."""
TOLD = 4
"""Prompts that a statement names."""
LONGEST_LABEL = 48
"""Characters of a text that a statement or a title quotes."""
CLEAR = 0.5
"""Precision@1 from which the identity prompt is said to give the next token back."""
SHADE = 0.25
"""Fill of a cell whose token does not stand in the target: it came from the representation, or was made up."""

_FINAL = Need(Site.FINAL, "last")
Words = list[Annotated[str, Field(min_length=1)]]


class Asked(ProbeOptions):
    """What is asked of which representations."""

    prompts: Prompts
    """Texts whose representations are read; at the last token of a prompt's `word`, else at its last."""
    position: Annotated[int, Field(ge=0)] | None = None
    """Position, in every prompt, in place of its word or its last token."""
    targets: Targets = Field(default=["describe"], validate_default=True)
    """What is asked: ids in the shipped set patchscopes/targets (describe, identity, secret, …), mappings
    {id, text, word | position, until}, or the name FILE/SET of a prompt set."""
    layers: Layers = "all"
    """Layers from which representations are taken."""
    target_layers: Literal["same"] | Layers = "same"
    """Layers at which they are put in: each at its own, or every one at each of these."""
    continue_: Annotated[int, Field(ge=1, le=64, alias="continue")] = 12
    """Tokens that the model writes, unless the end token comes first."""
    expect: Words | dict[str, Words] = Field(default=[])
    """Words that tell that a representation was named, whatever their case; for every prompt, or by a prompt's id or
    text."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        ids = [target.id for target in self.targets]
        twice = next((id for at, id in enumerate(ids) if id in ids[:at]), None)
        if twice is not None:
            raise ValueError(f"two targets are called {twice!r}")
        named = [name for prompt in self.prompts for name in (prompt.id, prompt.text) if name is not None]
        unknown = next((name for name in self.expect if isinstance(self.expect, dict) and name not in named), None)
        if unknown is not None:
            raise ValueError(f"expect: no prompt has the id or the text {unknown!r}")
        words = self.expect.values() if isinstance(self.expect, dict) else [self.expect]
        for target, word in product(self.targets, [word for some in words for word in some]):
            if names(target.text or "", [word]):
                raise ValueError(f"expect: {word!r} stands in the target {target.id!r} itself, and would tell nothing")
        return self

    def expected(self, prompt: Prompt) -> Sequence[str]:
        """The words that tell that this prompt's representation was named."""
        if not isinstance(self.expect, dict):
            return self.expect
        return self.expect.get(prompt.id or "", self.expect.get(prompt.text or "", []))


class Options(Asked):
    """Which representations, what is asked of them, and at which layers."""

    identity_prompts: Prompts | None = None
    """Texts over which precision@1 and surprisal of the identity prompt are measured, from each of `layers` into each
    of `target_layers` (into each of `layers` where that is `same`)."""
    identity: OneTarget = Field(default="identity", validate_default=True)
    """The identity prompt."""


@dataclass(frozen=True, kw_only=True)
class Patched(Findings):
    """What patchscopes give."""

    named_share: float | str = metric("share", "higher")
    """Share of the answers that hold an expected word, over prompts with such words, targets and layers; a target that
    names it unpatched is left out."""
    first_layer: float | str = metric("layer")
    """Mean over prompts with an expected word in some answer of the first source layer whose answer holds one."""
    precision: float | str = metric("share", "higher")
    """Mean of `precision_by_layer` over all pairs of layers."""
    surprisal: float | str = metric("nat", "lower")
    """Mean of `surprisal_by_layer` over all pairs of layers."""
    precision_by_layer: NDArray[np.float32] = array("layer", "item", unit="share")
    """(source layer x target layer) share of the identity prompts' texts whose likeliest next token, of the unpatched
    model, is the likeliest after the patched identity prompt. Empty where it was not asked for."""
    surprisal_by_layer: NDArray[np.float32] = array("layer", "item", unit="nat")
    """(source layer x target layer) mean over the texts of -ln p(token) after the patched identity prompt, of the
    token that the unpatched model holds likeliest after the text."""
    answers: Rows = table("prompt", "target", "layer", "target_layer", "text", "answer", "named")
    """What was written with the representation of `layer` at `target_layer`: all of it, and the part up to `until` or
    the end of the first line; whether that holds an expected word (empty where none is expected)."""
    unpatched: Rows = table("target", "text", "answer")
    """The control: what each target goes on with when nothing is put into it."""
    tokens: Rows = table("prompt", "target", "layer", "target_layer", "step", "token_id", "token")
    """The tokens of every answer."""
    targets: Rows = table("target", "text", "tokens", "position", "token", "word_tokens")
    """The targets: the exact text, its tokens, the position that is overwritten, and how many tokens the word has of
    which that is the last. The identity prompt of the layer maps is last, where it was asked for."""
    sources: Rows = table("prompt", "position", "token", "word_tokens")
    """Where each prompt's representation is taken."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class Patchscope(Probe[Options, Patched]):
    """Shows: what a representation holds, in the model's own words. The vector of one token after one layer takes the
    place of a token of another prompt, which asks what it is, and the model goes on writing.

    Read: a row a layer from which the vector was taken, from the embedding at the bottom; across, the tokens that the
    model writes. Shaded cells hold a token that the target itself has nowhere: a row without shade may be a mere
    copy of it; outlined ones hold an expected word. Low layers know the last word only, high ones are about
    to write the next token and answer no question. What is said beyond the patched vector's reach (a profession, a
    date) may be made up. The maps: whether the identity prompt gives back the token that the text itself goes on
    with; into the last layer that is the logit lens.

    Computed: the residual stream before the final norm replaces that at one position of the target while the prompt
    passes, never at tokens written after it (Ghandeharioun et al. 2024); the likeliest token follows. A word of
    several tokens is taken, and overwritten, at its last. precision@1: share of texts whose likeliest next token is
    the patched prompt's too; surprisal: -ln p, under the patched prompt, of the unpatched model's likeliest token.
    """

    name = "patchscope"
    version = 1
    question = "What does a representation say of itself?"
    options = Options
    findings = Patched
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once; each target once as it is; each text of the layer maps once."""
        options = case.options
        pairs = layer_pairs(case, options)
        stream = tuple(dict.fromkeys(layer for layer, _ in pairs))
        if options.identity_prompts is not None:
            target_place(case, options.identity)
        return [
            *(Pass(p.ids, (_stream(p, stream),)) for p in source_places(case, options)),
            *(Pass(p.ids, (), options.continue_ + 1) for p in target_places(case, options)),
            *(Pass(p.ids, _needs(p, stream)) for p in _identity_places(case)),
        ]

    def further_passes(self, case: Case[Options]) -> int:
        """Every prompt, target and pair of layers; every text of the layer maps and pair of layers."""
        options = case.options
        maps = len(options.identity_prompts or ()) * len(_map_pairs(case))
        return len(options.prompts) * len(options.targets) * len(layer_pairs(case, options)) + maps

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[Patched]:
        """A prompt and a target at a time, all layers together."""
        import numpy as np

        options = case.options
        sources, targets = len(options.prompts), len(options.targets)
        stream = tuple(dict.fromkeys(layer for layer, _ in layer_pairs(case, options)))
        unpatched = captured[sources : sources + targets]
        places = target_places(case, options)
        written: list[Written] = []
        for prompt, place in enumerate(source_places(case, options)):
            rows = _by_layer(captured[prompt], place, stream)
            for target, into in enumerate(places):
                passes = answering(case, options, into, rows, layer_pairs(case, options))
                for pair, single in zip(layer_pairs(case, options), (yield passes), strict=True):
                    written.append(Written(prompt, target, *pair, single.tokens[single.prompt_length :]))
        agree: list[Tensor] = []
        surprise: list[Tensor] = []
        for place, single in zip(_identity_places(case), captured[sources + targets :], strict=True):
            passes, answers = _echoes(case, model, place, single)
            found = _compared(model, (yield passes), answers)
            agree.append(found[0])
            surprise.append(found[1])
        layers, into_layers = _map_layers(case)
        shape = (len(layers), len(into_layers)) if agree else (0, 0)
        maps = [_mean_over_texts(one, shape) for one in (agree, surprise)]
        told = "identity_prompts are not asked for"
        return Patched(
            **answered(case, options, written, [one.tokens[one.prompt_length :] for one in unpatched]),
            precision=float(np.mean(maps[0])) if agree else told,
            surprisal=float(np.mean(maps[1])) if agree else told,
            precision_by_layer=maps[0],
            surprisal_by_layer=maps[1],
            targets=target_rows(case, [*options.targets, *([options.identity] if agree else [])]),
            sources=source_rows(case, options),
            prompts=case.prompt_rows(options.prompts),
            coordinates={"layer": layers, "item": into_layers} if agree else {},
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """A prompt and a target at a time, models side by side; then the layer maps on shared scales."""
        ok = section.ok()
        yield from answer_grids(section)
        highest = max((_highest_below_last(outcome) for outcome in ok.values()), default=0.0) or 1.0
        surprisal = say(
            "patchscope.surprisal", "surprisal (nat), the darkest {highest} or more", highest=digits(f"{highest:.1f}")
        )
        for name, what, label, top in (
            ("precision", say("patchscope.precision", "precision@1"), say("patchscope.precision", "precision@1"), 1.0),
            ("surprisal", say("patchscope.surprisal.what", "surprisal"), surprisal, highest),
        ):
            for subject, outcome in ok.items():
                if outcome.arrays["precision_by_layer"].values.size:
                    yield replace(_map(section, subject, outcome, name, what, top), value_label=label)

    def statement(self, section: Section) -> str:
        """From which layer on each model names what it was given, and where the identity prompt gives tokens back."""
        return sentences(
            sentence
            for subject, outcome in section.ok().items()
            for sentence in (named_told(section.name(subject), outcome), _maps_told(section.name(subject), outcome))
        )


@dataclass(frozen=True)
class Written:
    """What was written with one representation in one target."""

    prompt: int
    target: int
    layer: int
    target_layer: int
    tokens: tuple[int, ...]


def names(text: str, words: Sequence[str]) -> bool:
    """Whether a text holds one of these words, whatever their case."""
    return any(word.casefold() in text.casefold() for word in words)


def _last_layer(case: Case[Any]) -> int:
    if case.facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    return case.facts.layers


def _asked_layers(case: Case[Any], asked: Any) -> tuple[int, ...]:
    return tuple(range(_last_layer(case) + 1)) if asked == "all" else case.named_layers(asked)


def layer_pairs(case: Case[Any], options: Asked) -> list[tuple[int, int]]:
    """(source layer, target layer) of every answer."""
    layers = _asked_layers(case, options.layers)
    if options.target_layers == "same":
        return [(layer, layer) for layer in layers]
    return list(product(layers, _asked_layers(case, options.target_layers)))


def _map_layers(case: Case[Options]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    layers = _asked_layers(case, case.options.layers)
    same = case.options.target_layers == "same"
    return layers, layers if same else _asked_layers(case, case.options.target_layers)


def _map_pairs(case: Case[Options]) -> list[tuple[int, int]]:
    return list(product(*_map_layers(case)))


def _place(case: Case[Any], prompt: Prompt, position: int | None) -> Place:
    try:
        return place_of(case.tokenizer, prompt, position)
    except (OutOfRange, WordNotFound) as error:
        raise Unusable(str(error)) from error


def source_places(case: Case[Any], options: Asked) -> list[Place]:
    """Where the representations are taken."""
    for prompt in options.prompts:
        case.tokens(prompt)
    return [_place(case, prompt, options.position) for prompt in options.prompts]


def target_place(case: Case[Any], target: Target, steps: int = 1) -> Place:
    """Where a representation is put in."""
    case.tokens(target, steps)
    return _place(case, target, target.position)


def target_places(case: Case[Any], options: Asked) -> list[Place]:
    """(target) where representations are put in."""
    return [target_place(case, target, options.continue_ + 1) for target in options.targets]


def _identity_places(case: Case[Options]) -> list[Place]:
    prompts = case.options.identity_prompts or []
    for prompt in prompts:
        case.tokens(prompt)
    return [_place(case, prompt, None) for prompt in prompts]


def _stream(place: Place, layers: tuple[int, ...]) -> Need:
    return Need(Site.RESIDUAL, (place.position,), layers)


def _needs(place: Place, layers: tuple[int, ...]) -> tuple[Need, Need]:
    return _stream(place, layers), Need(Site.FINAL, (place.position,))


def _by_layer(captured: Captured, place: Place, layers: tuple[int, ...]) -> dict[int, Tensor]:
    """Layer -> (width) the representation."""
    kept = captured.kept(_stream(place, layers), 0)
    return {layer: row[0] for layer, row in zip(sorted(layers), kept, strict=True)}


def put_in(place: Place, layer: int, row: Tensor) -> Edit:
    """The edit that puts a representation into a target, while its prompt passes."""
    from reportgen.model.capture.edit import Replace

    return Edit(Site.RESIDUAL, layer, Replace(row), (place.position,), during="prompt")


def answering(
    case: Case[Any], options: Asked, into: Place, rows: Mapping[int, Tensor], pairs: Sequence[tuple[int, int]]
) -> list[Pass]:
    """A pass a pair of layers, which writes the answer."""
    return [
        Pass(into.ids, (), options.continue_ + 1, edits=(put_in(into, layer, rows[source]),)) for source, layer in pairs
    ]


def _echoes(case: Case[Options], model: LoadedModel, place: Place, single: Captured) -> tuple[list[Pass], list[int]]:
    """The identity prompt with the representation of every pair of layers, and the token that it is to give back."""
    from reportgen.model.measures.surprisal import next_tokens

    stream, final = _needs(place, tuple(dict.fromkeys(layer for layer, _ in layer_pairs(case, case.options))))
    rows = dict(zip(sorted(stream.indices or ()), (row[0] for row in single.kept(stream, 0)), strict=True))
    answers = next_tokens(model, single.kept(final, 0)[0])
    into = target_place(case, case.options.identity)
    pairs = _map_pairs(case)
    passes = [Pass(into.ids, (_FINAL,), edits=(put_in(into, layer, rows[source]),)) for source, layer in pairs]
    return passes, answers * len(pairs)


def _compared(model: LoadedModel, captured: Sequence[Captured], answers: Sequence[int]) -> tuple[Tensor, Tensor]:
    import torch

    from reportgen.model.measures.surprisal import surprisals

    return surprisals(model, torch.cat([single.kept(_FINAL, 0)[0] for single in captured]), answers)


def _mean_over_texts(found: Sequence[Tensor], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(source layer x target layer)"""
    import numpy as np

    if not found:
        return np.empty(shape, np.float32)
    mean: NDArray[np.float64] = np.mean([one.double().numpy() for one in found], axis=0)
    return mean.reshape(shape).astype(np.float32)


def answered(
    case: Case[Any], options: Asked, written: Sequence[Written], unpatched: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """What every probe of answers finds, by the names of its findings. `case` is that of the model that writes."""
    import numpy as np

    decode, show = case.tokenizer.decode, case.tokenizer.show_sequence
    own = [decode(tokens) for tokens in unpatched]
    words = [options.expected(prompt) for prompt in options.prompts]
    answers: Rows = []
    counted: list[bool] = []
    first: dict[int, int] = {}
    for one in written:
        target, text = options.targets[one.target], decode(one.tokens)
        answer = target.answer(text)
        named = names(answer, words[one.prompt]) if words[one.prompt] else None
        answers.append([one.prompt, target.id, one.layer, one.target_layer, text, answer, named])
        if named is not None and not names(target.answer(own[one.target]), words[one.prompt]):
            counted.append(named)
            if named:
                first[one.prompt] = min(first.get(one.prompt, one.layer), one.layer)
    none = "no word is expected" if not any(words) else "every target names what is expected unpatched"
    return {
        "named_share": float(np.mean(counted)) if counted else none,
        "first_layer": float(np.mean(list(first.values()))) if first else "no answer holds an expected word",
        "answers": answers,
        "unpatched": [[t.id, text, t.answer(text)] for t, text in zip(options.targets, own, strict=True)],
        "tokens": [
            [one.prompt, options.targets[one.target].id, one.layer, one.target_layer, step, token, shown]
            for one in written
            for step, (token, shown) in enumerate(zip(one.tokens, show(one.tokens), strict=True))
        ],
    }


def target_rows(case: Case[Any], targets: Sequence[Target]) -> Rows:
    """Rows of `targets`, an identity prompt that was asked for anyway once."""
    rows: Rows = []
    for target in targets:
        place, tokenizer = target_place(case, target), case.tokenizer
        row = [target.id, tokenizer.prompt_text(target), tokenizer.show_joined(place.ids), *_place_row(case, place)]
        rows += [row] if row not in rows else []
    return rows


def source_rows(case: Case[Any], options: Asked) -> Rows:
    """Rows of `sources`."""
    return [[prompt, *_place_row(case, place)] for prompt, place in enumerate(source_places(case, options))]


def _place_row(case: Case[Any], place: Place) -> list[Any]:
    return [place.position, case.tokenizer.show(place.token), place.word_tokens]


def quoted(text: str) -> str:
    """The start of a text."""
    return text if len(text) <= LONGEST_LABEL else f"{text[:LONGEST_LABEL]}…"


def answer_grids(section: Section) -> Iterator[TokenGrid]:
    """What was written: a grid a prompt and a target, models side by side."""
    views = [(section.name(subject), subject, outcome) for subject, outcome in section.ok().items()]
    if not views:
        return
    most = max(len(prompt_labels(outcome)) for _, _, outcome in views)
    ids = [str(target["id"]) for target in views[0][2].options["targets"]]
    for prompt, (at, target) in product(range(min(most, MOST_DRAWN)), enumerate(ids)):
        for name, subject, outcome in views:
            labels = prompt_labels(outcome)  # a model may have no row for a token of a prompt
            if prompt >= len(labels):
                continue
            rows = [
                row for row in outcome.tables["answers"].records() if (row["prompt"], row["target"]) == (prompt, target)
            ]
            what = say("patchscope.asked", "“{prompt}”, asked “{target}”", prompt=quoted(labels[prompt]), target=target)
            yield from _grids(name, subject, outcome, rows, f"{prompt}-{at}", what)


def _grids(
    name: str, subject: str, outcome: Outcome, rows: Sequence[Mapping[str, Any]], key: str, what: str
) -> Iterator[TokenGrid]:
    """A grid; where every layer was put in at several, one a target layer."""
    if outcome.options["target_layers"] == "same":
        yield _grid(name, subject, outcome, rows, key, what)
        return
    for layer in sorted({row["target_layer"] for row in rows}):
        into = say("patchscope.into", "{what}, put in at layer {layer}", what=what, layer=layer)
        some = [row for row in rows if row["target_layer"] == layer]
        yield _grid(name, subject, outcome, some, f"{key}-into-{layer}", into)


def _grid(
    name: str, subject: str, outcome: Outcome, rows: Sequence[Mapping[str, Any]], key: str, what: str
) -> TokenGrid:
    import numpy as np

    shown = sorted(rows, key=lambda row: -row["layer"])
    own = _tokens_of(outcome, shown)
    copied = _own_tokens(outcome, str(shown[0]["target"]))
    width = min(max([len(tokens) for tokens in own] + [1]), WIDEST)
    values = np.full((len(shown), width), np.nan)
    outlined = np.zeros((len(shown), width), dtype=bool)
    texts = [["" for _ in range(width)] for _ in shown]
    words = _expected(outcome, int(shown[0]["prompt"]))
    for at, tokens in enumerate(own):
        for step, token in enumerate(tokens[:width]):
            texts[at][step] = token
            values[at, step] = 0.0 if token.strip().casefold() in copied else SHADE
        named = bool(shown[at]["named"])
        outlined[at, : len(tokens)] = _naming(tokens[:width], words) if named else False
    return TokenGrid(
        name=f"answers-{key}",
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=what),
        alt=say(
            "patchscope.grid.alt",
            "What {model} writes with the representation of each layer: {answers}",
            model=name,
            answers=listed(
                [
                    say("patchscope.layer_answer", "layer {layer}: {answer}", layer=row["layer"], answer=row["answer"])
                    for row in reversed(shown)
                ]
            ),
        ),
        row_label=say("patchscope.source_layer", "layer of the representation (0 = embedding)"),
        rows=[str(row["layer"]) for row in shown],
        column_label=say("patchscope.token", "token written"),
        columns=[str(step + 1) for step in range(width)],
        texts=texts,
        values=values,
        value_label=say("patchscope.shaded", "shaded: not a token of the target itself"),
        outlined=outlined,
        outline_label=say("patchscope.outline", "an expected word") if words else "",
        sampleable=True,
    )


def _tokens_of(outcome: Outcome, rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """(row) the tokens of each answer."""
    keys = ("prompt", "target", "layer", "target_layer")
    wanted = {tuple(row[key] for key in keys): list[str]() for row in rows}
    for token in outcome.tables["tokens"].records():
        place = tuple(token[key] for key in keys)
        if place in wanted:
            wanted[place].append(str(token["token"]))
    return list(wanted.values())


def _own_tokens(outcome: Outcome, target: str) -> set[str]:
    """What stands in a target, without spaces and case."""
    rows = outcome.tables["targets"].records()
    joined = next(str(row["tokens"]) for row in rows if row["target"] == target)
    return {token.strip().casefold() for token in joined.split(" | ")}


def _naming(tokens: Sequence[str], words: Sequence[str]) -> list[bool]:
    """(token) whether it holds a part of an expected word."""
    text = "".join(tokens).casefold()
    inside = [False] * len(text)
    for word in words:
        at = text.find(word.casefold())
        while at >= 0:
            inside[at : at + len(word)] = [True] * len(word)
            at = text.find(word.casefold(), at + 1)
    found, start = [], 0
    for token in tokens:
        end = start + len(token.casefold())
        found.append(any(inside[start:end]))
        start = end
    return found


def _expected(outcome: Outcome, prompt: int) -> Sequence[str]:
    """As `Asked.expected`, of stored options."""
    expect = outcome.options.get("expect") or []
    if not isinstance(expect, Mapping):
        return list(expect)
    written = outcome.options["prompts"][prompt]
    return list(expect.get(written.get("id"), expect.get(written.get("text"), [])))


def named_told(name: str, outcome: Outcome) -> str:
    """The layers at which each prompt is named, with the answer of the first."""
    labels = prompt_labels(outcome)
    rows = outcome.tables["answers"].records()
    leaking = _leaking(outcome)
    told = []
    for prompt, label in enumerate(labels[:TOLD]):
        asked = [row for row in rows if row["prompt"] == prompt and row["named"] is not None]
        counted = [row for row in asked if (prompt, row["target"]) not in leaking]
        naming = sorted((row for row in counted if row["named"]), key=lambda row: row["layer"])
        if not naming:
            continue
        layers = {row["layer"] for row in naming}
        told.append(
            say_count(
                "patchscope.named",
                "{model} names “{prompt}” at {count} layer of {of}, from layer {layer} (“{answer}”).",
                "{model} names “{prompt}” at {count} layers of {of}, from layer {layer} (“{answer}”).",
                len(layers),
                model=name,
                prompt=quoted(label),
                of=len({row["layer"] for row in counted}),
                layer=naming[0]["layer"],
                answer=str(naming[0]["answer"]),
            )
        )
    if told:
        return sentences(told)
    if any(row["named"] is not None for row in rows):
        return say(
            "patchscope.not_named",
            "No clear statement about {model}: no layer's answer holds an expected word.",
            model=name,
        )
    if "precision_by_layer" in outcome.arrays and outcome.arrays["precision_by_layer"].values.size:
        return ""
    return say("patchscope.no_clear_statement", "No clear statement about {model}: no word is expected.", model=name)


def _leaking(outcome: Outcome) -> set[tuple[int, str]]:
    """(prompt, target) where the target names what is expected without being patched."""
    control = outcome.tables["unpatched"].records()
    prompts = range(len(outcome.options["prompts"]))
    return {
        (prompt, row["target"])
        for prompt, row in product(prompts, control)
        if names(str(row["answer"]), _expected(outcome, prompt))
    }


def _below_last(array: Array) -> NDArray[Any]:
    """(source layer x target layer) without what is put in at the last layer: that is the logit lens."""
    into = array.along("item")
    kept = [at for at, layer in enumerate(into) if layer < max(into)]
    values: NDArray[Any] = array.values[:, kept]
    return values


def _highest_below_last(outcome: Outcome) -> float:
    """Of the surprisals: an embedding read by the lens may be hundreds of nats off, beside which all others are 0."""
    array = outcome.arrays["surprisal_by_layer"]
    return float(_below_last(array).max(initial=0.0)) if array.values.size else 0.0


def _maps_told(name: str, outcome: Outcome) -> str:
    """From which source layer on the identity prompt gives the next token back."""
    import numpy as np

    if not outcome.arrays["precision_by_layer"].values.size:
        return ""
    best, texts = _below_last(outcome.arrays["precision_by_layer"]), len(outcome.options["identity_prompts"])
    if not best.size or float(best.max()) < CLEAR:
        return say(
            "patchscope.maps.none",
            "No clear statement about {model}: below the last layer the identity prompt nowhere gives back the next "
            "token of {share} of the texts.",
            model=name,
            share=digits(f"{CLEAR:.0%}"),
        )
    source, into = np.unravel_index(int(best.argmax()), best.shape)
    precision = outcome.arrays["precision_by_layer"]
    return say_count(
        "patchscope.maps.best",
        "The identity prompt gives {model}'s next token back best from layer {source} into layer {into}: at {share} "
        "of {count} text.",
        "The identity prompt gives {model}'s next token back best from layer {source} into layer {into}: at {share} "
        "of {count} texts.",
        texts,
        model=name,
        source=precision.along("layer")[source],
        into=precision.along("item")[into],
        share=digits(f"{float(best.max()):.0%}"),
    )


def _map(section: Section, subject: str, outcome: Outcome, name: str, label: str, top: float) -> HeatMap:
    """Layers that were not asked for are empty."""
    import numpy as np

    found = outcome.arrays[f"{name}_by_layer"]
    sources, into = found.along("layer"), found.along("item")
    size = section.models[subject].layers + 1 if subject in section.models else 0
    values = np.full((max(size, max(sources) + 1), max(size, max(into) + 1)), np.nan)
    values[np.ix_(sources, into)] = found.values
    return HeatMap(
        name=f"identity-{name}",
        subject=(subject,),
        title=say(
            "patchscope.map.title",
            "{model}: {what} of the identity prompt",
            model=section.name(subject),
            what=label,
        ),
        alt=say(
            "patchscope.map.alt",
            "{what} of the identity prompt in {model}, by source and target layer, from {lowest} to {highest}",
            what=label,
            model=section.name(subject),
            lowest=digits(f"{float(found.values.min()):.2g}"),
            highest=digits(f"{float(found.values.max()):.2g}"),
        ),
        values=values,
        row_label=say("patchscope.source", "source layer"),
        column_label=say("patchscope.target", "target layer"),
        value_label=label,
        value_range=(0.0, top),
    )


probe = Patchscope()
