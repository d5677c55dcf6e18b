import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen import render, run
from reportgen.cache import DRAWINGS, PAGES, Shelf
from reportgen.figures import draw
from reportgen.figures.describe import HeatMap
from reportgen.look.presentation import Presentation
from reportgen.look.theme import BUILT_IN
from reportgen.outputs import cache as output_cache
from reportgen.outputs import make as outputs
from reportgen.outputs.cache import OutputCache
from reportgen.outputs.make import write_outputs
from reportgen.probes.nearest_tokens import NearestTokens
from reportgen.report.content import bundle_figures
from reportgen.report.templates import templating
from reportgen.resources import folder
from reportgen.results.bundle import Bundle, write_numbers
from reportgen.results.quantities import Array, Metric
from tests.report.fakes import GEMMA, LLAMA, fake_bundle
from tests.tiny import random_model

BOTH = ["html", "figures"]
ALL = [*BOTH, "pdf"]
FIGURES, THUMBNAILS = 5, 3
"""Of two probes: one figure of both models and four of one; the first of each is also drawn small."""


@pytest.fixture
def bundle() -> Bundle:
    """Two probes that can be shown, with five figures."""
    whole = fake_bundle()
    return replace(whole, outcomes={probe: whole.outcomes[probe] for probe in ("census", "nearest")})


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the figures that are drawn, as they are."""
    names: list[str] = []

    def counted(figure: Any, **options: Any) -> Any:
        names.append(figure.name)
        return original(figure, **options)

    original = draw.draw
    monkeypatch.setattr(draw, "draw", counted)
    return names


def made(bundle: Bundle, folder: Path, formats: list[str] = BOTH, **options: Any) -> dict[str, bytes]:
    """The outputs by name, each written by `write_outputs`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names = write_outputs(bundle, folder, formats, **options)
    assert {str(file.relative_to(folder)) for file in folder.rglob("*.*")} == set(names)
    return {name: (folder / name).read_bytes() for name in names}


def with_metric(bundle: Bundle, probe: str, value: int) -> Bundle:
    """The bundle with another number of one probe in one model."""
    outcome = bundle.outcomes[probe][LLAMA]
    changed = replace(outcome, metrics={**outcome.metrics, "total_parameters": Metric(value, "parameters")})
    return replace(bundle, outcomes={**bundle.outcomes, probe: {**bundle.outcomes[probe], LLAMA: changed}})


def with_table(bundle: Bundle) -> Bundle:
    """The bundle with other neighbours in one model."""
    outcome = bundle.outcomes["nearest"][LLAMA]
    table = outcome.tables["neighbours"]
    rows = [[*row[:4], row[4] / 2] for row in table.rows]
    changed = replace(outcome, tables={**outcome.tables, "neighbours": replace(table, rows=rows)})
    return replace(bundle, outcomes={**bundle.outcomes, "nearest": {LLAMA: changed, GEMMA: bundle["nearest"][GEMMA]}})


def test_the_second_time_everything_is_found_byte_for_byte(bundle: Bundle, tmp_path: Path, drawn: list[str]) -> None:
    plain = made(bundle, tmp_path / "out", ALL, cache=False)
    assert Shelf(PAGES).files() == Shelf(DRAWINGS).files() == []
    first = made(bundle, tmp_path / "out", ALL)
    assert len(drawn) == 2 * (FIGURES + THUMBNAILS)
    told: list[str] = []
    again = made(bundle, tmp_path / "out", ALL, progress=told.append)
    assert told == ["html, figures, pdf: reused from the cache"]
    assert len(drawn) == 2 * (FIGURES + THUMBNAILS)
    assert list(plain.items()) == list(first.items()) == list(again.items())


@pytest.mark.slow
def test_a_figure_that_paper_shows_half_as_wide_is_not_drawn_again_either(
    bundle: Bundle, tmp_path: Path, drawn: list[str]
) -> None:
    whole = replace(bundle, outcomes={**bundle.outcomes, "apple": fake_bundle().outcomes["apple"]})
    made(whole, tmp_path / "out", ALL)
    halves = [name for name in drawn if drawn.count(name) > 2]
    assert halves, "two models' curves stand next to each other, and are drawn half as wide as well"
    drawn.clear()
    told: list[str] = []
    after = made(with_table(whole), tmp_path / "out", ALL, progress=told.append)
    assert drawn == ["neighbours"] * 2, "large and small"
    assert told[0].startswith("1 figure drawn, ")
    assert after == made(with_table(whole), tmp_path / "plain", ALL, cache=False)


def test_the_figures_of_a_probe_that_did_not_change_are_not_drawn_again(
    bundle: Bundle, tmp_path: Path, drawn: list[str]
) -> None:
    before = made(bundle, tmp_path / "out")
    drawn.clear()
    changed = with_table(bundle)
    told: list[str] = []
    after = made(changed, tmp_path / "out", progress=told.append)
    assert drawn == ["neighbours"] * 2, "large and small; the other model's is on the same scale as before"
    assert told[0] == "1 figure drawn, 4 reused from the cache"
    assert after == made(changed, tmp_path / "plain", cache=False)
    assert {name for name in after if after[name] != before[name]} == {
        "report.html", *(name for name in after if name.startswith("figures/nearest-llama-"))
    }  # fmt: skip


def test_a_changed_template_makes_the_page_anew_and_no_figure(
    bundle: Bundle, tmp_path: Path, drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made(bundle, tmp_path / "out")
    drawn.clear()
    shutil.copytree(folder("templates"), tmp_path / "templates")
    for place in (output_cache, templating):
        monkeypatch.setattr(place, "folder", lambda name: tmp_path / name)
    templating.make_environment.cache_clear()
    assert made(bundle, tmp_path / "out") == before
    css = tmp_path / "templates" / "assets" / "page.css"
    css.write_text(css.read_text() + "\n.changed { color: red }\n")
    after = made(bundle, tmp_path / "out")
    templating.make_environment.cache_clear()
    assert drawn == []
    assert {name for name in after if after[name] != before[name]} == {"report.html"}
    assert b".changed { color: red }" in after["report.html"]


@pytest.mark.parametrize("shelf", [PAGES, DRAWINGS])
def test_what_was_damaged_or_dropped_is_made_anew(bundle: Bundle, tmp_path: Path, drawn: list[str], shelf: str) -> None:
    before = made(bundle, tmp_path / "out")
    for at, file in enumerate(Shelf(shelf).files()):
        if at % 2:
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:-1])
    drawn.clear()
    assert made(bundle, tmp_path / "out") == before
    assert len(drawn) == {PAGES: 0, DRAWINGS: FIGURES + THUMBNAILS}[shelf]
    assert made(bundle, tmp_path / "out") == before
    assert len(drawn) == {PAGES: 0, DRAWINGS: FIGURES + THUMBNAILS}[shelf]


@pytest.mark.parametrize("shelf", [PAGES, DRAWINGS])
def test_what_changed_places_is_made_anew(bundle: Bundle, tmp_path: Path, drawn: list[str], shelf: str) -> None:
    before = made(bundle, tmp_path / "out")
    files = Shelf(shelf).files()
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, contents[1:] + contents[:1], strict=True):
        file.write_bytes(content)
    drawn.clear()
    assert made(bundle, tmp_path / "out") == before
    assert len(drawn) == {PAGES: 0, DRAWINGS: FIGURES + THUMBNAILS}[shelf]


def test_a_list_that_is_none_is_not_there(bundle: Bundle, tmp_path: Path, drawn: list[str]) -> None:
    before = made(bundle, tmp_path / "out")
    for nonsense in (b"", b"{}", b"[5]", b"[[1, 2]]", b"[" * 100_000):
        Shelf(PAGES).write(key(bundle), nonsense)
        assert made(bundle, tmp_path / "out") == before


def test_where_no_output_is_wanted_nothing_is_drawn_or_told(bundle: Bundle, tmp_path: Path, drawn: list[str]) -> None:
    told: list[str] = []
    assert made(bundle, tmp_path / "out", [], progress=told.append) == {}
    assert made(bundle, tmp_path / "out", [], progress=told.append) == {}
    assert drawn == told == []


def test_a_rendering_leaves_the_cache_within_its_limit(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_numbers(tmp_path, bundle)
    monkeypatch.setenv("REPORTGEN_CACHE_GB", "1")
    render(tmp_path, formats=["figures"])
    assert len(Shelf(DRAWINGS).files()) == 3 * FIGURES
    monkeypatch.setenv("REPORTGEN_CACHE_GB", "0")
    render(tmp_path, formats=["figures"])
    assert Shelf(PAGES).files() == Shelf(DRAWINGS).files() == []


def test_what_was_interrupted_goes_on_with_the_figures_that_were_written(
    bundle: Bundle, tmp_path: Path, drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = outputs._write

    def interrupted(folder: Path, name: str, content: bytes) -> None:
        written.append(name)
        if len(written) == 9:  # of four files a figure
            raise KeyboardInterrupt
        write(folder, name, content)

    monkeypatch.setattr(outputs, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(bundle, tmp_path / "out", ["figures"])
    monkeypatch.setattr(outputs, "_write", write)
    drawn.clear()
    found = made(bundle, tmp_path / "out", ["figures"])
    assert len(drawn) == 3
    assert found == made(bundle, tmp_path / "out", ["figures"], cache=False)


def key(bundle: Bundle, formats: list[str] = BOTH, **options: Any) -> str:
    presentation = options.pop("presentation", Presentation())
    asked = {"stamp": "", "has_figure_files": True, "used": True} | options
    return OutputCache(bundle, formats, presentation, **asked)._key


def test_the_key_changes_with_all_that_is_shown(bundle: Bundle, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    card = bundle.models[LLAMA]
    outcome = bundle.outcomes["census"][LLAMA]
    numbers = np.arange(6.0)

    def with_outcome(**changes: Any) -> Bundle:
        changed = replace(outcome, **changes)
        return replace(bundle, outcomes={**bundle.outcomes, "census": {**bundle.outcomes["census"], LLAMA: changed}})

    def with_array(values: Any) -> Bundle:
        return with_outcome(arrays={"a": Array(("layer",) * values.ndim, values)})

    keys = [
        key(bundle), key(bundle, ["html"]), key(bundle, stamp="2026-11-21"), key(bundle, has_figure_files=False),
        key(bundle, presentation=Presentation("hu")), key(bundle, presentation=Presentation(theme=BUILT_IN["dark"])),
        key(bundle, presentation=Presentation(page_bytes=1)), key(bundle, presentation=Presentation(templates=own)),
        key(replace(bundle, title="Another")),
        key(replace(bundle, models={**bundle.models, LLAMA: replace(card, name="Another")})),
        key(replace(bundle, models={**bundle.models, LLAMA: replace(card, facts={**card.facts, "device": "cuda"})})),
        key(replace(bundle, models=dict(reversed(bundle.models.items())))),
        key(replace(bundle, outcomes=dict(reversed(bundle.outcomes.items())))),
        key(replace(bundle, run={"versions": {"torch": "3"}})),
        key(with_metric(bundle, "census", 5)), key(with_table(bundle)),
        key(with_outcome(status="failed", reason="r")), key(with_outcome(version=2)),
        key(with_outcome(options={"seed": 1})), key(with_outcome(prompt_sets={"a/b": {"title": "t"}})),
        key(with_array(numbers)), key(with_array(numbers.astype(np.float32))), key(with_array(numbers.reshape(2, 3))),
        key(with_array(numbers.reshape(3, 2))), key(with_array(numbers[::-1])),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)


def test_the_key_knows_no_clock_and_no_order_of_formats(bundle: Bundle, tmp_path: Path) -> None:
    later = replace(bundle, path=tmp_path, run={**bundle.run, "started": "later", "machine": {"host": "another"}})
    assert key(later) == key(bundle)
    assert key(bundle, ["figures", "html", "html"]) == key(bundle, ["html", "figures"])


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("code_of", lambda: "other code"),
        ("contents_of", lambda folder: "other templates"),
        ("list_conditions", lambda: ("other fonts",)),
        ("version_of", lambda distribution: f"another {distribution}"),
    ],
)
def test_the_key_changes_with_code_templates_fonts_and_libraries(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str, changed: Any
) -> None:
    before = key(bundle)
    monkeypatch.setattr(output_cache, name, changed)
    assert key(bundle) != before


def test_the_key_changes_with_the_distribution_that_brings_a_probe(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Distribution:
        name, version = "strange-probes", "1"

    file = tmp_path / "strange_probe.py"
    file.write_text("probe = 1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(output_cache, "entry_points", lambda group: EntryPoints(points))
    points: list[EntryPoint] = []
    keys = [key(bundle)]
    point = EntryPoint("nearest_tokens", "strange_probe:probe", "reportgen.probes")
    vars(point).update(dist=Distribution)
    points.append(point)
    keys.append(key(bundle))
    Distribution.version = "2"
    keys.append(key(bundle))
    file.write_text("probe = 2")
    keys.append(key(bundle))
    points[0] = EntryPoint("of_another_battery", "strange_probe:probe", "reportgen.probes")
    assert len(set(keys)) == 4
    assert key(bundle) == keys[0]
    points[0] = EntryPoint("nearest_tokens", "no_such.module:probe", "reportgen.probes")
    assert key(bundle) not in keys


def test_a_report_with_a_probe_that_is_not_installed_is_made_each_time(bundle: Bundle, tmp_path: Path) -> None:
    strange = {id: replace(outcome, probe="stranger") for id, outcome in bundle.outcomes["nearest"].items()}
    partly = replace(bundle, outcomes={"census": bundle.outcomes["census"], "nearest": strange})
    assert made(partly, tmp_path / "out") == made(partly, tmp_path / "out")
    assert Shelf(PAGES).files() == []
    assert len(Shelf(DRAWINGS).files()) == 3 * 4 + 1, "each of three figures in four flavours, and a thumbnail"


def test_a_figure_that_cannot_be_named_is_drawn_each_time(
    bundle: Bundle, tmp_path: Path, drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = np.ma.masked_invalid([[1.0, np.nan]])
    figure = HeatMap(name="n", subject=(LLAMA,), title="t", alt="a", values=masked, row_label="r", column_label="c",
                     value_label="v")  # fmt: skip
    monkeypatch.setattr(NearestTokens, "figures", lambda self, section: [figure])
    first = made(bundle, tmp_path / "out")
    drawn.clear()
    assert made(bundle, tmp_path / "out") == first
    assert drawn == ["n", "n"], "large and small"
    assert Shelf(PAGES).files() == []


def test_figures_are_not_even_described_again(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(bundle, tmp_path / "out")
    monkeypatch.setattr(outputs, "describe_bundle", lambda bundle: pytest.fail("described again"))
    assert bundle_figures.describe_bundle is not outputs.describe_bundle
    assert made(bundle, tmp_path / "out") == first


def test_a_run_without_the_cache_keeps_nothing_and_looks_for_nothing(tmp_path: Path, drawn: list[str]) -> None:
    (tmp_path / "config.json").write_text(random_model("llama").config.to_json_string())
    battery = {"models": {"a": f"config:{tmp_path / 'config.json'}"}, "probes": {"c": {"probe": "parameter_census"}}}
    (tmp_path / "b.yaml").write_text(json.dumps(battery | {"outputs": BOTH}))
    run(tmp_path / "b.yaml", cache=False)
    each = len(drawn)
    assert each > 0
    assert Shelf(PAGES).files() == Shelf(DRAWINGS).files() == []
    run(tmp_path / "b.yaml")
    run(tmp_path / "b.yaml")
    assert len(drawn) == 2 * each
    run(tmp_path / "b.yaml", cache=False)
    assert len(drawn) == 3 * each


RENDER = """
import sys
from reportgen import render
render(sys.argv[1], progress=print)
print(*sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:])))
"""


def files(folder: Path) -> Mapping[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*")}


def test_the_second_rendering_loads_nothing_that_draws_or_sets(bundle: Bundle, tmp_path: Path) -> None:
    stored = tmp_path / "bundle"
    stored.mkdir()
    write_numbers(stored, bundle)
    drawing = {"matplotlib", "PIL", "fontTools", "jinja2"}
    never = {"torch", "transformers", "sklearn", "huggingface_hub", "weasyprint", "rich", "rapidfuzz"}
    told, left = [], []
    for _ in range(2):
        program = [sys.executable, "-c", RENDER, str(stored), *drawing, *never]
        ran = subprocess.run(program, capture_output=True, text=True, check=True)
        told.append(ran.stdout.splitlines())
        left.append(files(stored))
    assert told[0][0] == "5 figures drawn"
    assert told[0][-1].split() == sorted(drawing)
    assert told[1] == ["html, pdf, figures: reused from the cache", ""]
    assert left[0] == left[1]
    assert len(left[0]) == 3 + 2 + 4 * 5
