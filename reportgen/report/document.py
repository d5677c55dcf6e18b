"""The PDF, printed by WeasyPrint in a process of its own, which takes its memory with it when it ends.

As a program (`python -m reportgen.report.document TARGET`) it loads WeasyPrint, reads HTML from stdin and writes one
line to stderr for each thing that WeasyPrint complains of. Nothing on stdin: nothing is printed.
"""

import contextlib
import gc
import importlib
import io
import logging
import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reportgen.errors import Mistake, OutputError
from reportgen.processes.worker import start_child

PANGO = "libpango-1.0-0 and libpangoft2-1.0-0 (Debian, Ubuntu: apt-get install libpango-1.0-0 libpangoft2-1.0-0)"
UNAVAILABLE = 69
"""Exit code of a process that cannot load WeasyPrint; its last line says why (EX_UNAVAILABLE of sysexits.h)."""
PAINTED_WITH = "70"
"""The WeasyPrint onto whose pages we paint figures ourselves: how it sets a text is its own affair, and may change."""
BETWEEN_COLLECTIONS = 200_000
"""Objects made before a search for unreachable ones: at Python's 700 these searches take an eighth of the printing."""


class PrinterMissing(OutputError):
    """What prints a PDF is not on this machine; the message says what to install."""


class Printer:
    """A process that loads WeasyPrint while this one still draws, then prints while this one writes other files."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._child = start_child(__name__, str(target))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing that was begun goes on: where `finish` was not reached, nothing is written."""
        if self._child.poll() is None:
            self._child.kill()
        with self._child:  # closes the pipes and waits
            pass

    def begin(self, html: str) -> None:
        """Hands over the page to print (as `page.render_paper` gives it), and returns at once."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended; `finish` tells why
            self._child.stdin.write(html.encode())
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()

    def finish(self) -> tuple[str, ...]:
        """Waits until the file is written, whole or not at all; returns WeasyPrint's warnings.

        Raises:
            PrinterMissing: WeasyPrint or Pango is missing.
            OutputError: printing failed, or the file cannot be written.
        """
        assert self._child.stderr is not None
        complaints = tuple(self._child.stderr.read().decode(errors="replace").splitlines())
        code = self._child.wait()
        last = complaints[-1] if complaints else f"the printing process ended with {code}"
        if code == UNAVAILABLE:
            raise PrinterMissing(last)
        if code:
            raise OutputError(Mistake(f"the PDF could not be written: {last}", file=self._target))
        return complaints


def print_pdf(html: str, target: Path) -> tuple[str, ...]:
    """Writes the PDF of `html` whole or not at all; returns WeasyPrint's warnings.

    Raises:
        PrinterMissing, OutputError: as `Printer.finish`.
    """
    with Printer(target) as printer:
        printer.begin(html)
        return printer.finish()


def _explain_missing() -> str | None:
    """Why WeasyPrint cannot be loaded, with what to install; None where it is."""
    # Without Pango, WeasyPrint prints a page of advice before it raises.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            importlib.import_module("weasyprint")
        except ImportError:
            return "the PDF needs WeasyPrint (pip install weasyprint)"
        except OSError:
            return f"the PDF needs Pango: {PANGO}"
    return None


def _write(html: str, target: Path) -> None:
    # Imported here: only the child needs it, and its absence is `_explain_missing`'s to tell.
    from weasyprint import HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    # A page is a stranger's data too: nothing of the disk or the network may find its way into it.
    fetcher = URLFetcher(allowed_protocols=["data"], allow_redirects=False)
    fonts = FontConfiguration()
    document = HTML(string=html, url_fetcher=fetcher, base_url=None).write_pdf(
        pdf_variant="pdf/ua-1", font_config=fonts, cache=_make_pictures(fonts, fetcher)
    )
    _replace(target, document)


def _make_pictures(font_config: Any, fetcher: Any) -> dict[str, Any]:
    """What paints our figures; nothing, so that WeasyPrint reads them itself, where it may be built in another way."""
    from weasyprint import __version__

    if __version__.partition(".")[0] != PAINTED_WITH:
        return {}
    from reportgen.report.paper.painted_figures import Pictures

    return Pictures(font_config, fetcher)


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
    if reason := _explain_missing():
        sys.stderr.write(f"{reason}\n")
        return UNAVAILABLE
    gc.set_threshold(BETWEEN_COLLECTIONS, 50, 100)
    complaints = logging.getLogger("weasyprint")
    said = logging.StreamHandler(sys.stderr)
    # A failed image is named by its whole data URI.
    said.setFormatter(logging.Formatter("%(message).300s"))
    complaints.handlers = [said]
    complaints.setLevel(logging.WARNING)
    html = sys.stdin.buffer.read().decode()
    if not html:  # whoever began this has no page after all
        return 0
    try:
        _write(html, Path(sys.argv[1]))
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
