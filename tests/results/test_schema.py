import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reportgen.errors import BundleError
from reportgen.results import schema as bundle_schema
from reportgen.results.bundle import Bundle, load_bundle, read_run, write_numbers
from reportgen.results.columns import misfit
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.schema import read_bytes
from reportgen.results.section import ModelCard

RUN = {"started": "2026-11-21T03:00:00+00:00", "files": ["report.html", "figures/a.svg"], "only": ["lens"]}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    lens = Outcome(
        "logit_lens", 1, {"seed": 0, "top_k": 2}, ("a", "b"), "ok",
        metrics={"accuracy": Metric(0.5, "share", "higher"), "gone": Metric(None, "nat", reason="no answers")},
        tables={"top": Table(("layer", "rank", "token", "probability"), [[0, 1, "x", 0.5], [0, 2, "y", float("nan")]])},
        arrays={"kl/0": Array(("layer", "head"), np.zeros((2, 3)), "nat", {"layer": (0, 7)})},
    )  # fmt: skip
    models = {id: ModelCard(id, "Model", "XForCausalLM", 7, {"source": "demo:x", "heads": 3}) for id in "ab"}
    (tmp_path / "b").mkdir()
    write_numbers(tmp_path / "b", Bundle(None, "T", models, {"lens": {"a..b": lens}}, RUN))
    return tmp_path / "b"


def nest_values(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def at(*where: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """Puts `to` at a place of results.json; below an outcome where that is not said."""
    top = where[0] in ("schema", "title", "models", "results")
    path = where if top else ("results", "lens", "a..b", *where)

    def change(content: dict[str, Any]) -> None:
        held: Any = content
        for step in path[:-1]:
            held = held[step]
        held[path[-1]] = to

    return change


TOP = ("tables", "top")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (at("schema", to=True), "a bundle of schema true; this version reads 1 to 2"),
        (at("results", to={}), "results: expected at least 1 item, found an empty mapping"),
        (at("results", "lens", to={}), "results.lens: expected at least 1 item, found an empty mapping"),
        (at("results", "../x", to={}), "'../x' is not an id"),
        (at("models", "a", to=None), "models.a: expected a mapping, found nothing"),
        (at("models", "a", "layers", to="7"), "models.a.layers: expected a whole number, found '7'"),
        (at("models", "a", "heads", to=-1), "models.a.heads: expected at least 0, found -1"),
        (at("models", "a", "name", to="x" * 10_001), "models.a.name: expected at most 10,000 characters"),
        (at("models", "a", "more", to=nest_values(50)), "models.a.more: nested more than 40 levels deep"),
        (at("status", to="okk"), "status: expected ok or failed or skipped, found 'okk'"),
        (at("version", to=1.5), "version: expected a whole number, found 1.5"),
        (at("models", to={"a": 1}), "models.a: expected a mapping, found 1"),
        (at("options", to=[]), "options: expected a mapping, found an empty list"),
        (at("options", "seed", to="0"), "the seed is not a whole number"),
        (at("metrics", "<b>", to={}), "'<b>' is not a name"),
        (at("metrics", "accuracy", "value", to=10**500), "expected a finite number, found a very large number"),
        (at("metrics", "accuracy", "direction", to="up"), "expected higher or lower or none, found 'up'"),
        (at("metrics", "accuracy", "value", to=None), "its state is ok, and its value nothing"),
        (at("metrics", "gone", "reason", to=""), "it is undefined, without a reason"),
        (at(*TOP, "rows", 0, to=[1]), "lens.a..b.tables.top: a row does not fit the columns layer, rank, token"),
        (at(*TOP, "rows", 0, to={}), "rows[0]: expected a list, found an empty mapping"),
        (at(*TOP, "rows", 0, 3, to={"undefined": 1}), "a cell of it is a mapping that does not say why"),
        (at(*TOP, "rows", 0, 3, to=[1]), "tables.top: a cell of the column probability is neither text, number"),
        (at(*TOP, "rows", 0, 3, to="<x>"), "tables.top: the column probability holds numbers, and nothing else"),
        (at(*TOP, "rows", 0, 2, to=5), "tables.top: the column token holds text, and nothing else"),
        (at(*TOP, "rows", 0, 1, to=0), "tables.top: the column rank holds whole numbers from 1 on"),
        (at(*TOP, "rows", 0, 0, to=True), "tables.top: the column layer holds whole numbers from 0 on"),
        (at(*TOP, "columns", 0, to="rank"), "tables.top: two columns have one name"),
        (at("arrays", "kl/0", "dims", to=["layer", "depth"]), "dims[1]: expected layer or block or head"),
        (at("arrays", "kl/0", "dims", to=["layer"]), "its dims layer are not those of the shape a list of 2"),
        (at("arrays", "kl/0", "shape", to=[2, 4]), "arrays.kl/0: the tensor 'lens/a..b/kl/0' has shape [2, 3], not [2"),
        (at("arrays", "kl/0", "coordinates", to={"layer": [0]}), "its 1 coordinates are not those of the dim layer"),
        (at("arrays", "kl/0", "tensor", to="x"), "arrays.kl/0: arrays.safetensors lacks the tensor 'x'"),
        (at("prompt_sets", to={"a": {"title": 1}}), "prompt_sets.a.title: expected text, found 1"),
    ],
)
def test_what_is_not_a_bundle_is_told_with_its_place(stored: Path, change: Callable[[Any], None], told: str) -> None:
    file = stored / "results.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(BundleError) as raised:
        load_bundle(stored)
    (mistake,) = raised.value.mistakes
    assert told in mistake.message
    assert len(str(mistake).splitlines()) == 2


@pytest.mark.parametrize("models", [["a"], ["b", "a"], ["a", "c"]])
def test_a_subject_names_models_that_are_there_in_their_order(stored: Path, models: list[str]) -> None:
    file = stored / "results.json"
    content = json.loads(file.read_text())
    content["results"]["lens"]["a..b"]["models"] = models
    file.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"lens\.a\.\.b is about other models than it says"):
        load_bundle(stored)
    content["results"]["lens"] = {"..".join(["a", "c"]): {**content["results"]["lens"]["a..b"], "models": ["a", "c"]}}
    file.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"lens\.a\.\.c is about c, which is not one of its models"):
        load_bundle(stored)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("files", ["../x"], "files[0]: a file of it lies outside the bundle, or is not one: '../x'"),
        ("files", ["/x"], "lies outside the bundle"),
        ("files", ["a/../../x"], "lies outside the bundle"),
        ("files", ["a\\x"], "lies outside the bundle"),
        ("files", ["x\n"], "lies outside the bundle"),
        ("files", [""], "lies outside the bundle"),
        ("files", ["天" * 100], "lies outside the bundle"),
        ("files", "x", "files: expected a list, found 'x'"),
        ("started", 7, "started: expected text, found 7"),
        ("only", [7], "only[0]: expected text, found 7"),
        ("durations", {"a": "1"}, "durations.a: expected a number, found '1'"),
        ("tolerances", [], "tolerances: expected a mapping, found an empty list"),
        ("presentation", 5, "presentation: expected a mapping, found 5"),
        ("versions", {"torch": 2}, "versions.torch: expected text, found 2"),
        ("last_run_failed", "two\nlines", "last_run_failed: expected text of the form"),
        ("more", nest_values(50), "more: nested more than 40 levels deep"),
    ],
)
def test_run_json_is_checked_where_it_is_read(stored: Path, key: str, value: Any, told: str) -> None:
    assert read_run(stored) == RUN
    (stored / "run.json").write_text(json.dumps(RUN | {key: value}))
    with pytest.raises(BundleError) as raised:
        load_bundle(stored)
    (mistake,) = raised.value.mistakes
    assert told in mistake.message


def test_arrays_hold_plain_numbers(stored: Path) -> None:
    file = stored / "arrays.safetensors"
    content = bytearray(file.read_bytes())
    assert content.count(b'"F64"') == 1
    file.write_bytes(content.replace(b'"F64"', b'"C64"'))
    with pytest.raises(
        BundleError, match=r"the tensor 'lens/a\.\.b/kl/0' holds 'C64', not numbers|not a file of tensors"
    ):
        load_bundle(stored)
    save_file({"lens/a..b/kl/0": load_file_of(content, stored).astype(np.float16)}, file)
    assert load_bundle(stored)["lens"]["a..b"].arrays["kl/0"].values.dtype == np.float16


def load_file_of(content: bytes | bytearray, folder: Path) -> Any:
    (folder / "again").write_bytes(content)
    return load_file(folder / "again")["lens/a..b/kl/0"]


def test_a_file_that_never_ends_is_not_read(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("results.json", "run.json", "arrays.safetensors"):
        content = (stored / name).read_bytes()
        (stored / name).unlink()
        os.mkfifo(stored / name)
        with pytest.raises(BundleError, match=f"{name}: the bundle is damaged: it is not a regular file"):
            load_bundle(stored)
        (stored / name).unlink()
        (stored / name).write_bytes(content)
    assert load_bundle(stored).title == "T"
    with pytest.raises(BundleError, match="it is larger than 0 MB"):
        read_bytes(stored / "results.json", 10)
    assert bundle_schema.MOST_BYTES < 10**10


def test_columns_of_the_same_name_hold_the_same_everywhere() -> None:
    assert misfit(("layer", "token"), [[3, None], [None, "a"]]) == ""
    assert misfit(("anything",), [["a"], [1], [0.5], [True], [None]]) == ""
    assert misfit(("probability",), [[float("nan")], [1]]) == ""
    with pytest.raises(ValueError, match="the column layer holds whole numbers from 0 on, and nothing else"):
        Table(("layer",), [[10**9]])
    with pytest.raises(ValueError, match="a cell of the column anything is too large"):
        Table(("anything",), [[2**63]])
