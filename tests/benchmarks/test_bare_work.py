"""What is done bare is what the probes asked for."""

from pathlib import Path

import torch

from reportgen.model.capture import shared_passes as capture
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.needs import Need, Pass, Site
from tests.benchmarks.bare_work import do_bare, written_down
from tests.tiny import save_tiny


def test_passes_steps_and_rows_are_written_down_and_can_be_done_again_without_a_hook(tmp_path: Path) -> None:
    located = locate(parse_source(str(save_tiny(tmp_path / "model")), None), lambda line: None)
    model = load(located, dtype="auto", device="cpu", threads=1)
    need, width = Need(Site.FINAL, "last"), model.embedding_table.shape[1]
    own = capture.run
    with written_down() as work:
        (found,) = capture.run_all(model, [Pass((5, 6, 7), (need,), steps=3)])
        list(model.lens_logits(torch.ones(70, width)))
        model.embedding_scores(torch.ones(2, width))
    assert work.passes == [(found.tokens, 3)]
    chosen = found.steps - 1
    assert work.products == [*[("unembedding", 1)] * chosen, ("unembedding", 70), ("embedding", 2)]
    assert (work.tokens, work.rows) == (3 + chosen, chosen + 72)
    assert capture.run is own
    seen: list[torch.Size] = []
    handle = model.anatomy.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    do_bare(model, work)
    handle.remove()
    assert [shape[1] for shape in seen] == [3, *[1] * chosen]
