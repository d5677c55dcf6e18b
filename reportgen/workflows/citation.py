"""What to cite of a stored bundle, as the command line calls it."""

from pathlib import Path

from reportgen.report.content.citations import cite_bundle
from reportgen.results.bundle import load_bundle
from reportgen.results.holding import restore


def cite_stored(bundle: Path) -> str:
    """The BibTeX entries of a bundle that `run` wrote.

    Raises:
        BundleError: the folder holds no bundle.
    """
    restore(bundle.resolve())
    return cite_bundle(load_bundle(bundle))
