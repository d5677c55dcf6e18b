"""A prompt passes the model once; what the needs ask for is taken by hooks on the way.

Every pass that changes nothing is a batch of one prompt, with the KV cache on: its numbers are the same bits whatever
other prompts, probes or steps the battery asks for. Passes that are edited, and those of a pack, go through together:
which of them, the one probe that asks for them decides.
"""

from collections.abc import Generator, Hashable, Sequence
from typing import Any

import torch

from reportgen.model.capture.batches import Batch, JoinedPass, group_in_step, make_batches
from reportgen.model.capture.check_edits import joins_midway
from reportgen.model.capture.edit import apply_edits, start_of
from reportgen.model.capture.hooks import Finite, Layout, Receiver, check_finite, hook_receivers
from reportgen.model.capture.prefixes import Prefix, begins_once, pass_prefix
from reportgen.model.capture.sampling import Sampler
from reportgen.model.needs import Need, Pass, PassResult, Path, Site
from reportgen.model.network.anatomy import Network
from reportgen.model.network.loaded import CHUNK, FINAL_CHUNK, LoadedModel, select_likeliest


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
    Edited passes, and the prompts of a pack, are batches of several.
    """
    found: dict[Path, JoinedResult] = {}
    several = any(joined.edits or joined.pack for joined in together)
    once = several and begins_once(model, midway=joins_midway(model))
    prefixes = _Prefixes(model)
    for batches in group_in_step(make_batches(together, begins_once=once)):
        found |= _run_in_step(model, batches, prefixes)
    return [found[joined.path] for joined in together]


class _Prefixes:
    """The beginning that was last run: batches that share one follow each other."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._last: tuple[Hashable, Prefix] | None = None

    def open(self, batch: Batch, layout: Layout) -> Any:
        """A cache with the beginning of a batch; None where it begins with nothing."""
        if not batch.begun:
            return None
        tokens = batch.rows[0].tokens[: batch.begun]
        edits = batch.edits if batch.edited else ()
        if self._last is None or self._last[0] != (tokens, edits):
            own = layout if batch.edited else Layout(self._model.batch)
            self._last = None  # before another one takes its memory
            self._last = (tokens, edits), pass_prefix(self._model, tokens, edits, own)
        return self._last[1].open(layout)


def _run_in_step(model: LoadedModel, batches: Sequence[Batch], prefixes: _Prefixes) -> dict[Path, JoinedResult]:
    under_way = [_steps(model, batch, prefixes) for batch in batches]
    joined_passes = [joined for batch in batches for joined in batch.rows]
    drawing = {joined.path: None if joined.draw is None else Sampler(joined.draw) for joined in joined_passes}
    together = min(CHUNK, -(-len(joined_passes) // FINAL_CHUNK) * FINAL_CHUNK)
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
        following = _choose_next_tokens(model, rows, [drawing[path] for _, path in asked], together)
        for (which, path), token in zip(asked, following, strict=True):
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

    def receivers(self, step: int, first: int, layout: Layout, device: torch.device) -> list[Receiver]:
        """Those of the needs that see this step; of tokens that pass again they see nothing."""
        if self.ended:
            return []
        again = len(self.tokens) - 1 - first if step else 0
        return [
            Receiver(want, self.states, step=step, first=first, again=again, layout=layout, row=self.row, device=device)
            for want in self.joined.wants
            if step < want[1]
        ]

    def asks_after(self, step: int) -> bool:
        """Whether it wants a token after a step; it has ended where that was the last and none is drawn after it."""
        self.ended = self.ended or (step + 1 == self.joined.steps and self.joined.draw is None)
        return not self.ended

    def follow(self, token: int, ends: set[int], step: int) -> None:
        """Takes the token after a step."""
        if self.joined.draw is not None:
            self.drawn.append(token)
        self.ended = step + 1 == self.joined.steps or token in ends
        if not self.ended:
            self.tokens.append(token)

    def result(self) -> JoinedResult:
        """What it gave."""
        kept = {want: want[0].reducer.finish(self.states[want]) for want in self.joined.wants}
        return JoinedResult(tuple(self.tokens), len(self.joined.tokens), kept, self.drawn)


def _steps(
    model: LoadedModel, batch: Batch, prefixes: _Prefixes
) -> Generator[dict[Path, torch.Tensor], dict[Path, int] | None, dict[Path, JoinedResult]]:
    """One batch step by step: gives the (1 x width) rows after which a token is wanted, and is sent those tokens."""
    traces = [_Trace(joined, row) for row, joined in enumerate(batch.rows)]
    layout = _choose_layout(model, batch)
    growing = layout.midway and bool(layout.starts)  # layers with fewer rows have nothing to hand to a next step
    prompt, ends = len(batch.rows[0].tokens), end_tokens(model.network)
    entering = [] if layout.midway else [joined.tokens for joined in batch.rows]
    ids = torch.tensor([*[batch.rows[0].tokens] * layout.clean, *entering], device=model.device)[:, batch.begun :]
    cache: Any = prefixes.open(batch, layout)
    seen: list[Finite] = []
    for step in range(batch.steps):
        first = prompt + step - ids.shape[1]
        receivers = [one for trace in traces for one in trace.receivers(step, first, layout, model.device)]
        with (
            apply_edits(model.anatomy, batch.edits, layout, prompt=prompt, first=first),
            hook_receivers(model.anatomy, receivers),
        ):
            output = model.anatomy.decoder(
                input_ids=ids, past_key_values=cache, use_cache=cache is not None or (model.keeps_cache and not growing)
            )
        normed = output.last_hidden_state
        for receiver in receivers:
            receiver.take(Site.FINAL, 0, normed, behind=model.layers)
        seen += [one for receiver in receivers for one in receiver.seen]
        if any(joined.draw is not None for joined in batch.rows):  # nothing can be drawn of what is not finite
            check_finite(seen)
            seen.clear()
        # The likeliest token after the last step is for the reader to see; what would have been drawn is not.
        asking = [trace for trace in traces if trace.asks_after(step)]
        if not asking:
            break
        following = yield {t.joined.path: normed[layout.place(t.row, model.layers)][-1:] for t in asking}
        assert following is not None
        for trace in asking:
            trace.follow(following[trace.joined.path], ends, step)
        if all(trace.ended for trace in traces):
            break
        cache = getattr(output, "past_key_values", None) if model.keeps_cache else None
        fresh = torch.tensor([trace.tokens[-1:] for trace in traces], device=model.device)
        fresh = torch.cat([fresh[:1].expand(layout.rows(-1) - len(fresh), 1), fresh])
        ids = torch.cat([ids, fresh], dim=1) if cache is None else fresh
    check_finite(seen)
    return {trace.joined.path: trace.result() for trace in traces}


def _choose_layout(model: LoadedModel, batch: Batch) -> Layout:
    """A row that is not edited, and its copies; or the rows of several passes.

    Above the prompt each row has tokens of its own, and keys and values of all layers: those that generate are there
    from the beginning, as are those of a pack.
    """
    if not batch.kind:
        return Layout(clean=model.batch)
    starts = tuple(start_of(joined.edits) if joined.edits else 0 for joined in batch.rows)
    if batch.rows[0].edits and batch.steps == 1 and joins_midway(model):
        return Layout(model.batch, starts)
    return Layout(model.batch - 1, starts, midway=False)


def _choose_next_tokens(
    model: LoadedModel, rows: Sequence[torch.Tensor], drawing: Sequence[Sampler | None], together: int
) -> list[int]:
    """The token after each (1 x width) row that left the final norm: the likeliest where none is drawn. So many rows go
    through the unembedding together.
    """
    if not rows:
        return []
    ids, drawn = [], {}
    for place, logits in model.final_logits(torch.cat(list(rows)), together):
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
