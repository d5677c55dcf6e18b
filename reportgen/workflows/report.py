"""The whole way of a report, as the command line and Python call it: battery to bundle, bundle to outputs."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.battery.reader import Battery, load_battery
from reportgen.cache import make_room
from reportgen.engines.choice import EngineChoice
from reportgen.errors import BatteryError, BundleError, Mistake, ReportgenError
from reportgen.language import resolve_language
from reportgen.look.presentation import Presentation, presentation_of
from reportgen.look.theme import read_theme
from reportgen.outputs.make import FORMATS, USUAL, OutputsFailed, is_output_of, write_outputs
from reportgen.report.content.bundle_figures import ShowFailures
from reportgen.results.bundle import Bundle, load_bundle, read_run, write_numbers
from reportgen.results.files import is_bundle, own_files
from reportgen.results.folder import check_writable, keep_earlier, stage_bundle
from reportgen.results.holding import restore
from reportgen.workflows.last_run import marks_failure
from reportgen.workflows.measuring import BatteryChoice, measure, read_share
from reportgen.workflows.notebook import ShownBundle, load, show_bundle
from reportgen.workflows.side_by_side import measure_side_by_side

if TYPE_CHECKING:
    from reportgen.running.planned import Plan

RENDERED = USUAL
"""The outputs that `render` makes where none are asked for."""
Progress = Callable[[str], None]


def _say_nothing(line: str) -> None:
    pass


def run(
    battery: str | Path,
    output: str | Path | None = None,
    *,
    only: Sequence[str] = (),
    formats: Sequence[str] | None = None,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    language: str | None = None,
    theme: str | None = None,
    templates: str | Path | None = None,
    part: str | None = None,
    engine: str = "local",
    jobs: int = 1,
    address: str | None = None,
    slurm: Sequence[str] = (),
    cache: bool = True,
    progress: Progress = _say_nothing,
    staged: Callable[[Path], None] = lambda stage: None,
) -> ShownBundle:
    """Runs a battery and writes its bundle.

    Args:
        battery: a YAML file.
        output: the bundle's folder; `reports/x.yaml` becomes `reports/x` unless it is given, part 2/5 of it
            `reports/x-part-2-of-5`.
        only: ids of the probes to run; all of them where it is empty.
        formats: outputs instead of the battery's own, of html, pdf, figures, slides and pptx.
        device: device instead of those of the battery.
        dtype: dtype instead of those of the battery.
        threads: threads of a pass on a CPU, instead of those of the battery.
        language: language of the report's own words instead of the battery's.
        theme: look of the figures instead of the battery's: a name, or a YAML file.
        templates: a folder whose templates take the place of ours.
        part: K/N, the part of the work that is measured here; `merge` joins the bundles of all parts.
        engine: where models are measured: local (this machine), ray or slurm (a task for each model or pair).
        jobs: models, or pairs of models, that the local engine measures at the same time, each in a process of its own.
        address: of a running Ray cluster, HOST:PORT or auto; without one, one of this machine is started.
        slurm: KEY=VALUE, what is asked of Slurm.
        cache: whether to take what earlier runs found, and to keep what this one finds.
        progress: is told one plain line a finished piece of work.
        staged: is given the folder of the bundle before that is swapped in: what it adds is the bundle's own.

    Raises:
        BatteryError: the battery is wrong; nothing ran.
        ModelError: no model could be used; nothing is written, and an earlier bundle is marked.
        EngineFailed: a cluster cannot be reached, or was lost; the same.
        OutputsFailed: some outputs could not be made; the bundle is written without them.
        OutputError: the output cannot be written; an earlier bundle stays, and is marked.
    """
    path = Path(battery)
    choice = EngineChoice(engine, jobs, address, tuple(slurm))
    choice.check()
    if part is not None and not choice.in_this_process:
        option = "--jobs" if engine == "local" else "--engine"
        raise BatteryError(Mistake(f"{option} and --part do not go together", "divide the work by one of them"))
    chosen = BatteryChoice(path, tuple(only), device, dtype, threads)
    asked = chosen.load()
    _tell_warnings(asked, progress)
    shown_as = choose_presentation(asked.presentation, language, theme, templates)
    outputs = check_formats(formats) if formats is not None else asked.outputs
    target = bundle_of(path, output, part)
    check_writable(target)
    clock = time.perf_counter()
    with marks_failure(target, "run"):
        measured = (
            measure(asked, progress, cache=cache, part=part)
            if choice.in_this_process
            else measure_side_by_side(asked, chosen, choice.open(target), target, progress, cache=cache)
        )
        record = {**measured.run, "battery": str(path), "only": list(only), "presentation": shown_as.dump_stored()}
        numbers = replace(measured, run=record)
        written = publish_numbers(numbers, target, outputs, progress, shown_as, cache=cache, staged=staged)
    progress(f"done in {time.perf_counter() - clock:.0f} s")
    return finish_outputs(target, *written, cache=cache)


def bundle_of(battery: Path, output: str | Path | None = None, part: str | None = None) -> Path:
    """Where the bundle of a battery, or of a part of it, goes: next to it unless something else is said."""
    if output is not None:
        return Path(output)
    whole = battery.with_suffix("")
    return whole if part is None else whole.with_name("{}-part-{}-of-{}".format(whole.name, *read_share(part)))


def publish_numbers(
    measured: Bundle,
    target: Path,
    outputs: Sequence[str],
    progress: Progress,
    shown_as: Presentation,
    *,
    cache: bool,
    staged: Callable[[Path], None] = lambda stage: None,
) -> tuple[Bundle, OutputsFailed | None]:
    """Writes numbers and their outputs, and swaps them in; returns the bundle, and which outputs failed."""
    earlier = {file.parts[0] for file in own_files(target.resolve())} if is_bundle(target) else set()
    with stage_bundle(target) as stage:
        write_numbers(stage, measured)
        stored = load_bundle(stage)  # what is shown is what others will read
        finished = _finish(stored, stage, outputs, progress, shown_as, cache=cache)
        staged(stage)
    # Outputs that tell of earlier numbers, and that this run was not asked for.
    if gone := sorted(name for name in earlier if not (target / name).exists()):
        progress(f"{', '.join(gone)} of the earlier run removed")
    return finished


def finish_outputs(target: Path, stored: Bundle, failed: OutputsFailed | None, *, cache: bool) -> ShownBundle:
    """The bundle that was written to `target`.

    Raises:
        OutputsFailed: some of its outputs could not be made.
    """
    if cache:
        make_room()
    if failed is not None:
        raise failed
    return show_bundle(replace(stored, path=target, run=read_run(target)))


def plan(battery: str | Path, *, only: Sequence[str] = (), progress: Progress = _say_nothing) -> "Plan":
    """What a run of a battery would do: no model is loaded, nothing passes.

    Raises:
        BatteryError: the battery is wrong.
    """
    from reportgen.running.outcome_cache import OutcomeCache
    from reportgen.running.plan import make_plan

    asked = load_battery(Path(battery), only)
    _tell_warnings(asked, progress)
    return make_plan(asked, progress, OutcomeCache())


def _tell_warnings(battery: Battery, progress: Progress) -> None:
    for warning in battery.warnings:
        progress(f"warning: {warning.in_one_line}")


def render(
    bundle: str | Path,
    *,
    formats: Sequence[str] | None = None,
    language: str | None = None,
    theme: str | None = None,
    templates: str | Path | None = None,
    progress: Progress = _say_nothing,
    stamp: bool = False,
) -> ShownBundle:
    """Makes outputs of a stored bundle anew, without its models; those of other formats stay.

    Args:
        bundle: a folder that `run` wrote.
        formats: outputs to make, of html, pdf, figures, slides and pptx; the first three unless they are given.
        language: as in `run`, instead of the one that it was first shown in.
        theme: the same.
        templates: the same.
        progress: is told one plain line a finished piece of work.
        stamp: whether today's date stands on the page.

    Raises:
        BatteryError: there is no such format, language, theme or folder of templates.
        BundleError: the folder holds no bundle, or a damaged one.
        OutputsFailed: some outputs could not be made; the others are written, the old ones of the former are gone.
        OutputError: nothing can be written; the old ones stay, and the bundle is marked.
    """
    target, outputs = Path(bundle), check_formats(RENDERED if formats is None else formats)
    restore(target.resolve())
    with marks_failure(target, "render"):
        stored = load(target)
        shown_as = choose_presentation(presentation_of(stored.run), language, theme, templates)
        date = datetime.datetime.now(datetime.UTC).date().isoformat() if stamp else ""
        with stage_bundle(target, "either") as stage:
            failed = _render_outputs(stored, stage, outputs, progress, shown_as, date)
            keep_earlier(target, stage, lambda old: not is_output_of(old, outputs))
    make_room()
    if failed is not None:
        raise failed
    return stored


def _render_outputs(
    stored: Bundle, stage: Path, outputs: Sequence[str], progress: Progress, shown_as: Presentation, stamp: str
) -> OutputsFailed | None:
    """Makes outputs of a stored bundle; returns which of them failed."""
    try:
        write_outputs(stored, stage, outputs, progress, presentation=shown_as, stamp=stamp)
    except OutputsFailed as some:
        return some
    except (ReportgenError, OSError):
        raise
    except Exception as raised:  # whatever a stranger's numbers make a probe's figures raise
        raise BundleError(*_explain_unshown(raised, stored.path)) from raised
    return None


def _explain_unshown(raised: Exception, bundle: Path | None) -> list[Mistake]:
    """Why a stored bundle cannot be shown."""
    reasons = ["its numbers are not such as its probes give"]
    if isinstance(raised, ShowFailures):
        reasons = [f"{probe_id}: {reason}" for probe_id, reason in raised.of_stored.items()]
    remedy = "make it again with reportgen run"
    return [Mistake(f"its outputs cannot be made: {reason}", remedy, file=bundle) for reason in reasons]


def _finish(
    stored: Bundle, stage: Path, outputs: Sequence[str], progress: Progress, shown_as: Presentation, *, cache: bool
) -> tuple[Bundle, OutputsFailed | None]:
    """Makes the outputs of new numbers; returns the bundle, in which what cannot be shown is a failed card, and which
    outputs failed.
    """
    for _ in range(len(stored.outcomes) + 1):
        try:
            write_outputs(stored, stage, outputs, progress, presentation=shown_as, cache=cache)
        except OutputsFailed as some:
            return stored, some
        except ShowFailures as unshowable:
            for probe_id, reason in unshowable.reasons.items():
                progress(f"{probe_id}: failed ({reason})")
            stored = _with_failures(stored, unshowable.reasons)
            write_numbers(stage, stored)
            continue
        break
    return stored, None


def _with_failures(bundle: Bundle, wrong: Mapping[str, str]) -> Bundle:
    """The bundle with the outcomes of some probes failed; their numbers stay."""
    outcomes = {
        id: {
            s: replace(o, status="failed", reason=wrong[id]) if id in wrong and o.status == "ok" else o
            for s, o in by.items()
        }
        for id, by in bundle.outcomes.items()
    }
    return replace(bundle, outcomes=outcomes)


def choose_presentation(
    presentation: Presentation, language: str | None, theme: str | None, templates: str | Path | None
) -> Presentation:
    """How a report is shown, with what was chosen in place of what it brings along."""
    if language is not None:
        try:
            presentation = replace(presentation, language=resolve_language(language))
        except ValueError as error:
            raise BatteryError(Mistake(str(error))) from error
    if theme is not None:
        presentation = replace(presentation, theme=read_theme(theme))
    if templates is not None:
        from reportgen.report.templates.check import check

        check(Path(templates))
        presentation = replace(presentation, templates=Path(templates))
    return presentation


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Formats that there are.

    Raises:
        BatteryError: there is no such format.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise BatteryError(Mistake(f"unknown format {unknown[0]!r}", f"formats are {', '.join(FORMATS)}"))
    return tuple(formats)
