"""What a prompt set lets expect is left out where the numbers do not show it."""

from dataclasses import replace

import pytest

from reportgen.language import note_said, say, use_language
from reportgen.report.content.sections import build_view
from reportgen.report.content.statements import finds_nothing
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.probes.test_statements import EARLY, LATE, lens

UNSURE = lens([*LATE[:4], ("e", 0.09)])
SETS = {"lecture/forecast": {"title": "Weather", "source": "own", "what_to_see": "In large models it rises late."}}


def section(*found: Outcome) -> Section:
    ids = ["m", "n"][: len(found)]
    asked = [replace(one, probe="logit_lens", prompt_sets=SETS) for one in found]
    return Section("s", dict(zip(ids, asked, strict=True)), {id: ModelCard(id, id.upper(), "X", 4) for id in ids})


@pytest.mark.parametrize("tag", ["en", "zh-TW"])
def test_an_expectation_stands_where_one_model_shows_something_and_else_not(tag: str) -> None:
    with use_language(tag):
        for found, expected in ((section(lens(EARLY), UNSURE), True), (section(UNSURE, UNSURE), False)):
            assert finds_nothing(found) is not expected
            (shown,) = build_view(found, "", (), 0).prompt_sets
            assert shown["what_to_see"] == (SETS["lecture/forecast"]["what_to_see"] if expected else "")
            assert (shown["title"], shown["source"]) == ("Weather", "own")


def test_the_ids_of_what_is_said_are_noted_within_and_not_outside() -> None:
    say("a.before", "before")
    with note_said() as ids:
        say("a.within", "within")
    say("a.after", "after")
    assert ids == {"a.within"}
