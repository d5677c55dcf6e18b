"""What is read of rows of the stream."""

from pathlib import Path

import torch

from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.measures.readout import Readout, read_out
from tests.tiny import save_tiny


def test_a_readout_without_kl_has_the_same_bits_in_all_else(tmp_path: Path) -> None:
    located = locate(parse_source(str(save_tiny(tmp_path / "model")), None), lambda line: None)
    model = load(located, device="cpu", threads=1)
    width, draws = model.embedding_table.shape[1], torch.Generator().manual_seed(0)
    residual = torch.randn(3, model.layers, width, generator=draws)
    normed = torch.randn(3, width, generator=draws)
    with_kl = read_out(model, residual, normed, k=5)
    without = read_out(model, residual, normed, k=5, kl=False)
    assert bool(without.kl.isnan().all())
    assert not bool(with_kl.kl.isnan().any())
    for name in set(Readout.__dataclass_fields__) - {"kl"}:
        assert torch.equal(getattr(with_kl, name), getattr(without, name)), name
