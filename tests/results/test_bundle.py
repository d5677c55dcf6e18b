import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reportgen.errors import BundleError, OutputError
from reportgen.results.bundle import Bundle, load_bundle, write_json, write_numbers
from reportgen.results.folder import check_writable, keep_earlier, stage_bundle
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard


def bundle(title: str = "A title") -> Bundle:
    curve = Array(("layer",), np.array([0.5, np.nan], np.float32), "nat", {"layer": (0, 7)})
    ok = Outcome(
        "some_probe", 2, {"k": 3}, ("m",), "ok",
        metrics={"n": Metric(3, "tokens", "lower"), "bad": Metric(None, "", "none", "no heads")},
        tables={"rows": Table(("token", "p"), [["天氣", 0.25], ["\ud7ff", float("nan")]])},
        arrays={"curve": curve},
    )  # fmt: skip
    failed = Outcome("some_probe", 2, {}, ("n",), "failed", "ValueError: it broke")
    cards = {
        "m": ModelCard("m", "A Model", "XForCausalLM", 7, {"source": "demo:x", "dtype": "float32"}),
        "n": ModelCard("n", "Another", "XForCausalLM", 7, {"source": "demo:y", "dtype": "float32"}),
    }
    return Bundle(None, title, cards, {"probe": {"m": ok, "n": failed}}, {"versions": {"torch": "1"}})


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    with stage_bundle(tmp_path / "out") as stage:
        write_numbers(stage, bundle())
    return tmp_path / "out"


def test_what_is_written_is_read_back(stored: Path) -> None:
    found, written = load_bundle(stored), bundle()
    ok, expected = found["probe"]["m"], written["probe"]["m"]
    assert found.title == written.title
    assert found.models == written.models
    assert found["probe"]["n"] == written["probe"]["n"]
    assert ok.metrics == expected.metrics
    assert ok.tables["rows"].rows[0] == ["天氣", 0.25]
    assert np.isnan(ok.tables["rows"].rows[1][1])
    assert ok.arrays["curve"].along("layer") == (0, 7)
    assert np.array_equal(ok.arrays["curve"].values, expected.arrays["curve"].values, equal_nan=True)
    assert found.failed


def test_the_contract_of_results_json(stored: Path) -> None:
    content = json.loads((stored / "results.json").read_text())
    assert content["schema"] == 2
    result = content["results"]["probe"]["m"]
    assert result["arrays"]["curve"] == {
        "dims": ["layer"], "shape": [2], "unit": "nat", "coordinates": {"layer": [0, 7]}, "tensor": "probe/m/curve",
    }  # fmt: skip
    assert list(result).index("metrics") < list(result).index("tables")
    assert result["metrics"]["bad"] == {
        "value": None, "unit": "", "direction": "none", "state": "undefined", "reason": "no heads",
    }  # fmt: skip
    assert result["tables"]["rows"]["rows"][1][1] == {"undefined": "the computation gave nan"}
    assert "NaN" not in (stored / "results.json").read_text()
    assert content["models"]["m"]["source"] == "demo:x"
    assert list(load_file(stored / "arrays.safetensors")) == ["probe/m/curve"]


def test_the_same_numbers_are_the_same_bytes(stored: Path, tmp_path: Path) -> None:
    with stage_bundle(tmp_path / "again") as stage:
        write_numbers(stage, bundle())
    for name in ("results.json", "arrays.safetensors"):
        assert (stored / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_an_earlier_bundle_is_replaced_and_foreign_files_stay(stored: Path) -> None:
    (stored / "notes.txt").write_text("mine")
    with stage_bundle(stored) as stage:
        write_numbers(stage, bundle("Another"))
        (stage / "report.html").write_text("new")
    assert load_bundle(stored).title == "Another"
    with stage_bundle(stored) as stage:
        write_numbers(stage, bundle("Third"))
    assert not (stored / "report.html").exists()
    assert (stored / "notes.txt").read_text() == "mine"
    assert [p.name for p in stored.parent.iterdir()] == ["out"]


def test_a_failure_leaves_the_last_good_bundle(stored: Path) -> None:
    before = {p: p.read_bytes() for p in stored.iterdir()}

    with pytest.raises(KeyboardInterrupt), stage_bundle(stored) as stage:  # noqa: PT012 - the block is what fails
        write_numbers(stage, bundle("Broken"))
        raise KeyboardInterrupt
    assert {p: p.read_bytes() for p in stored.iterdir()} == before
    assert [p.name for p in stored.parent.iterdir()] == ["out"]


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("x")
    with pytest.raises(OutputError, match="the folder holds something that is not a bundle"):
        check_writable(tmp_path / "thesis")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="the output is a file, not a folder"):
        check_writable(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable(tmp_path / "file" / "below")


def test_a_disk_that_is_full_is_one_line(tmp_path: Path) -> None:
    def fill() -> None:
        with stage_bundle(tmp_path / "out"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="the output cannot be written: No space left on device"):
        fill()
    assert not list(tmp_path.iterdir())


def test_new_outputs_replace_those_of_an_earlier_rendering(stored: Path) -> None:
    for names in (["report.html", "figures/a.svg", "other.txt"], ["report.pdf"]):
        with stage_bundle(stored, "either") as stage:
            for name in names:
                (stage / name).parent.mkdir(exist_ok=True)
                (stage / name).write_text(name)
            keep_earlier(stored, stage, lambda old: old == "other.txt")
    left = ["arrays.safetensors", "other.txt", "report.pdf", "results.json", "run.json"]
    assert sorted(p.name for p in stored.iterdir()) == left
    assert json.loads((stored / "run.json").read_text())["files"] == left


def damage_bundle(stored: Path, change: str) -> None:
    results, arrays = stored / "results.json", stored / "arrays.safetensors"
    match change:
        case "truncated":
            results.write_text(results.read_text()[:200])
        case "schema":
            results.write_text(results.read_text().replace('"schema": 2', '"schema": 7'))
        case "tensor":
            save_file({"other": np.zeros(2)}, arrays)
        case "shape":
            save_file({"probe/m/curve": np.zeros(5, np.float32)}, arrays)
        case "arrays":
            arrays.write_bytes(arrays.read_bytes()[:20])
        case "key":
            results.write_text(results.read_text().replace('"status"', '"state_of_things"'))
        case "gone":
            results.unlink()
        case "list":
            results.write_text("[]")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("truncated", "results.json: the bundle is damaged"),
        ("schema", "a bundle of schema 7; this version reads 1 to 2"),
        ("tensor", "lacks the tensor 'probe/m/curve'"),
        ("shape", r"has shape \[5\], not \[2\]"),
        ("arrays", "arrays.safetensors: the bundle is damaged"),
        ("key", "results.probe.m.status: missing"),
        ("gone", "there is no such file"),
        ("list", "it is not a mapping"),
    ],
)
def test_a_damaged_bundle_is_one_clear_line(stored: Path, change: str, message: str) -> None:
    damage_bundle(stored, change)
    with pytest.raises(BundleError, match=message) as raised:
        load_bundle(stored)
    assert len(str(raised.value).splitlines()) == 2


def test_a_bundle_cannot_name_files_outside_itself(stored: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    run = json.loads((stored / "run.json").read_text())
    (stored / "run.json").write_text(json.dumps(run | {"files": ["../victim.txt"]}))
    (tmp_path / "stage").mkdir()
    with pytest.raises(BundleError, match="outside the bundle"):
        keep_earlier(stored, tmp_path / "stage", lambda old: False)
    with pytest.raises(BundleError, match="outside the bundle"), stage_bundle(stored) as stage:
        write_numbers(stage, bundle())
    assert victim.read_text() == "precious"


def test_prompt_sets_are_kept(tmp_path: Path) -> None:
    from dataclasses import replace

    stored = bundle()
    sets = {"lecture/apple": {"title": "One word", "source": "a lecture", "what_to_see": "two senses"}}
    outcome = replace(stored["probe"]["m"], prompt_sets=sets)
    (tmp_path / "x").mkdir()
    write_numbers(tmp_path / "x", replace(stored, outcomes={"probe": {"m": outcome}}))
    assert load_bundle(tmp_path / "x")["probe"]["m"].prompt_sets == sets


@pytest.mark.parametrize("old", ['"probe": {', '"m": {'])
def test_ids_of_a_strangers_bundle_never_become_paths(stored: Path, old: str) -> None:
    results = stored / "results.json"
    results.write_text(results.read_text().replace(old, '"../../evil": {'))
    with pytest.raises(BundleError, match=r"is not an id|neither an id nor two"):
        load_bundle(stored)


def test_an_old_list_of_files_is_read_before_anything_is_replaced(stored: Path) -> None:
    run = json.loads((stored / "run.json").read_text())
    for files in (["/etc/passwd"], [5], "all"):
        (stored / "run.json").write_text(json.dumps(run | {"files": files}))
        with pytest.raises(BundleError, match=r"outside the bundle|its list of files is not"):
            check_writable(stored)


def test_a_link_to_a_folder_stays_one(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(stored)
    with stage_bundle(tmp_path / "link") as stage:
        write_numbers(stage, bundle("New"))
    assert (tmp_path / "link").is_symlink()
    assert load_bundle(stored).title == "New"


def test_the_current_folder_is_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(OutputError, match="the output is the current folder"):
        check_writable(Path())
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        check_writable(Path("x" * 300))


def test_a_file_of_numbers_has_a_line_a_row_and_refuses_what_is_none(tmp_path: Path) -> None:
    content = {
        "rows": [[0, "天", 0.5], [1, None, 1e-05]],
        "empty": {},
        "none": [],
        "dims": ["layer"],
        "deep": [{"a": []}],
    }
    write_json(tmp_path / "x.json", content)
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == content
    assert '\n "rows": [\n  [0, "天", 0.5],\n  [1, null, 1e-05]\n ],\n "empty": {},\n' in text
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"rows": [[0, float("nan")]]})


@pytest.mark.parametrize("signalling", [np.uint32(0x7FA00000), np.uint16(0x7D00), np.uint64(0x7FF4 << 48)])
def test_a_signalling_nan_is_read_as_the_usual_one(stored: Path, signalling: np.unsignedinteger) -> None:
    kind = np.dtype(f"f{signalling.itemsize}")
    save_file({"probe/m/curve": np.array([signalling, 0], signalling.dtype).view(kind)}, stored / "arrays.safetensors")
    values = load_bundle(stored)["probe"]["m"].arrays["curve"].values
    assert values.dtype == kind
    assert np.isnan(values.astype(np.float32 if kind.itemsize == 8 else np.float64)).tolist() == [True, False]
