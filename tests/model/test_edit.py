"""Edits change what they say, and nothing else; the model is as before afterwards."""

from pathlib import Path

import pytest
import torch

from reportgen.model.capture import batches
from reportgen.model.capture import passes as capture
from reportgen.model.capture.edit import Add, ProjectOut, Replace, Scale, apply_edits
from reportgen.model.capture.hooks import Layout
from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.needs import Draw, Edit, Need, Pass, Site, Unmeasurable
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.reference import edits as reference
from tests.tiny import FAMILIES, LAYERS, random_model

IDS = (0, 40, 41, 55, 7, 300)
_FINAL = Need(Site.FINAL)
_STREAM = Need(Site.RESIDUAL)
ALIKE = 1e-4


def tiny(family: str, seed: int = 0) -> LoadedModel:
    network = random_model(family, seed)
    return LoadedModel(network, anatomy_of(network))


def logits_of(model: LoadedModel, passes: list[Pass]) -> list[torch.Tensor]:
    """(position x vocabulary) of each pass."""
    found = []
    with torch.inference_mode():
        for single in run_all(model, passes):
            (normed,) = single.tensors_of(_FINAL, 0)
            found.append(torch.cat([part[: rows.stop - rows.start] for rows, part in model.final_logits(normed)]))
    return found


def own_logits(model: LoadedModel) -> torch.Tensor:
    (found,) = logits_of(model, [Pass(IDS, (_FINAL,))])
    return found


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1.0))


def direction(width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(width, generator=torch.Generator().manual_seed(seed))


def width_of(model: LoadedModel) -> int:
    return model.embedding_table.shape[1]


def steered(model: LoadedModel, factor: float, layer: int) -> Edit:
    return Edit(Site.RESIDUAL, layer, Add(direction(width_of(model)), factor))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_is_edited_as_by_a_hook_of_ones_own(family: str) -> None:
    model = tiny(family)
    layers = [2, 0, 3, 1, 1]
    factors = [1.0, 2.0, -1.0, 0.5, -3.0]
    passes = [Pass(IDS, (_FINAL,), edits=(steered(model, f, at),)) for f, at in zip(factors, layers, strict=True)]
    for layer, factor, found in zip(layers, factors, logits_of(model, passes), strict=True):
        block = model.anatomy.blocks[min(layer, LAYERS - 1)]
        added = factor * direction(width_of(model))
        expected = reference.logits_after(
            model.network, IDS, block, lambda stream, added=added: stream + added, before=layer < LAYERS
        )
        assert apart(found, expected) < ALIKE
        assert apart(found, own_logits(model)) > 100 * ALIKE


def test_most_families_let_rows_join_midway_and_bloom_does_not() -> None:
    from reportgen.model.capture.check_edits import joins_midway

    assert {family for family in FAMILIES if not joins_midway(tiny(family))} == {"bloom"}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_of_nothing_changes_nothing(family: str) -> None:
    model = tiny(family)
    own = own_logits(model)
    stream = run_all(model, [Pass(IDS, (_STREAM,))])[0].tensors_of(_STREAM, 0)
    nothing = [steered(model, 0.0, 1), Edit(Site.RESIDUAL, 2, Replace(stream[2])), Edit(Site.RESIDUAL, 0, Scale(1.0))]
    for found in logits_of(model, [Pass(IDS, (_FINAL,), edits=(edit,)) for edit in nothing]):
        assert apart(found, own) < ALIKE
    back = (steered(model, 5.0, 1), steered(model, -5.0, 1))
    assert apart(logits_of(model, [Pass(IDS, (_FINAL,), edits=back)])[0], own) < ALIKE


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "falcon", "bloom", "granite", "mixtral"])
def test_after_ablation_nothing_is_left_along_the_direction_at_any_site(family: str) -> None:
    model = tiny(family)
    removed = ProjectOut(direction(width_of(model)))
    unit = removed.direction / removed.direction.norm()
    everywhere = tuple(
        Edit(site, index, removed)
        for site, count in ((Site.RESIDUAL, LAYERS + 1), (Site.ATTENTION_WRITE, LAYERS), (Site.MLP_WRITE, LAYERS))
        for index in range(count)
    )
    needs = (Need(Site.RESIDUAL), Need(Site.ATTENTION_WRITE), Need(Site.MLP_WRITE), _FINAL)
    once, twice, untouched = run_all(
        model, [Pass(IDS, needs, edits=everywhere), Pass(IDS, needs, edits=everywhere * 2), Pass(IDS, needs)]
    )
    for need in needs[:3]:
        for rows, own in zip(once.tensors_of(need, 0), untouched.tensors_of(need, 0), strict=True):
            assert float(((rows @ unit).abs() / rows.norm(dim=-1)).max()) <= 1e-5
            assert float(((own @ unit).abs() / own.norm(dim=-1)).max()) > 1e-3
    assert apart(twice.tensors_of(_FINAL, 0)[0], once.tensors_of(_FINAL, 0)[0]) < ALIKE


def test_a_projection_that_divides_by_the_length_once_leaves_something() -> None:
    rows, vector = torch.randn(4, 8), direction(8)
    wrong = rows - (rows @ vector)[:, None] * vector / vector.norm()
    assert float((ProjectOut(vector)(rows) @ vector).abs().max()) < 1e-5
    assert float((wrong @ vector).abs().max()) > 1e-2


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])
def test_a_model_left_by_an_exception_inside_an_edit_gives_its_old_logits(family: str) -> None:
    model = tiny(family)
    own = own_logits(model)

    def broken(rows: torch.Tensor) -> torch.Tensor:
        raise OSError("from within")

    for site in (Site.RESIDUAL, Site.ATTENTION_WRITE, Site.MLP_WRITE, Site.HEADS):
        edits = (steered(model, 5.0, 0), Edit(site, 1, broken))
        with pytest.raises(OSError, match="from within"):
            run_all(model, [Pass(IDS, (_FINAL,), edits=edits)])
        assert torch.equal(own_logits(model), own)
    with pytest.raises(KeyError):
        leave_within(model, own)
    assert torch.equal(own_logits(model), own)
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.network.modules())


def leave_within(model: LoadedModel, own: torch.Tensor) -> None:
    with apply_edits(model.anatomy, [(steered(model, 5.0, 1),)], Layout(0, (0,), midway=False), prompt=len(IDS)):
        assert not torch.equal(own_logits(model), own)
        raise KeyError


def test_only_the_chosen_positions_are_edited() -> None:
    model = tiny("llama")
    need = Need(Site.RESIDUAL, indices=(1,))
    for positions, where in (("all", range(6)), ("last", [5]), ((1, 3), [1, 3])):
        edit = Edit(Site.RESIDUAL, 1, Add(torch.ones(width_of(model))), positions)
        changed, own = run_all(model, [Pass(IDS, (need,), edits=(edit,)), Pass(IDS, (need,))])
        moved = (changed.tensors_of(need, 0)[0] - own.tensors_of(need, 0)[0]).abs().amax(-1) > 0.5
        assert [at for at in range(6) if moved[at]] == list(where)


@pytest.mark.parametrize("family", ["llama", "gemma3", "bloom", "mamba"])
def test_prompt_and_generation_are_told_apart(family: str) -> None:
    """With and without a cache."""
    model, steps = tiny(family), 4
    block, added = model.anatomy.blocks[1], 30 * direction(width_of(model))
    parts = {"prompt": slice(0, len(IDS)), "generation": slice(len(IDS), None), "both": slice(None)}

    def changing(part: slice):  # type: ignore[no-untyped-def]
        def change(stream: torch.Tensor, _prompt: int) -> torch.Tensor:
            stream = stream.clone()
            stream[:, part] += added
            return stream

        return change

    passes = [
        Pass(IDS, (), steps + 1, edits=(Edit(Site.RESIDUAL, 1, Add(added), during=during),))  # type: ignore[arg-type]
        for during in parts
    ]
    texts = []
    for single, part in zip(run_all(model, passes), parts.values(), strict=True):
        found = list(single.tokens[len(IDS) :])
        expected = reference.greedy_text(model.network, IDS, block, changing(part), steps)
        assert found == expected[: len(found)]
        assert len(found) == steps or expected[len(found)] == 1  # the end token came
        texts.append(tuple(found))
    assert len(set(texts)) > 1


def test_rows_of_a_batch_that_generate_end_each_at_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama")
    free = run_all(model, [Pass(IDS, (), 6, edits=(steered(model, f, 1),)) for f in (0.0, 4.0, -4.0)])
    ending = free[1].tokens[len(IDS) + 1]
    monkeypatch.setattr(capture, "end_tokens", lambda network: {ending})
    need = Need(Site.FINAL, "last")
    cut = run_all(model, [Pass(IDS, (need,), 6, edits=(steered(model, f, 1),)) for f in (0.0, 4.0, -4.0)])
    for whole, one in zip(free, cut, strict=True):
        text = whole.tokens[len(IDS) :]
        length = text.index(ending) if ending in text else len(text)
        assert one.tokens[len(IDS) :] == text[:length]
        assert len(one.values[need]) == length + 1


def test_each_row_draws_what_it_would_draw_alone() -> None:
    model = tiny("llama")
    draws = [Draw(1.5, None, None, 3, attempt) for attempt in range(3)]
    passes = [Pass(IDS, (), 5, draw, (steered(model, 1.0, 1),)) for draw in draws]
    together = [single.drawn for single in run_all(model, passes)]
    assert together == [run_all(model, [single])[0].drawn for single in passes]
    assert len(set(together)) > 1


def test_heads_are_edited_one_by_one() -> None:
    model = tiny("llama")
    need = Need(Site.HEADS, indices=(1,))
    silent = Pass(IDS, (need,), edits=(Edit(Site.HEADS, 1, Scale(0.0), head=2),))
    changed, own = run_all(model, [silent, Pass(IDS, (need,))])
    found, expected = changed.tensors_of(need, 0)[0], own.tensors_of(need, 0)[0]
    size = found.shape[-1] // 4
    assert float(found[:, 2 * size : 3 * size].abs().max()) == 0
    for head in (0, 1, 3):
        assert torch.allclose(found[:, head * size :][:, :size], expected[:, head * size :][:, :size], atol=1e-5)


def test_what_granite_scales_is_edited_as_it_reaches_the_stream() -> None:
    model = tiny("granite")
    need, stream = Need(Site.MLP_WRITE, indices=(1,)), Need(Site.RESIDUAL, indices=(2,))
    added = Edit(Site.MLP_WRITE, 1, Add(torch.ones(width_of(model))))
    changed, own = run_all(model, [Pass(IDS, (need, stream), edits=(added,)), Pass(IDS, (need, stream))])
    for one in (need, stream):
        assert torch.allclose(changed.tensors_of(one, 0)[0] - own.tensors_of(one, 0)[0], torch.tensor(1.0), atol=1e-4)


def test_a_site_that_a_model_has_not_cannot_be_edited_there() -> None:
    with pytest.raises(Unmeasurable, match="no MLP writes in block 1"):
        run_all(tiny("mamba"), [Pass(IDS, (), edits=(Edit(Site.HEADS, 1, Scale(0.0)),))])
    with pytest.raises(ValueError, match="attention cannot be edited"):
        Edit(Site.ATTENTION, 1, Scale(0.0))
    with pytest.raises(ValueError, match="scores cannot be seen"):
        Pass(IDS, (Need(Site.SCORES),), edits=(Edit(Site.RESIDUAL, 1, Scale(0.0)),))


def test_a_long_sweep_goes_in_batches_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("gemma3")
    passes = [Pass(IDS, (_FINAL,), edits=(steered(model, f, at),)) for at in range(4) for f in (1.0, 2.0, 3.0)]
    whole = logits_of(model, passes)
    monkeypatch.setattr(batches, "TOGETHER", 5 * len(IDS))
    for found, expected in zip(logits_of(model, passes), whole, strict=True):
        assert apart(found, expected) < ALIKE


def test_what_is_below_an_edit_passes_once_for_all() -> None:
    model, rows = tiny("llama"), []
    handles = [
        block.register_forward_hook(lambda _m, _a, output: rows.append(len(output))) for block in model.anatomy.blocks
    ]
    run_all(model, [Pass(IDS, (), edits=(steered(model, f, at),)) for at in (1, 2) for f in (1.0, 2.0)])
    for handle in handles:
        handle.remove()
    assert rows[-3:] == [1, 3, 5]


def test_copies_of_a_prompt_pass_beside_edited_rows(smollm2_folder: Path) -> None:
    """As calibration asks for them."""
    located = locate(parse_source("demo:smollm2-135m-instruct", None), lambda line: None)
    model = load(located, dtype="float32", device="cpu", threads=1, batch=2)
    need = Need(Site.FINAL, "last")
    edit = Edit(Site.RESIDUAL, 12, Add(torch.ones(width_of(model)), 3.0))
    for steps in (1, 2):
        doubled = run_all(model, [Pass(IDS, (need,), steps, edits=(edit,))])[0]
        model.batch = 1
        single = run_all(model, [Pass(IDS, (need,), steps, edits=(edit,))])[0]
        model.batch = 2
        assert apart(doubled.tensors_of(need, 0)[0], single.tensors_of(need, 0)[0]) < ALIKE
        assert doubled.tokens == single.tokens
