"""Bundles are strangers' data: whatever was done to one, it is refused in plain words, or everything copes with it."""

import builtins
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from reportgen.baseline.accepted import Acceptance, accept, load_tolerances
from reportgen.baseline.calibration import widen_tolerances
from reportgen.baseline.compare import Comparison, compare
from reportgen.baseline.history import read_history
from reportgen.baseline.history_record import as_json
from reportgen.baseline.judgements import conclusion, count_verdicts, find_beginnings
from reportgen.baseline.record import record_bytes
from reportgen.ci.annotations import write_annotations
from reportgen.ci.junit import write_junit
from reportgen.ci.markdown import write_markdown
from reportgen.errors import ReportgenError
from reportgen.report.comparison.page import write_comparison
from reportgen.results.bundle import Bundle, load_bundle, write_numbers
from reportgen.workflows.comparison import tolerances_of
from reportgen.workflows.report import render
from tests.mutations import HALF, TEXTS, damage
from tests.report.parsed import Page
from tests.runs import run_probes
from tests.tiny import save_tiny

PYTHON = re.compile(
    r"\b(" + "|".join(n for n, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)
                      and n not in ("Warning",)) + r"|Traceback|pydantic|numpy)\b"
)  # fmt: skip
"""What no person should be told."""
WORDS = ["an apple a day, as they say, keeps nobody away", "the apple of my eye"]
PROBES = {
    "census": {"probe": "parameter_census", "models": ["m"]},
    "near": {"probe": "nearest_tokens", "ids": [5, 300], "k": 3, "models": ["m"]},
    "word": {"probe": "word_similarity", "word": "apple", "prompts": WORDS},
    "lens": {"probe": "logit_lens", "prompts": WORDS[:1], "continue": 2, "top_k": 2, "models": ["m"]},
    "heads": {"probe": "attention_grid", "prompts": WORDS[:1], "heads": [[0, 1]], "models": ["m"]},
    "copies": {"probe": "head_scores", "length": 6, "sequences": 1, "top": 2, "models": ["m"]},
    "parts": {"probe": "attention_parts", "prompts": WORDS[:1], "heads": [[0, 1]], "models": ["m"]},
    "written": {"probe": "generation_lens", "prompts": WORDS[:1], "continue": 2, "k": 2, "models": ["m"]},
    "map": {"probe": "pca_map", "prompts": [*WORDS, "I ate"], "models": ["m"]},
    "drift": {"probe": "drift", "base": "m", "other": "l", "prompts": WORDS[:1]},
}
FEW = ("near", "lens", "copies", "drift")
"""Enough for the fuzz that runs every time."""
CODES = ("component", "kind", "part", "shape", "dtype")
"""Columns of words that a probe chooses from a few of its own; others hold what models, tokenizers and people say."""
HISTORIES = 10
"""One of so many damaged bundles is read as a night among others."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline with tolerances, of two tiny models and of a pair of them."""
    root = tmp_path_factory.mktemp("original")
    models = {"m": save_tiny(root / "m"), "l": save_tiny(root / "l", seed=2)}
    results = run_probes(models, PROBES)
    run = {
        "started": "2026-11-21T03:00:00+00:00",
        "versions": {"torch": "2.13.0"},
        "machine": {"host": "here"},
        "durations": {"near m": 1.0},
        "from_cache": ["map m"],
        "tolerances": {"lens.*.kl": {"abs": 0.5}},
        "only": [],
        "files": ["results.json", "report.html", "figures/a-m-b.svg"],
        "presentation": {"language": "en", "page_bytes": 10_000_000},
        "last_run_failed": "",
    }
    made = root / "night-0"
    made.mkdir()
    write_numbers(made, Bundle(None, "Tiny", results.models, results.outcomes, run))
    (made / "tolerances.yaml").write_text("near.*:\n  abs: 0.1\n  gate: false\nlens.m.top: {overlap: 0.5}\n")
    (made / "accepted.yaml").write_text("- when: 2026-11-21 06:00 UTC\n  by: Ada\n  reason: first one\n")
    assert all(one.status == "ok" for of_one in load_bundle(made).outcomes.values() for one in of_one.values())
    return made


@pytest.fixture(scope="module")
def small(original: Path) -> Path:
    """A part of it."""
    stored = load_bundle(original)
    made = original.parent / "small" / "night-0"
    shutil.copytree(original, made)
    write_numbers(made, replace(stored, outcomes={id: stored.outcomes[id] for id in FEW}))
    return made


def told_well(error: ReportgenError) -> None:
    for mistake in error.mistakes:
        assert len(str(mistake).splitlines()) <= 2, str(mistake)
        assert len(str(mistake)) < 2000
        assert not PYTHON.search(str(mistake)), str(mistake)


def check_survival(original: Bundle, folder: Path) -> str:
    """What became of a damaged bundle; anything raised but a mistake of ours is a failure."""
    try:
        stored, calibrated = load_bundle(folder), widen_tolerances(load_tolerances(folder).values())
        tell_comparison(compare(original, stored, tolerances_of(stored), calibrated))
        return f"compared: {tell_comparison(compare(stored, original, {}, calibrated))}"
    except ReportgenError as error:
        told_well(error)
        return "refused"


def tell_comparison(comparison: Comparison) -> int:
    """Tells a comparison in every way there is; its exit code."""
    assert record_bytes(comparison)
    assert write_junit(comparison)
    judged = comparison.judgements
    text = f"{write_markdown(comparison)} {conclusion(comparison)} {write_annotations(comparison)}"
    assert not PYTHON.search(f"{text} {count_verdicts(judged)} {find_beginnings(judged)[:1]}")
    return comparison.exit_code


def of_history(root: Path) -> str:
    nights = read_history(root, {}, {})
    json.loads(as_json(nights))
    for mistake in nights.left_out:
        told_well(ReportgenError(mistake))
    for course, step in nights.steps:
        assert nights.describe_step(course, step)
    return f"{len(nights.left_out)} left out"


def fuzz(original: Path, root: Path, seeds: range) -> Counter[str]:
    """Damages a copy of the bundle once for each seed; how often what became of it."""
    found: Counter[str] = Counter()
    stored = load_bundle(original)
    shutil.copytree(original, root / "nights" / "night-0")
    folder = root / "nights" / "night-1"
    for seed in seeds:
        shutil.copytree(original, folder)
        done = damage(folder, seed)
        try:
            found[check_survival(stored, folder)] += 1
            if seed % HISTORIES == 0:
                found[of_history(folder.parent)] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, {done[:300]}") from error
        shutil.rmtree(folder)
    return found


def test_a_damaged_bundle_is_refused_in_plain_words_or_everything_copes_with_it(small: Path, tmp_path: Path) -> None:
    found = fuzz(small, tmp_path, range(500))
    assert found["refused"] > 200
    assert found.total() - found["refused"] > 100
    assert found["1 left out"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_bundles(original: Path, tmp_path: Path) -> None:
    found = fuzz(original, tmp_path, range(500, 10_500))
    assert found["refused"] > 4000


def show_damaged(original: Path, folder: Path, seed: int) -> bool:
    """Whether a damaged bundle became a page; where it did, the page holds nothing that runs or leads away."""
    shutil.copytree(original, folder)
    done = damage(folder, seed)
    try:
        write_comparison(compare(load_bundle(original), load_bundle(folder), {}, {}), folder.parent, ["html"])
        harmless((folder.parent / "comparison.html").read_text(encoding="utf-8"))
        render(folder, formats=["html"])
    except ReportgenError as error:
        told_well(error)
        return False
    except Exception as error:
        raise AssertionError(f"seed {seed}, {done[:300]}") from error
    harmless((folder / "report.html").read_text(encoding="utf-8"))
    return True


def harmless(html: str) -> None:
    page = Page(html)
    assert "img" not in page.tags()
    assert list(page.attributes("onerror")) == []
    assert page.scripts() == [None], "our own"
    for unseen in "\u202e\u200b\x07\x1b":
        assert unseen not in html


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_bundle_becomes_a_page_or_is_refused(small: Path, tmp_path: Path, seed: int) -> None:
    show_damaged(small, tmp_path / "b", seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_bundles_become_pages_or_are_refused(original: Path, tmp_path: Path) -> None:
    made = [show_damaged(original, tmp_path / f"b{seed}", seed) for seed in range(100, 250)]
    assert any(made)


def test_what_strangers_write_in_tables_is_read_compared_and_shown(original: Path, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path / "b")
    file = tmp_path / "b" / "results.json"
    content = json.loads(file.read_text())
    hostile = cycle(text for text in TEXTS if len(text) < 1000)
    tables = [
        table
        for by_subject in content["results"].values()
        for outcome in by_subject.values()
        for table in outcome["tables"].values()
    ]
    for table in tables:
        table["rows"] = [
            [next(hostile) if isinstance(cell, str) and name not in CODES else cell
             for name, cell in zip(table["columns"], row, strict=True)]
            for row in table["rows"]
        ]  # fmt: skip
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    stored = load_bundle(tmp_path / "b")
    cells = [cell for row in stored["near"]["m"].tables["neighbours"].rows for cell in row]
    assert not {*cells}.isdisjoint(TEXTS)
    comparison = compare(load_bundle(original), stored, {}, {})
    assert tell_comparison(comparison) in (4, 5)
    write_comparison(comparison, tmp_path, ["html"])
    harmless((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    render(tmp_path / "b", formats=["html"])
    harmless((tmp_path / "b" / "report.html").read_text(encoding="utf-8"))


def test_an_accepted_baseline_is_read_again(original: Path, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path / "b")
    accept(tmp_path / "b", tmp_path / "baseline", Acceptance("why not"))
    kept = load_bundle(tmp_path / "baseline")
    assert compare(kept, load_bundle(original), {}, {}).exit_code == 0
    for probe_id, by_subject in load_bundle(original).outcomes.items():
        for subject, outcome in by_subject.items():
            assert kept[probe_id][subject].metrics == outcome.metrics
            for name, array in outcome.arrays.items():
                again = kept[probe_id][subject].arrays[name].values
                assert np.array_equal(again, array.values, equal_nan=again.dtype.kind == "f")
    assert HALF not in "".join(TEXTS)
