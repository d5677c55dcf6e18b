"""What is read of a stranger's file: a regular one of a bounded size, whatever the name leads to."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from reportgen.documents.regular_file import NotRegular, open_regular, read_regular, read_regular_text
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.model.sae.config import Config
from reportgen.model.sae.files import DictionaryError


def pipe(place: Path) -> None:
    os.mkfifo(place)


def endless(place: Path) -> None:
    place.symlink_to("/dev/zero")


def bind_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place))


KINDS: dict[str, Callable[[Path], None]] = {
    "a named pipe": pipe,
    "a device": endless,
    "a socket": bind_socket,
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("what", KINDS)
def test_what_is_not_a_regular_file_is_told_and_never_waited_for(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is bounded
    KINDS[what](Path("it"))
    link = Path("link")
    link.symlink_to("it")
    for place in (Path("it"), link):
        for read in (open_regular, lambda file: read_regular(file, 10)):
            with pytest.raises(NotRegular) as refused:
                read(place)
            assert refused.value.strerror == f"it is {what}, not a regular file"


def test_what_becomes_a_pipe_before_it_is_opened_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("{}")
    regular = file.stat()
    file.unlink()
    os.mkfifo(file)
    monkeypatch.setattr(Path, "stat", lambda *asked, **named: regular)
    with pytest.raises(NotRegular, match="named pipe"):
        open_regular(file)


def test_a_file_is_read_up_to_its_bound_and_not_beyond(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    assert read_regular(file, 10) == b"0123456789"
    with pytest.raises(NotRegular) as refused:
        read_regular(file, 9)
    assert refused.value.strerror == "it is larger than 9 bytes"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)  # a terabyte that lies nowhere
    with pytest.raises(NotRegular, match="larger than 5 MB"):
        read_regular(file, 5_000_000)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no files that are made up as they are read")
def test_a_file_without_a_size_is_bounded_as_well() -> None:
    assert read_regular(Path("/proc/self/status"), 1_000_000).startswith(b"Name:")
    with pytest.raises(NotRegular, match="larger than 100 bytes"):
        read_regular(Path("/proc/self/status"), 100)


def test_a_missing_file_is_what_it_always_was(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nowhere", 10)


def test_text_is_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbf" + "é".encode())
    assert read_regular_text(file, 10) == "é"
    file.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_regular_text(file, 10)
    assert read_regular_text(file, 10, errors="replace") == "�"


def test_files_that_options_name_are_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "cfg.json"
    os.mkfifo(file)
    assert sha256_of(file) == ""
    with pytest.raises(DictionaryError, match="cannot be read: it is a named pipe"):
        Config.read(file)
    file.unlink()
    endless(file)
    assert sha256_of(file) == ""
    with pytest.raises(DictionaryError, match="cannot be read: it is a device"):
        Config.read(file)
