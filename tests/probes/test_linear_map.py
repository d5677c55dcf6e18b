"""A map read from names, against scikit-learn on the same split and fits made again for all that is left out."""

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, Maps
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.twin import build_random_twin
from reportgen.numerics.ridge import SHARES
from reportgen.probes.linear_map.coasts import read_coasts
from reportgen.probes.linear_map.figures import NAMED, figures
from reportgen.probes.linear_map.fits import Task, explain_each, fit_layers, keep_names, set_task
from reportgen.probes.linear_map.options import Options
from reportgen.probes.linear_map.sheet import BUILT_IN, read_sheet
from reportgen.probes.linear_map.statement import tell, tell_briefly
from reportgen.probes.linear_map.view import View
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from reportgen.training.hold_out import draw_held_out
from tests.reference import linear_map as reference
from tests.reference.plain import residuals
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

CITIES = read_sheet(*BUILT_IN["cities"])
SMALL: dict[str, Any] = {"probe": "linear_map", "data": "cities", "most": 60}


def plant(seed: int = 0, names: int = 400, width: int = 30) -> tuple[NDArray[np.float32], Task]:
    """(layer x name x width) rows: noise, then a plane of the targets in them, then one that a group gives away."""
    chance = np.random.default_rng(seed)
    groups = [f"g{at % 20}" for at in range(names)]
    targets = np.array([[at % 20 / 5, -(at % 7) / 3] for at in range(names)]) + 0.1 * chance.normal(size=(names, 2))
    noise = chance.normal(size=(names, width))
    planted = noise + 100 * targets @ chance.normal(size=(2, width))
    told = chance.normal(size=(20, width))[np.arange(names) % 20]
    rows = np.stack([noise, planted, told + 0.05 * noise]).astype(np.float32)
    return rows, set_task(targets, groups, draw_held_out(len(targets), 0.25, seed), seed)


def test_a_planted_map_is_found_and_none_in_shuffled_names_or_noise() -> None:
    rows, task = plant()
    fits = fit_layers(rows, task)
    true, shuffled = task.targets[task.held], task.shuffled[task.held]
    assert explain_each(true, fits[1].predicted).mean() > 0.99
    assert fits[1].inner > 0.99
    assert explain_each(true, fits[0].predicted).mean() < 0.05
    assert all(explain_each(shuffled, fit.shuffled).mean() <= 0.05 for fit in fits)


def test_what_only_the_group_gives_away_is_gone_without_it() -> None:
    rows, task = plant()
    by_group = fit_layers(rows, task)
    true = task.targets[task.held]
    with_it = explain_each(true[:, :1], by_group[2].predicted[:, :1]).mean()
    planted, told = (by_group[layer].without_group for layer in (1, 2))
    assert planted is not None
    assert told is not None
    assert explain_each(true[:, :1], planted[:, :1]).mean() > 0.99
    assert with_it > 0.9
    assert explain_each(true[:, :1], told[:, :1]).mean() < 0.3
    assert all(fit.without_group is None for fit in fit_layers(rows, task, with_groups=False))


def test_every_number_equals_scikit_learns_on_the_same_split() -> None:
    rows, task = plant(1, names=120, width=12)
    rows[1] += 200 * np.random.default_rng(3).normal(size=rows[1].shape)  # so that a penalty between the ends is best
    fitted = ~task.held
    for layer, found in enumerate(fit_layers(rows, task)):
        x = StandardScaler().fit(rows[layer, fitted].astype(np.float64)).transform(rows[layer].astype(np.float64))
        for targets, predicted in ((task.targets, found.predicted), (task.shuffled, found.shuffled)):
            alphas = np.array(SHARES) * fitted.sum()  # the sum of squares of each standardised dimension
            theirs: Any = RidgeCV(alphas=alphas, alpha_per_target=True).fit(x[fitted], targets[fitted])
            np.testing.assert_allclose(predicted, theirs.predict(x[task.held]), rtol=1e-4, atol=1e-5)
            expected = r2_score(targets[task.held], theirs.predict(x[task.held]))
            assert explain_each(targets[task.held], predicted).mean() == pytest.approx(expected, abs=1e-5)
        mine: Any = RidgeCV(alphas=alphas, alpha_per_target=True).fit(x[fitted], task.targets[fitted])
        np.testing.assert_allclose(found.shares, mine.alpha_ / fitted.sum(), rtol=1e-4)
        variance = task.targets[fitted].var(axis=0)
        assert found.inner == pytest.approx((1 + mine.best_score_ / variance).mean(), abs=1e-5)


def test_r2_is_the_mean_of_the_columns_about_the_mean_of_the_names_held_out() -> None:
    chance = np.random.default_rng(0)
    true = chance.normal(size=(40, 2)) * [1, 30] + [3, 8]
    predicted = true + chance.normal(size=(40, 2)) * [0.8, 5]
    found = explain_each(true, predicted).mean()
    assert found == pytest.approx(reference.r_squared(true.tolist(), predicted.tolist()))
    assert found != pytest.approx(reference.r_squared(true.tolist(), predicted.tolist(), summed=True), abs=0.05)
    assert found != pytest.approx(reference.r_squared(true.tolist(), predicted.tolist(), mean=[2, 0]), abs=0.005)


def test_who_is_held_out_is_the_same_whichever_names_a_model_reads() -> None:
    _, task = plant()
    kept = keep_names(task, [*range(10), *range(20, 400)])
    np.testing.assert_array_equal(kept.held[:10], task.held[:10])
    np.testing.assert_array_equal(kept.held[10:], task.held[20:])
    np.testing.assert_array_equal(kept.shuffled[10:], task.shuffled[20:])
    assert list(kept.groups[10:]) == list(task.groups[20:])


def test_memory_is_that_of_a_few_layers() -> None:
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(24, 600, 200)).astype(np.float32)
    task = set_task(chance.normal(size=(600, 2)), ["a", "b"] * 300, draw_held_out(600, 0.2, 0), 0)
    fit_layers(rows[:1], task)
    tracemalloc.start()
    fit_layers(rows, task)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * rows[0].size * 8, "float64 copies of a layer, not of all"


def by_hand(family: str, seed: int, names: Sequence[str], *, bos: bool, twin: bool = False) -> NDArray[np.float64]:
    """(layer x name x width) the stream at the last token of each, one text at a time."""
    network = random_model(family, seed)
    if twin:
        network = build_random_twin(LoadedModel(network, anatomy_of(network)), 0).network
    tokenizer = Tokenizer.from_str(tokenizer_json(bos))
    rows = [residuals(network, family, tokenizer.encode(name).ids)[:, -1].numpy() for name in names]
    return np.stack(rows, axis=1).astype(np.float64)


@pytest.mark.parametrize(("family", "seed", "bos"), [("llama", 0, True), ("gemma3", 1, False)])
def test_a_whole_run_is_what_scikit_learn_makes_of_the_models_own_rows(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    outcome = run_probes({"m": request.getfixturevalue(family)}, {"world": SMALL}).outcomes["world"]["m"]
    assert outcome.status == "ok", outcome.reason
    held = draw_held_out(60, 0.2, 0)
    targets = np.array([city.numbers for city in CITIES[:60]])
    for array, twin in (("r2", False), ("r2_random", True)):
        rows = by_hand(family, seed, [city.name for city in CITIES[:60]], bos=bos, twin=twin)
        expected, inner = [], []
        for layer in rows:
            x = StandardScaler().fit(layer[~held]).transform(layer)
            theirs: Any = RidgeCV(alphas=np.array(SHARES) * 48, alpha_per_target=True).fit(x[~held], targets[~held])
            expected.append(r2_score(targets[held], theirs.predict(x[held])))
            inner.append((1 + theirs.best_score_ / targets[~held].var(axis=0)).mean())
        np.testing.assert_allclose(outcome.arrays[array].values, expected, atol=2e-3)
        if not twin:
            assert outcome.metrics["best_layer"].value == int(np.argmax(inner))
            assert outcome.metrics["r2"].value == outcome.arrays["r2"].values[int(np.argmax(inner))]
    assert outcome.metrics["r2_of_twin"].value == outcome.arrays["r2_random"].values.max()
    assert outcome.arrays["explained"].along("item") == tuple(np.flatnonzero(held).tolist())
    np.testing.assert_allclose(outcome.arrays["explained"].values.mean(axis=1), outcome.arrays["r2"].values)


def test_the_table_holds_what_the_metrics_tell_of(llama: Path) -> None:
    outcome = run_probes({"m": llama}, {"world": SMALL}).outcomes["world"]["m"]
    rows = outcome.tables["predicted"].records()
    true, predicted = ([[r[key] for r in rows[at : at + 2]] for at in range(0, len(rows), 2)] for key in
                       ("true", "predicted"))  # fmt: skip
    new = [[r["without_group"] for r in rows[at : at + 2]] for at in range(0, len(rows), 2)]
    assert [row["column"] for row in rows[:2]] == ["latitude", "longitude"]
    assert outcome.metrics["r2"].value == pytest.approx(reference.r_squared(true, predicted))
    assert outcome.metrics["r2_of_new_groups"].value == pytest.approx(reference.r_squared(true, new))
    wrapped = [[max(-90, min(90, a)), b] for a, b in predicted]
    apart = sorted(reference.great_circle(a, b) for a, b in zip(true, wrapped, strict=True))
    assert outcome.metrics["median_error"].value == pytest.approx((apart[5] + apart[6]) / 2)
    swapped = sorted(reference.great_circle(a, b, swapped=True) for a, b in zip(true, wrapped, strict=True))
    assert outcome.metrics["median_error"].value != pytest.approx((swapped[5] + swapped[6]) / 2, rel=0.01)
    for at, row in enumerate(outcome.tables["columns"].records()):
        one, other = ([pair[at] for pair in both] for both in (true, predicted))
        assert row["spearman"] == pytest.approx(reference.spearman(one, other))
        assert row["median_absolute_error"] == pytest.approx(np.median(np.abs(np.subtract(one, other))))


def test_years_have_an_error_in_years_and_no_kilometres(llama: Path) -> None:
    entry = {"probe": "linear_map", "data": "events", "most": 60, "twin": False}
    results = run_probes({"m": llama}, {"years": entry})
    outcome = results.outcomes["years"]["m"]
    assert "median_error" not in outcome.metrics
    assert "r2_of_twin" not in outcome.metrics
    assert "r2_random" not in outcome.arrays
    assert outcome.tables["columns"].column("column") == ["year"]
    again = run_probes({"m": llama}, {"years": entry}).outcomes["years"]["m"]
    for name, array in outcome.arrays.items():
        np.testing.assert_array_equal(array.values, again.arrays[name].values)


def test_the_plan_counts_the_passes_and_the_twins(llama: Path) -> None:
    battery = {"models": {"m": str(llama)}, "probes": {"world": SMALL, "bare": {**SMALL, "twin": False}}}
    (model,) = make_plan(read_battery(json.dumps(battery))).models
    assert [case.further for case in model.cases] == [120, 60]


# what is wrong with a battery, or with a file of names


def write_names(folder: Path, lines: Sequence[str], heading: str = "name,lat,lon,land") -> Path:
    file = folder / "names.csv"
    file.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return file


GOOD = [f"Town {at} x,{at % 60},{at},{at % 7}" for at in range(60)]


def refuse(folder: Path, lines: Sequence[str] = GOOD, heading: str = "name,lat,lon,land", **options: Any) -> str:
    """What a battery with these names is refused with, each mistake in a line."""
    write_names(folder, lines, heading)
    entry = {"probe": "linear_map", "data": "names.csv", "columns": ["lat", "lon"], **options}
    battery = json.dumps({"models": {"m": "demo:gemma-3-270m"}, "probes": {"map": entry}}, ensure_ascii=False, indent=1)
    with pytest.raises(BatteryError) as caught:
        read_battery(battery, folder / "b.yaml")
    assert caught.value.exit_code == 2
    return "\n".join(one.in_one_line for one in caught.value.mistakes).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        (GOOD, {"columns": ["lat", "long"]}, "names.csv has no column 'long'. Did you mean 'lon'?"),
        (GOOD, {"group": "country"}, "names.csv has no column 'country'. Known: name, lat, lon, land"),
        ([*GOOD, "Far,95,3,a"], {}, "names.csv:62: lat: 95 is not on the globe, which goes from −90 to 90 degrees"),
        ([*GOOD, "Far,5,-300,a"], {}, "names.csv:62: lon: −300 is not on the globe"),
        ([*GOOD, "Far,north,3,a"], {}, "names.csv:62: lat: expected a number, found 'north'"),
        ([*GOOD, "Far,nan,3,a"], {}, "names.csv:62: lat: expected a number, found 'nan'"),
        ([*GOOD, "Far,,3,a"], {}, "names.csv:62: lat: expected a number, found ''"),
        ([*GOOD, "Town 3 x,1,2,a"], {}, "names.csv:62: the name 'Town 3 x' stands in line 5 already"),
        ([*GOOD, " ,1,2,a"], {}, "names.csv:62: 'name' is empty"),
        ([*GOOD, "Rome, Italy,1,2,a"], {}, "names.csv:62: found 5 cells, expected 4 as in the heading. Put quotes"),
        (GOOD[:49], {}, "names.csv has 49 names; at least 50 are needed"),
        (GOOD, {"split": 0.1}, "6 of 60 names would be held out. At least 10 are needed"),
        ([f"T {at},4,{at},a" for at in range(60)], {}, "names.csv:2: 'lat' is 4 in every row"),
        (GOOD, {"data": "citys"}, "there is no file 'citys'. Did you mean 'cities'?"),
        (GOOD, {"data": "other.csv"}, "there is no file 'other.csv'. Is the path right?"),
        (GOOD, {"columns": None}, "it is not said which columns are read. Write columns: [latitude, longitude]"),
        (GOOD, {"columns": ["lat", "lat"]}, "'lat' is named twice"),
        (GOOD, {"template": "The city of {name}."}, "'The city of {name}.' does not end in {name}"),
        (GOOD, {"template": "a city"}, "'a city' does not end in {name}"),
        ([], {}, "names.csv has 0 names"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(
    lines: list[str], options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    options = {key: value for key, value in options.items() if value is not None} | (
        {"columns": None} if options.get("columns", 1) is None else {}
    )
    told = refuse(tmp_path, lines, **options)
    assert said in told
    assert told.count("\n") == 0
    assert told.startswith(("names.csv:", "b.yaml:"))


def test_a_heading_that_names_a_column_twice_an_empty_file_and_bytes_are_refused(tmp_path: Path) -> None:
    assert "names.csv:1: the heading names 'lat' twice" in refuse(tmp_path, heading="name,lat,lat,land")
    assert "names.csv:1: the file is empty" in refuse(tmp_path, [], heading="")
    many = refuse(tmp_path, [f"T {at},x,y,a" for at in range(60)])
    assert many.count("\n") == 9, "a column in another format is wrong in every line"
    (tmp_path / "names.csv").write_bytes(b"name,lat,lon\n\xff\xfe,1,2\n")
    with pytest.raises(BatteryError, match=r"names\.csv: not UTF-8 text"):
        read_battery(
            json.dumps({"models": {"m": "demo:gemma-3-270m"}, "probes": {"map": {
                "probe": "linear_map", "data": "names.csv", "columns": ["lat", "lon"]}}}), tmp_path / "b.yaml"
        )  # fmt: skip


def test_a_file_of_ones_own_is_read_beside_the_battery_and_hashed(tmp_path: Path, llama: Path) -> None:
    file = write_names(tmp_path, GOOD)
    entry = {"probe": "linear_map", "data": str(file), "columns": ["lon"], "group": "land", "template": "In {name}"}
    outcome = run_probes({"m": llama}, {"map": entry}).outcomes["map"]["m"]
    assert outcome.status == "ok", outcome.reason
    assert len(outcome.options["data_sha256"]) == 64
    assert outcome.tables["predicted"].column("colour") == outcome.tables["predicted"].column("group")
    assert "median_error" not in outcome.metrics


def test_names_that_end_alike_say_nothing_at_the_embedding(tmp_path: Path, llama: Path) -> None:
    entry = {"probe": "linear_map", "data": str(write_names(tmp_path, GOOD)), "columns": ["lat", "lon"]}
    outcome = run_probes({"m": llama}, {"map": entry}).outcomes["map"]["m"]
    assert outcome.status == "ok", outcome.reason
    assert (outcome.metrics["r2_at_embedding"].value or 0) <= 0


def test_a_name_that_is_the_first_token_of_all_is_left_out(tmp_path: Path, gemma3: Path) -> None:
    # The tiny tokenizer has a token for each of these, and this model no BOS.
    file = write_names(tmp_path, [*GOOD, "I,3,4,a", "a,5,6,a"])
    entry = {"probe": "linear_map", "data": str(file), "columns": ["lat", "lon"], "twin": False}
    outcome = run_probes({"m": gemma3}, {"map": entry}).outcomes["map"]["m"]
    assert [row[:2] for row in outcome.tables["skipped"].rows] == [[60, "I"], [61, "a"]]
    told = run_probes({"m": gemma3}, {"map": {**entry, "template": "In {name}"}}).outcomes["map"]["m"]
    assert told.tables["skipped"].rows == []


# figures and sentences


def show(
    r2: Sequence[float], *, best: int, twin: float | None = 0.05, shuffled: float = -0.02, noise: float = 0.05,
    names: int = 200, group: bool = True,
) -> Section:  # fmt: skip
    """A subject of so many layers whose names held out are explained so, with this much noise between names."""
    chance = np.random.default_rng(0)
    common = noise * _centred(chance, names)
    explained = np.stack([value + common + 0.2 * noise * _centred(chance, names) for value in r2])
    metrics: dict[str, float | None] = {
        "r2": r2[best], "best_layer": best, "r2_at_embedding": r2[0], "r2_of_shuffled": shuffled,
        "median_error": 1234.0, "held_out": names, "fitted": 4 * names,
    }  # fmt: skip
    if twin is not None:
        metrics["r2_of_twin"] = twin
    if group:
        metrics["r2_of_new_groups"] = r2[best] - 0.2
    columns = ("item", "name", "group", "colour", "column", "true", "predicted", "without_group")
    rows: list[list[Any]] = []
    for at in range(names):
        for column, true in (("latitude", -50 + at / 2), ("longitude", at - 100)):
            rows.append([at, f"Town {at}", "Land", f"part {at % 6}", column, true, true + 90, true])
    layers = {name: Array(("layer",), np.array(r2)) for name in
              ("r2", "r2_inner", "r2_shuffled", "r2_random", "r2_by_country")}  # fmt: skip
    outcome = Outcome(
        "linear_map", 1, {"axis": "relative", "data": "cities"}, ("m",), "ok",
        metrics={name: Metric(value) for name, value in metrics.items()},
        tables={"columns": Table(("column", "r2", "spearman", "median_absolute_error", "penalty"),
                                 [["latitude", 0.5, 0.5, 5.0, 1.0], ["longitude", 0.5, 0.5, 9.0, 1.0]]),
                "predicted": Table(columns, rows)},
        arrays={**layers, "explained": Array(("layer", "item"), explained)},
    )  # fmt: skip
    return Section("s", {"m": outcome}, {"m": ModelCard("m", "M", "X", len(r2) - 1)})


def _centred(chance: np.random.Generator, count: int) -> NDArray[np.float64]:
    values = chance.normal(size=count)
    centred: NDArray[np.float64] = values - values.mean()
    return centred


def tell_of(section: Section) -> str:
    (view,) = View.each(section)
    return tell(view)


@pytest.mark.parametrize(
    ("r2", "best", "said"),
    [
        ([0.3, 0.5, 0.8, 0.7, 0.6], 2,
         "R² rises from 0.30 at layer 0 and falls again to 0.60 at the last: the map is in between."),
        ([0.3, 0.5, 0.8, 0.8, 0.79], 3,
         "R² rises from 0.30 at layer 0, and the last layer (0.79) is as good as the best: there is no hump in the "
         "middle."),
        ([0.3, 0.5, 0.6, 0.7, 0.8], 4, "and the last layer (0.80) is as good as the best"),
        ([0.6, 0.6, 0.61, 0.6, 0.59], 2, "the layers add nothing to the embedding of the last token"),
        ([0.6, 0.5, 0.4, 0.4, 0.3], 0, "Layer 0 (0.60) is as good as the best; the last has 0.30."),
    ],
)  # fmt: skip
def test_the_course_over_the_layers_is_told_by_rule(r2: list[float], best: int, said: str) -> None:
    assert said in tell_of(show(r2, best=best))


def test_a_course_is_open_where_names_are_too_unlike_to_tell() -> None:
    section = show([0.5, 0.55, 0.62, 0.6, 0.58], best=2, noise=4.0, names=2000)
    assert "is open" in tell_of(section) or "No clear" in tell_of(section)
    few = show([0.5, 0.55, 0.62, 0.6, 0.55], best=2, noise=1.0, names=20)
    assert "whether the best lies between them by more than 0.05 is open" in tell_of(few)


def test_a_map_no_better_than_its_controls_is_no_map() -> None:
    assert tell_of(show([0.01, 0.03, 0.04, 0.02, 0.01], best=2)).startswith("No clear statement about M")
    assert "0.76 at most with random weights" in tell_of(show([0.3, 0.5, 0.8, 0.7, 0.6], best=2, twin=0.76))
    assert tell_of(show([0.3, 0.5, 0.8, 0.7, 0.6], best=2, twin=0.76)).startswith("No clear statement about M")
    assert tell_of(show([0.3, 0.5, 0.8, 0.7, 0.6], best=2, twin=None)).startswith(
        "M: latitude and longitude can be read"
    )
    unsure = show([0.0, 0.1, 0.2, 0.1, 0.1], best=2, noise=2.0, names=12)
    assert tell_of(unsure).startswith("No clear statement about M")


def test_the_sentence_tells_the_layer_the_controls_the_error_and_what_countries_give() -> None:
    section = show([0.3, 0.5, 0.8, 0.7, 0.6], best=2)
    told = tell_of(section)
    assert told.startswith(
        "M: latitude and longitude can be read from names by a linear map, best at layer 2 of 4 (50%): R² 0.80 on 200 "
        "names held out, against −0.020 for shuffled names and 0.050 at most with random weights. Half of the names "
        "lie less than 1,230 km from where they are read. Without all names of the same country R² is 0.60."
    )
    (view,) = View.each(section)
    assert tell_briefly(view) == "R² 0.80 at layer 2, 0.30 at layer 0"
    assert "same country" not in tell_of(show([0.3, 0.5, 0.8, 0.7, 0.6], best=2, group=False))


def test_the_world_is_drawn_with_every_point_in_it_and_a_few_names() -> None:
    world, layers = figures(show([0.3, 0.5, 0.8, 0.7, 0.6], best=2))
    assert isinstance(world, Maps)
    assert isinstance(layers, Curves)
    assert [panel.title for panel in world.panels] == ["where they lie", "read from the names at layer 2"]
    for panel in world.panels:
        for axis, ends in enumerate((panel.x_range, panel.y_range)):
            assert ends is not None
            assert (panel.points[:, axis] >= ends[0]).all()
            assert (panel.points[:, axis] <= ends[1]).all()
    assert world.panels[1].points[:, 1].max() == 90.0, "a prediction beyond the pole is put onto it"
    assert 6 <= sum(map(bool, world.labels)) <= NAMED
    assert {world.groups[at] for at, label in enumerate(world.labels) if label} == set(world.groups)
    assert [curve.label for curve in layers.curves] == [
        "names held out", "without their country", "shuffled names", "random weights",
    ]  # fmt: skip


# what ships


def test_the_cities_are_the_largest_each_once_and_on_the_globe() -> None:
    assert len(CITIES) == 1500
    assert [city.name for city in CITIES[:3]] == ["Shanghai", "Beijing", "Shenzhen"]
    assert len({city.colour for city in CITIES}) == 6
    by_name = {city.name: city for city in CITIES}
    for name, place, country in (
        ("Paris", (48.8566, 2.3522), "France"), ("New York City", (40.7128, -74.0060), "United States"),
        ("Sydney", (-33.8688, 151.2093), "Australia"), ("Nairobi", (-1.2864, 36.8172), "Kenya"),
        ("São Paulo", (-23.5505, -46.6333), "Brazil"),
    ):  # fmt: skip
        assert reference.great_circle(by_name[name].numbers, place) < 5
        assert by_name[name].group == country


def test_the_events_are_dated_once_each() -> None:
    events = read_sheet(*BUILT_IN["events"])
    assert len(events) == 255
    years = {event.name: event.numbers[0] for event in events}
    assert years["The fall of the Berlin Wall"] == 1989
    assert not [event.name for event in events if str(int(event.numbers[0])) in event.name]
    assert len({event.group for event in events}) == 5


def test_the_coasts_have_a_place_in_each_part_of_the_world() -> None:
    points = np.concatenate(read_coasts())
    assert 1000 < len(points) < 4000
    assert (np.abs(points) <= [180, 90]).all()
    for place in ((-5.6, 36.0), (18.5, -34.4), (-81.0, 25.2), (-67.3, -55.9), (142.5, -10.7)):
        assert np.hypot(*(points - place).T).min() < 2
    steps = [np.abs(np.diff(coast[:, 0])).max() for coast in read_coasts()]
    assert max(steps) < 30, "no line runs across the map"


def test_the_options_of_the_built_in_data_are_theirs() -> None:
    asked = Options(data="cities")
    assert asked.sheet.group == "country"
    assert asked.sheet.globe == (0, 1)
    assert len(asked.entities) == 1500
    assert Options(data="cities", columns=["latitude"]).sheet.globe is None


@pytest.mark.real
def test_gemma_has_a_map_of_the_world_that_is_not_in_its_embedding() -> None:
    entry = {"probe": "linear_map", "data": "cities", "most": 600}
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    found = run_probes(models, {"world": entry}).outcomes["world"]
    r2, first, twin, new = (
        {id: one.metrics[name].value or 0.0 for id, one in found.items()}
        for name in ("r2", "r2_at_embedding", "r2_of_twin", "r2_of_new_groups")
    )
    assert r2["gemma"] > 0.65
    assert r2["gemma"] > first["gemma"] + 0.2
    assert r2["gemma"] > r2["llama"] + 0.1
    assert max(twin.values()) < 0.15
    assert all(new[id] < r2[id] for id in r2)
    assert "London" in found["llama"].tables["skipped"].column("name")
