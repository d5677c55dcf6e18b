"""The same from Python."""

from pathlib import Path

import numpy as np
import pytest
from tiny import save_tiny

import reportgen
from reportgen.errors import BatteryError


def test_run_gives_the_bundle_that_load_reads(tmp_path: Path) -> None:
    save_tiny(tmp_path / "tiny")
    battery = tmp_path / "b.yaml"
    probes = "probes: {lens: {probe: logit_lens, prompts: [an apple]}}"
    battery.write_text(f"models: {{m: {tmp_path / 'tiny'}}}\n{probes}\n")
    told: list[str] = []
    made = reportgen.run(battery, formats=["html"], progress=told.append)
    found = reportgen.load(tmp_path / "b")
    assert found["lens"]["m"].status == "ok"
    assert found["lens"]["m"].arrays["entropy"].dims == ("prompt", "step", "layer")
    entropy = found["lens"]["m"].arrays["entropy"].values
    assert np.array_equal(entropy, made["lens"]["m"].arrays["entropy"].values)
    assert found.models["m"].name == "tiny"
    assert any("lens on m: ok" in line for line in told)


def test_an_unknown_format_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="unknown format 'docx'"):
        reportgen.render(tmp_path, formats=["docx"])


def test_there_is_nothing_else_at_the_top() -> None:
    assert reportgen.__all__ == ["compare", "load", "render", "run"]
    with pytest.raises(AttributeError, match="no attribute 'compare_all'"):
        _ = reportgen.compare_all
