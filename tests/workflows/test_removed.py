"""What a run says of outputs of an earlier one that it does not make again."""

import json
from pathlib import Path

import reportgen
from tests.tiny import save_tiny

NOTICE = "figures, report.html of the earlier run removed"


def test_outputs_of_the_earlier_run_are_named_when_they_go(tmp_path: Path) -> None:
    told: list[str] = []
    battery = tmp_path / "b.yaml"
    entries = {
        "models": {"m": str(save_tiny(tmp_path / "m"))},
        "probes": {"next": {"probe": "next_token", "prompts": ["an apple"]}},
    }
    battery.write_text(json.dumps({"title": "T", **entries}))
    reportgen.run(battery, formats=["html", "figures"], progress=told.append)
    reportgen.run(battery, formats=["html", "figures"], progress=told.append)
    assert not [line for line in told if "removed" in line]
    (tmp_path / "b" / "notes.txt").write_text("mine")
    kept = tmp_path / "b" / "figures" / "mine.svg"
    kept.write_text("mine")
    reportgen.run(battery, formats=["html"], progress=told.append)
    assert not [line for line in told if "removed" in line], "the folder is still there"
    kept.unlink()
    reportgen.run(battery, formats=["html", "figures"], progress=told.append)
    reportgen.run(battery, formats=[], progress=told.append)
    assert NOTICE in told
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "arrays.safetensors", "notes.txt", "results.json", "run.json",
    ]  # fmt: skip
