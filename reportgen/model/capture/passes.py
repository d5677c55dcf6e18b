"""A prompt passes the model once; what the needs ask for is taken by hooks on the way.

Every pass that changes nothing is a batch of one prompt, with the KV cache on: its numbers are the same bits whatever
other prompts, probes or steps the battery asks for. Passes of one prompt that are edited go through together: which of
them, the one probe that asks for them decides.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from reportgen.model.capture.check_edits import joins_midway
from reportgen.model.capture.edit import apply_edits, start_of
from reportgen.model.capture.hooks import Finite, Layout, Receiver, check_finite, hook_receivers
from reportgen.model.capture.sampling import Sampler
from reportgen.model.needs import Draw, Edit, Need, Pass, PassResult, Path, Site
from reportgen.model.network.anatomy import Network
from reportgen.model.network.loaded import FINAL_CHUNK, LoadedModel, select_likeliest

TOGETHER = 4_096
"""Tokens of edited passes that go through the model together, at most."""


@dataclass(frozen=True)
class JoinedPass:
    """What several passes of one prompt want of it."""

    tokens: tuple[int, ...]
    wants: tuple[tuple[Need, int], ...]
    """(need, steps): a need sees only the steps that its own pass asked for."""
    steps: int
    """The most steps that any of them asked for."""
    draw: Draw | None = None
    edits: tuple[Edit, ...] = ()

    @property
    def path(self) -> Path:
        """What its passes have in common."""
        return Path(self.tokens, self.draw, self.edits)


def join(passes: Iterable[Pass]) -> list[JoinedPass]:
    """One pass a prompt (and a draw after it, and what is changed), in order of first appearance."""
    by_path: dict[Path, list[Pass]] = {}
    for single in passes:
        by_path.setdefault(single.path, []).append(single)
    return [
        JoinedPass(
            path.tokens,
            tuple(dict.fromkeys((need, single.steps) for single in together for need in single.needs)),
            max(single.steps for single in together),
            path.draw,
            path.edits,
        )
        for path, together in by_path.items()
    ]


class JoinedResult:
    """What a joined pass gave, from which each of the passes takes its own part."""

    def __init__(
        self, tokens: tuple[int, ...], prompt_length: int, kept: dict[tuple[Need, int], Any], drawn: Sequence[int] = ()
    ) -> None:
        self._tokens = tokens
        self._prompt_length = prompt_length
        self._kept = kept
        self._drawn = tuple(drawn)

    def part(self, single: Pass) -> PassResult:
        """The answer to one of the joined passes."""
        took_place = len(self._tokens) - self._prompt_length + 1
        steps = min(single.steps, took_place)
        values = {need: self._kept[need, single.steps] for need in single.needs}
        tokens, drawn = self._tokens[: self._prompt_length + steps - 1], self._drawn[:steps]
        return PassResult(tokens, self._prompt_length, steps, values, drawn)


@torch.inference_mode()
def run(model: LoadedModel, together: Sequence[JoinedPass]) -> list[JoinedResult]:
    """Runs each prompt, and the steps after it, through the model once.

    A prompt is a batch of its own; only the rows that choose the next tokens go through the unembedding together.
    Edited passes of one prompt are one batch.
    """
    found: dict[Path, JoinedResult] = {}
    for batches in _group_in_step(_batches(model, together)):
        found |= _run_in_step(model, batches)
    return [found[joined.path] for joined in together]


def _batches(model: LoadedModel, together: Sequence[JoinedPass]) -> Iterator[list[JoinedPass]]:
    """What passes at once: by the number of their steps and by how far they share a beginning."""
    alike: dict[Any, list[JoinedPass]] = {}
    for joined in together:
        key = (joined.tokens, joined.steps) if joined.edits else joined.path
        alike.setdefault(key, []).append(joined)
    for group in alike.values():
        if group[0].edits:
            group.sort(key=lambda joined: start_of(joined.edits))
        rows = max(1, TOGETHER // len(group[0].tokens))
        for start in range(0, len(group), rows):
            yield group[start : start + rows]


def _group_in_step(batches: Iterable[list[JoinedPass]]) -> Iterator[list[list[JoinedPass]]]:
    """Batches that wait for each other's next tokens: as many rows as go through the unembedding together."""
    some: list[list[JoinedPass]] = []
    for batch in batches:
        if some and sum(map(len, some)) + len(batch) > FINAL_CHUNK:
            yield some
            some = []
        some.append(batch)
    if some:
        yield some


def _run_in_step(model: LoadedModel, batches: Sequence[list[JoinedPass]]) -> dict[Path, JoinedResult]:
    under_way = [_steps(model, batch) for batch in batches]
    drawing = {
        joined.path: None if joined.draw is None else Sampler(joined.draw) for batch in batches for joined in batch
    }
    found: dict[Path, JoinedResult] = {}
    chosen: dict[int, dict[Path, int] | None] = dict.fromkeys(range(len(under_way)))
    while chosen:
        waiting: dict[int, dict[Path, torch.Tensor]] = {}
        for which, tokens in chosen.items():
            try:
                waiting[which] = under_way[which].send(tokens)
            except StopIteration as ended:
                found |= ended.value
        asked = [(which, path) for which, rows in waiting.items() for path in rows]
        rows = [waiting[which][path] for which, path in asked]
        chosen = {which: {} for which in waiting}
        for (which, path), token in zip(
            asked, _choose_next_tokens(model, rows, [drawing[path] for _, path in asked]), strict=True
        ):
            tokens = chosen[which]
            assert tokens is not None
            tokens[path] = token
    return found


class _Trace:
    """One row of a batch under way: its prompt, and the tokens after it."""

    def __init__(self, joined: JoinedPass, row: int) -> None:
        self.joined = joined
        self.row = row
        self.tokens = list(joined.tokens)
        self.states = {want: want[0].reducer.init() for want in joined.wants}
        self.drawn: list[int] = []
        self.ended = False

    def receivers(self, step: int, first: int, layout: Layout) -> list[Receiver]:
        """Those of the needs that see this step; of tokens that pass again they see nothing."""
        if self.ended:
            return []
        again = len(self.tokens) - 1 - first if step else 0
        return [
            Receiver(want, self.states, step=step, first=first, again=again, layout=layout, row=self.row)
            for want in self.joined.wants
            if step < want[1]
        ]

    def follow(self, token: int, ends: set[int], *, last: bool) -> None:
        """Takes the token after a step."""
        if self.joined.draw is not None:
            self.drawn.append(token)
        self.ended = last or token in ends
        if not self.ended:
            self.tokens.append(token)

    def result(self) -> JoinedResult:
        """What it gave."""
        kept = {want: want[0].reducer.finish(self.states[want]) for want in self.joined.wants}
        return JoinedResult(tuple(self.tokens), len(self.joined.tokens), kept, self.drawn)


def _steps(
    model: LoadedModel, batch: Sequence[JoinedPass]
) -> Generator[dict[Path, torch.Tensor], dict[Path, int] | None, dict[Path, JoinedResult]]:
    """One batch step by step: gives the (1 x width) rows after which a token is wanted, and is sent those tokens."""
    traces = [_Trace(joined, row) for row, joined in enumerate(batch)]
    layout = _choose_layout(model, batch)
    edits = [joined.edits for joined in batch]
    growing = layout.midway and bool(layout.starts)  # layers with fewer rows have nothing to hand to a next step
    prompt, ends = len(batch[0].tokens), end_tokens(model.network)
    ids = torch.tensor([batch[0].tokens] * layout.rows(-1), device=model.device)
    cache: Any = None
    seen: list[Finite] = []
    for step in range(batch[0].steps):
        first = prompt + step - ids.shape[1]
        receivers = [one for trace in traces for one in trace.receivers(step, first, layout)]
        with (
            apply_edits(model.anatomy, edits, layout, prompt=prompt, first=first),
            hook_receivers(model.anatomy, receivers),
        ):
            output = model.anatomy.decoder(
                input_ids=ids, past_key_values=cache, use_cache=model.keeps_cache and not growing
            )
        normed = output.last_hidden_state
        for receiver in receivers:
            receiver.take(Site.FINAL, 0, normed, behind=model.layers)
        seen += [one for receiver in receivers for one in receiver.seen]
        if any(joined.draw is not None for joined in batch):  # nothing can be drawn of what is not finite
            check_finite(seen)
            seen.clear()
        last = step + 1 == batch[0].steps
        # The likeliest token after the last step is for the reader to see; what would have been drawn is not.
        asking = [t for t in traces if not t.ended and not (last and t.joined.draw is None)]
        if not asking:
            break
        following = yield {t.joined.path: normed[layout.place(t.row, model.layers)][-1:] for t in asking}
        assert following is not None
        for trace in asking:
            trace.follow(following[trace.joined.path], ends, last=last)
        if all(trace.ended for trace in traces):
            break
        cache = getattr(output, "past_key_values", None) if model.keeps_cache else None
        fresh = torch.tensor([trace.tokens[-1:] for trace in traces], device=model.device)
        fresh = torch.cat([fresh[:1].expand(layout.rows(-1) - len(fresh), 1), fresh])
        ids = torch.cat([ids, fresh], dim=1) if cache is None else fresh
    check_finite(seen)
    return {trace.joined.path: trace.result() for trace in traces}


def _choose_layout(model: LoadedModel, batch: Sequence[JoinedPass]) -> Layout:
    """A row that is not edited, and its copies; or the rows of edited passes.

    Above the prompt each row has tokens of its own, and keys and values of all layers: those that generate are there
    from the beginning.
    """
    if not batch[0].edits:
        return Layout(clean=model.batch)
    starts = tuple(start_of(joined.edits) for joined in batch)
    if batch[0].steps == 1 and joins_midway(model):
        return Layout(model.batch, starts)
    return Layout(model.batch - 1, starts, midway=False)


def _choose_next_tokens(
    model: LoadedModel, rows: Sequence[torch.Tensor], drawing: Sequence[Sampler | None]
) -> list[int]:
    """The token after each (1 x width) row that left the final norm: the likeliest where none is drawn."""
    if not rows:
        return []
    ids, drawn = [], {}
    for place, logits in model.final_logits(torch.cat(list(rows))):
        ids.append(select_likeliest(logits, 1)[1][: place.stop - place.start, 0])
        for at, row in zip(range(place.start, place.stop), logits, strict=False):  # the rest is padding
            source = drawing[at]
            if source is not None:
                drawn[at] = source.draw_token(row)
    return [drawn.get(at, token) for at, token in enumerate(torch.cat(ids).tolist())]


def end_tokens(network: Network) -> set[int]:
    """Ids of the tokens after which a model has nothing more to say."""
    generation = getattr(network, "generation_config", None)
    ends = getattr(generation, "eos_token_id", None)
    if ends is None:
        ends = getattr(network.config.get_text_config(), "eos_token_id", None)
    return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)
