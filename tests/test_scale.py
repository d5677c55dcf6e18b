"""docs/explanation/scale.md: its arithmetic against models that run, its table against the program that makes it."""

import re
from pathlib import Path

import pytest

from reportgen.model.network.loaded import LoadedModel
from reportgen.running import execute, ready
from reportgen.running.planned import PlannedModel, PreparedModel
from tests import scale

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "scale.md"


def test_parameters_are_counted_as_transformers_does() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = (3, 32, 48, 64, 8, 2)
    layers, width, inner, vocabulary, heads, kv_heads = shape
    config = LlamaConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=inner,
        vocab_size=vocabulary,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        tie_word_embeddings=False,
    )
    assert scale.count_parameters(*shape) == sum(one.numel() for one in LlamaForCausalLM(config).parameters())
    large = scale.LAYERS, scale.WIDTH, scale.INNER, scale.VOCABULARY, scale.HEADS, scale.KV_HEADS
    assert f"{scale.count_parameters(*large):,}" in PAGE.read_text()


def test_the_slower_of_reading_and_hashing_counts_once() -> None:
    machine = scale.Machine(disk=10.0, hashing=5.0, multiplying=1e9, start=3.0)
    assert scale.seconds_of(100.0, scale.Work(50, 0, 0), 10**8, machine) == 3 + 100 / 5 + 50 * 1e8 / 1e9


def count_embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Is told the tokens of each pass of a model that was loaded and proven."""
    embedded: list[int] = []

    def load_counted(planned: PlannedModel, readied: PreparedModel) -> LoadedModel:
        model = ready.load_network(planned, readied)
        model.network.get_input_embeddings().register_forward_hook(
            lambda module, given, rows: embedded.append(given[0].numel())
        )
        return model

    monkeypatch.setattr(execute, "load_network", load_counted)
    return embedded


@pytest.mark.real
def test_as_many_tokens_pass_as_are_planned_and_what_is_stored_grows_with_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path))  # which a measured run sets
    found = {}
    for layers in (2, 4, 8):
        folder = tmp_path / str(layers)
        folder.mkdir()
        battery, model = scale.write_nightly(folder, layers, 4, 2)
        embedded = count_embedded(monkeypatch)
        found[layers] = scale.measure_work(battery, model, folder)
        assert sum(embedded) == found[layers].tokens
    stored = {layers: work.stored for layers, work in found.items()}
    assert stored[8] - stored[4] == pytest.approx(2 * (stored[4] - stored[2]), rel=0.1)
    assert found[8].cached == pytest.approx(stored[8], rel=0.3)


@pytest.mark.slow
@pytest.mark.real
def test_the_table_of_the_page_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path))
    battery, model = scale.write_nightly(tmp_path, scale.LAYERS, scale.HEADS, scale.KV_HEADS)
    table = scale.write_table(scale.measure_work(battery, model, tmp_path))
    shown = re.search(r"<!-- generated: scale -->\n(.*?)\n<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == table
