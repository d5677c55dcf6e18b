"""A battery's `batch`: prompts of a probe pass together, in packs that the probe alone decides about."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.model.needs import Draw, Edit, Need, Pass, Site, pack_by_length
from reportgen.running.execute import Results, execute
from reportgen.running.outcome_key import TOGETHER, choose_together, make_outcome_key
from reportgen.running.plan import make_plan
from tests.tiny import save_tiny

PROMPTS = ["an apple a day", "my eye", "a day an apple", "my apple", "the apple of my eye", "apple"]
PROBES = {
    "lens": {"probe": "logit_lens", "prompts": PROMPTS, "continue": 3},
    "heads": {"probe": "attention_grid", "prompts": PROMPTS},
    "map": {"probe": "pca_map", "prompts": PROMPTS},
    "memories": {"probe": "hidden_states", "prompts": PROMPTS},
}
WITHOUT_HEADS = {id: probe for id, probe in PROBES.items() if id != "heads"}
CLOSE = 5e-4
"""As `batch` says."""


def run_battery(folder: Path, probes: Mapping[str, Any], **said: Any) -> Results:
    battery = {"models": {"m": str(folder)}, "probes": probes, **said}
    return execute(make_plan(read_battery(json.dumps(battery))))


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt_oss", "mixtral", "gpt2", "bloom", "mamba"])
@pytest.mark.parametrize("batch", ["auto", 2])
def test_packs_give_the_numbers_of_prompts_alone(tmp_path: Path, family: str, batch: Any) -> None:
    model = save_tiny(tmp_path / "m", family)
    probes = WITHOUT_HEADS if family == "mamba" else PROBES
    alone, packed = run_battery(model, probes), run_battery(model, probes, batch=batch)
    for id in probes:
        one, other = alone.outcomes[id]["m"], packed.outcomes[id]["m"]
        assert (one.status, other.status) == ("ok", "ok"), (one.reason, other.reason)
        assert one.arrays.keys() == other.arrays.keys()
        for name, array in one.arrays.items():
            expected, found = np.asarray(array.values, float), np.asarray(other.arrays[name].values, float)
            assert np.array_equal(np.isnan(expected), np.isnan(found))
            scale = max(1.0, float(np.nanmax(np.abs(expected), initial=0.0)))
            assert float(np.nanmax(np.abs(found - expected), initial=0.0)) <= CLOSE * scale, (id, name)


def test_a_probe_in_packs_is_the_same_bits_alone_or_among_others(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "m", "gemma3")
    others = {"more": PROBES["lens"] | {"prompts": PROMPTS[1:]}, "same": PROBES["lens"] | {"continue": 5}}
    among = run_battery(model, others | PROBES, batch="auto")
    for id, probe in PROBES.items():
        alone = run_battery(model, {id: probe}, batch="auto").outcomes[id]["m"]
        for name, array in among.outcomes[id]["m"].arrays.items():
            assert array.values.tobytes() == alone.arrays[name].values.tobytes(), (id, name)


def test_how_many_pass_together_is_recorded_and_part_of_the_key(tmp_path: Path) -> None:
    model, keys = save_tiny(tmp_path / "m"), set()
    for batch, together in ((None, 1), (1, 1), ("auto", TOGETHER), (2, 2)):
        said = {} if batch is None else {"batch": batch}
        assert run_battery(model, {"map": PROBES["map"]}, **said).models["m"].facts["together"] == together
        battery = read_battery(json.dumps({"models": {"m": str(model)}, "probes": {"map": PROBES["map"]}, **said}))
        (planned,) = make_plan(battery).models
        assert planned.readied is not None
        assert planned.readied.conditions is not None
        keys.add(make_outcome_key([planned.readied.conditions], battery.probes["map"]))
    assert len(keys) == 3


def test_an_accelerator_takes_prompts_together_unless_told_otherwise() -> None:
    assert [choose_together(None, device) for device in ("cpu", "meta", "cuda", "mps")] == [1, 1, TOGETHER, TOGETHER]
    assert [choose_together(1, device) for device in ("cpu", "cuda")] == [1, 1]
    assert [choose_together("auto", device) for device in ("cpu", "cuda")] == [TOGETHER, TOGETHER]


@pytest.mark.parametrize("batch", [0, -1, "all", 1.5, True])
def test_what_is_no_number_of_prompts_is_refused(tmp_path: Path, batch: Any) -> None:
    with pytest.raises(BatteryError, match="batch"):
        read_battery(json.dumps({"models": {"m": str(tmp_path)}, "probes": {"map": PROBES["map"]}, "batch": batch}))


def test_packs_hold_so_many_prompts_of_like_length() -> None:
    need = Need(Site.FINAL, "last")
    passes = [Pass(tuple(range(length)), (need,)) for length in (5, 2, 5, 3, 2, 7)]
    packed = pack_by_length(passes, 2)
    assert [single.tokens for single in packed] == [single.tokens for single in passes]
    of_length = {len(single.tokens): single.pack for single in packed}  # two of a length are one prompt here
    assert of_length[2] == of_length[3]
    assert of_length[5] == of_length[7] != of_length[2]
    assert all(single.pack for single in packed)


def test_what_cannot_be_seen_in_a_pack_passes_alone() -> None:
    drawn = Pass((1, 2), (), 3, Draw(1.0, None, None, 0, 0))
    edited = Pass((1, 2), (), edits=(Edit(Site.RESIDUAL, 0, lambda rows: rows),))
    scores = Pass((1, 2), (Need(Site.SCORES),))
    packed = pack_by_length([drawn, edited, scores, Pass((1, 3), ())], 64)
    assert [bool(single.pack) for single in packed] == [True, False, False, True]
    assert all(not single.pack for single in pack_by_length([drawn, edited, scores], 1))
    with pytest.raises(ValueError, match="scores cannot be seen in a pack"):
        Pass((1, 2), (Need(Site.SCORES),), pack="some")
