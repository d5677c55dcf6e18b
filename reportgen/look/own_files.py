"""The files that a theme of one's own names, a logo and a font: refused where they are not what they should be."""

import base64
import hashlib
from pathlib import Path

from reportgen.documents.beside import exists, is_file
from reportgen.look import own_vectors

PICTURES = "SVG, PNG or JPEG"
MOST_BYTES = 2_000_000
"""Of a logo: every page carries it."""
MOST_PIXELS = 25_000_000
LARGEST_FONT = 60_000_000


class UnusableFile(Exception):
    """A file is not what a theme needs; says why."""


def picture_uri(path: Path) -> str:
    """A picture as data URI.

    Raises:
        UnusableFile: it is missing, too large, or no picture.
    """
    content = _read_bounded(path, MOST_BYTES)
    return _uri(_kind(path.name, content), content)


def check_uri(uri: str) -> None:
    """Checks a data URI that `picture_uri` is said to have made.

    Raises:
        UnusableFile: it did not: it is an address, too large, or no picture.
    """
    try:
        content = base64.b64decode(uri.partition(",")[2], validate=True)
    except ValueError as error:
        raise UnusableFile("the logo is not a picture") from error
    if len(content) > MOST_BYTES or uri != _uri(_kind("the logo", content), content):
        raise UnusableFile("the logo is not a picture")


def check_font(path: Path) -> str:
    """The SHA-256 of a font file.

    Raises:
        UnusableFile: it is missing, or no single font.
    """
    content = _read_bounded(path, LARGEST_FONT)
    from reportgen.look.cut_fonts import refusal

    if (why := refusal(content)) is not None:
        raise UnusableFile(f"{path.name} is not a font: {why}")
    return hashlib.sha256(content).hexdigest()


def _read_bounded(path: Path, most: int) -> bytes:
    try:
        if not is_file(path):
            raise UnusableFile(f"{path} {'is not a regular file' if exists(path) else 'does not exist'}")
        if path.stat().st_size > most:
            raise UnusableFile(f"{path.name} is larger than {most // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror}") from error


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _kind(name: str, content: bytes) -> str:
    if content.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        from io import BytesIO

        from PIL import Image

        try:
            with Image.open(BytesIO(content)) as picture:
                if picture.width * picture.height > MOST_PIXELS:  # a few bytes can say many
                    raise UnusableFile(f"{name} has more than {MOST_PIXELS // 1_000_000} million pixels")
                picture.load()
        except UnusableFile:
            raise
        except Exception as error:  # whatever a stranger's bytes make it raise
            raise UnusableFile(f"{name} is a damaged picture: {str(error)[:80]}") from error
        return "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    if (why := own_vectors.explain_refusal(content)) is not None:
        raise UnusableFile(f"{name} {why}")
    return "image/svg+xml"
