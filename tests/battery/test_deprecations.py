"""What goes is told one version ahead, where a battery says it, and the battery runs all the same."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from reportgen import cli
from reportgen.battery import deprecations
from reportgen.battery.deprecations import DEPRECATED, Deprecation
from reportgen.battery.reader import load_battery
from reportgen.battery.schema import battery_schema
from tests.pinned_versions import PROJECT, ROOT

BATTERY = """\
models:
  a: {source: "config:a.json", threads: 1}
  b: config:a.json
matrix:
  models:
    c: {source: "config:a.json", threads: 2}
  dtype: [float32, bfloat16]
batch: 2
probes:
  census: {probe: parameter_census, models: [a]}
  lens:
    probe: logit_lens
    prompts: [hello]
    top_k: 3
  next: {probe: next_token, prompts: [hello], top_k: 3}
"""
PLANTED = {
    "battery": Deprecation("battery", "0.1.0", "0.2.0", "Leave it out.", key="batch"),
    "model": Deprecation("model", "0.1.0", "0.2.0", "Use --threads.", key="threads"),
    "option": Deprecation("probe", "0.1.0", "0.2.0", "Write k.", key="top_k", probe="logit_lens"),
    "any probe's": Deprecation("probe", "0.1.0", "0.2.0", "Leave it out.", key="top_k"),
    "probe": Deprecation("probe", "0.1.0", "0.2.0", "Use weights.", probe="parameter_census"),
    "version": Deprecation("probe", "0.1.0", "0.2.0", "Accept baselines anew.", probe="next_token", version=2),
}
TOLD = {
    "battery": ["b.yaml:8: batch: batch of a battery is deprecated since 0.1.0 and goes with 0.2.0. Leave it out."],
    "model": [
        "b.yaml:2: models.a.threads: threads of a model is deprecated since 0.1.0 and goes with 0.2.0. Use --threads.",
        "b.yaml:6: matrix.models.c.threads: threads of a model is deprecated since 0.1.0 and goes with 0.2.0. "
        "Use --threads.",
    ],
    "option": [
        "b.yaml:14: probes.lens.top_k: top_k of logit_lens is deprecated since 0.1.0 and goes with 0.2.0. Write k."
    ],
    "any probe's": [
        "b.yaml:14: probes.lens.top_k: top_k of a probe is deprecated since 0.1.0 and goes with 0.2.0. Leave it out.",
        "b.yaml:15: probes.next.top_k: top_k of a probe is deprecated since 0.1.0 and goes with 0.2.0. Leave it out.",
    ],
    "probe": [
        "b.yaml:10: probes.census.probe: the probe parameter_census is deprecated since 0.1.0 and goes with 0.2.0. "
        "Use weights."
    ],
    "version": [
        "b.yaml:15: probes.next.probe: version 2 of the probe next_token is deprecated since 0.1.0 and goes with "
        "0.2.0. Accept baselines anew."
    ],
}


@pytest.fixture
def battery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text('{"model_type": "llama"}')
    Path("b.yaml").write_text(BATTERY)
    return Path("b.yaml")


@pytest.mark.parametrize("planted", PLANTED)
def test_it_is_told_with_its_line_and_what_to_do(battery: Path, monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    monkeypatch.setattr(deprecations, "DEPRECATED", (PLANTED[planted],))
    assert [warning.in_one_line for warning in load_battery(battery).warnings] == TOLD[planted]


def test_a_plan_warns_and_goes_on(battery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecations, "DEPRECATED", (PLANTED["battery"],))
    done = CliRunner().invoke(cli.reportgen, ["plan", str(battery), "--only", "census"], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"warning: {TOLD['battery'][0]}" in done.output.splitlines()


def test_an_editor_strikes_it_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecations, "DEPRECATED", tuple(PLANTED.values()))
    schema = battery_schema()
    assert schema["properties"]["batch"]["deprecated"]
    assert schema["$defs"]["ModelEntry"]["properties"]["threads"]["deprecated"]
    assert schema["$defs"]["logit_lens"]["properties"]["top_k"]["deprecated"]
    assert schema["$defs"]["parameter_census"]["deprecated"]
    assert "deprecated" not in schema["$defs"]["next_token"], "the probe stays"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


@pytest.mark.parametrize("one", [*DEPRECATED, *PLANTED.values()], ids=lambda one: one.what)
def test_what_goes_is_warned_of_for_one_release_and_then_gone(one: Deprecation) -> None:
    assert _numbers(one.since) <= _numbers(PROJECT["version"]) < _numbers(one.removed_in)
    assert one.instead.endswith(".")


def test_the_page_lists_what_goes() -> None:
    rows = (ROOT / "docs" / "reference" / "deprecations.md").read_text().splitlines()
    for one in DEPRECATED:
        assert f"| {one.what} | {one.since} | {one.removed_in} | {one.instead} |" in rows
    told = "Nothing is deprecated at present."
    assert (told in rows) == (not DEPRECATED)
