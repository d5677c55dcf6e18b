from pathlib import Path

import pytest

from reportgen.battery.reader import read_battery
from reportgen.documents.yaml_source import read_source
from reportgen.resources import folder
from reportgen.text.prompts import PromptSets, read_prompt_file

SHIPPED = PromptSets.for_battery(None)


def test_the_sets_that_ship_are_listed_with_their_titles(reportgen) -> None:
    found = reportgen("prompts")
    assert found.code == 0
    names = [line.split()[0] for line in found.out.splitlines()]
    assert names == SHIPPED.names()
    assert "lecture/apple          4  One word, two meanings" in reportgen("prompts", "lecture").out


@pytest.mark.parametrize("file", sorted(path.stem for path in folder("prompts").glob("*.yaml")))
def test_each_set_is_printed_as_it_can_be_pasted(reportgen, tmp_path: Path, file: str) -> None:
    for name in SHIPPED.names(file):
        printed = reportgen("prompts", name).out
        (tmp_path / "mine.yaml").write_text(printed)
        assert read_prompt_file(tmp_path / "mine.yaml") == {name.partition("/")[2]: SHIPPED.find(name)}


def test_its_list_can_stand_in_a_battery(reportgen) -> None:
    printed = read_source(reportgen("prompts", "lecture/apple").out, "printed").value["apple"]["prompts"]
    text = f"models: {{m: ./m}}\nprobes: {{lens: {{probe: logit_lens, prompts: {printed!r}}}}}"
    found = read_battery(text.replace("'", '"')).probes["lens"].options
    assert found.prompts == list(SHIPPED.find("lecture/apple").prompts)


def test_an_unknown_set_says_the_nearest(reportgen) -> None:
    found = reportgen("prompts", "lecture/aple")
    assert (found.code, found.out) == (2, "")
    assert found.err == "error: there is no prompt set 'lecture/aple'\n  Did you mean 'lecture/apple'?\n"
