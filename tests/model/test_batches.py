"""Which passes go together, decided by one probe alone; a beginning that passes once, and packs, change no number."""

from collections.abc import Sequence

import pytest
import torch

from reportgen.model.capture import batches
from reportgen.model.capture.batches import Batch, group_in_step, join, make_batches
from reportgen.model.capture.check_edits import joins_midway
from reportgen.model.capture.edit import Add, Replace
from reportgen.model.capture.prefixes import begins_once
from reportgen.model.capture.shared_passes import SharedPasses, run_all
from reportgen.model.needs import Draw, Edit, Need, Pass, Positions, Site, pack_passes
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.reference import edits as reference
from tests.tiny import FAMILIES, LAYERS, random_model

BEGINNING = (0, 40, 41, 55, 7, 300, 12, 9, 77, 31, 101, 44)
"""Longer than the sliding windows of the tiny models."""
WORDS = ((5, 6, 7), (5, 60, 8), (70, 6, 9), (33, 2))
PROMPTS = tuple(BEGINNING + word for word in WORDS)
LAST = Need(Site.FINAL, "last")
ALIKE = 1e-4
ONE_WINDOW = ("llama", "gemma2", "gemma3", "mistral", "gpt2", "gpt_oss", "mixtral", "bloom", "mamba", "granite")


def tiny(family: str) -> LoadedModel:
    network = random_model(family)
    return LoadedModel(network, anatomy_of(network))


def add(model: LoadedModel, layer: int, positions: Positions = "all", factor: float = 1.0) -> tuple[Edit, ...]:
    width = model.embedding_table.shape[1]
    vector = torch.randn(width, generator=torch.Generator().manual_seed(layer))
    return (Edit(Site.RESIDUAL, layer, Add(vector, factor), positions),)


@torch.inference_mode()
def logits_of(model: LoadedModel, row: torch.Tensor) -> torch.Tensor:
    ((_, logits),) = model.final_logits(row)
    return logits[0]


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1.0))


def expected_logits(model: LoadedModel, tokens: Sequence[int], edits: Sequence[Edit]) -> torch.Tensor:
    """Of the last position, after whole passes with one edit each."""
    (edit,) = edits

    def change(stream: torch.Tensor) -> torch.Tensor:
        stream = stream.clone()
        at = slice(None) if edit.positions == "all" else list(edit.positions)
        stream[0, at] = edit.operation(stream[0, at])
        return stream

    before = edit.index < LAYERS
    block = model.anatomy.blocks[edit.index if before else LAYERS - 1]
    return reference.logits_after(model.network, tokens, block, change, before=before)[-1]


def count_tokens(model: LoadedModel, passes: Sequence[Pass]) -> int:
    """Tokens that enter the decoder."""
    counted: list[int] = []
    handle = model.anatomy.decoder.register_forward_pre_hook(
        lambda _m, _a, kwargs: counted.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    run_all(model, passes)
    handle.remove()
    return sum(counted)


def test_most_families_can_be_continued_from_a_beginning_and_those_without_keys_cannot() -> None:
    unable = set()
    for family in FAMILIES:
        model = tiny(family)
        if not begins_once(model, midway=joins_midway(model)):
            unable.add(family)
    assert unable == {"mamba"}


@pytest.mark.parametrize("family", ONE_WINDOW)
def test_what_stands_before_an_edit_passes_once_and_changes_no_number(family: str) -> None:
    model, tokens = tiny(family), PROMPTS[0]
    passes = [Pass(tokens, (LAST,), edits=add(model, at, (12,))) for at in range(LAYERS + 1) for _ in range(2)]
    for single, found in zip(passes, run_all(model, passes), strict=True):
        expected = expected_logits(model, tokens, single.edits)
        assert apart(logits_of(model, found.tensors_of(LAST, 0)[0]), expected) < ALIKE


@pytest.mark.parametrize("family", ONE_WINDOW)
def test_prompts_share_a_beginning_that_is_edited_alike(family: str) -> None:
    model = tiny(family)
    variants = [add(model, at, factor=factor) for at in range(LAYERS) for factor in (0.5, 2.0)]
    passes = [Pass(tokens, (LAST,), edits=edits) for tokens in PROMPTS for edits in variants]
    for single, found in zip(passes, run_all(model, passes), strict=True):
        expected = expected_logits(model, single.tokens, single.edits)
        assert apart(logits_of(model, found.tensors_of(LAST, 0)[0]), expected) < ALIKE


@pytest.mark.parametrize("family", ONE_WINDOW)
def test_prompts_of_a_pack_give_what_each_gives_alone(family: str) -> None:
    model, stream = tiny(family), Need(Site.RESIDUAL, "last")
    passes = [Pass(tokens, (LAST, stream), steps) for tokens, steps in zip(PROMPTS, (4, 2, 4, 3), strict=True)]
    for one, packed in zip(run_all(model, passes), run_all(model, pack_passes(passes)), strict=True):
        assert (one.tokens, one.steps) == (packed.tokens, packed.steps)
        for need in (LAST, stream):
            assert one.values[need].keys() == packed.values[need].keys()
            for key, value in one.values[need].items():
                assert apart(packed.values[need][key], value) < ALIKE


@pytest.mark.parametrize("family", ["llama", "gemma3", "mamba"])
def test_edited_prompts_of_one_length_write_together_what_each_writes_alone(family: str) -> None:
    model = tiny(family)
    passes = [Pass(tokens, (), 5, edits=add(model, at, factor=2.0)) for tokens in PROMPTS for at in (1, 2)]
    together = [single.tokens for single in run_all(model, passes)]
    assert together == [run_all(model, [single])[0].tokens for single in passes]
    assert len(set(together)) > len(PROMPTS)


def test_a_pack_draws_what_each_would_draw_alone() -> None:
    model = tiny("llama")
    passes = [Pass(tokens, (), 4, Draw(1.5, None, None, 3, at)) for at, tokens in enumerate(PROMPTS)]
    drawn = [single.drawn for single in run_all(model, pack_passes(passes))]
    assert drawn == [run_all(model, [single])[0].drawn for single in passes]


@pytest.mark.parametrize("others", [False, True])
def test_a_pack_is_the_same_bits_whoever_else_asks(others: bool) -> None:
    """Another probe may ask for the same prompts alone, for some of them in a pack of its own, or for more steps."""
    model, own = tiny("llama"), pack_passes([Pass(tokens, (LAST,), 2) for tokens in PROMPTS])
    expected = run_all(model, own)
    neighbours = [
        *(Pass(tokens, (LAST,), 3) for tokens in PROMPTS),
        *pack_passes([Pass(tokens, (LAST,)) for tokens in PROMPTS[1:]]),
        *pack_passes([Pass(tokens, (LAST,), 6) for tokens in PROMPTS]),
    ]
    shared = SharedPasses(model, [*own, *neighbours])
    if others:
        shared.run(neighbours)
    for one, other in zip(expected, shared.run(own), strict=True):
        assert one.tokens == other.tokens
        assert all(torch.equal(value, other.values[LAST][key]) for key, value in one.values[LAST].items())


def test_a_prompt_alone_is_the_same_bits_beside_a_pack() -> None:
    model, alone = tiny("llama"), [Pass(tokens, (LAST,), 2) for tokens in PROMPTS]
    expected = run_all(model, alone)
    among = run_all(model, [*pack_passes(alone), *alone])[len(alone) :]
    for one, other in zip(expected, among, strict=True):
        assert all(torch.equal(value, other.values[LAST][key]) for key, value in one.values[LAST].items())


def test_fewer_tokens_enter_where_beginnings_are_shared() -> None:
    model, tokens = tiny("llama"), PROMPTS[0]
    rows = torch.zeros(model.embedding_table.shape[1])
    patched = [
        Pass(tokens, (), 3, edits=(Edit(Site.RESIDUAL, 1, Replace(rows), (12,), during="prompt"),)) for _ in range(5)
    ]
    run_all(model, patched)  # the model is tried
    begun, rest, written = 12, 3, 2
    assert count_tokens(model, patched) == begun + 5 * (rest + written)
    packed = pack_passes([Pass(tokens, (LAST,)) for tokens in PROMPTS])
    assert count_tokens(model, packed) == len(BEGINNING) + sum(map(len, WORDS))


def test_what_is_looked_at_before_the_edit_is_not_left_out() -> None:
    model, need = tiny("llama"), Need(Site.FINAL)
    passes = [Pass(PROMPTS[0], (need,), edits=add(model, 1, (12,))) for _ in range(3)]
    for found in run_all(model, passes):
        assert len(found.tensors_of(need, 0)[0]) == len(PROMPTS[0])
    pattern = Need(Site.ATTENTION, "last")
    assert [batch.begun for batch in batches_of(pack_passes([Pass(tokens, (pattern,)) for tokens in PROMPTS]))] == [
        0,
        0,
    ]


def batches_of(passes: Sequence[Pass]) -> list[Batch]:
    return list(make_batches(join(passes), begins_once=True))


def test_batches_are_cut_by_length_and_hold_a_limited_number_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack_passes([Pass(tokens, (LAST,)) for tokens in PROMPTS])
    assert [(len(batch.rows), batch.begun) for batch in batches_of(packed)] == [(3, 12), (1, 12)]
    monkeypatch.setattr(batches, "TOGETHER", 2 * len(PROMPTS[0]))
    assert [len(batch.rows) for batch in batches_of(packed)] == [2, 1, 1]


def test_a_pass_that_changes_nothing_is_a_batch_of_its_own() -> None:
    alone = batches_of([Pass(tokens, (LAST,)) for tokens in PROMPTS])
    assert [(len(batch.rows), batch.kind, batch.begun) for batch in alone] == [(1, "", 0)] * len(PROMPTS)


def test_a_pack_waits_for_no_other_pass() -> None:
    passes = [Pass(tokens, (LAST,), 2) for tokens in PROMPTS]
    groups = list(group_in_step(batches_of([*passes, *pack_passes(passes)])))
    assert [[len(batch.rows) for batch in group] for group in groups] == [[1, 1, 1, 1], [3, 1]]
