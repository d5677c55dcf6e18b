"""The lens against plain transformers, and wrong formulas that must not pass."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reportgen.model.capture.check import prove
from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.measures.readout import Readout, read_out, stack_layers
from reportgen.model.needs import Need, Pass, Site
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from tests.reference import plain
from tests.tiny import FAMILIES, random_model

IDS = (5, 77, 300, 12, 9)


def loaded(family: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
    network = random_model(family, dtype=dtype)
    return LoadedModel(network, anatomy_of(network))


@torch.inference_mode()
def read(model: LoadedModel, ids: tuple[int, ...], k: int = 5, norm: bool = True) -> Readout:
    stream, final = Need(Site.RESIDUAL, "last", tuple(range(model.layers))), Need(Site.FINAL, "last")
    (captured,) = run_all(model, [Pass(ids, (stream, final))])
    rows = stack_layers(captured.tensors_of(stream, 0))
    return read_out(model, rows, captured.tensors_of(final, 0)[0], k=k, norm=norm)


def agrees(found: Readout, expected: list[torch.Tensor]) -> bool:
    """Whether top-5 probabilities and entropies are those of the reference."""
    top = torch.stack([p.sort(descending=True).values[:5] for p in expected])
    entropies = torch.tensor([plain.entropy(p) for p in expected])
    same = np.allclose(found.probabilities[0], top, atol=1e-5)
    return bool(same and np.allclose(found.entropy[0], entropies, atol=1e-4))


@pytest.mark.parametrize("family", FAMILIES)
def test_against_the_reference(family: str) -> None:
    model = loaded(family)
    expected = plain.lens(model.network, family, IDS)
    found = read(model, IDS)
    assert agrees(found, expected)
    final = expected[-1]
    answer = int(final.argmax())
    for layer, p in enumerate(expected):
        assert float(found.kl[0, layer]) == pytest.approx(plain.kl(final, p), abs=1e-4)
        assert int(found.answer_rank[0, layer]) == 1 + int((p > p[answer]).sum())
        assert float(found.answer_probability[0, layer]) == pytest.approx(float(p[answer]), abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "wrong", [{"norm_times": 2}, {"norm_times": 0}, {"shift": 1}], ids=["norm twice", "no norm", "layer off by one"]
)
def test_a_wrong_lens_does_not_agree(family: str, wrong: dict[str, int]) -> None:
    model = loaded(family)
    assert not agrees(read(model, IDS), plain.lens(model.network, family, IDS, **wrong))


def test_a_lens_without_softcap_does_not_agree() -> None:
    model = loaded("gemma2")
    assert not agrees(read(model, IDS), plain.lens(model.network, "gemma2", IDS, cap=False))


def test_the_lecture_variant_leaves_the_norm_out_below_the_last_layer() -> None:
    model = loaded("llama")
    without = plain.lens(model.network, "llama", IDS, norm_times=0)
    found = read(model, IDS, norm=False)
    top = torch.stack([p.sort(descending=True).values[:5] for p in without])
    assert np.allclose(found.probabilities[0, :-1], top[:-1], atol=1e-5)
    own = plain.lens(model.network, "llama", IDS)[-1].topk(5).values
    assert np.allclose(found.probabilities[0, -1], own, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_last_row_is_the_models_own_logits(family: str, dtype: torch.dtype) -> None:
    model = loaded(family, dtype)
    prove(model)
    final = Need(Site.FINAL, "last")
    (captured,) = run_all(model, [Pass(IDS, (final,))])
    with torch.inference_mode():
        own = next(model.final_logits(captured.tensors_of(final, 0)[0]))[1][0]
        logits = model.network(torch.tensor([IDS])).logits[0, -1].float()
    assert float((own - logits).abs().max()) <= (1e-4 if dtype is torch.float32 else 0.05)


@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_the_last_row_of_a_real_model_is_its_own_logits(name: str) -> None:
    model = load(locate(parse_source(f"demo:{name}")))
    ids = (2, 22601, 20694, 3783) if "gemma" in name else (15076, 228, 18614, 119)
    found = read(model, ids, k=10)
    with torch.inference_mode():
        logits = model.network(torch.tensor([ids])).logits[0, -1].float()
    expected = torch.softmax(logits, -1).topk(10)
    assert found.token_ids[0, -1].tolist() == expected.indices.tolist()
    final = Need(Site.FINAL, "last")
    (captured,) = run_all(model, [Pass(ids, (final,))])
    with torch.inference_mode():
        own = next(model.final_logits(captured.tensors_of(final, 0)[0]))[1][0]
    assert float((own - logits).abs().max()) <= 1e-4


def test_a_row_has_the_same_bits_whatever_stands_beside_it() -> None:
    model = loaded("llama")
    rows = torch.randn(150, 24, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = torch.cat([some[: r.stop - r.start].clone() for r, some in model.lens_logits(rows)])
        for i in (0, 63, 64, 149):
            alone = next(model.lens_logits(rows[i : i + 1]))[1][0]
            assert torch.equal(alone, together[i])


def test_steps_do_not_change_the_first_one_and_agree_with_whole_passes() -> None:
    model = loaded("gemma3")
    stream = Need(Site.RESIDUAL, "last")
    (alone,) = run_all(model, [Pass(IDS, (stream,))])
    long, short = run_all(model, [Pass(IDS, (stream,), 4), Pass(IDS, (stream,))])
    assert all(torch.equal(a, b) for a, b in zip(alone.tensors_of(stream, 0), short.tensors_of(stream, 0), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(alone.tensors_of(stream, 0), long.tensors_of(stream, 0), strict=True))
    assert short.steps == 1
    assert len(long.tokens) == len(IDS) + 3
    whole = plain.residuals(model.network, "gemma3", long.tokens)
    for step in range(4):
        found = torch.cat(long.tensors_of(stream, step))
        assert torch.allclose(found, whole[:, len(IDS) - 1 + step], atol=1e-4 * float(whole.abs().max()))


def test_a_trace_ends_after_the_end_token() -> None:
    model = loaded("llama")
    model.network.generation_config.eos_token_id = 9_999
    (captured,) = run_all(model, [Pass(IDS, (), 3)])
    assert len(captured.tokens) == len(IDS) + 2
    first = captured.tokens[len(IDS)]
    model.network.generation_config.eos_token_id = first
    (ended,) = run_all(model, [Pass(IDS, (Need(Site.FINAL, "last"),), 3)])
    assert ended.tokens == IDS
    assert ended.steps == 1


def test_hooks_are_gone_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded("llama")

    class Broken:
        def init(self) -> None: ...
        def update(self, state: None, value: torch.Tensor, *, index: int, step: int) -> None:
            raise RuntimeError("full")

        def merge(self, one: None, other: None) -> None: ...
        def finish(self, state: None) -> None: ...

    with pytest.raises(RuntimeError, match="full"):
        run_all(model, [Pass(IDS, (Need(Site.RESIDUAL, reducer=Broken()),))])
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in model.anatomy.blocks)


def test_the_folder_of_a_demo_model_is_found(gemma_folder: Path) -> None:
    assert locate(parse_source("demo:gemma-3-270m")).folder.resolve() == gemma_folder.resolve()


def test_ties_are_ordered_by_id_everywhere() -> None:
    scores = torch.tensor([[1.0, 5.0, 3.0, 5.0, 5.0, 0.0]])
    values, ids = select_likeliest(scores, 4)
    assert ids.tolist() == [[1, 3, 4, 2]]
    assert values.tolist() == [[5.0, 5.0, 5.0, 3.0]]


def test_the_table_and_the_greedy_step_choose_alike_in_bfloat16() -> None:
    model = loaded("llama", torch.bfloat16)
    with torch.no_grad():
        model.anatomy.unembedding.weight.copy_(model.anatomy.unembedding.weight[:8].repeat(40, 1))  # all tie by eights
    model.network.generation_config.eos_token_id = 9_999
    (captured,) = run_all(model, [Pass(IDS, (), 3)])
    for step in (0, 1):
        ids = captured.tokens[: len(IDS) + step]
        assert int(read(model, ids).token_ids[0, -1, 0]) == captured.tokens[len(IDS) + step]
