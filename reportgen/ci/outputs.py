"""What a CI reads of a comparison, or of there being none: JUnit, Markdown, a step's summary, annotations."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.baseline.compare import Comparison
from reportgen.ci.annotations import annotation_of_failure, write_annotations, write_command
from reportgen.ci.failure import Failure
from reportgen.ci.junit import junit_of_failure, write_junit
from reportgen.ci.markdown import markdown_of_failure, write_markdown
from reportgen.ci.run import write_run_annotations, write_run_junit, write_run_markdown
from reportgen.ci.step_summary import append_step_summary
from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.results.bundle import Bundle

NO_SUMMARY = (
    "GITHUB_STEP_SUMMARY names no file that can be written, or one that is full: --markdown FILE writes another"
)


@dataclass(frozen=True)
class CiOutputs:
    """Where a CI reads of a comparison; within a GitHub workflow the summary of its step is written, too."""

    junit: Path | None = None
    markdown: Path | None = None
    annotate: Callable[[str], None] = lambda line: None
    """Is told the lines of stdout that GitHub makes annotations of."""

    def drop_inside(self, *folders: Path) -> "CiOutputs":
        """Without the files that are to lie in a folder that is not there: with one in there, it would be refused."""
        return replace(self, junit=_drop_inside(self.junit, folders), markdown=_drop_inside(self.markdown, folders))


def _drop_inside(file: Path | None, folders: Sequence[Path]) -> Path | None:
    return None if file and any(lies_in(file, folder) and not os.path.lexists(folder) for folder in folders) else file


def refuse_files(ci: CiOutputs, battery: Path, *folders: Path) -> None:
    """Refuses files that would take the place of the battery or of each other, or lie in folders that a run makes anew
    or reads: they would be nobody's folders where the run fails.

    Raises:
        BatteryError: one does.
    """
    files = [file for file in (ci.junit, ci.markdown) if file]
    for file in files:
        if any(lies_in(file, folder) for folder in folders):
            told = "what a CI reads cannot lie in a folder of the bundle, the comparison or the baseline"
            raise BatteryError(Mistake(told, "name a file elsewhere", file=file))
        if file.resolve() == battery.resolve():
            raise BatteryError(Mistake("this is the battery itself", "name another file", file=file))
    if len({file.resolve() for file in files}) < len(files):
        raise BatteryError(Mistake("--junit and --markdown name one file", "name two", file=files[0]))


def lies_in(file: Path, folder: Path) -> bool:
    """Whether a file lies in a folder, or in one of its folders."""
    return file.resolve().is_relative_to(folder.resolve())


@dataclass(frozen=True)
class CiTexts:
    """The same thing in each form, put into words when it is asked for."""

    junit: Callable[[], str]
    markdown: Callable[[], str]
    annotations: Callable[[], Sequence[str]]


def make_ci_texts(comparison: Comparison) -> CiTexts:
    """A comparison."""
    return CiTexts(
        lambda: write_junit(comparison), lambda: write_markdown(comparison), lambda: write_annotations(comparison)
    )


def make_run_texts(bundle: Bundle) -> CiTexts:
    """A run that wrote its bundle."""
    return CiTexts(
        lambda: write_run_junit(bundle), lambda: write_run_markdown(bundle), lambda: write_run_annotations(bundle)
    )


def make_failure_texts(failure: Failure) -> CiTexts:
    """That a command failed, and why."""
    return CiTexts(
        lambda: junit_of_failure(failure),
        lambda: markdown_of_failure(failure),
        lambda: [annotation_of_failure(failure)],
    )


def write_ci_texts(told: CiTexts, outputs: CiOutputs) -> None:
    """Writes the files that were asked for and, in a GitHub workflow, the summary of the step and its annotations.

    Raises:
        OutputError: a file cannot be written; the rest is.
    """
    asked = ((outputs.junit, told.junit), (outputs.markdown, told.markdown))
    mistakes = [mistake for file, text in asked if file is not None and (mistake := _write(file, text()))]
    if os.environ.get("GITHUB_ACTIONS") == "true":
        if not append_step_summary(told.markdown()):
            outputs.annotate(write_command("warning", "The summary of this step was not written", NO_SUMMARY))
        for line in told.annotations():
            outputs.annotate(line)
    if mistakes:
        raise OutputError(*mistakes)


def _write(file: Path, text: str) -> Mistake | None:
    """What is wrong where the file cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        return Mistake(f"cannot be written: {error.strerror}", file=file)
    return None
