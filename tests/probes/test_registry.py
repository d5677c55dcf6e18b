import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType
from typing import Any

import pytest

from reportgen.errors import BatteryError
from reportgen.probes import registry
from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings

SIX = {"parameter_census", "nearest_tokens", "word_similarity", "logit_lens", "attention_grid", "pca_map"}


class Measure(Probe[ProbeOptions, Findings]):
    name = "measure"
    version = 1
    question = "How long?"
    options = ProbeOptions
    findings = Findings


def bring(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Makes other distributions bring these entry points: name -> "module:attribute"."""
    points = [EntryPoint(name.rstrip("_"), value, registry.GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: EntryPoints(points).select(**wanted))
    module: Any = ModuleType("third_party")
    module.probe = Measure()
    module.thing = 3
    monkeypatch.setitem(sys.modules, "third_party", module)


def refusal(name: str) -> tuple[str, str]:
    with pytest.raises(BatteryError) as caught:
        registry.find(name)
    (mistake,) = caught.value.mistakes
    assert caught.value.exit_code == 2
    return mistake.message, mistake.remedy


@pytest.mark.parametrize("name", sorted(SIX))
def test_a_built_in_probe_is_found_by_the_name_of_its_file(name: str) -> None:
    probe = registry.find(name)
    assert probe.name == name
    assert type(probe).__module__ == f"reportgen.probes.{name}"


def test_names_holds_the_built_in_probes_and_not_itself() -> None:
    assert set(registry.names()) >= SIX
    assert "registry" not in registry.names()


def test_names_imports_no_probe_and_find_imports_only_the_one_asked_for() -> None:
    program = """
import sys
from reportgen.probes import registry
loaded = lambda: {n.rpartition(".")[2] for n in sys.modules if n.startswith("reportgen.probes.")} - {"registry"}
assert "logit_lens" in registry.names()
assert loaded() == set(), loaded()
registry.find("logit_lens")
assert loaded() == {"logit_lens"}, loaded()
assert "torch" not in sys.modules
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_probe_of_another_distribution_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, measure="third_party:probe")
    assert isinstance(registry.find("measure"), Measure)
    assert registry.names()[-1] == "measure"


def test_a_broken_probe_is_named_and_breaks_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, measure="third_party:probe", bad="no_such_module:probe", worse="third_party:gone")
    assert refusal("bad") == (
        "the probe 'bad' of no_such_module:probe cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_module'",
        "Update or remove no_such_module:probe.",
    )
    assert "AttributeError" in refusal("worse")[0]
    assert registry.find("measure").name == "measure"
    assert registry.find("logit_lens").name == "logit_lens"


def test_what_is_no_probe_or_calls_itself_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, thing="third_party:thing", other="third_party:probe")
    assert refusal("thing")[0] == "the probe 'thing' of third_party:thing is a int, not a Probe"
    assert refusal("other")[0] == "the probe 'other' of third_party:probe calls itself 'measure'"


def test_two_probes_of_one_name_are_refused_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, logit_lens="third_party:probe", measure="third_party:probe", measure_="third_party:again")
    assert refusal("logit_lens") == (
        "several probes are named 'logit_lens', from reportgen, third_party:probe",
        "Keep one of them installed.",
    )
    assert refusal("measure")[0] == "several probes are named 'measure', from third_party:again, third_party:probe"
    assert registry.find("pca_map").name == "pca_map"


@pytest.mark.parametrize("name", ["logitlens", "logit-lens", "Logit_Lens"])
def test_an_unknown_name_suggests_the_nearest(name: str) -> None:
    assert refusal(name) == (f"unknown probe {name!r}", "Did you mean 'logit_lens'?")


@pytest.mark.parametrize("name", ["base", "", "os", "..errors", "__init__"])
def test_modules_that_are_no_probes_are_not_found(name: str) -> None:
    assert refusal(name)[0] == f"unknown probe {name!r}"
