from pathlib import Path

import pytest
from click.testing import CliRunner

from reportgen import cli
from reportgen.battery.reader import load_battery
from reportgen.errors import BatteryError, OutputError


def test_the_starter_is_a_battery_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(cli.reportgen, ["init"], catch_exceptions=False)
    assert ran.output == "report.yaml written. Next: reportgen run report.yaml\n"
    battery = load_battery(tmp_path / "report.yaml")
    assert battery.title == "My first report"
    assert {one: entry.models for one, entry in battery.probes.items()} == {
        "census": ("llama", "gemma"), "next": ("llama", "gemma"), "apple": ("llama",),
    }  # fmt: skip


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    with pytest.raises(BatteryError, match=r"mine\.yaml exists already; nothing was written") as caught:
        CliRunner().invoke(cli.reportgen, ["init", str(path)], catch_exceptions=False)
    assert caught.value.exit_code == 2
    assert caught.value.mistakes[0].remedy == f"Name another file: reportgen init {tmp_path}/mine-2.yaml"
    assert path.read_text() == "precious"


def test_a_folder_that_is_missing_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        CliRunner().invoke(cli.reportgen, ["init", str(tmp_path / "no" / "x.yaml")], catch_exceptions=False)
