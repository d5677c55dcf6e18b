"""The same from Python."""

from pathlib import Path

import numpy as np
import pytest

import reportgen
from reportgen.errors import BatteryError
from reportgen.probes.logit_lens import LogitLens
from reportgen.results import bundle as bundle_folder
from reportgen.results.quantities import Array, Table
from tests.tiny import save_tiny


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


def test_a_run_reads_its_numbers_back_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "tiny")
    battery = tmp_path / "b.yaml"
    probes = "{census: {probe: parameter_census}, lens: {probe: logit_lens, prompts: [an apple]}}"
    battery.write_text(f"models: {{m: {tmp_path / 'tiny'}}}\nprobes: {probes}\n")
    read: list[Path] = []
    original = bundle_folder._read_arrays
    monkeypatch.setattr(bundle_folder, "_read_arrays", lambda file: read.append(file) or original(file))
    made = reportgen.run(battery, formats=["html"])
    assert len(read) == 1
    found = reportgen.load(tmp_path / "b")
    assert (made.path, made.title, made.models, made.run) == (found.path, found.title, found.models, found.run)
    monkeypatch.setattr(LogitLens, "statement", lambda self, section: 1 / 0)
    read.clear()
    failed = reportgen.run(battery, formats=["html"], cache=False)
    assert len(read) == 1, "a card that fails while it is shown is known: its numbers are those that were read"
    assert {id: one["m"].status for id, one in failed.outcomes.items()} == {"census": "ok", "lens": "failed"}
    stored = reportgen.load(tmp_path / "b")["lens"]["m"]
    assert (stored.status, stored.reason) == ("failed", failed["lens"]["m"].reason)


def make_counted(coordinates: dict[str, tuple[int, ...]] | None = None) -> Array:
    """(prompt 2 x layer 3) values 0 to 5."""
    return Array(("prompt", "layer"), np.arange(6.0).reshape(2, 3), "nat", coordinates or {})


def test_an_array_is_asked_by_the_names_of_its_dims() -> None:
    array = make_counted({"layer": (0, 15, 30)})
    assert array.sel(layer=15).values.tolist() == [1, 4]
    assert array.sel(layer=15).dims == ("prompt",)
    assert array.sel(layer=15).coordinates == {}
    both = array.sel(prompt=np.int64(1), layer=[30, 0])
    assert (both.dims, both.values.tolist(), both.along("layer")) == (("layer",), [5, 3], (30, 0))
    assert both.unit == "nat"
    assert float(array.sel(layer=30, prompt=1).values) == 5
    assert array.sel(prompt=range(1)).values.shape == (1, 3)
    assert array.sel().values.tolist() == array.values.tolist()


@pytest.mark.parametrize(
    ("array", "at", "error", "told"),
    [
        (make_counted(), {"layr": 1}, KeyError, "no dim 'layr'. Did you mean 'layer'?"),
        (make_counted(), {"step": 1}, KeyError, "no dim 'step'. Known: prompt, layer"),
        (make_counted(), {"layer": 3}, IndexError, "no layer 3: it goes from 0 to 2"),
        (make_counted(), {"layer": -1}, IndexError, "no layer -1: it goes from 0 to 2"),
        (make_counted(), {"layer": [0, 7]}, IndexError, "no layer 7: it goes from 0 to 2"),
        (make_counted(), {"layer": "last"}, IndexError, "no layer 'last': it goes from 0 to 2"),
        (make_counted(), {"layer": slice(1)}, IndexError, "no layer slice(None, 1, None): it goes from 0 to 2"),
        (make_counted({"layer": (0, 15, 30)}), {"layer": 7}, IndexError, "no layer 7: there are 0, 15, 30"),
        (Array(("item",), np.zeros(0)), {"item": 0}, IndexError, "no item 0: it is empty"),
    ],
)
def test_what_an_array_does_not_have_is_told_with_what_it_has(
    array: Array, at: dict[str, int], error: type[LookupError], told: str
) -> None:
    with pytest.raises(error) as caught:
        array.sel(**at)
    assert caught.value.args[0] == told


def test_an_array_as_a_frame_has_a_row_a_value() -> None:
    frame = make_counted({"layer": (0, 15, 30)}).frame()
    assert list(frame.columns) == ["prompt", "layer", "value"]
    assert frame.iloc[4].tolist() == [1, 15, 4]
    assert make_counted().sel(prompt=0, layer=1).frame()["value"].tolist() == [1]
    assert len(Array(("item",), np.zeros(0)).frame()) == 0


def test_a_table_as_a_frame_keeps_whole_numbers_whole() -> None:
    rows = [["a", 1, 7, True, 0.5], ["b", None, 8, None, float("nan")]]
    frame = Table(("token", "block", "count", "known", "share"), rows).frame()
    assert [str(kind) for kind in frame.dtypes] == ["str", "Int64", "int64", "object", "float64"]
    assert frame["block"].tolist()[0] == 1
    assert frame["block"].isna().tolist() == [False, True]
    assert list(Table(("token", "block"), []).frame().columns) == ["token", "block"]


def test_arrays_and_tables_are_short_in_a_terminal() -> None:
    assert repr(make_counted()) == "<Array prompt 2 x layer 3, nat>"
    assert repr(make_counted().sel(prompt=1, layer=2)) == "<Array 5.0, nat>"
    assert repr(Table(("a", "b"), [[1, 2]])) == "<Table of 1 rows: a, b>"


def test_an_unknown_format_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="unknown format 'docx'"):
        reportgen.render(tmp_path, formats=["docx"])


def test_there_is_nothing_else_at_the_top() -> None:
    assert reportgen.__all__ == ["compare", "load", "merge", "render", "run"]
    with pytest.raises(AttributeError, match="no attribute 'compare_all'"):
        _ = reportgen.compare_all
