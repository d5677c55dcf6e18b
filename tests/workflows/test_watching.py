"""A battery that is saved is run again; what is wrong is told and waited for to be mended."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reportgen.errors import BatteryError, ReportgenError
from reportgen.workflows.report import run
from reportgen.workflows.watching import PAGE, PICTURE, add_watched_page, run_at_each_change
from tests.tiny import save_tiny

BATTERY = """models: {{a: {model}}}
probes: {{lens: {{probe: logit_lens, prompts: {prompts}, tuned_lens: null}}}}
theme: {theme}
outputs: []
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", "llama")


@pytest.fixture
def battery(tmp_path: Path, model: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "own.yaml").write_text("fruit: [an apple]\n")
    (tmp_path / "look.yaml").write_text("extends: paper\n")
    file = tmp_path / "battery.yaml"
    file.write_text(BATTERY.format(model=model, prompts="own/fruit", theme="look.yaml"))
    return file


class Watch:
    """Runs that are counted, each followed by the next of some changes to files; interrupted after the last."""

    def __init__(self, *changes: Callable[[], object], during: bool = False) -> None:
        self.changes, self.during = list(changes), during
        self.runs = 0
        self.told: list[str] = []

    def over(self, battery: Path, *others: Path, run: Callable[[], object] = lambda: None) -> "Watch":
        def run_once() -> None:
            self.runs += 1
            try:
                run()
            finally:
                self.change()

        with pytest.raises(KeyboardInterrupt):
            run_at_each_change(battery, run_once, self.tell, others)
        return self

    def tell(self, error: ReportgenError) -> None:
        self.told.append(error.in_one_line)

    def change(self) -> None:
        if not self.changes:
            raise KeyboardInterrupt
        change = self.changes.pop(0)
        if self.during:
            change()
        else:
            threading.Timer(0.3, change).start()


@pytest.mark.parametrize("name", ["battery.yaml", "prompts/own.yaml", "look.yaml"])
@pytest.mark.parametrize("during", [False, True])
def test_each_file_that_a_battery_names_is_watched_while_it_waits_and_while_it_runs(
    battery: Path, name: str, during: bool
) -> None:
    file = battery.parent / name
    watch = Watch(lambda: file.write_text(file.read_text() + "# saved\n"), during=during)
    assert watch.over(battery).runs == 2


def test_a_file_of_prompts_that_comes_is_seen_and_others_are_not(battery: Path) -> None:
    def write_another() -> None:
        (battery.parent / "notes.yaml").write_text("x: 1\n")
        (battery.parent / "prompts" / "new.yaml").write_text("fruit: [a plum]\n")

    assert Watch(write_another).over(battery).runs == 2


def test_a_folder_of_templates_is_watched(battery: Path) -> None:
    templates = battery.parent / "own"
    (templates / "sections").mkdir(parents=True)
    written = Watch(lambda: (templates / "sections" / "one.html.j2").write_text("x"), during=True)
    assert written.over(battery, templates).runs == 2


def test_what_is_wrong_is_told_and_waited_for_to_be_mended(battery: Path, tmp_path: Path) -> None:
    whole, own = battery.read_text(), battery.parent / "prompts" / "own.yaml"
    watch = Watch(
        lambda: battery.write_text("models: ["),
        battery.unlink,
        lambda: battery.write_text(whole),
        lambda: own.write_text("fruit: [\n"),  # a file that only the battery as it was named
        lambda: own.write_text("fruit: [a plum]\n"),
    )
    watch.over(battery, run=lambda: run(battery, tmp_path / "out"))
    assert watch.runs == 6
    broken, gone, broken_set = watch.told
    assert broken.startswith(f"{battery}:1: ")
    assert gone.startswith(f"{battery} does not exist")
    assert broken_set.startswith(f"{own}:2: ")
    assert (tmp_path / "out" / "results.json").is_file()


def test_a_battery_that_was_never_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="does not exist"):
        run_at_each_change(tmp_path / "none.yaml", lambda: None, lambda error: None)


def test_the_page_that_loads_itself_anew_is_the_bundles_own_and_goes_with_it(battery: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(battery, out, formats=["html"], staged=add_watched_page)
    report = (out / "report.html").read_text()
    watched = (out / PAGE).read_text()
    assert " file:" in watched.partition("<style")[0]
    assert "watch.svg" in watched
    assert " file:" not in report.partition("<style")[0]
    assert "watch.svg" not in report
    run(battery, out, formats=["html"])
    assert (out / "report.html").read_text() == report
    assert not (out / PAGE).exists()
    assert not (out / PICTURE).exists()
