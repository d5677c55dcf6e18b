"""Every figure of a report, as it is drawn for the page, paper, slides and files: see `tests/figures_checked`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reportgen.battery.reader import load_battery, read_battery
from reportgen.look.presentation import Presentation
from reportgen.look.theme import BUILT_IN
from reportgen.results.bundle import Bundle
from reportgen.workflows.measuring import measure
from tests.all_probes import CHANGING, FIRST, READING, ROUTED, WORDS, of_two, of_two_routed, sparse
from tests.figures_checked.faults import find_faults
from tests.tiny import save_tiny
from tests.tiny_dictionaries import save_dictionaries

REPORTS = Path(__file__).parents[2] / "reports"
LONG_ID = "the-second-of-the-two-models-that-this-very-long-id-is-all-about"
LONG_TEXT = "今天早上在公園裡散步的時候我忽然想起了小時候住過的那條小巷，" * 2 + "an apple"
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung"


def measure_tiny(folder: Path, ids: tuple[str, str], changed: Mapping[str, Any] | None = None) -> Bundle:
    """All probes on two tiny models; `changed` probes take the place of those with the same ids."""
    base, other = ids
    models = {
        base: str(save_tiny(folder / "tiny-llama", "llama")),
        other: str(save_tiny(folder / "tiny-gemma3", "gemma3", seed=1)),
    }
    dictionaries = save_dictionaries(folder / "dictionaries", layers=[2])
    probes = FIRST | READING | CHANGING | WORDS | sparse(dictionaries) | of_two(base, other, dictionaries)
    battery = {"title": "Tiny", "models": models, "probes": probes | dict(changed or {})}
    bundle = measure(read_battery(json.dumps(battery)), cache=False)
    failed = {id: one.reason for id, by in bundle.outcomes.items() for one in by.values() if one.status != "ok"}
    assert failed == {}, "what failed has no figures to look at"
    return bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return measure_tiny(tmp_path_factory.mktemp("tiny"), ("llama", "gemma"))


def test_figures_and_slides_of_every_probe_are_legible_and_true(tiny: Bundle) -> None:
    assert find_faults(tiny, Presentation()) == []


def test_figures_of_routed_experts_are_legible_and_true(tmp_path: Path) -> None:
    models = {id: str(save_tiny(tmp_path / id, "mixtral", seed=seed)) for seed, id in enumerate(("one", "two"))}
    battery = {"title": "Routed", "models": models, "probes": ROUTED | of_two_routed("one", "two")}
    bundle = measure(read_battery(json.dumps(battery)), cache=False)
    assert {one.status for by in bundle.outcomes.values() for one in by.values()} == {"ok"}
    assert find_faults(bundle, Presentation()) == []


@pytest.mark.slow
@pytest.mark.parametrize("theme", [theme for theme in BUILT_IN if theme != "paper"])
def test_every_theme_is_as_legible(tiny: Bundle, theme: str) -> None:
    assert find_faults(tiny, Presentation(theme=BUILT_IN[theme])) == []


def lengthen(probe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As many prompts as a probe has, with what it says of them, of long texts and ids."""
    own = [one if isinstance(one, dict) else {} for one in probe["prompts"]]
    word = {"word": "apple"} if "word" in probe else {}
    return [
        {**one, "text": f"{LONG_TEXT} {at} {LONG_WORD}", "id": f"{at}-{LONG_WORD[:50]}", "answers": " a", **word}
        for at, one in enumerate(own)
    ]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    changed = {id: {**one, "prompts": lengthen(one)} for id, one in (FIRST | READING).items() if "prompts" in one}
    changed["parts"]["pairs"] = [{"from": "apple", "to": "an"}]
    return measure_tiny(tmp_path_factory.mktemp("long"), ("a", LONG_ID), changed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("language", ["en", "zh-TW", "hu", "ar"])
def test_long_ids_prompts_and_words_have_room(long: Bundle, language: str) -> None:
    assert find_faults(long, Presentation(language=language)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("report", ["llama-vs-gemma", "lecture", "changing", "sae", "trained"])
def test_figures_and_slides_of_a_shipped_report_are_legible_and_true(report: str) -> None:
    battery = load_battery(REPORTS / f"{report}.yaml")
    bundle = measure(battery, cache=False)
    for language in ("en", "zh-TW"):
        assert find_faults(bundle, replace(battery.presentation, language=language)) == [], language
