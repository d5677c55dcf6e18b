"""What a model cannot give of what a probe asks for is left out and said; the rest is measured."""

from pathlib import Path

import numpy as np
import pytest

from tests.runs import run_probes
from tests.shrunk import save_shrunk

TEXTS = ["I ate an apple", "an apple a day"]
PAIR = [
    {"text": "an apple a day", "pair": "one", "group": "clean"},
    {"text": "an apple an day", "pair": "one", "group": "corrupted"},
]


@pytest.mark.parametrize("method", ["zero", "mean"])
def test_heads_that_cannot_be_told_apart_are_left_out_of_ablation(method: str, tmp_path: Path) -> None:
    """Falcon-H1 writes attention and a state-space module side by side."""
    probes = {"ablated": {"probe": "ablation", "prompts": TEXTS, "method": method}}
    found = run_probes({"m": save_shrunk(tmp_path / "m", "falcon_h1")}, probes).outcomes["ablated"]["m"]
    assert (found.status, found.reason) == ("ok", "")
    told = "not measurable in FalconH1ForCausalLM: block 0 has several modules that write side by side"
    assert found.tables["skipped"].rows == [["heads", told]]
    assert found.metrics["largest_head"].reason == told
    assert np.isnan(found.arrays["heads"].values).all()
    assert all(np.isfinite(found.arrays[kind].values).all() for kind in ("attention", "mlp", "blocks"))
    assert {row[0] for row in found.tables["largest"].rows} == {"attention", "mlp", "blocks"}


def test_they_are_left_out_of_patching(tmp_path: Path) -> None:
    probes = {"patched": {"probe": "activation_patching", "prompts": PAIR, "answers": [["a", "I"]]}}
    found = run_probes({"m": save_shrunk(tmp_path / "m", "falcon_h1")}, probes).outcomes["patched"]["m"]
    assert (found.status, found.reason) == ("ok", "")
    assert [row[0] for row in found.tables["skipped"].rows] == ["heads"]
    assert {name for name in found.arrays if name.endswith("/0")} == {"residual/0", "attention/0", "mlp/0"}
    assert found.arrays["residual/0"].values[-1, -1] == pytest.approx(1.0, abs=1e-3)


def test_where_no_part_can_be_measured_the_probe_is_skipped(tmp_path: Path) -> None:
    probes = {
        "alone": {"probe": "ablation", "prompts": TEXTS, "components": ["heads"]},
        "heads": {"probe": "activation_patching", "prompts": PAIR, "answers": [["a", "I"]], "sites": ["heads"]},
    }
    outcomes = run_probes({"m": save_shrunk(tmp_path / "m", "falcon_h1")}, probes).outcomes
    assert [outcomes[id]["m"].status for id in probes] == ["skipped", "skipped"]
    assert all("several modules that write side by side" in outcomes[id]["m"].reason for id in probes)
