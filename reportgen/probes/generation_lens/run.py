"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.capture.passes import end_tokens
from reportgen.model.measures.readout import Readout, read_out, stack_layers
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.settling import leads_from
from reportgen.probes.generation_lens import Generation, Options, needs_of
from reportgen.probes.generation_lens.answers import answered_row
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.followed import followed_rows
from reportgen.results.quantities import Rows
from reportgen.text.answer_tokens import FollowedWord, reasons_against_words, words_by_first_token
from reportgen.text.characters import Character, characters
from reportgen.text.retries import Retry, find_retries


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


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Generation:
    """All layers of all steps through the unembedding together."""
    stream, final = needs_of(case)
    steps = [(single, step) for single in captured for step in range(single.steps)]
    residual = torch.cat([stack_layers(single.tensors_of(stream, step)) for single, step in steps])
    normed = torch.cat([single.tensors_of(final, step)[0] for single, step in steps])
    drawn = [token for single in captured for token in single.drawn]
    answers = torch.tensor(drawn, device=normed.device) if drawn else None
    words = words_by_first_token(case.tokenizer, case.options.follow)
    asked = torch.tensor([[word.token for word in words]], dtype=torch.int64, device=normed.device)
    asked = asked.expand(len(normed), -1)
    read = read_out(model, residual, normed, k=case.options.k, answers=answers, asked=asked, kl=False)
    return _generation(case, _traces(case, captured, read, end_tokens(model.network)), read, words)


def _traces(case: Case[Options], captured: Sequence[PassResult], read: Readout, ends: set[int]) -> list[_Trace]:
    last, found = read.token_ids[:, -1, 0].tolist(), []
    for at, single in enumerate(captured):
        prompt, attempt = divmod(at, case.options.attempts)
        row = sum(one.steps for one in captured[: at + 1]) - 1
        after = single.tokens[single.prompt_length :]
        written = single.drawn or (*after, last[row])
        before = single.tokens[: single.prompt_length]
        found.append(_Trace(prompt, attempt, before, written, written[-1] in ends))
    return found


def _generation(
    case: Case[Options], traces: Sequence[_Trace], read: Readout, words: Sequence[FollowedWord]
) -> Generation:
    options, show = case.options, case.tokenizer.show
    ids, probabilities = read.token_ids.tolist(), read.probabilities.tolist()
    ranks = read.answer_rank.cpu().numpy()
    written: Rows = []
    found: Rows = []
    top: Rows = []
    settled: list[int] = []
    tried: Rows = []
    answered: Rows = []
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
        answers = options.prompts[trace.prompt].answers
        if answers:
            expected = [[cells[0] for cells in by_layer] for by_layer in ids[row - len(trace.written) : row]]
            answered.append(
                [*place, *answered_row(case.tokenizer, answers, case.tokenizer.decode(trace.text), expected)]
            )
        tried += [[*place, *_retry_row(retry)] for retry in _find_retries(case, trace)]
        found += [[*place, *_character_row(character)] for character in _written_characters(case, trace)]
    with_emoji = {(prompt, attempt) for prompt, attempt, *_, kind in found if kind == "emoji"}
    return Generation(
        mean_length=float(np.mean([len(trace.text) for trace in traces])),
        emoji_share=len(with_emoji) / len(traces),
        settling_layer=float(np.mean(settled)) if settled else "no written token is the model's likeliest",
        retries=len(tried) / len(traces),
        self_corrections=sum(bool(row[-1]) for row in tried) / len(traces),
        right=sum(bool(one[2]) for one in answered) / len(answered) if answered else "no prompt says what is right",
        rank=_arrange_by_step(options, traces, read.answer_rank),
        probability=_arrange_by_step(options, traces, read.answer_probability),
        entropy=_arrange_by_step(options, traces, read.entropy),
        written=written,
        characters=found,
        attempts=[[t.prompt, t.attempt, len(t.text), t.ended, case.tokenizer.decode(t.text)] for t in traces],
        top=top,
        tried_again=tried,
        answered=answered,
        followed=followed_rows(case.tokenizer, words),
        follow_rank=_split_by_trace(traces, read.asked_rank),
        follow_probability=_split_by_trace(traces, read.asked_probability),
        skipped=reason_rows(reasons_against_words(case.tokenizer, case.options.follow)),
        prompts=case.prompt_rows(options.prompts),
    )


def _written_characters(case: Case[Options], trace: _Trace) -> list[Character]:
    """Those that end behind the prompt; their first bytes may be the prompt's last."""
    pieces = [case.tokenizer.piece(token) for token in (*trace.read, *trace.text)]
    return [character for character in characters(pieces) if character.last >= len(trace.read)]


def _find_retries(case: Case[Options], trace: _Trace) -> list[Retry]:
    pieces = [case.tokenizer.piece(token) for token in (*trace.read, *trace.text)]
    return find_retries(pieces, case.options.prompts[trace.prompt].answers or (), len(trace.read))


def _retry_row(one: Retry) -> list[Any]:
    return [one.again.first, one.wrong.text, one.again.text, one.between, one.takes_back]


def _character_row(one: Character) -> list[Any]:
    return [one.first, one.last, len(one.pieces), one.bytes, one.text, one.kind]


def _arrange_by_step(options: Options, traces: Sequence[_Trace], values: Tensor) -> NDArray[np.float32]:
    """(prompt x attempt x step x layer) from (row x layer), NaN where a trace had ended."""
    read = values.float().cpu().numpy()
    shape = (len(options.prompts), options.attempts, options.continue_, read.shape[1])
    by_step = np.full(shape, np.nan, np.float32)
    row = 0
    for trace in traces:
        length = len(trace.written)
        by_step[trace.prompt, trace.attempt, :length] = read[row : row + length]
        row += length
    return by_step


def _split_by_trace(traces: Sequence[_Trace], values: Tensor) -> list[NDArray[np.float32]]:
    """(step x item x layer) a trace, from (row x layer x item); nothing where nothing is followed."""
    if not values.shape[-1]:
        return []
    read = values.float().cpu().numpy().transpose(0, 2, 1)
    ends = np.cumsum([len(trace.written) for trace in traces])
    return np.split(read, ends[:-1])
