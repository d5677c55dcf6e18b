"""Which file of which bundle a person means who wants to see a report."""

from collections.abc import Iterator
from pathlib import Path

from reportgen.errors import BundleError, Mistake
from reportgen.results.bundle import RUN
from reportgen.results.files import is_bundle
from reportgen.workflows.report import bundle_of

SHOWN = ("report.html", "report.pdf")
"""What is shown of a bundle: the first that is there."""
BESIDE = (".", "reports")
"""Where bundles lie of which nobody said where: in the folder where one is, and beside the batteries of a project."""
_BATTERY = (".yaml", ".yml")


def find_page(asked: Path | None = None) -> Path:
    """The page, else the PDF, of a bundle, of a battery's bundle, or of the newest one near the working directory.

    Raises:
        BundleError: there is no such bundle, or no page in it.
    """
    bundle = _find_newest() if asked is None else _find_bundle(asked)
    page = next((bundle / name for name in SHOWN if (bundle / name).is_file()), None)
    if page is None:
        raise BundleError(Mistake(f"{bundle} has neither page nor PDF", f"Make them: reportgen render {bundle}"))
    return page


def _find_bundle(asked: Path) -> Path:
    bundle = bundle_of(asked) if asked.suffix.lower() in _BATTERY else asked
    if is_bundle(bundle):
        return bundle
    if bundle != asked:
        raise BundleError(Mistake(f"{asked} has no bundle yet", f"Make it: reportgen run {asked}"))
    told = "this is no bundle" if asked.exists() else "there is no such bundle"
    raise BundleError(Mistake(f"{asked}: {told}", "A bundle is a folder that `reportgen run` wrote."))


def _find_newest() -> Path:
    found = list(_list_bundles())
    if not found:
        told = f"there is no bundle here, nor in {BESIDE[1]}/"
        raise BundleError(Mistake(told, "Make one: reportgen run BATTERY, or reportgen demo"))
    return max(found, key=lambda bundle: ((bundle / RUN).stat().st_mtime_ns, bundle.name))


def _list_bundles() -> Iterator[Path]:
    if is_bundle(Path()):
        yield Path()
    for place in map(Path, BESIDE):
        if place.is_dir():
            yield from (folder for folder in sorted(place.iterdir()) if folder.is_dir() and is_bundle(folder))
