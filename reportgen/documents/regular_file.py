"""Strangers' files read as what they should be: regular ones of a bounded size, never a device, a pipe or a folder.

Whatever a name leads to, opening it waits for nobody, and no more is read than is allowed.
"""

import codecs
import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

MEGABYTE = 1_000_000
CONFIGURATION_BYTES = 20 * MEGABYTE
"""The most that a configuration may hold; the longest known, one with a vocabulary in it, is of 1.2 MB."""
TEMPLATE_BYTES = MEGABYTE
"""The most that a chat template may hold."""
TOKENIZER_BYTES = 200 * MEGABYTE
"""The most that a tokenizer.json may hold; one of 262,144 tokens is of 33 MB."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegular(OSError):
    """A name leads to something that is not read: `strerror` says what it is, in words for a person."""

    def __init__(self, file: Path, what: str) -> None:
        super().__init__(errno.EINVAL, what, str(file))


def open_regular(file: Path) -> BufferedReader:
    """A regular file, opened for reading bytes.

    Raises:
        OSError: it is missing, cannot be opened or is something else; `strerror` says which.
    """
    _check(file, file.stat())  # a device may do something when it is opened
    stream = open(file, "rb", opener=_open_without_waiting)  # noqa: SIM115 - whoever asked closes it
    try:
        _check(file, os.fstat(stream.fileno()))
    except NotRegular:
        stream.close()
        raise
    return stream


def read_regular(file: Path, at_most: int) -> bytes:
    """The content of a regular file of so many bytes at most.

    Raises:
        OSError: it is missing, cannot be read, is larger or something else; `strerror` says which.
    """
    with open_regular(file) as stream:
        # What the system makes up, as below /proc, has no size before it is read.
        content = stream.read(at_most + 1) if os.fstat(stream.fileno()).st_size <= at_most else None
    if content is None or len(content) > at_most:
        raise NotRegular(file, f"it is larger than {_size(at_most)}")
    return content


def read_regular_text(file: Path, at_most: int, *, errors: str = "strict") -> str:
    """The same as UTF-8 text; a byte order mark is left out.

    Raises:
        OSError: as in `read_regular`.
        UnicodeDecodeError: it is not UTF-8, and `errors` is strict.
    """
    return read_regular(file, at_most).decode("utf-8-sig", errors)


def read_regular_lines(file: Path, at_most: int) -> Iterator[str]:
    """The lines of a UTF-8 file, each with its line feed, one after another: no more of it is held at a time. A byte
    order mark is left out.

    Raises:
        OSError: as in `read_regular`.
        UnicodeDecodeError: it is not UTF-8.
    """
    with open_regular(file) as stream:
        mark = codecs.BOM_UTF8
        left = at_most if os.fstat(stream.fileno()).st_size <= at_most else -1
        while left >= 0 and (line := stream.readline(left + 1)):
            left -= len(line)
            if left >= 0:
                yield line.removeprefix(mark).decode()
            mark = b""
    if left < 0:
        raise NotRegular(file, f"it is larger than {_size(at_most)}")


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens what may be a pipe that nobody writes to, or a terminal that would become ours."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def _check(file: Path, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise NotRegular(file, f"it is {_KINDS.get(kind, 'something else')}, not a regular file")


def _size(bytes_: int) -> str:
    return f"{bytes_ // MEGABYTE:,} MB" if bytes_ >= MEGABYTE else f"{bytes_:,} bytes"
