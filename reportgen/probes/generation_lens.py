"""What a model writes token by token, and what each of its layers would have written (the seahorse trace)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import listed, say, say_count, sentences, unit_of
from reportgen.model.needs import Draw, Need, Pass, Site
from reportgen.probing.probe import (
    Case,
    Probe,
    ProbeOptions,
    Prompts,
    Unusable,
    axis_label,
    curves_read_out,
    prompt_labels,
)
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import Character, characters, mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.measures.readout import Readout
    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

TOLD = 4
"""Prompts that a statement names."""
MOST_EMOJI = 6
"""Emoji that it names of one prompt."""
LONGEST_LABEL = 48
"""Characters of a prompt that a statement or a title quotes."""
WIDEST = 14
"""Columns of a grid."""
MOST_DRAWN = 6
"""Traces of a model that are drawn."""


class Options(ProbeOptions):
    """After which prompts, how far, and how each token is chosen."""

    seed: int = 0
    """Seed of the draws, where `temperature` is given; each attempt draws other numbers from it."""
    prompts: Prompts
    """What the model reads."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 12
    """Tokens that it writes, unless the end token comes first."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 1
    """Traces a prompt; more than one only where tokens are drawn."""
    temperature: Annotated[float, Field(gt=0, le=100, strict=False)] | None = None
    """Draws each token at this temperature; without it the likeliest token follows."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Draws only among so many of the likeliest tokens."""
    top_p: Annotated[float, Field(gt=0, le=1, strict=False)] | None = None
    """Draws only among the fewest likeliest tokens that have this probability together; after `top_k`."""
    k: Annotated[int, Field(ge=1, le=100)] = 5
    """Tokens named a cell of the grid."""

    @model_validator(mode="after")
    def _drawn_at_a_temperature(self) -> Self:
        if self.temperature is None:
            given = [name for name, is_so in (("attempts", self.attempts > 1), ("top_k", self.top_k is not None),
                                              ("top_p", self.top_p is not None)) if is_so]  # fmt: skip
            if given:
                raise ValueError(f"{' and '.join(given)}: without a temperature the likeliest token always follows")
        return self


@dataclass(frozen=True, kw_only=True)
class Generation(Findings):
    """What the generation lens gives."""

    mean_length: float = metric("tokens")
    """Mean over attempts of the tokens written, the end token not counted."""
    emoji_share: float = metric("share")
    """Share of the attempts that hold an emoji."""
    settling_layer: float | str = metric("layer")
    """Mean, over written tokens that the model itself holds likeliest, of the first layer from which on they lead."""
    rank: NDArray[np.float32] = array("prompt", "item", "step", "layer", unit="rank")
    """(prompt x attempt x step x layer) rank, from 1, that each layer gives to the token that was written; NaN where a
    trace had ended."""
    probability: NDArray[np.float32] = array("prompt", "item", "step", "layer", unit="probability")
    """(prompt x attempt x step x layer) probability that each layer gives to the token that was written."""
    entropy: NDArray[np.float32] = array("prompt", "item", "step", "layer", unit="nat")
    """(prompt x attempt x step x layer) -sum p ln p of each layer's distribution."""
    written: Rows = table("prompt", "attempt", "step", "position", "token_id", "token", "shown", "settled")
    """The tokens written: each alone, and as it is shown after those before it, where the token that completes a
    character shows it; and the first layer from which on it leads to the end, empty where it does not lead."""
    characters: Rows = table("prompt", "attempt", "position", "last_position", "tokens", "bytes", "character", "kind")
    """Emoji, characters spread over several tokens (`joined`), and bytes that are no character (`fragment`): where
    they begin and end, and what each of their tokens adds."""
    attempts: Rows = table("prompt", "attempt", "length", "ended", "text")
    """Each trace: tokens before the end token, whether that came, and the text."""
    top: Rows = table("prompt", "attempt", "step", "layer", "rank", "token_id", "token", "probability")
    """The k likeliest tokens of every layer's distribution before each written token."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class GenerationLens(Probe[Options, Generation]):
    """Shows: what the model writes token by token, each read again before the next, and which token every layer would
    have written in its place.

    Read: a column a written token, a row a layer, from the embedding at the bottom to the model's own answer at the
    top; the darker a cell, the more probable its token. Outlined cells hold the token that was written. A character
    whose bytes are several tokens stands above the one that completes it: `<F0 9F>`, `<90>`, `<A0>→🐠`. A layer may
    hold a word (seahorse) of which the last layer has no token: what comes out is what lies nearest. The curves follow
    the tokens of the first emoji.

    Computed: the logit lens at the last position of every step. The likeliest token follows; or one drawn from
    softmax(logits / temperature), cut by top_k, then by top_p, by random numbers that the seed and the attempt alone
    decide. Bytes are joined along tokens that follow each other, never between the guesses of cells.
    """

    name = "generation_lens"
    version = 1
    question = "What does it write, and what did its layers have in mind?"
    options = Options
    findings = Generation
    drawn = ("attempts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt with its steps, once an attempt."""
        options, needs = case.options, _needs(case)
        return [
            Pass(case.tokens(prompt, options.continue_), needs, options.continue_, _draw(options, attempt))
            for prompt in options.prompts
            for attempt in range(options.attempts)
        ]

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Generation:
        """All layers of all steps through the unembedding together."""
        import torch

        from reportgen.model.capture.passes import end_tokens
        from reportgen.model.measures.readout import read_out, stacked_layers

        stream, final = _needs(case)
        steps = [(single, step) for single in captured for step in range(single.steps)]
        residual = torch.cat([stacked_layers(single.kept(stream, step)) for single, step in steps])
        normed = torch.cat([single.kept(final, step)[0] for single, step in steps])
        drawn = [token for single in captured for token in single.drawn]
        answers = torch.tensor(drawn, device=normed.device) if drawn else None
        read = read_out(model, residual, normed, k=case.options.k, answers=answers, kl=False)
        return _generation(case, _traces(case, captured, read, end_tokens(model.network)), read)

    def figures(self, section: Section) -> Iterable[Figure]:
        """A trace at a time, models side by side; then the layers' way to the tokens of its first emoji."""
        ok = section.ok()
        views = {subject: _View.of(section.name(subject), subject, outcome) for subject, outcome in ok.items()}
        for number in range(MOST_DRAWN):
            for draw in (_grids, _emoji_curves):
                for view in views.values():
                    if number < len(view.traces):
                        yield from draw(view, view.traces[number])

    def statement(self, section: Section) -> str:
        """Which emoji each model writes, from which layer on, and where it ends at once."""
        return sentences(
            _seen(_View.of(section.name(subject), subject, outcome)) for subject, outcome in section.ok().items()
        )


def _needs(case: Case[Options]) -> tuple[Need, Need]:
    if case.facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    return Need(Site.RESIDUAL, "last", tuple(range(case.facts.layers))), Need(Site.FINAL, "last")


def _draw(options: Options, attempt: int) -> Draw | None:
    if options.temperature is None:
        return None
    return Draw(options.temperature, options.top_k, options.top_p, options.seed, attempt)


@dataclass(frozen=True)
class _Trace:
    """What was written after one prompt in one attempt."""

    prompt: int
    attempt: int
    read: tuple[int, ...]
    """The prompt's tokens."""
    written: tuple[int, ...]
    """(step) an end token among them."""
    ended: bool

    @property
    def text(self) -> tuple[int, ...]:
        """The tokens written before the end token."""
        return self.written[: len(self.written) - self.ended]


def _traces(case: Case[Options], captured: Sequence[Captured], read: Readout, ends: set[int]) -> list[_Trace]:
    last, found = read.token_ids[:, -1, 0].tolist(), []
    for at, single in enumerate(captured):
        prompt, attempt = divmod(at, case.options.attempts)
        row = sum(one.steps for one in captured[: at + 1]) - 1
        after = single.tokens[single.prompt_length :]
        written = single.drawn or (*after, last[row])
        before = single.tokens[: single.prompt_length]
        found.append(_Trace(prompt, attempt, before, written, written[-1] in ends))
    return found


def _generation(case: Case[Options], traces: Sequence[_Trace], read: Readout) -> Generation:
    import numpy as np

    from reportgen.numerics.settling import leads_from

    options, show = case.options, case.tokenizer.show
    ids, probabilities = read.token_ids.tolist(), read.probabilities.tolist()
    ranks = read.answer_rank.cpu().numpy()
    written: Rows = []
    found: Rows = []
    top: Rows = []
    settled: list[int] = []
    row = 0
    for trace in traces:
        place: list[Any] = [trace.prompt, trace.attempt]
        shown = case.tokenizer.show_sequence((*trace.read, *trace.written))[len(trace.read) :]
        for step, token in enumerate(trace.written):
            leads = leads_from(ranks[row])
            layer = None if leads == len(ranks[row]) else leads
            settled += [] if layer is None else [layer]
            written.append([*place, step, len(trace.read) + step, token, show(token), shown[step], layer])
            for at, cells in enumerate(zip(ids[row], probabilities[row], strict=True)):
                top += [
                    [*place, step, at, rank, i, show(i), p] for rank, (i, p) in enumerate(zip(*cells, strict=True), 1)
                ]
            row += 1
        found += [[*place, *_character_row(character)] for character in _written_characters(case, trace)]
    with_emoji = {(prompt, attempt) for prompt, attempt, *_, kind in found if kind == "emoji"}
    return Generation(
        mean_length=float(np.mean([len(trace.text) for trace in traces])),
        emoji_share=len(with_emoji) / len(traces),
        settling_layer=float(np.mean(settled)) if settled else "no written token is the model's likeliest",
        rank=_by_step(options, traces, read.answer_rank),
        probability=_by_step(options, traces, read.answer_probability),
        entropy=_by_step(options, traces, read.entropy),
        written=written,
        characters=found,
        attempts=[[t.prompt, t.attempt, len(t.text), t.ended, case.tokenizer.decode(t.text)] for t in traces],
        top=top,
        prompts=case.prompt_rows(options.prompts),
    )


def _written_characters(case: Case[Options], trace: _Trace) -> list[Character]:
    """Those that end behind the prompt; their first bytes may be the prompt's last."""
    pieces = [case.tokenizer.piece(token) for token in (*trace.read, *trace.text)]
    return [character for character in characters(pieces) if character.last >= len(trace.read)]


def _character_row(one: Character) -> list[Any]:
    return [one.first, one.last, len(one.pieces), one.bytes, one.text, one.kind]


def _by_step(options: Options, traces: Sequence[_Trace], values: Tensor) -> NDArray[np.float32]:
    """(prompt x attempt x step x layer) from (row x layer), NaN where a trace had ended."""
    import numpy as np

    read = values.float().cpu().numpy()
    shape = (len(options.prompts), options.attempts, options.continue_, read.shape[1])
    by_step = np.full(shape, np.nan, np.float32)
    row = 0
    for trace in traces:
        length = len(trace.written)
        by_step[trace.prompt, trace.attempt, :length] = read[row : row + length]
        row += length
    return by_step


Key = tuple[int, int]
"""(prompt, attempt)"""


@dataclass(frozen=True)
class _View:
    """An outcome by trace: tables are long, and looked through once."""

    name: str
    subject: str
    labels: Sequence[str]
    """(prompt)"""
    traces: Sequence[Key]
    attempts: Mapping[Key, Mapping[str, Any]]
    written: Mapping[Key, Sequence[Mapping[str, Any]]]
    emoji: Mapping[Key, Sequence[Mapping[str, Any]]]
    joined: int
    """Characters of several tokens."""
    cells: Mapping[tuple[int, int, int, int], Sequence[Mapping[str, Any]]]
    """(prompt, attempt, step, layer) -> rows by rank."""
    probability: NDArray[Any]
    """(prompt x attempt x step x layer)"""

    @classmethod
    def of(cls, name: str, subject: str, outcome: Outcome) -> _View:
        attempts = {_key(row): row for row in outcome.tables["attempts"].records()}
        written: dict[Key, list[Mapping[str, Any]]] = {}
        for row in outcome.tables["written"].records():
            written.setdefault(_key(row), []).append(row)
        emoji: dict[Key, list[Mapping[str, Any]]] = {}
        found = outcome.tables["characters"].records()
        for row in found:
            if row["kind"] == "emoji":
                emoji.setdefault(_key(row), []).append(row)
        cells: dict[tuple[int, int, int, int], list[Mapping[str, Any]]] = {}
        for row in outcome.tables["top"].records():
            cells.setdefault((*_key(row), row["step"], row["layer"]), []).append(row)
        return cls(
            name=name,
            subject=subject,
            labels=prompt_labels(outcome),
            traces=list(attempts),
            attempts=attempts,
            written=written,
            emoji=emoji,
            joined=sum(row["tokens"] > 1 and row["kind"] != "fragment" for row in found),
            cells=cells,
            probability=outcome.arrays["probability"].values,
        )

    @property
    def last(self) -> int:
        """The last layer."""
        return int(self.probability.shape[-1]) - 1

    def quoted(self, prompt: int) -> str:
        """The start of a prompt."""
        label = self.labels[prompt]
        return label if len(label) <= LONGEST_LABEL else f"{label[:LONGEST_LABEL]}…"

    def told(self, trace: Key) -> str:
        """What a trace is called in a title."""
        prompt, attempt = trace
        if sum(one[0] == prompt for one in self.traces) == 1:
            return say("generation_lens.after", "after “{prompt}”", prompt=self.quoted(prompt))
        return say(
            "generation_lens.after_again",
            "after “{prompt}”, attempt {attempt}",
            prompt=self.quoted(prompt),
            attempt=attempt + 1,
        )


def _key(row: Mapping[str, Any]) -> Key:
    return row["prompt"], row["attempt"]


def _grids(view: _View, trace: Key) -> Iterable[TokenGrid]:
    """Layers from the last at the top to the embedding at the bottom; a wide trace in several grids."""
    written = view.written[trace]
    for start in range(0, len(written), WIDEST):
        yield _grid(view, trace, written[start : start + WIDEST])


def _grid(view: _View, trace: Key, written: Sequence[Mapping[str, Any]]) -> TokenGrid:
    import numpy as np

    layers = range(view.last, -1, -1)
    cells = [[view.cells[(*trace, token["step"], layer)] for token in written] for layer in layers]
    first = written[0]["step"]
    return TokenGrid(
        name=f"trace-{trace[0]}-{trace[1]}-{first}",
        subject=(view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=view.told(trace)),
        alt=say(
            "generation_lens.grid.alt",
            "Likeliest token of every layer of {model} before each token that it writes {where}: {tokens}",
            model=view.name,
            where=view.told(trace),
            tokens=listed([mark_space(str(token["shown"])) for token in written]),
        ),
        row_label=axis_label(relative=False),
        sampleable=True,
        rows=[str(layer) for layer in layers],
        column_label=say("generation_lens.written", "token written"),
        columns=[_head(str(token["shown"])) for token in written],
        texts=[[str(cell[0]["token"]) for cell in row] for row in cells],
        values=np.array([[cell[0]["probability"] for cell in row] for row in cells]),
        value_label=unit_of("probability"),
        outlined=np.array(
            [[cell[0]["token_id"] == token["token_id"] for cell, token in zip(row, written, strict=True)]
             for row in cells]
        ),
        outline_label=say("generation_lens.outline", "the token that is written"),
        alternatives=[[[(str(one["token"]), one["probability"]) for one in cell[1:]] for cell in row] for row in cells],
    )  # fmt: skip


def _emoji_curves(view: _View, trace: Key) -> Iterable[Curves]:
    """The probability that each layer gives to the tokens of the first emoji; nothing where there is none."""
    tokens = _first_emoji_tokens(view, trace)
    if not tokens:
        return
    curves = []
    for number, token in enumerate(tokens, 1):
        y = view.probability[(*trace, token["step"])]
        shown = mark_space(str(token["shown"]))
        # Two of its tokens may be the same bytes.
        label = shown if len(tokens) == 1 else f"{number}: {shown}"
        curves.append(Curve(label=label, x=range(view.last + 1), y=y.tolist(), group=label,
                            model=view.subject if len(tokens) == 1 else None))  # fmt: skip
    emoji = str(view.emoji[trace][0]["character"])
    what = say("generation_lens.curves.what", "probability of the tokens of {emoji}", emoji=emoji)
    yield Curves(
        name=f"emoji-{trace[0]}-{trace[1]}",
        subject=(view.subject,),
        title=say(
            "generation_lens.curves.title",
            "{model}: the way to {emoji} {where}",
            model=view.name,
            emoji=emoji,
            where=view.told(trace),
        ),
        alt=curves_read_out(view.name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
        y_range=(0.0, 1.0),
    )


def _first_emoji_tokens(view: _View, trace: Key) -> list[Mapping[str, Any]]:
    """The written tokens of a trace's first emoji."""
    if not view.emoji.get(trace):
        return []
    first = view.emoji[trace][0]
    return [t for t in view.written[trace] if first["position"] <= t["position"] <= first["last_position"]]


def _seen(view: _View) -> str:
    """What one model writes."""
    prompts = list(dict.fromkeys(prompt for prompt, _ in view.traces))
    traces = {prompt: [trace for trace in view.traces if trace[0] == prompt] for prompt in prompts}
    emoji = {p: found for p in prompts if (found := [e for t in traces[p] for e in view.emoji.get(t, ())])}
    silent = [p for p in prompts if all(not view.attempts[trace]["length"] for trace in traces[p])]
    joined = ""
    if view.joined:
        joined = say_count(
            "generation_lens.joined",
            "{model} writes {count} character in several tokens.",
            "{model} writes {count} characters in several tokens.",
            view.joined,
            model=view.name,
        )
    if not emoji and not silent and not joined:
        return say(
            "generation_lens.no_clear_statement",
            "No clear statement about {model}: it writes no emoji and no character of several tokens, and nowhere ends "
            "at once.",
            model=view.name,
        )
    parts = [_emoji_told(view, traces, emoji), _silence_told(view, silent), joined]
    return sentences(parts)


def _emoji_told(
    view: _View, traces: Mapping[int, Sequence[Key]], emoji: Mapping[int, Sequence[Mapping[str, Any]]]
) -> str:
    """The emoji after each prompt, and the layers from which the tokens of the first lead."""
    if not emoji:
        return ""
    told = [
        say(
            "generation_lens.emoji_after",
            "{emoji} after “{prompt}”",
            emoji=listed([str(one["character"]) for one in found[:MOST_EMOJI]]),
            prompt=view.quoted(prompt),
        )
        for prompt, found in list(emoji.items())[:TOLD]
    ]
    writes = say("generation_lens.writes", "{model} writes {what}.", model=view.name, what=listed(told))
    trace = next(t for t in traces[next(iter(emoji))] if view.emoji.get(t))
    layers = [token["settled"] for token in _first_emoji_tokens(view, trace)]
    if not layers or None in layers:
        return writes
    decided = say_count(
        "generation_lens.decided",
        "The first of them is {count} token, which leads from layer {layers} of {last} on.",
        "The first of them is {count} tokens, which lead from layers {layers} of {last} on.",
        len(layers),
        layers=listed([str(layer) for layer in layers]),
        last=view.last,
    )
    return sentences([writes, decided])


def _head(shown: str) -> str:
    """What stands above a column: of `<A0>→🐠`, whose bytes are in the cell below it, the character they complete."""
    fragment, arrow, character = shown.partition("→")
    return f"{arrow}{character}" if arrow and fragment.startswith("<") else mark_space(shown)


def _silence_told(view: _View, silent: Sequence[int]) -> str:
    if not silent:
        return ""
    told = listed([say("text.quoted", "“{text}”", text=view.quoted(prompt)) for prompt in silent[:TOLD]])
    return say("generation_lens.silent", "After {prompts}, {model} ends at once.", model=view.name, prompts=told)


probe = GenerationLens()
