"""What components write: found in every family, proven by what the stream does, and only where somebody asks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reportgen.model.capture.check_writes import PROVEN_LATER, reason_against
from reportgen.model.capture.position_table import count_position_rows
from reportgen.model.capture.shared_passes import SharedPasses, run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.measures import frozen_norm
from reportgen.model.measures.direct_parts import ComponentOutputs, direct_parts, unembedding_rows
from reportgen.model.needs import Need, Pass, PassResult, Site, Unmeasurable
from reportgen.model.network.anatomy import Anatomy, anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.matrices import bias_of, matrix_of
from tests.runs import run_probes
from tests.shrunk import shrunk_model
from tests.tiny import FAMILIES, random_model, save_tiny

IDS = (5, 77, 300, 12, 9)
WITH_ATTENTION = [family for family in FAMILIES if family != "mamba"]
EXPERTS = {"mixtral", "qwen3_moe", "gpt_oss"}
UNSEEN = {"falcon", "bloom"}
UNTURNED = {"gpt2", "opt", "stablelm"}
"""Positions enter with the embedding; or, in a head of six numbers, one and a half would be turned."""
TURNED = {Site.QUERIES, Site.KEYS}
ROUTED = {Site.ROUTES, Site.ROUTER_SCORES, Site.GATES}
"""Of routers: tests/probes/test_moe_routing.py looks at them."""

STREAM, ATTENTION, MLP = Need(Site.RESIDUAL), Need(Site.ATTENTION_WRITE), Need(Site.MLP_WRITE)
PATTERN, HEADS, SCORES, VALUES = Need(Site.ATTENTION), Need(Site.HEADS), Need(Site.SCORES), Need(Site.VALUES)


def loaded(family: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
    network = random_model(family, dtype=dtype)
    return LoadedModel(network, anatomy_of(network))


def with_anatomy(family: str, **changed: Any) -> LoadedModel:
    """A model that is believed to be made otherwise than it is."""
    network = random_model(family)
    anatomy: Anatomy = replace(anatomy_of(network), **changed)
    return LoadedModel(network, anatomy)


def passed(model: LoadedModel, *needs: Need) -> PassResult:
    (captured,) = run_all(model, [Pass(IDS, needs)])
    return captured


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def writes_are_all_that_is_added(captured: PassResult) -> bool:
    stream, attention, mlp = (captured.tensors_of(need, 0) for need in (STREAM, ATTENTION, MLP))
    pairs = zip(stream[:-1], attention, mlp, stream[1:], strict=True)
    return all(apart(before + one + two, after) < 1e-5 for before, one, two, after in pairs)


@pytest.mark.parametrize("family", WITH_ATTENTION)
def test_a_block_adds_what_its_attention_and_its_mlp_write(family: str) -> None:
    assert writes_are_all_that_is_added(passed(loaded(family), STREAM, ATTENTION, MLP))


@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_so_does_a_block_of_a_real_model(name: str) -> None:
    model = load(locate(parse_source(f"demo:{name}")))
    assert writes_are_all_that_is_added(passed(model, STREAM, ATTENTION, MLP))
    assert {site for site in PROVEN_LATER - ROUTED if reason_against(model, site)} == set()


@pytest.mark.parametrize("family", WITH_ATTENTION)
@torch.inference_mode()
def test_what_the_heads_found_gives_what_attention_writes(family: str) -> None:
    model = loaded(family)
    captured = passed(model, HEADS, ATTENTION, PATTERN)
    for writer, found, written in zip(
        model.anatomy.attention_writers, captured.tensors_of(HEADS, 0), captured.tensors_of(ATTENTION, 0), strict=True
    ):
        bias = bias_of(writer.projection)
        heads = found.unflatten(-1, (4, -1))
        matrix = matrix_of(writer.projection).unflatten(0, (4, -1))
        by_head = torch.stack([heads[:, h] @ matrix[h] for h in range(4)]).sum(0) + (0 if bias is None else bias)
        normed = by_head if writer.norm is None else writer.norm(by_head)
        assert apart(normed * writer.scale, written) < 1e-5


@pytest.mark.parametrize("family", [family for family in WITH_ATTENTION if family not in UNSEEN])
@torch.inference_mode()
def test_scores_and_values_lead_to_the_pattern_and_to_what_the_heads_found(family: str) -> None:
    captured = passed(loaded(family), SCORES, VALUES, PATTERN, HEADS)
    for scores, values, pattern, found in zip(
        *(captured.tensors_of(need, 0) for need in (SCORES, VALUES, PATTERN, HEADS)), strict=True
    ):
        assert apart(scores.softmax(-1) * pattern.sum(-1, keepdim=True), pattern) < 1e-5
        assert bool(scores.triu(1)[scores.triu(1) != 0].isneginf().all())
        for head in range(4):
            assert apart(pattern[head] @ values[head], found.unflatten(-1, (4, -1))[:, head]) < 1e-5


@pytest.mark.parametrize("family", ["llama", "gemma3", "qwen2", "phi3"])
@torch.inference_mode()
def test_a_gated_activation_times_the_other_half_is_what_enters_the_down_projection(family: str) -> None:
    model = loaded(family)
    given, entered = Need(Site.ACTIVATIONS), Need(Site.MEMORIES)
    assert reason_against(model, Site.ACTIVATIONS) == ""
    captured = passed(model, given, entered)
    for block, activation, memories in zip(
        model.anatomy.blocks, captured.tensors_of(given, 0), captured.tensors_of(entered, 0), strict=True
    ):
        seen: list[torch.Tensor] = []
        name = "gate_up_proj" if family == "phi3" else "up_proj"
        handle = block.mlp.get_submodule(name).register_forward_hook(  # type: ignore[union-attr]
            lambda module, args, output, seen=seen: seen.append(output[0])
        )
        model.network(torch.tensor([IDS]))
        handle.remove()
        assert apart(activation * seen[0][:, -40:], memories) < 1e-5
        assert 0.1 < float((activation <= 0).float().mean()) < 0.9


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_of_positions_is_found_where_there_is_one(family: str) -> None:
    rows = count_position_rows(loaded(family))
    assert rows == (512 if family in {"gpt2", "opt"} else None)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_refused_and_why(family: str, dtype: torch.dtype) -> None:
    model = loaded(family, dtype)
    refused = {site: reason for site in PROVEN_LATER - ROUTED if (reason := reason_against(model, site))}
    if family == "mamba":
        assert set(refused) == PROVEN_LATER - ROUTED
    elif family in EXPERTS:
        assert "mixture of experts" in refused.pop(Site.MEMORIES)
        assert "mixture of experts" in refused.pop(Site.ACTIVATIONS)
        assert not refused
    elif family in UNSEEN:
        assert set(refused) == {Site.SCORES, Site.VALUES, *TURNED}
        assert all("where nobody can look" in reason for reason in refused.values())
    elif family in UNTURNED:
        assert set(refused) == TURNED
    else:
        assert not refused


def test_a_norm_that_names_do_not_tell_is_found() -> None:
    model = with_anatomy("gemma3")
    named = model.anatomy.mlp_writers
    forgotten = tuple(replace(writer, norm=None) for writer in named if writer is not None)
    assert len(forgotten) == len(named)
    object.__setattr__(model.anatomy, "mlp_writers", forgotten)
    assert reason_against(model, Site.MEMORIES) == ""
    assert model.anatomy.mlp_writers == named


def test_a_scale_that_names_do_not_tell_is_found() -> None:
    model = with_anatomy("granite")
    named = model.anatomy.attention_writers
    forgotten = tuple(replace(writer, scale=1.0) for writer in named if writer is not None)
    object.__setattr__(model.anatomy, "attention_writers", forgotten)
    assert reason_against(model, Site.HEADS) == ""
    assert [writer.scale for writer in model.anatomy.attention_writers if writer] == pytest.approx([0.7] * 3, rel=1e-5)


@torch.inference_mode()
def test_a_block_that_multiplies_the_stream_is_taken_into_account() -> None:
    model = with_anatomy("llama")
    model.anatomy.blocks[1].register_forward_hook(lambda module, args, output: output * 1.5)
    assert reason_against(model, Site.HEADS) == reason_against(model, Site.MEMORIES) == ""
    assert model.anatomy.carries == pytest.approx((1.0, 1.5, 1.0), rel=1e-6)
    captured = passed(model, STREAM, HEADS, MLP)
    last = [rows[-1:].float() for rows in captured.tensors_of(STREAM, 0)]
    heads, mlp = ([rows[-1:] for rows in captured.tensors_of(need, 0)] for need in (HEADS, MLP))
    directions, biases = unembedding_rows(model, [77])
    parts = direct_parts(model, ComponentOutputs(last[0], last[-1], heads, mlp), directions, biases)
    logit = model.network(torch.tensor([IDS])).logits[0, -1, 77]
    assert float(parts.total) == pytest.approx(float(logit), rel=1e-4)


def test_a_block_that_adds_what_no_part_gives_is_told() -> None:
    model = with_anatomy("llama")
    model.anatomy.blocks[1].register_forward_hook(lambda module, args, output: output.tanh())
    told = "block 1 adds to the stream what is no sum of what its parts give"
    assert reason_against(model, Site.MLP_WRITE) == f"not measurable in LlamaForCausalLM: {told}"
    assert reason_against(model, Site.MEMORIES) == f"not measurable in LlamaForCausalLM: {told}"


def test_an_mlp_that_is_given_the_stream_to_add_to_it_is_found() -> None:
    network = shrunk_model("roberta-prelayernorm")
    model = LoadedModel(network, anatomy_of(network))
    assert reason_against(model, Site.MLP_WRITE) == ""
    block = model.anatomy.blocks[1]
    attention, mlp = model.anatomy.attention_writers[1], model.anatomy.mlp_writers[1]
    assert attention is not None
    assert mlp is not None
    assert (attention.source, mlp.source) == (block.attention.output.dense, block.output.dense)


def test_another_number_of_heads_is_found() -> None:
    assert "block 0 has 4 heads, where the configuration has 2" in reason_against(
        with_anatomy("llama", heads=2), Site.HEADS
    )


def test_scores_of_another_scale_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reportgen.model.network.scores._scaling", lambda query, named: 1.0)
    assert "softmax of block 0's scores is not its attention pattern" in reason_against(loaded("llama"), Site.SCORES)


def test_other_numbers_keep_their_bits_beside_them() -> None:
    model = loaded("gemma2")
    alone = passed(model, STREAM, PATTERN)
    beside = passed(model, STREAM, PATTERN, ATTENTION, MLP, HEADS, SCORES, VALUES, Need(Site.MEMORIES))
    for need in (STREAM, PATTERN):
        assert all(
            torch.equal(a, b) for a, b in zip(alone.tensors_of(need, 0), beside.tensors_of(need, 0), strict=True)
        )


def test_greedy_steps_see_their_own_rows() -> None:
    model = loaded("llama")
    model.network.generation_config.eos_token_id = 9_999
    needs = (STREAM, ATTENTION, MLP, SCORES, PATTERN)
    (captured,) = run_all(model, [Pass(IDS, needs, 3)])
    assert [len(captured.tensors_of(ATTENTION, step)[0]) for step in range(3)] == [len(IDS), 1, 1]
    stream, attention, mlp = (captured.tensors_of(need, 2) for need in (STREAM, ATTENTION, MLP))
    assert apart(stream[0] + attention[0] + mlp[0], stream[1]) < 1e-5
    scores, pattern = captured.tensors_of(SCORES, 2)[0], captured.tensors_of(PATTERN, 2)[0]
    assert scores.shape == pattern.shape == (4, 1, len(IDS) + 2)
    assert apart(scores.softmax(-1), pattern) < 1e-5


def test_everything_is_as_before_after_an_exception() -> None:
    class Broken:
        def init(self) -> None: ...
        def update(self, state: None, value: torch.Tensor, *, index: int, step: int) -> None:
            raise RuntimeError("full")

        def merge(self, one: None, other: None) -> None: ...
        def finish(self, state: None) -> None: ...

    import transformers.models.llama.modeling_llama as file

    own, model = file.eager_attention_forward, loaded("llama")
    for site in sorted(PROVEN_LATER - ROUTED, key=lambda site: site.name):
        assert reason_against(model, site) == ""
        with pytest.raises(RuntimeError, match="full"):
            run_all(model, [Pass(IDS, (Need(site, reducer=Broken()),))])
    assert file.eager_attention_forward is own
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.network.modules())


def test_only_who_asks_for_what_a_model_lacks_goes_without() -> None:
    model = loaded("falcon")
    asks, other = Pass(IDS, (SCORES,)), Pass(IDS, (STREAM,))
    shared = SharedPasses(model, [asks, other])
    with pytest.raises(Unmeasurable, match="not measurable in FalconForCausalLM"):
        shared.run([asks])
    (answer,) = shared.run([other])
    assert len(answer.tensors_of(STREAM, 0)) == 4
    assert not shared._taken


def test_such_a_probe_is_skipped_and_the_others_run(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "falcon", "falcon")
    probes = {
        "parts": {"probe": "attention_parts", "prompts": ["an apple"], "heads": [[0, 1]]},
        "lens": {"probe": "logit_lens", "prompts": ["an apple"]},
    }
    outcomes = run_probes({"m": folder}, probes).outcomes
    assert (outcomes["parts"]["m"].status, outcomes["lens"]["m"].status) == ("skipped", "ok")
    assert "not measurable in FalconForCausalLM" in outcomes["parts"]["m"].reason


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "cohere"])
@pytest.mark.parametrize("width", [24, 25])
@torch.inference_mode()
def test_a_frozen_norm_is_the_norm_itself(family: str, width: int) -> None:
    norm = type(anatomy_of(random_model(family)).final_norm)(width)
    generator = torch.Generator().manual_seed(1)
    for parameter in norm.parameters():
        parameter.copy_(torch.randn(width, generator=generator))
    rows, directions = (torch.randn(5, width, generator=generator) for _ in range(2))
    frozen = frozen_norm.freeze_norm(norm, width, torch.device("cpu"))
    found = (rows * frozen.back(directions, frozen.scale(rows))).sum(-1) + directions @ frozen.bias
    assert apart(found, (norm(rows) * directions).sum(-1)) < 1e-5
    assert frozen.centred == (family in {"gpt2", "cohere"})


@torch.inference_mode()
def test_a_norm_that_scales_by_halves_is_not_mistaken() -> None:
    """A part of a row, through the frozen norm, is scaled as the whole row is."""
    norm = nn.LayerNorm(8)
    whole = torch.arange(8.0)[None]
    part = torch.zeros(1, 8)
    part[0, 3] = 3.0
    frozen = frozen_norm.freeze_norm(norm, 8, torch.device("cpu"))
    direction = torch.eye(8)[3][None]
    found = float((part * frozen.back(direction, frozen.scale(whole))).sum())
    by_hand = float((3.0 - 3.0 / 8) / (whole.var(unbiased=False) + norm.eps).sqrt())
    assert found == pytest.approx(by_hand, rel=1e-5)
    assert found != pytest.approx(float(norm(part)[0, 3]), rel=0.1)
