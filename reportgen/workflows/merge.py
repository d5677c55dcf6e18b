"""Parts of one battery that were run apart, joined into the bundle that one run would have written."""

from collections.abc import Callable, Sequence
from pathlib import Path

from reportgen.errors import BatteryError, Mistake
from reportgen.look.presentation import presentation_of
from reportgen.results.bundle import Bundle, load_bundle
from reportgen.results.failure_mark import refuse_failed
from reportgen.results.folder import check_writable
from reportgen.results.holding import restore
from reportgen.results.joining import Parts
from reportgen.workflows.last_run import marks_failure
from reportgen.workflows.notebook import ShownBundle
from reportgen.workflows.report import check_formats, choose_presentation, finish_outputs, publish_numbers


def merge(
    parts: Sequence[str | Path],
    output: str | Path,
    *,
    allow_missing: bool = False,
    formats: Sequence[str] | None = None,
    language: str | None = None,
    theme: str | None = None,
    templates: str | Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> ShownBundle:
    """Joins the bundles of parts of one battery, and makes the outputs of the whole.

    Args:
        parts: folders that `run` wrote with `part`, in any order.
        output: the folder of the whole.
        allow_missing: whether what a missing part measures is a failed card; else nothing is written.
        formats: outputs instead of the battery's own, of html, pdf, figures, slides and pptx.
        language: as in `run`, instead of the one that the first part was shown in.
        theme: the same.
        templates: the same.
        progress: is told one plain line a finished piece of work.

    Raises:
        BundleError: a folder holds no part, or parts do not belong together; nothing is written.
        PartsMissing: some are not there; nothing is written.
        ModelError: no model could be used; nothing is written.
        OutputsFailed: some outputs could not be made; the bundle is written without them.
        OutputError: the output cannot be written.
    """
    target = Path(output)
    folders = [Path(part) for part in parts]
    if target.resolve() in [folder.resolve() for folder in folders]:
        told = "the output is one of the parts: it would be lost"
        raise BatteryError(Mistake(told, "name an empty or new folder with -o", target))
    joined = Parts([_read_part(folder) for folder in folders])
    if not allow_missing:
        joined.refuse_missing()
    whole = joined.join({number: f"part {number} was missing when the parts were joined" for number in joined.missing})
    shown_as = choose_presentation(presentation_of(whole.run), language, theme, templates)
    outputs = check_formats(joined.outputs if formats is None else formats)
    check_writable(target)
    with marks_failure(target, "run"):
        progress(f"{len(folders)} parts joined")
        written = publish_numbers(whole, target, outputs, progress, shown_as, cache=True)
    return finish_outputs(target, *written, cache=True)


def _read_part(folder: Path) -> Bundle:
    """A bundle whose numbers are of its last run."""
    restore(folder.resolve())
    bundle = load_bundle(folder)
    refuse_failed(bundle.run, folder)
    return bundle
