"""The files that a theme of one's own names, a logo and a font: refused where they are not what they should be."""

import base64
import hashlib
import xml.etree.ElementTree as ET
from pathlib import Path

PICTURES = "SVG, PNG or JPEG"
MOST_BYTES = 2_000_000
"""Of a logo: every page carries it."""
LARGEST_FONT = 60_000_000
_SVG = "{http://www.w3.org/2000/svg}svg"


class Refused(Exception):
    """A file is not what a theme needs; says why."""


def picture_uri(path: Path) -> str:
    """A picture as data URI.

    Raises:
        Refused: it is missing, too large, or no picture.
    """
    content = _read(path, MOST_BYTES)
    return f"data:{_kind(path, content)};base64,{base64.b64encode(content).decode()}"


def checked_font(path: Path) -> str:
    """The SHA-256 of a font file.

    Raises:
        Refused: it is missing, or no single font.
    """
    content = _read(path, LARGEST_FONT)
    from reportgen.figures.cut_fonts import refusal

    if (why := refusal(content)) is not None:
        raise Refused(f"{path.name} is no font: {why}")
    return hashlib.sha256(content).hexdigest()


def _read(path: Path, most: int) -> bytes:
    try:
        if not path.is_file():
            raise Refused(f"{path} {'is no regular file' if path.exists() else 'does not exist'}")
        if path.stat().st_size > most:
            raise Refused(f"{path.name} is larger than {most // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error


def _kind(path: Path, content: bytes) -> str:
    if content.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        from io import BytesIO

        from PIL import Image

        try:
            with Image.open(BytesIO(content)) as picture:
                picture.load()
        except Exception as error:  # whatever a stranger's bytes make it raise
            raise Refused(f"{path.name} is a damaged picture: {str(error)[:80]}") from error
        return "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    # Entities could make it expand to billions of characters.
    if b"<!ENTITY" not in content:
        try:
            if ET.fromstring(content).tag == _SVG:
                return "image/svg+xml"
        except (ET.ParseError, ValueError, LookupError):
            pass
    raise Refused(f"{path.name} is no picture")
