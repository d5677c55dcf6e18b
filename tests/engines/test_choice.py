"""Which engine there is, and what goes with which."""

import json
from pathlib import Path
from typing import Any

import pytest

from reportgen.engines import choice, elsewhere
from reportgen.engines.choice import EngineChoice
from reportgen.engines.local import LocalEngine
from reportgen.engines.task import Demand, Task
from reportgen.errors import BatteryError
from reportgen.workflows.report import run


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": "dask"}, "unknown engine 'dask'\n  engines are local, ray, slurm"),
        ({"name": "ray", "jobs": 2}, "--jobs is for --engine local, and does not go with --engine ray"),
        ({"address": "h:1"}, "--address is for --engine ray, and does not go with --engine local"),
        ({"name": "ray", "slurm": ("time=3",)}, "--slurm is for --engine slurm"),
        ({"name": "ray", "address": "ray://h:1"}, "name HOST:PORT or auto"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(BatteryError) as refused:
        EngineChoice(**asked).check()
    assert told in str(refused.value)


@pytest.mark.parametrize(("name", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_extra_that_is_not_installed_is_named(name: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda asked: None)
    with pytest.raises(BatteryError, match=rf"{library} is not installed\n  pip install 'lm-reportgen\[{name}\]'"):
        EngineChoice(name).check()


def test_one_model_after_the_other_needs_no_engine(tmp_path: Path) -> None:
    assert EngineChoice().in_this_process
    assert EngineChoice(jobs=3).open(tmp_path) == LocalEngine(3)
    assert not EngineChoice("ray").in_this_process


def test_a_part_is_not_divided_again(tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="--engine and --part do not go together"):
        run(tmp_path / "b.yaml", engine="ray", part="1/2")


def test_a_task_arrives_on_another_machine_as_it_was(tmp_path: Path) -> None:
    task = Task("a", "m", {"x": [1]}, tmp_path, Demand(2, 1, 3), {"A": "b"}, tmp_path, (tmp_path / "f",))
    assert elsewhere.read_task(json.loads(json.dumps(elsewhere.dump_task(task)))) == task


def test_variables_travel_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/h")
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    found = elsewhere.list_variables()
    assert found["HF_HOME"] == "/h"
    assert not {"HF_TOKEN", "SOMETHING_ELSE"} & set(found)
