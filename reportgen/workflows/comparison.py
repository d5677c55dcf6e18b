"""The whole way of a comparison, as the command line and Python call it: two bundles to verdicts and their outputs."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from reportgen.baseline.accepted import load_tolerances, read_bundle
from reportgen.baseline.calibration import choose_tolerances, kind_of_machine
from reportgen.baseline.compare import Comparison
from reportgen.baseline.compare import compare as compared
from reportgen.baseline.judgements import NOT_COMPARED
from reportgen.baseline.record import failure_bytes
from reportgen.baseline.tolerance import ToleranceEntry, check_entries
from reportgen.cache import make_room
from reportgen.ci.failure import Command, Failure
from reportgen.ci.outputs import CiOutputs, make_ci_texts, make_failure_texts, write_ci_texts
from reportgen.errors import BundleError, Mistake, OutputError, ReportgenError
from reportgen.results.bundle import RUN, Bundle
from reportgen.results.failure_mark import reason_without_places
from reportgen.results.holding import make_folder_beside, writing
from reportgen.results.schema import describe_damage

PAGES = ("html", "pdf")
OUTPUTS = ("comparison.json", "comparison.html", "comparison.pdf")
Progress = Callable[[str], None]
Found = Callable[[Comparison, Sequence[Path]], None]


def compare(baseline: str | Path, bundle: str | Path) -> Comparison:
    """A bundle against its baseline: `compare(old, new).verdict`.

    The bundle's battery says what is tolerated; what a calibration measured is taken from the baseline: on the bundle's
    kind of machine, else the widest of all kinds.

    Raises:
        BundleError: one of the two is not a bundle, or a damaged one.
        FailedBefore: the last run of one of the two failed: its numbers say nothing of today.
    """
    before, after = read_bundle(Path(baseline)), read_bundle(Path(bundle))
    measured = load_tolerances(Path(baseline))
    calibration = choose_tolerances(measured, kind_of_machine(after), kind_of_machine(before))
    return compared(before, after, tolerances_of(after), calibration.entries, calibration.told)


def publish_comparison(
    baseline: str | Path,
    bundle: str | Path,
    output: str | Path | None = None,
    *,
    formats: Sequence[str] = PAGES,
    ci: CiOutputs | None = None,
    progress: Progress = lambda line: None,
    found: Found = lambda comparison, files: None,
) -> tuple[Comparison, list[Path]]:
    """A bundle against its baseline, written: comparison.json, the pages, and what a CI reads; gives their files.

    Where nothing can be compared, all of them say so, and why.

    Args:
        baseline: a bundle, or an accepted one.
        bundle: what is compared with it.
        output: the comparison's folder; BUNDLE-comparison unless it is given.
        formats: pages, of html and pdf.
        ci: what is written for a CI in addition.
        progress: is told one plain line a finished piece of work.
        found: is told what was found and its files, before a CI is: its files may not be writable.

    Raises:
        BundleError, FailedBefore: as `compare`.
        OutputError: something cannot be written, or the folder holds something else.
    """
    target = Path(output) if output is not None else comparison_of(Path(bundle))
    asked = ci or CiOutputs()
    with tell_failures(target, asked.drop_inside(Path(bundle), target), "compare"):
        check_target(target)
        comparison = compare(baseline, bundle)
        names = _write(comparison, target, formats, progress)
    files = [target / name for name in names]
    found(comparison, files)
    write_ci_texts(make_ci_texts(comparison), asked)
    return comparison, files


@contextmanager
def tell_failures(target: Path, ci: CiOutputs, command: Command) -> Iterator[None]:
    """Whatever the block raises, nothing goes on saying what an earlier comparison found, and CI reads why."""
    try:
        yield
    except Exception as error:  # an error of ours is no better than one of the bundles'
        with suppress(OutputError):  # the first error is told
            _write_failure(error, target)
        with suppress(OutputError):
            write_ci_texts(make_failure_texts(Failure(command, reason_without_places(error))), ci)
        raise


def _write(comparison: Comparison, target: Path, formats: Sequence[str], progress: Progress) -> list[str]:
    """Writes comparison.json and the pages into a folder, after those of an earlier comparison are gone."""
    from reportgen.report.comparison.page import write_comparison

    with make_folder_beside(target) as stage:
        names = write_comparison(comparison, stage, formats, progress=progress)
        _take_place(stage, target, names)
    make_room()
    return names


def _write_failure(error: Exception, target: Path) -> None:
    """Takes an earlier comparison out of a folder, and says in its place that there is none, and why."""
    from reportgen.report.failed import render_page

    if not is_comparison(target):
        return
    reason, code = reason_without_places(error), error.exit_code if isinstance(error, ReportgenError) else 1
    record, page, _ = OUTPUTS
    with make_folder_beside(target) as stage:
        (stage / record).write_bytes(failure_bytes(reason, code))
        (stage / page).write_bytes(render_page("Comparison with a baseline", NOT_COMPARED, reason, code).encode())
        _take_place(stage, target, (record, page))


def _take_place(stage: Path, target: Path, names: Sequence[str]) -> None:
    """Moves new files in; the old ones go first: a part of the new ones next to a part of the old says what is not."""
    target.mkdir(exist_ok=True)
    for name in OUTPUTS[1:]:
        (target / name).unlink(missing_ok=True)
    for name in names:
        (stage / name).replace(target / name)


def comparison_of(bundle: Path) -> Path:
    """Where the comparison of a bundle goes unless something else is said: next to it."""
    place = bundle.absolute()
    return place.with_name(f"{place.name}-comparison")


def is_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison of ours, as its own record says."""
    try:
        content = json.loads((folder / OUTPUTS[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"schema", "verdict", "exit_code", "compared"} <= set(content)


def check_target(target: Path) -> None:
    """Refuses a folder that holds something else.

    Raises:
        OutputError: it does, is a file, or cannot be looked into.
    """
    with writing(target):
        if target.exists() and not target.is_dir():
            raise OutputError(Mistake("the output is a file, not a folder", "name another with -o", file=target))
        if target.is_dir() and any(target.iterdir()) and not is_comparison(target):
            told = "the folder holds something that is not a comparison"
            raise OutputError(Mistake(told, "name an empty or new folder with -o", file=target))


def tolerances_of(bundle: Bundle) -> dict[str, ToleranceEntry]:
    """What the battery of a bundle tolerates, by glob over PROBE_ID.SUBJECT.NAME.

    Raises:
        BundleError: its run.json says something else.
    """
    try:
        return check_entries(bundle.run.get("tolerances", {}))
    except ValueError as error:
        file = None if bundle.path is None else bundle.path / RUN
        raise BundleError(describe_damage(file, f"tolerances: {error}")) from error
