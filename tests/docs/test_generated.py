"""What the reference says is what the program is: every key, command, probe and room has its place."""

import re

import pytest

from docs.generate import commands, probe_figures, probes, rooms, schemas, shipped
from docs.generate.markdown import keep_code, write_code, write_table
from docs.generate.places import LinkError, redirect_links
from docs.generate.probe_figures import ProbeFigure
from docs.generate.quoting import quote_entry
from reportgen.battery.prompt_sets import list_prompt_sets
from reportgen.battery.reader import load_battery
from reportgen.cli import COMMANDS
from reportgen.documents.yaml_source import read_source
from reportgen.probes import registry
from tests.test_rooms import ARROWS

FIGURE = ProbeFigure(b"<svg/>", "a | picture", "Told *plainly*.", ("llama: 2 passes of 9 tokens",))


def first_cells(page: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))


@pytest.mark.parametrize("name", registry.names())
def test_the_page_of_a_probe_tells_all_of_it(name: str) -> None:
    probe = registry.find(name)
    page = probes.probe_page(name, FIGURE)
    assert first_cells(page) >= {*probe.options.model_json_schema()["properties"], *probe.findings.__annotations__}
    assert f"Version {probe.version}." in page
    assert all(one.url in page for one in probe.sources)
    for heading in ("shows", "to read it", "cannot show", "is computed", "costs"):
        assert re.search(rf"^## \w+ (it )?{heading}\n\n\S", page, re.MULTILINE), heading
    empty = [line for line in page.splitlines() if re.match(r"\| `", line) and line.endswith("|  |")]
    assert empty == [], "a key or number without a meaning"


def test_every_probe_has_an_entry_whose_quotation_is_a_battery() -> None:
    whole = load_battery(probe_figures.BATTERY)
    assert {name: entry.probe.name for name, entry in whole.probes.items()} == {name: name for name in registry.names()}
    for name, entry in whole.probes.items():
        battery = read_source(quote_entry(probe_figures.BATTERY, name), name).value
        assert list(battery["probes"]) == [name]
        assert battery["probes"][name]["probe"] == name
        assert set(battery["models"]) == set(entry.models), name


def test_every_probe_says_what_it_cannot_show() -> None:
    limits = probes.read_limits()
    assert set(limits) == set(registry.names())
    assert all(len(text) > 80 for text in limits.values())


def test_pages_of_files_hold_every_key() -> None:
    from reportgen.battery.reader import BatteryFile
    from reportgen.look.theme import Theme
    from reportgen.results.schema import StoredOutcome, StoredRun
    from reportgen.text.prompts import Prompt

    def keys(model) -> set[str]:
        return {field.alias or name for name, field in model.model_fields.items()}

    assert first_cells(schemas.battery_page()) >= keys(BatteryFile) | {"timeout", "title", "note"}
    assert first_cells(schemas.prompts_page()) >= keys(Prompt)
    assert first_cells(schemas.theme_page()) >= keys(Theme) - {"font_sha256"} | {"extends"}
    bundle = schemas.bundle_page()
    assert first_cells(bundle) >= keys(StoredOutcome) | keys(StoredRun)
    assert not re.search(r"^\| `.*\|  \|$", bundle, re.MULTILINE), "a key without a meaning"


def test_the_command_line_is_told_with_every_command() -> None:
    page = commands.command_line_page()
    assert re.findall(r"^## (\w+)", page, re.MULTILINE) == list(COMMANDS)
    assert "### baseline calibrate" in page


def test_shipped_sets_and_batteries_are_listed() -> None:
    page = shipped.prompt_sets_page()
    assert len(re.findall(r"^### ", page, re.MULTILINE)) == len(list_prompt_sets(None))
    assert "## llama-vs-gemma" in shipped.batteries_page()


def test_the_picture_has_every_room_and_every_line_leads_down() -> None:
    picture = rooms.draw_rooms()
    assert set(re.findall(r">([\w.]+)</text>", picture)) == set(ARROWS)
    lines = re.findall(r'd="M[\d.]+ ([\d.]+) C[\d. -]+ ([\d.]+)" fill', picture)
    assert lines
    assert all(float(top) < float(bottom) for top, bottom in lines)
    assert "probing" in rooms.list_direct("training")
    assert "documents" not in rooms.list_direct("cli"), "reached through others"


def test_links_of_the_repository_lead_into_the_documentation() -> None:
    published: set[str] = set()
    text = "[a](../../LICENSE) `[b](x)` [c](../../reports/sae.yaml) [d](python.md#x) [e](https://a.b) [f](#g)"
    found = redirect_links(text, "docs/how-to/ci.md", "how-to/ci.md", published)
    wanted = (
        "[a](../files/LICENSE) `[b](x)` [c](../reference/batteries.md#sae) [d](python.md#x) [e](https://a.b) [f](#g)"
    )
    assert found == wanted
    assert published == {"LICENSE"}
    with pytest.raises(LinkError, match="reports/adapters"):
        redirect_links("[a](reports/adapters)", "README.md", "index.md", set())


def test_nothing_in_a_text_becomes_markup() -> None:
    assert keep_code("a_b `x|y` <c>") == r"a\_b `x\|y` \<c\>"
    assert keep_code("one ` alone") == r"one \` alone"
    assert write_code("a`b") == "`` a`b ``"
    assert write_table(("a",), []) == ""
