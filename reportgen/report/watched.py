"""A page that loads itself anew when a run has written another: what `run --watch` leaves beside the report.

A page on a disk may read no other file but show it as a picture. So the version of a page is the width of a picture
beside it, and its script compares that with its own. The report itself stays as every run writes it.
"""

import re
import zlib

from reportgen import resources
from reportgen.report.templates.script import hash_script

WIDEST = 16_000
"""Pixels of the widest picture: browsers show no much wider ones."""
_POLICY = re.compile(r"(script-src )([^;]*; [^\"]*img-src )")


def make_watched_page(report: str) -> tuple[str, str]:
    """The page of a report with the script that watches, and the picture that tells its version.

    The policy of the page lets this one script run too, by its hash, and pictures be read from the disk.
    """
    version = 1 + zlib.crc32(report.encode()) % WIDEST
    script = (resources.folder("templates") / "assets" / "watch.js").read_text(encoding="utf-8")
    allowed = _POLICY.sub(lambda found: f"{found[1]}'{hash_script(script)}' {found[2]}file: ", report, count=1)
    head, end, rest = allowed.rpartition("</body>")
    page = f'{head}<script data-version="{version}">{script}</script>{end}{rest}' if end else allowed
    return page, f'<svg xmlns="http://www.w3.org/2000/svg" width="{version}" height="1"/>'
