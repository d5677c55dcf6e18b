"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.documents.beside import path_of
from reportgen.model.measures.answer_courses import AnswerCourses, follow_answers, pad_answers
from reportgen.model.measures.readout import Readout, fetch_readout, kl_between, read_out, stack_layers
from reportgen.model.measures.tuned_lens import apply_tuned_lens
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.settling import leads_from, middle_lead
from reportgen.probes.logit_lens import Lens, Options, needs_of, reasons_against_rows
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.followed import followed_rows
from reportgen.probing.right_answers import answer_rows, say_what_is_right
from reportgen.results.quantities import Rows
from reportgen.text.answer_tokens import FollowedWord, words_by_first_token
from reportgen.text.contrasts import Contrast, find_contrasts


@dataclass(frozen=True)
class _Place:
    """Where a row of the lens was read."""

    prompt: int
    step: int
    position: int
    last: bool


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Lens:
    """All rows of all prompts through the unembedding together."""
    stream, final, *inside = needs_of(case)
    places: list[_Place] = []
    residual: list[Tensor] = []
    written: list[Tensor] = []
    normed: list[Tensor] = []
    for prompt, single in enumerate(captured):
        for step in range(single.steps):
            layers = single.tensors_of(stream, step)
            residual.append(stack_layers(layers))
            normed.append(single.tensors_of(final, step)[0])
            written += [stack_layers(single.tensors_of(need, step)) for need in inside]
            places += _places(single, prompt, step, len(layers[0]))
    blocks, after, norm = torch.cat(residual), torch.cat(normed), case.options.norm == "final"
    # Behind the rows of the layers, so that all of them pass the unembedding together.
    sublayers = [blocks + torch.cat(written)] if written else []
    if case.options.tuned_lens is not None:
        blocks = apply_tuned_lens(path_of(case.options.tuned_lens), blocks)
    words = words_by_first_token(case.tokenizer, case.options.follow)
    contrasts = find_contrasts(case.tokenizer, case.options.prompts)
    right = [contrasts[place.prompt] if place.last else None for place in places]
    asked = torch.tensor([[word.token for word in words]], dtype=torch.int64).expand(len(after), -1)
    on_device = read_out(
        model,
        torch.cat([blocks, *sublayers], dim=1),
        after,
        k=case.options.top_k,
        norm=norm,
        asked=torch.cat([asked, pad_answers(right)], dim=1).to(after.device),
    )
    read = fetch_readout(on_device)
    between = [
        kl_between(model, blocks[one], blocks[other], after[[one, other]], norm=norm).cpu().numpy()
        for one, other in (_ends(places, pair) for pair in case.options.compare)
    ]
    found = _lens(case, places, read, captured, between, words)
    if not say_what_is_right(case.options.prompts):
        return found
    courses = follow_answers(_select_layers(read, case.facts.layers or 0), right, first=len(words))
    return _add_answers(case, found, contrasts, places, courses)


def _add_answers(
    case: Case[Options],
    found: Lens,
    contrasts: Sequence[Contrast | None],
    places: Sequence[_Place],
    courses: AnswerCourses,
) -> Lens:
    """With what becomes of the answers that the prompts say are right."""
    ranks = _arrange_by_step(case, places, courses.rank)
    asked = [at for at, contrast in enumerate(contrasts) if contrast is not None]
    middle = middle_lead(ranks[:, 0])
    return replace(
        found,
        accuracy=float((ranks[asked, 0, -1] == 1).mean()) if asked else "no prompt has answers that it tells apart",
        right_layer="no prompt is answered right" if middle is None else middle,
        right_rank=ranks,
        right_probability=_arrange_by_step(case, places, courses.right),
        answers=answer_rows(case.tokenizer, case.options.prompts, contrasts),
    )


def _ends(places: Sequence[_Place], prompts: Sequence[int]) -> tuple[int, int]:
    """Where the last positions of two prompts stand among the places."""
    one, other = (
        next(at for at, place in enumerate(places) if place.prompt == prompt and place.step == 0 and place.last)
        for prompt in prompts
    )
    return one, other


def _places(single: PassResult, prompt: int, step: int, count: int) -> list[_Place]:
    end = single.prompt_length + step
    return [_Place(prompt, step, position, position == end - 1) for position in range(end - count, end)]


def _lens(
    case: Case[Options],
    places: Sequence[_Place],
    everything: Readout,
    captured: Sequence[PassResult],
    between: list[NDArray[np.float32]],
    words: Sequence[FollowedWord],
) -> Lens:
    read = _select_layers(everything, case.facts.layers or 0)
    ids, probabilities = read.token_ids.tolist(), read.probabilities.tolist()
    show = {i: case.tokenizer.show(i) for place in ids for layer in place for i in layer}
    top: Rows = []
    for place, by_layer, p_by_layer in zip(places, ids, probabilities, strict=True):
        for layer, (row, p_row) in enumerate(zip(by_layer, p_by_layer, strict=True)):
            for rank, (i, p) in enumerate(zip(row, p_row, strict=True), 1):
                top.append([place.prompt, place.step, place.position, layer, rank, i, show[i], p])
    tokens: Rows = []
    for prompt, single in enumerate(captured):
        shown = case.tokenizer.show_sequence(single.tokens[: single.prompt_length])
        tokens += [[prompt, position, token] for position, token in enumerate(shown)]
    steps: Rows = []
    for place, by_layer in zip(places, ids, strict=True):
        if place.last:
            text = case.tokenizer.decode(captured[place.prompt].tokens[: place.position + 1])
            answer = by_layer[-1][0]
            steps.append([place.prompt, place.step, place.position + 1, text, answer, show[answer]])
    entropy, ranks = (
        _arrange_by_step(case, places, read.entropy.float().numpy()),
        _arrange_by_step(case, places, read.answer_rank.float().numpy()),
    )
    return Lens(
        answer_entropy=float(entropy[:, 0, -1].mean()),
        settling_layer=float(np.mean([leads_from(of_prompt) for of_prompt in ranks[:, 0]])),
        top=top,
        entropy=entropy,
        kl=_arrange_by_step(case, places, read.kl.float().numpy()),
        answer_rank=ranks,
        answer_probability=_arrange_by_step(case, places, read.answer_probability.float().numpy()),
        steps=steps,
        sublayers=_sublayers(case, places, everything),
        between=between,
        pairs=[[at, one, other] for at, (one, other) in enumerate(case.options.compare)],
        followed=followed_rows(case.tokenizer, words),
        follow_rank=_arrange_followed(case, places, read.asked_rank[..., : len(words)]),
        follow_probability=_arrange_followed(case, places, read.asked_probability[..., : len(words)]),
        skipped=reason_rows(reasons_against_rows(case)),
        tokens=tokens,
        prompts=case.prompt_rows(case.options.prompts),
    )


def _select_layers(read: Readout, layers: int) -> Readout:
    """Without the rows inside the blocks, which stand between those of the layers and the last."""
    names = Readout.__dataclass_fields__
    rows = [*range(layers), -1]
    return Readout(**{name: getattr(read, name)[:, rows] for name in names})


def _sublayers(case: Case[Options], places: Sequence[_Place], read: Readout) -> Rows:
    """Block by block: after its attention, and after its MLP, which is the stream that leaves it."""
    blocks, found = case.facts.layers or 0, []
    ids, probabilities = read.token_ids.tolist(), read.probabilities.tolist()
    at = {"attention": [blocks + block for block in range(blocks)], "mlp": [*range(1, blocks), -1]}
    for number, place in enumerate(places):
        for block in range(blocks):
            for part in (part for part in at if part in case.options.rows):
                row = at[part][block]
                chosen = zip(ids[number][row], probabilities[number][row], strict=True)
                found += [
                    [place.prompt, place.step, place.position, block, part, rank, i, case.tokenizer.show(i), p]
                    for rank, (i, p) in enumerate(chosen, 1)
                ]
    return found


def _arrange_followed(case: Case[Options], places: Sequence[_Place], values: Tensor) -> list[NDArray[np.float32]]:
    """(step x item x layer) a prompt, from (place x layer x item); nothing where nothing is followed."""
    by_item = [_arrange_by_step(case, places, values[..., item].float().numpy()) for item in range(values.shape[-1])]
    return list(np.stack(by_item, axis=2)) if by_item else []


def _arrange_by_step(case: Case[Options], places: Sequence[_Place], read: NDArray[Any]) -> NDArray[np.float32]:
    """(prompt x step x layer) from (place x layer), NaN where a trace ended early."""
    by_step = np.full((len(case.options.prompts), case.options.continue_, read.shape[1]), np.nan, np.float32)
    for place, row in zip(places, read, strict=True):
        if place.last:
            by_step[place.prompt, place.step] = row
    return by_step
