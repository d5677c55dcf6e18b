from dataclasses import fields
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from click.testing import CliRunner

from reportgen import cli
from reportgen.documents.plain_words import list_keys
from reportgen.errors import BatteryError
from reportgen.probes import registry
from reportgen.probing.probe import explanation
from reportgen.results.quantities import definitions


def read_output(*arguments: str) -> str:
    return CliRunner().invoke(cli.reportgen, ["probes", *arguments], catch_exceptions=False).output


def test_the_table_has_a_line_a_probe_with_its_question() -> None:
    lines = read_output().splitlines()
    assert len(lines) == len(registry.names())
    for line, name in zip(lines, registry.names(), strict=True):
        assert line.split("  ")[0] == name
        assert line.endswith(f"  {registry.find(name).question}")


@pytest.mark.parametrize("name", registry.names())
def test_everything_that_a_probe_says_of_itself_is_printed(name: str) -> None:
    probe = registry.find(name)
    told = read_output(name)
    flat = " ".join(told.split())
    assert told.startswith(f"{name}, version {probe.version}: {probe.question}\n")
    for paragraph in (explanation(probe).shows, explanation(probe).read, explanation(probe).computed):
        assert paragraph
        assert paragraph in flat
    for key, field in zip(list_keys(probe.options), probe.options.model_fields.values(), strict=True):
        assert f"\n  {key}: " in told
        assert " ".join((field.description or "undescribed").split()) in flat
    for finding in fields(probe.findings):
        if "quantity" in finding.metadata:
            assert f"\n  {finding.name}: {finding.metadata['quantity'].kind}" in told
            defined = definitions(probe.findings)
            assert " ".join(defined[finding.name].split()) in flat
    assert "any value" not in told


def test_an_option_has_its_type_and_default() -> None:
    told = read_output("logit_lens")
    assert "\n  top_k: whole number; default 5\n" in told
    assert "\n  positions: last or all; default last\n" in told
    assert "\n  seed: whole number; default 0\n" in told
    assert "; required\n" in told


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(BatteryError, match=r"unknown probe 'logitlens'\n  Did you mean 'logit_lens'"):
        read_output("logitlens")


def test_a_broken_third_party_is_named_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints([EntryPoint("bad", "no_such_module:probe", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", points.select)
    last = read_output().splitlines()[-1]
    assert last.startswith("bad ")
    assert "(unusable: the probe 'bad' of no_such_module:probe cannot be loaded: ModuleNotFoundError" in last
