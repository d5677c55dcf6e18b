"""Rows that dictionaries are trained on, and what a model loses where one takes their place; on a tiny model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from reports.dictionaries.activations import batches, cross_entropy, loaded, record, rows_of
from tests.tiny import save_tiny

TEXTS = [np.array(text, dtype=np.int32) for text in ([1, 5, 9, 4, 7, 3], [1, 8, 2], [1, 6, 6, 2, 9], [1])]
ROWS = sum(len(text) - 1 for text in TEXTS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    return loaded(save_tiny(tmp_path_factory.mktemp("tiny"), "gemma3"))


def test_every_text_is_in_a_batch_whole_and_once() -> None:
    found = [tokens[row][there[row]].tolist() for tokens, there in batches(TEXTS, size=3) for row in range(len(tokens))]
    assert sorted(found) == sorted(text.tolist() for text in TEXTS)


def test_rows_are_what_blocks_hand_on_before_the_final_norm(model: PreTrainedModel) -> None:
    last = len(model.model.layers)
    rows = torch.cat([seen[last] for seen in rows_of(model, TEXTS[:1], [last])])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        final = model.model(torch.tensor(TEXTS[0][None].astype(np.int64))).last_hidden_state[0, 1:]
        torch.testing.assert_close(model.model.norm(rows), final)
    assert not torch.allclose(rows, final)


def test_recorded_rows_are_standardised_and_leave_the_first_position_out(
    model: PreTrainedModel, tmp_path: Path
) -> None:
    found = record(model, TEXTS, [1, 2], tmp_path, lambda _: None)
    for layer in (1, 2):
        moments = found[layer].moments
        rows = torch.cat([seen[layer] for seen in rows_of(model, TEXTS, [layer])])
        assert found[layer].rows.shape == (ROWS, model.config.hidden_size)
        torch.testing.assert_close(
            found[layer].rows.float() * moments.deviation + moments.mean, rows, rtol=0, atol=0.01
        )


def test_an_identity_spliced_in_loses_nothing_and_zeros_do(model: PreTrainedModel) -> None:
    clean = cross_entropy(model, TEXTS)
    assert cross_entropy(model, TEXTS, 1, lambda rows: rows) == clean
    assert cross_entropy(model, TEXTS, 1, torch.zeros_like) != clean


def test_zeros_after_the_last_block_leave_every_token_equally_likely(model: PreTrainedModel) -> None:
    loss = cross_entropy(model, TEXTS, len(model.model.layers), torch.zeros_like)
    assert loss == pytest.approx(np.log(model.config.vocab_size), rel=1e-5)
