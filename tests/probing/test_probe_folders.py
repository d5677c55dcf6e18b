"""A probe that is a folder: its face says what it asks, and the modules beside it are imported when they are needed."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from reportgen.results.quantities import Metric, Outcome
from reportgen.results.section import ModelCard, Section

FACE = '''
from dataclasses import dataclass

from reportgen.probing import Findings, Probe, ProbeOptions, metric


@dataclass(frozen=True, kw_only=True)
class Found(Findings):
    answer: float = metric("share")
    """The answer."""


class Parted(Probe[ProbeOptions, Found]):
    """Shows: a.

    Read: b.

    Computed: c."""

    name, version, question = "parted", 1, "What is there?"
    options, findings = ProbeOptions, Found


probe = Parted()
'''
PARTS = {
    "run": "from parted_probe import Found\n\n\ndef run(case, model, captured):\n    return Found(answer=0.5)\n",
    "figures": "from reportgen.probing import Ranking\n\n\ndef figures(section):\n    return [section]\n",
    "statement": "def statement(section):\n    return f'It is told of {section}.'\n",
    "view": "from reportgen.probing import SubjectView\n\n\nclass View(SubjectView):\n    loud = 'BIG'\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of a probe, of which only the face is there yet."""
    package = tmp_path / "parted_probe"
    package.mkdir()
    (package / "__init__.py").write_text(FACE)
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for module in [name for name in sys.modules if name.partition(".")[0] == "parted_probe"]:
        del sys.modules[module]


def with_parts(folder: Path, *names: str) -> ModuleType:
    for name in names:
        (folder / f"{name}.py").write_text(PARTS[name])
    importlib.invalidate_caches()
    return importlib.import_module("parted_probe")


def test_what_stands_beside_the_face_is_run_drawn_and_told(folder: Path) -> None:
    probe = with_parts(folder, "run", "figures", "statement").probe
    assert "parted_probe.run" not in sys.modules
    assert probe.run(None, None, []).answer == 0.5
    assert probe.figures("a section") == ["a section"]
    assert probe.statement("one") == "It is told of one."


def test_a_bundle_is_shown_without_what_measures(folder: Path) -> None:
    probe = with_parts(folder, *PARTS).probe
    assert list(probe.figures("a section"))
    assert probe.statement("one")
    assert "parted_probe.run" not in sys.modules


def test_a_face_alone_draws_and_tells_nothing_and_says_that_it_measures_nothing(folder: Path) -> None:
    probe = with_parts(folder).probe
    assert list(probe.figures("a section")) == []
    assert probe.statement("one") == ""
    with pytest.raises(NotImplementedError, match="Parted does not say how it is computed"):
        probe.run(None, None, [])


def test_what_is_told_of_one_subject_is_told_of_each(folder: Path) -> None:
    probe = with_parts(folder).probe
    (folder / "statement.py").write_text("def tell(view):\n    return f'{view.name} is {view.metric(\"answer\")}.'\n")
    assert probe.statement(section_of(a=1.0, b=None)) == "A is 1.0. B is None."
    assert probe.statement(section_of()) == ""


def test_it_is_told_by_the_view_that_stands_beside_it(folder: Path) -> None:
    probe = with_parts(folder, "view").probe
    (folder / "statement.py").write_text("def tell(view):\n    return f'{view.name} is {view.loud}.'\n")
    assert probe.statement(section_of(a=1.0)) == "A is BIG."


def section_of(**answers: float | None) -> Section:
    """A model for each answer, and one that was not measured."""
    outcomes = {id: Outcome("p", 1, {}, (id,), "ok", metrics={"answer": Metric(one)}) for id, one in answers.items()}
    failed = Outcome("p", 1, {}, ("x",), "failed", "out of memory")
    cards = {id: ModelCard(id, id.upper(), "X", 4) for id in (*answers, "x")}
    return Section("s", {**outcomes, "x": failed}, cards)
