"""The whole way of a history: the bundles below a folder to a page and its JSON file."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from reportgen.baseline.accepted import load_tolerances
from reportgen.baseline.calibration import widen_tolerances
from reportgen.baseline.history import History, read_history
from reportgen.baseline.history_record import as_json, failure_json
from reportgen.baseline.runs import Order
from reportgen.baseline.watched import read_watch
from reportgen.battery.reader import load_battery
from reportgen.errors import BatteryError, Mistake, OutputError, ReportgenError
from reportgen.results.failure_mark import reason_without_places
from reportgen.results.holding import make_folder_beside, restore_below, writing


def chart_history(
    folder: Path,
    page: Path | None = None,
    *,
    battery: Path | None = None,
    baseline: Path | None = None,
    order: Order | None = None,
    watch: Sequence[str] = (),
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[History, list[Path]]:
    """The bundles below a folder over time: the history, and its page and JSON file, which are written.

    Args:
        folder: holds bundles in folders of any depth.
        page: the page to write; FOLDER/history.html unless it is given. The JSON file lies next to it.
        battery: whose tolerances hold.
        baseline: whose measured tolerances hold, of several kinds of machine the widest.
        order: of the bundles, as in `read_history`.
        watch: values of arrays that are followed, too: PROBE.SUBJECT.ARRAY@DIM=COORDINATE,…, as `read_watch` reads it.
        progress: is told a line for each bundle that is left out.

    Raises:
        BatteryError: the battery is wrong, or what is to be watched; nothing is written.
        BundleError: no bundle can be read; an earlier page says so.
        OutputError: nothing can be written.
    """
    place = page or folder / "history.html"
    written = load_battery(battery).tolerances if battery else {}
    watches = [read_watch(one) for one in watch]
    with _show_failures(place):
        restore_below(folder)
        calibrated = widen_tolerances(load_tolerances(baseline).values()) if baseline else {}
        found = read_history(folder, written, calibrated, order, watches)
        for mistake in found.left_out:
            progress(f"left out: {mistake.file}: {mistake.message}")
        for line in found.unplaced:
            progress(f"not drawn: {line}")
        for line in found.unwatched:
            progress(f"not watched: {line}")
        data = write_history(found, place)
    return found, [place, data]


@contextmanager
def _show_failures(page: Path) -> Iterator[None]:
    """Whatever the block raises, an earlier page does not go on as though it were of today."""
    try:
        yield
    except BatteryError:  # a slip on the command line says nothing of the bundles
        raise
    except Exception as error:  # an error of ours is no better than one of the bundles'
        with suppress(OutputError):  # the first error is told
            _write_failure(error, page)
        raise


def write_history(history: History, page: Path) -> Path:
    """Writes the page, and the JSON file of the same name next to it, which it returns; both whole or not at all.

    Raises:
        OutputError: they cannot be written, or somebody else's file stands where they go.
    """
    check_page(page)
    return _write(page, as_json(history), _page(history, page.with_suffix(".json").name))


def _write_failure(error: Exception, page: Path) -> None:
    """Writes in the place of an earlier history that there is none, and why; nothing where there was none."""
    from reportgen.report.failed import render_page

    if is_history(page.with_suffix(".json")):
        reason, code = reason_without_places(error), error.exit_code if isinstance(error, ReportgenError) else 1
        _write(page, failure_json(reason), render_page("History", "No history could be made", reason, code))


def check_page(page: Path) -> None:
    """Refuses a place for a page where somebody else's file stands.

    Raises:
        OutputError: it does; or the page would be its own JSON file.
    """
    data = page.with_suffix(".json")
    if data == page:
        raise OutputError(Mistake("the page would be its own JSON file", "name a .html file with -o", file=page))
    with writing(page):
        for file in (page, data):
            if file.exists() and not is_history(data):
                told = "it is there already, and was not written by reportgen history"
                raise OutputError(Mistake(told, "name another page with -o", file=file))


def is_history(data: Path) -> bool:
    """Whether a JSON file is that of a history of ours: the page next to it is ours, too."""
    try:
        content = json.loads(data.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"schema", "nights", "metrics", "left_out"} <= set(content)


def _write(page: Path, data: str, html: str) -> Path:
    """Writes both; an old page goes first, so that it never stands next to what is not its data."""
    file = page.with_suffix(".json")
    with make_folder_beside(page) as stage:
        (stage / file.name).write_text(data, encoding="utf-8")
        (stage / page.name).write_text(html, encoding="utf-8")
        page.unlink(missing_ok=True)
        for name in (file, page):
            (stage / name.name).replace(name)
    return file


def _page(history: History, data: str) -> str:
    from reportgen.figures.describe import list_texts
    from reportgen.figures.draw import draw
    from reportgen.look.fonts import load_typefaces
    from reportgen.look.model_styles import model_styles
    from reportgen.report.content.drawn import PageFigure
    from reportgen.report.history.page import render_page
    from reportgen.report.history.timelines import describe_history

    figures = describe_history(history)
    faces = load_typefaces(
        {text for of_probe in figures.values() for figure in of_probe for text in list_texts(figure)}
    )
    # A pair may name a model that no bundle describes.
    models = [*history.models, *(model for course in history.courses for model in course.models)]
    styles = model_styles(models)
    drawings = {
        probe_id: [
            PageFigure(
                figure,
                f"{probe_id}-{'+'.join(figure.subject)}-{figure.name}",
                draw(figure, typefaces=faces, styles=styles).svg("characters"),
            )
            for figure in of_probe
        ]
        for probe_id, of_probe in figures.items()
    }
    return render_page(history, drawings, data)
