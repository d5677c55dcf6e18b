"""The PDF, printed by WeasyPrint in a process of its own, which takes its memory with it when it ends.

As a program (`python -m reportgen.report.document TARGET`) it reads HTML from stdin and writes one line to stderr
for each thing that WeasyPrint complains of.
"""

import contextlib
import importlib
import io
import logging
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

from reportgen.child import run_child
from reportgen.errors import Mistake, OutputError

PANGO = "libpango-1.0-0 and libpangoft2-1.0-0 (Debian, Ubuntu: apt-get install libpango-1.0-0 libpangoft2-1.0-0)"


@cache
def available() -> str | None:
    """Why no PDF can be printed here, with what to install; None where one can."""
    # Without Pango, WeasyPrint prints a page of advice before it raises.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            importlib.import_module("weasyprint")
        except ImportError:
            return "the PDF needs WeasyPrint (pip install weasyprint)"
        except OSError:
            return f"the PDF needs Pango: {PANGO}"
    return None


def pdf(html: str, target: Path) -> tuple[str, ...]:
    """Writes the PDF of `html` (as `page.paper` gives it) whole or not at all; returns WeasyPrint's warnings.

    Raises:
        OutputError: WeasyPrint or Pango is missing, printing failed, or the file cannot be written.
    """
    if reason := available():
        raise OutputError(reason)
    ended = run_child(__name__, str(target), given=html.encode())
    complaints = tuple(ended.stderr.decode(errors="replace").splitlines())
    if ended.returncode:
        last = complaints[-1] if complaints else f"the printing process ended with {ended.returncode}"
        raise OutputError(Mistake(f"the PDF could not be written: {last}", file=target))
    return complaints


def _write(html: str, target: Path) -> None:
    # Imported here: only the child needs it, and its absence is `available`'s to tell.
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    # A page is a stranger's data too: nothing of the disk or the network may find its way into it.
    fetcher = URLFetcher(allowed_protocols=["data"], allow_redirects=False)
    document = HTML(string=html, url_fetcher=fetcher, base_url=None).write_pdf(pdf_variant="pdf/ua-1")
    _replace(target, document)


def _replace(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp's file is the owner's alone; a report is for sharing.
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _main() -> int:
    complaints = logging.getLogger("weasyprint")
    said = logging.StreamHandler(sys.stderr)
    # A failed image is named by its whole data URI.
    said.setFormatter(logging.Formatter("%(message).300s"))
    complaints.handlers = [said]
    complaints.setLevel(logging.WARNING)
    try:
        _write(sys.stdin.buffer.read().decode(), Path(sys.argv[1]))
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
