"""A prompt passes the model once; what the needs ask for is taken by hooks on the way.

Every pass is a batch of one prompt, with the KV cache on: its numbers are the same bits whatever other prompts,
probes or steps the battery asks for.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reportgen.model.anatomy import Anatomy, Network
from reportgen.model.draw import Drawing
from reportgen.model.loaded import FINAL_CHUNK, LoadedModel, likeliest
from reportgen.model.scores import attention_seen
from reportgen.needs import Captured, Draw, Need, Pass, Positions, Site, Unmeasurable

_BY_HEAD = frozenset({Site.ATTENTION, Site.SCORES, Site.VALUES})
"""Sites whose first axis is the head."""
_Path = tuple[tuple[int, ...], Draw | None]
"""A prompt, and how the tokens after it are drawn."""


class NotFiniteError(ArithmeticError):
    """A pass gave NaN or infinity: its numbers would be none."""


@dataclass(frozen=True)
class JoinedPass:
    """What several passes of one prompt want of it."""

    tokens: tuple[int, ...]
    wants: tuple[tuple[Need, int], ...]
    """(need, steps): a need sees only the steps that its own pass asked for."""
    steps: int
    """The most steps that any of them asked for."""
    draw: Draw | None = None


def join(passes: Iterable[Pass]) -> list[JoinedPass]:
    """One pass a prompt (and a draw after it), in order of first appearance."""
    by_path: dict[_Path, list[Pass]] = {}
    for single in passes:
        by_path.setdefault(single.path, []).append(single)
    return [
        JoinedPass(
            tokens,
            tuple(dict.fromkeys((need, single.steps) for single in together for need in single.needs)),
            max(single.steps for single in together),
            draw,
        )
        for (tokens, draw), together in by_path.items()
    ]


class Taken:
    """What a joined pass gave, from which each of the passes takes its own part."""

    def __init__(
        self, tokens: tuple[int, ...], prompt_length: int, kept: dict[tuple[Need, int], Any], drawn: Sequence[int] = ()
    ) -> None:
        self._tokens = tokens
        self._prompt_length = prompt_length
        self._kept = kept
        self._drawn = tuple(drawn)

    def part(self, single: Pass) -> Captured:
        """The answer to one of the joined passes."""
        took_place = len(self._tokens) - self._prompt_length + 1
        steps = min(single.steps, took_place)
        values = {need: self._kept[need, single.steps] for need in single.needs}
        tokens, drawn = self._tokens[: self._prompt_length + steps - 1], self._drawn[:steps]
        return Captured(tokens, self._prompt_length, steps, values, drawn)


@torch.inference_mode()
def run(model: LoadedModel, together: Sequence[JoinedPass]) -> list[Taken]:
    """Runs each prompt, and the steps after it, through the model once.

    A prompt is a batch of its own; only the rows that choose the next tokens go through the unembedding together.
    """
    under_way = [_steps(model, joined) for joined in together]
    drawing = [None if joined.draw is None else Drawing(joined.draw) for joined in together]
    found: dict[int, Taken] = {}
    chosen: dict[int, int | None] = dict.fromkeys(range(len(under_way)))
    while chosen:
        waiting: dict[int, torch.Tensor] = {}
        for which, token in chosen.items():
            try:
                waiting[which] = under_way[which].send(token)
            except StopIteration as ended:
                found[which] = ended.value
        following = _following(model, list(waiting.values()), [drawing[which] for which in waiting])
        chosen = dict(zip(waiting, following, strict=True))
    return [found[which] for which in range(len(under_way))]


def _steps(model: LoadedModel, joined: JoinedPass) -> Generator[torch.Tensor, int | None, Taken]:
    """One prompt step by step: gives the (1 x width) row after which a token is wanted, and is sent that token."""
    states = {want: want[0].reducer.init() for want in joined.wants}
    tokens = list(joined.tokens)
    drawn: list[int] = []
    cache: Any = None
    for step in range(joined.steps):
        fresh = tokens if cache is None else tokens[-1:]
        receivers = [
            _Receiver(want, states, step=step, first=len(tokens) - len(fresh))
            for want in joined.wants
            if step < want[1]
        ]
        with _hooks(model.anatomy, receivers):
            ids = torch.tensor([fresh] * model.batch, device=model.device)
            output = model.anatomy.decoder(input_ids=ids, past_key_values=cache, use_cache=True)
        normed = output.last_hidden_state[0]
        for receiver in receivers:
            receiver.take(Site.FINAL, 0, normed)
        for receiver in receivers:
            receiver.check()
        last = step + 1 == joined.steps
        if last and joined.draw is None:
            break  # the likeliest token is for the reader to see; what would have been drawn is not
        following = yield normed[-1:]
        assert following is not None
        if joined.draw is not None:
            drawn.append(following)
        if last or following in end_tokens(model.network):
            break
        tokens.append(following)
        cache = getattr(output, "past_key_values", None)
    kept = {want: want[0].reducer.finish(states[want]) for want in joined.wants}
    return Taken(tuple(tokens), len(joined.tokens), kept, drawn)


class SharedPasses:
    """The joined passes of all probes of a battery: a prompt runs when it is first wanted, and is dropped after the
    last probe that wants it has taken its part.
    """

    def __init__(self, model: LoadedModel, passes: Sequence[Pass]) -> None:
        self._model = model
        self._joined = {(joined.tokens, joined.draw): joined for joined in join(passes)}
        self._waiting = Counter(single.path for single in passes)
        self._taken: dict[_Path, Taken] = {}

    def run(self, passes: Sequence[Pass]) -> list[Captured]:
        """The answers to some of the passes, in their order.

        Raises:
            Unmeasurable: a site of their needs is not in this model, or not what it looks like. What other probes want
                of the same prompts is not touched by that.
        """
        reasons = [reason for single in passes if (reason := _reason_against(self._model, single))]
        if reasons:
            for single in passes:
                self._done(single.path)
            raise Unmeasurable(reasons[0])
        missing = list(dict.fromkeys(single.path for single in passes if single.path not in self._taken))
        for start in range(0, len(missing), FINAL_CHUNK):
            some = missing[start : start + FINAL_CHUNK]
            ran = run(self._model, [self._joined[path] for path in some])
            self._taken |= dict(zip(some, ran, strict=True))
        return [self._answer(single) for single in passes]

    def _answer(self, single: Pass) -> Captured:
        answer = self._taken[single.path].part(single)
        self._done(single.path)
        return answer

    def _done(self, path: "_Path") -> None:
        self._waiting[path] -= 1
        if not self._waiting[path]:
            self._taken.pop(path, None)


def _reason_against(model: LoadedModel, single: Pass) -> str:
    """Why the model cannot give what a pass wants of it; empty where it can."""
    from reportgen.model.check_writes import PROVEN_LATER, reason_against  # which itself runs a pass

    sites = dict.fromkeys(need.site for need in single.needs if need.site in PROVEN_LATER)
    return next((reason for site in sites if (reason := reason_against(model, site))), "")


def run_all(model: LoadedModel, passes: Sequence[Pass]) -> list[Captured]:
    """The answers to passes, in their order, each prompt run once."""
    return SharedPasses(model, passes).run(passes)


class _Receiver:
    """Hands what a hook sees to one need's reducer."""

    def __init__(self, want: tuple[Need, int], states: dict[tuple[Need, int], Any], *, step: int, first: int) -> None:
        self.need = want[0]
        self._want = want
        self._states = states
        self._step = step
        self._first = first  # position of the first token of this step
        self._finite: list[tuple[str, torch.Tensor]] = []

    def wants(self, site: Site, index: int) -> bool:
        return self.need.site is site and (self.need.indices is None or index in self.need.indices)

    def take(self, site: Site, index: int, value: torch.Tensor) -> None:
        """Value: (position x width), or (head x query x key), or (head x position x head width)."""
        if not self.wants(site, index):
            return
        axis = 1 if site in _BY_HEAD else 0
        chosen = _at(value, self.need.positions, axis, self._first)
        if chosen is not None:
            told = f"{site.value} {index} holds values that are not finite, in {chosen.dtype}"
            # Two numbers tell: NaN is handed on by both. A mask of the whole would cost a quarter of its memory.
            # Scores are -inf where nothing is seen: the largest alone tells.
            ends = torch.stack(torch.aminmax(chosen))[1 if site is Site.SCORES else 0 :]
            self._finite.append((told, torch.isfinite(ends).all()))
            state = self._states[self._want]
            self._states[self._want] = self.need.reducer.update(state, chosen, index=index, step=self._step)

    def check(self) -> None:
        """Once a pass, not once a layer: an accelerator would wait for the answer each time."""
        if not self._finite or bool(torch.stack([flag for _, flag in self._finite]).all()):
            return
        raise NotFiniteError(next(told for told, flag in self._finite if not flag))


def _at(value: torch.Tensor, positions: Positions, axis: int, first: int) -> torch.Tensor | None:
    """The rows of the wanted positions among those of this step, which begin at position `first`."""
    if positions == "all":
        return value
    if positions == "last":
        return value.narrow(axis, value.shape[axis] - 1, 1)
    here = [position - first for position in positions if 0 <= position - first < value.shape[axis]]
    return value.index_select(axis, torch.tensor(here, device=value.device)) if here else None


@contextmanager
def _hooks(anatomy: Anatomy, receivers: Sequence[_Receiver]) -> Iterator[None]:
    """Hooks on the blocks whose tensors somebody wants; removed also after an exception."""
    handles = []
    try:
        for index, (block, attention) in enumerate(zip(anatomy.blocks, anatomy.attentions, strict=True)):
            if index == 0 and any(r.wants(Site.RESIDUAL, 0) for r in receivers):
                handles.append(block.register_forward_pre_hook(_on_input(receivers), with_kwargs=True))
            if any(r.wants(Site.RESIDUAL, index + 1) for r in receivers):
                handles.append(block.register_forward_hook(_on_output(receivers, index + 1)))
            if attention is not None and any(r.wants(Site.ATTENTION, index) for r in receivers):
                handles.append(attention.register_forward_hook(_on_attention(receivers, index)))
            for site, writer in (
                (Site.ATTENTION_WRITE, anatomy.attention_writers[index]),
                (Site.MLP_WRITE, anatomy.mlp_writers[index]),
            ):
                if writer is not None and any(r.wants(site, index) for r in receivers):
                    hook = _on_write(receivers, site, index, writer.scale)
                    handles.append((writer.norm or writer.source).register_forward_hook(hook))
            for site, writer in (
                (Site.HEADS, anatomy.attention_writers[index]),
                (Site.MEMORIES, anatomy.mlp_writers[index]),
            ):
                if writer is None or writer.projection is None or not any(r.wants(site, index) for r in receivers):
                    continue
                handles.append(writer.projection.register_forward_pre_hook(_on_entering(receivers, site, index)))
        with _scores_taken(anatomy, receivers):
            yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _scores_taken(anatomy: Anatomy, receivers: Sequence[_Receiver]) -> Iterator[None]:
    """Scores and values of the blocks that somebody wants them of; nothing is touched where nobody does."""
    blocks = {
        attention: index
        for index, attention in enumerate(anatomy.attentions)
        if attention is not None and any(r.wants(s, index) for r in receivers for s in (Site.SCORES, Site.VALUES))
    }
    if not blocks:
        yield
        return

    def take(module: nn.Module, scores: Callable[[], torch.Tensor], values: torch.Tensor) -> None:
        index = blocks[module]
        for receiver in receivers:
            if receiver.wants(Site.SCORES, index):
                receiver.take(Site.SCORES, index, scores())
            receiver.take(Site.VALUES, index, values)

    with attention_seen(blocks, take):
        yield


def stream_of(output: Any) -> torch.Tensor:
    """(position x width) the residual stream in a block's output: some architectures return it in a tuple."""
    stream: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return stream[0] if stream.ndim == 3 else stream


def _on_input(receivers: Sequence[_Receiver]) -> Callable[..., None]:
    def take(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for receiver in receivers:
            receiver.take(Site.RESIDUAL, 0, stream_of(args[0] if args else kwargs["hidden_states"]))

    return take


def _on_output(receivers: Sequence[_Receiver], layer: int) -> Callable[..., None]:
    def take(_module: nn.Module, _args: Any, output: Any) -> None:
        for receiver in receivers:
            receiver.take(Site.RESIDUAL, layer, stream_of(output))

    return take


def _on_attention(receivers: Sequence[_Receiver], block: int) -> Callable[..., None]:
    def take(_module: nn.Module, _args: Any, output: Any) -> None:
        for receiver in receivers:
            receiver.take(Site.ATTENTION, block, output[1][0])

    return take


def _on_write(receivers: Sequence[_Receiver], site: Site, block: int, scale: float) -> Callable[..., None]:
    def take(_module: nn.Module, _args: Any, output: Any) -> None:
        written = stream_of(output)
        for receiver in receivers:
            receiver.take(site, block, written if scale == 1.0 else written * scale)

    return take


def _on_entering(receivers: Sequence[_Receiver], site: Site, block: int) -> Callable[..., None]:
    def take(_module: nn.Module, args: tuple[Any, ...]) -> None:
        for receiver in receivers:
            receiver.take(site, block, stream_of(args[0]))

    return take


def _following(model: LoadedModel, rows: Sequence[torch.Tensor], drawing: Sequence[Drawing | None]) -> list[int]:
    """The token after each (1 x width) row that left the final norm: the likeliest where none is drawn."""
    if not rows:
        return []
    ids, drawn = [], {}
    for place, logits in model.final_logits(torch.cat(list(rows))):
        ids.append(likeliest(logits, 1)[1][: place.stop - place.start, 0])
        for at, row in zip(range(place.start, place.stop), logits, strict=False):  # the rest is padding
            source = drawing[at]
            if source is not None:
                drawn[at] = source.token(row)
    return [drawn.get(at, token) for at, token in enumerate(torch.cat(ids).tolist())]


def end_tokens(network: Network) -> set[int]:
    """Ids of the tokens after which a model has nothing more to say."""
    generation = getattr(network, "generation_config", None)
    ends = getattr(generation, "eos_token_id", None)
    if ends is None:
        ends = network.config.get_text_config().eos_token_id
    return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)
