"""A battery's own titles and notes: shown in place of what a probe asks and of what prompts are called."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reportgen.battery.reader import load_battery, read_battery
from reportgen.errors import BatteryError
from reportgen.report import page
from reportgen.report.content.bundle_figures import describe_bundle, draw_figures
from reportgen.report.slides import deck
from reportgen.report.slides.figures import on_slides
from reportgen.report.slides.slide import Deck, Slide
from reportgen.results.bundle import Bundle, load_bundle, write_numbers
from reportgen.running.execute import execute
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.plan import make_plan
from tests.tiny import save_tiny

TITLE, NOTE = "<b>Fruit</b> & layers", "Ask the room first."
PROMPT_TITLE, PROMPT_NOTE = "the <i>green</i> one", "It is said twice. " * 12
PROMPTS = [{"text": "an apple", "id": "apple", "title": PROMPT_TITLE, "note": PROMPT_NOTE}, {"text": "the eye"}]
PLAIN = [{"text": "an apple", "id": "apple"}, {"text": "the eye"}]


def measure(folder: Path, target: Path, **entry: object) -> Bundle:
    written = {"models": {"m": str(folder)}, "probes": {"weather": {"probe": "logit_lens", **entry}}}
    results = execute(make_plan(read_battery(json.dumps(written)), cache=OutcomeCache()), cache=OutcomeCache())
    target.mkdir()
    write_numbers(target, Bundle(None, "Words", results.models, results.outcomes, {"kept": results.kept}))
    return load_bundle(target)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("words") / "model")


@pytest.fixture(scope="module")
def bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    target = tmp_path_factory.mktemp("words") / "bundle"
    return measure(folder, target, prompts=PROMPTS, title=TITLE, note=NOTE)


def build(bundle: Bundle) -> Deck:
    described = describe_bundle(bundle)
    figures = list(draw_figures(bundle, on_slides(described, bundle)))
    from reportgen.look.theme import PAPER

    return deck.build_deck(bundle, figures, described.statements, theme=PAPER, measured="paths")


def find_slides(made: Deck, words: str) -> list[Slide]:
    return [slide for slide in made.slides if words in slide.title]


def test_what_is_measured_and_kept_does_not_know_of_them(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    first = measure(folder, tmp_path / "first", prompts=PLAIN)
    again = measure(folder, tmp_path / "again", prompts=PROMPTS, title="Other", note=NOTE)
    assert again.run["kept"], "another title was measured anew"
    plain, own = first["weather"]["m"], again["weather"]["m"]
    assert own.titles == {"": "Other", "apple": PROMPT_TITLE}
    assert replace(own, titles={}, notes={}).options == plain.options
    assert (plain.titles, plain.notes) == ({}, {})


def test_the_page_calls_and_notes_them_escaped(bundle: Bundle) -> None:
    html = page.render_page(bundle, {}, statements={})
    start = html.index('<section id="probe-weather"')
    section = html[start:]
    assert "&lt;b&gt;Fruit&lt;/b&gt; &amp; layers" in section[: section.index("</h2>")]
    assert "<b>Fruit" not in html
    assert '<p class="remark">' in section
    assert NOTE in section
    assert "the &lt;i&gt;green&lt;/i&gt; one" in section
    assert PROMPT_NOTE.strip() in section


def test_slides_are_called_so_and_a_short_note_stands_on_the_first(bundle: Bundle) -> None:
    made = build(bundle)
    (main, *_) = find_slides(made, PROMPT_TITLE)
    assert main.kicker == TITLE
    assert main.remark == NOTE
    assert not find_slides(made, "apple")
    others = [slide for slide in made.slides if slide is not main]
    assert all(NOTE not in slide.remark for slide in others)


def test_a_long_note_is_the_speakers_alone(bundle: Bundle) -> None:
    (main, *_) = find_slides(build(bundle), PROMPT_TITLE)
    assert PROMPT_NOTE not in main.remark
    assert f"{PROMPT_TITLE}: {PROMPT_NOTE}" in main.notes
    assert NOTE in main.notes


def test_the_note_of_a_prompt_stands_on_its_own_slides(folder: Path, tmp_path: Path) -> None:
    noted = [{**PLAIN[0], "id": "fruit", "note": "Look at layer 2."}, {"text": "the fruit"}]
    made = build(measure(folder, tmp_path / "bundle", prompts=noted, **{"continue": 2}))
    assert {slide.remark for slide in find_slides(made, "“an apple”")} == {"fruit: Look at layer 2."}
    assert {slide.remark for slide in find_slides(made, "“the fruit”")} == {""}


@pytest.mark.parametrize("wrong", [{"title": ""}, {"title": 3}, {"note": "n" * 2001}])
def test_what_is_no_title_is_told_with_its_line(tmp_path: Path, wrong: dict[str, object]) -> None:
    battery = tmp_path / "battery.yaml"
    entry = {"probe": "parameter_census", **wrong}
    battery.write_text(f"models: {{m: demo:gemma-3-270m}}\nprobes:\n  census: {json.dumps(entry)}\n")
    with pytest.raises(BatteryError) as raised:
        load_battery(battery)
    (mistake,) = raised.value.mistakes
    assert f"battery.yaml:3: probes.census.{next(iter(wrong))}: " in str(mistake)
