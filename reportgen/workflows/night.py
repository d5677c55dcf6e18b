"""A run as a CI asks for it: what it reads is written however the run ends; and a night, which is a run compared."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reportgen.baseline.accepted import read_bundle
from reportgen.baseline.compare import Comparison
from reportgen.ci.failure import Failure
from reportgen.ci.outputs import CiOutputs, make_failure_texts, make_run_texts, refuse_files, write_ci_texts
from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.results.failure_mark import reason_without_places
from reportgen.workflows.comparison import Found, comparison_of, publish_comparison, tell_failures
from reportgen.workflows.notebook import ShownBundle
from reportgen.workflows.report import bundle_of, run

Progress = Callable[[str], None]


def run_for_ci(battery: Path, output: Path | None, ci: CiOutputs, **asked: Any) -> ShownBundle:
    """`run` with these arguments; what a CI reads of it is written, whether it ends well or not.

    Raises:
        ReportgenError: as `run`.
        OutputError: what a CI reads cannot be written.
    """
    refuse_files(ci, battery, bundle_of(battery, output, asked.get("part")))
    with _tell_run_failure(ci):
        bundle = run(battery, output, **asked)
    write_ci_texts(make_run_texts(bundle), ci)
    return bundle


def run_night(
    battery: Path,
    baseline: Path,
    output: Path | None = None,
    *,
    pages: Sequence[str],
    ci: CiOutputs,
    progress: Progress = lambda line: None,
    found: Found = lambda comparison, files: None,
    **asked: Any,
) -> Comparison:
    """Runs a battery and compares its bundle with a baseline.

    However it ends, what a CI reads says so, and no page goes on telling of the night before.

    Args:
        battery: a YAML file.
        baseline: a bundle, or an accepted one. It is read first: without one, a night would run for nothing.
        output: the bundle's folder, as in `run`; the comparison's is next to it.
        pages: of the comparison, of html and pdf.
        ci: what is written for a CI.
        progress: is told one plain line a finished piece of work.
        found: is told what was found and its files, before a CI is.
        asked: further arguments of `run`.

    Raises:
        ReportgenError: as `run` and `compare`.
    """
    target = bundle_of(battery, output)
    if target.resolve() == baseline.resolve():
        told = "the baseline is the folder that the night writes: it would be compared with itself"
        raise BatteryError(
            Mistake(told, "accept it first (reportgen baseline accept), or name another with -o", baseline)
        )
    refuse_files(ci, battery, target, comparison_of(target), baseline)
    with tell_failures(comparison_of(target), ci, "compare"):
        read_bundle(baseline)
    with tell_failures(comparison_of(target), ci, "run"):
        run(battery, output, progress=progress, **asked)
    comparison, _ = publish_comparison(baseline, target, formats=pages, ci=ci, progress=progress, found=found)
    return comparison


@contextmanager
def _tell_run_failure(ci: CiOutputs) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # an error of ours is no better than one of the battery's
        with suppress(OutputError):  # the first error is told
            write_ci_texts(make_failure_texts(Failure("run", reason_without_places(error))), ci)
        raise
