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
from reportgen.model.loaded import FINAL_CHUNK, LoadedModel, likeliest
from reportgen.needs import Captured, Need, Pass, Positions, Site


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


def join(passes: Iterable[Pass]) -> list[JoinedPass]:
    """One pass a prompt, in order of first appearance."""
    by_prompt: dict[tuple[int, ...], list[Pass]] = {}
    for single in passes:
        by_prompt.setdefault(single.tokens, []).append(single)
    return [
        JoinedPass(
            tokens,
            tuple(dict.fromkeys((need, single.steps) for single in together for need in single.needs)),
            max(single.steps for single in together),
        )
        for tokens, together in by_prompt.items()
    ]


class Taken:
    """What a joined pass gave, from which each of the passes takes its own part."""

    def __init__(self, tokens: tuple[int, ...], prompt_length: int, kept: dict[tuple[Need, int], Any]) -> None:
        self._tokens = tokens
        self._prompt_length = prompt_length
        self._kept = kept

    def part(self, single: Pass) -> Captured:
        """The answer to one of the joined passes."""
        took_place = len(self._tokens) - self._prompt_length + 1
        steps = min(single.steps, took_place)
        values = {need: self._kept[need, single.steps] for need in single.needs}
        return Captured(self._tokens[: self._prompt_length + steps - 1], self._prompt_length, steps, values)


@torch.inference_mode()
def run(model: LoadedModel, together: Sequence[JoinedPass]) -> list[Taken]:
    """Runs each prompt, and greedy steps after it, through the model once.

    A prompt is a batch of its own; only the rows that choose the next tokens go through the unembedding together.
    """
    under_way = [_steps(model, joined) for joined in together]
    found: dict[int, Taken] = {}
    chosen: dict[int, int | None] = dict.fromkeys(range(len(under_way)))
    while chosen:
        waiting: dict[int, torch.Tensor] = {}
        for which, token in chosen.items():
            try:
                waiting[which] = under_way[which].send(token)
            except StopIteration as ended:
                found[which] = ended.value
        chosen = dict(zip(waiting, _greedy(model, list(waiting.values())), strict=True))
    return [found[which] for which in range(len(under_way))]


def _steps(model: LoadedModel, joined: JoinedPass) -> Generator[torch.Tensor, int | None, Taken]:
    """One prompt step by step: gives the (1 x width) row after which a token is wanted, and is sent that token."""
    states = {want: want[0].reducer.init() for want in joined.wants}
    tokens = list(joined.tokens)
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
        if step + 1 == joined.steps:
            break
        following = yield normed[-1:]
        assert following is not None
        if following in _end_tokens(model.network):
            break
        tokens.append(following)
        cache = getattr(output, "past_key_values", None)
    kept = {want: want[0].reducer.finish(states[want]) for want in joined.wants}
    return Taken(tuple(tokens), len(joined.tokens), kept)


class SharedPasses:
    """The joined passes of all probes of a battery: a prompt runs when it is first wanted, and is dropped after the
    last probe that wants it has taken its part.
    """

    def __init__(self, model: LoadedModel, passes: Sequence[Pass]) -> None:
        self._model = model
        self._joined = {joined.tokens: joined for joined in join(passes)}
        self._waiting = Counter(single.tokens for single in passes)
        self._taken: dict[tuple[int, ...], Taken] = {}

    def run(self, passes: Sequence[Pass]) -> list[Captured]:
        """The answers to some of the passes, in their order."""
        missing = [single.tokens for single in passes if single.tokens not in self._taken]
        wanted = [self._joined[tokens] for tokens in dict.fromkeys(missing)]
        for start in range(0, len(wanted), FINAL_CHUNK):
            some = wanted[start : start + FINAL_CHUNK]
            self._taken |= {joined.tokens: taken for joined, taken in zip(some, run(self._model, some), strict=True)}
        return [self._answer(single) for single in passes]

    def _answer(self, single: Pass) -> Captured:
        tokens = single.tokens
        answer = self._taken[tokens].part(single)
        self._waiting[tokens] -= 1
        if not self._waiting[tokens]:
            del self._taken[tokens]
        return answer


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
        """Value: (position x width), or (head x query x key)."""
        if not self.wants(site, index):
            return
        axis = 1 if site is Site.ATTENTION else 0
        chosen = _at(value, self.need.positions, axis, self._first)
        if chosen is not None:
            told = f"{site.value} {index} holds values that are not finite, in {chosen.dtype}"
            # Two numbers tell: NaN is handed on by both. A mask of the whole would cost a quarter of its memory.
            self._finite.append((told, torch.isfinite(torch.stack(torch.aminmax(chosen))).all()))
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
        yield
    finally:
        for handle in handles:
            handle.remove()


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


def _greedy(model: LoadedModel, rows: Sequence[torch.Tensor]) -> list[int]:
    """The likeliest token after each (1 x width) row that left the final norm."""
    if not rows:
        return []
    ids = [
        likeliest(logits, 1)[1][: place.stop - place.start, 0]
        for place, logits in model.final_logits(torch.cat(list(rows)))
    ]
    following: list[int] = torch.cat(ids).tolist()
    return following


def _end_tokens(network: Network) -> set[int]:
    generation = getattr(network, "generation_config", None)
    ends = getattr(generation, "eos_token_id", None)
    if ends is None:
        ends = network.config.get_text_config().eos_token_id
    return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)
