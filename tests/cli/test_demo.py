from pathlib import Path

import pytest

from reportgen.battery.reader import load_battery
from reportgen.model.files.demo import DemoModel
from reportgen.workflows import demo


@pytest.fixture
def readied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The demo models that were asked for; the working directory is empty."""
    asked: list[str] = []

    def note(model: DemoModel, progress: object) -> None:
        asked.append(model.id)

    monkeypatch.setattr(demo, "make_ready", note)
    monkeypatch.chdir(tmp_path)
    return asked


@pytest.mark.parametrize(
    ("small", "models", "probes"),
    [(False, ["smollm2-135m-instruct", "gemma-3-270m"], 7), (True, ["smollm2-135m-instruct"], 3)],
)
def test_the_batteries_are_of_demo_models(
    readied: list[str], monkeypatch: pytest.MonkeyPatch, small: bool, models: list[str], probes: int
) -> None:
    monkeypatch.setattr(demo, "run", lambda battery, output, progress: battery)
    demo.run_demo(Path("out"), small=small, progress=print)
    assert readied == models
    assert len(load_battery(demo.battery_of(small=small)).probes) == probes


def test_the_report_lies_in_a_folder_of_its_own(
    readied: list[str], monkeypatch: pytest.MonkeyPatch, write_battery, reportgen
) -> None:
    battery = write_battery("  census: {probe: parameter_census}", outputs=["html"])
    monkeypatch.setattr(demo, "battery_of", lambda small: battery)
    ran = reportgen("demo", "--small")
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            "reportgen-demo/report.html",
            f"Its battery: {battery}. Next: reportgen open reportgen-demo, reportgen init",
        ],
    )
    assert reportgen("demo", "--small", "--quiet").out == "reportgen-demo/report.html\n"
    assert reportgen("open").out == "reportgen-demo/report.html\n"


def test_a_folder_of_somebody_elses_is_known_before_anything_is_fetched(readied: list[str], reportgen) -> None:
    Path("reportgen-demo").mkdir()
    Path("reportgen-demo", "mine").touch()
    ran = reportgen("demo")
    assert (ran.code, readied) == (1, [])
    assert ran.err.startswith("error: ")
    assert "holds something that is not a bundle" in ran.err


@pytest.mark.real
def test_the_small_one_shows_what_it_is_to_show(tmp_path: Path, reportgen) -> None:
    ran = reportgen("demo", "--small", "-o", tmp_path / "demo")
    assert ran.code == 0, ran.err
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "A first look into a language model" in page
    assert " Paris" in page
    assert (tmp_path / "demo" / "report.pdf").read_bytes().startswith(b"%PDF")
