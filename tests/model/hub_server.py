"""A hub of models on this machine: it speaks as much of the Hugging Face hub's API as a download needs."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """What lies under one name."""

    commits: dict[str, dict[str, bytes]]
    """Commit -> name of a file -> what is in it."""
    branches: dict[str, str]
    licence: str = "apache-2.0"
    gated: bool = False
    moves_to: str = ""
    """The commit that each branch points to from the moment on when it was first asked for."""


@dataclass(frozen=True)
class Asked:
    """A request, as it came."""

    method: str
    path: str
    token: str
    """As it was sent; empty where none was."""
    range: str


@dataclass
class Hub:
    """Repositories, who may read the gated ones, and what was asked for."""

    repositories: dict[str, Repository]
    tokens: dict[str, bool] = field(default_factory=dict)
    """Token -> whether its account has accepted every licence."""
    cut_once: str = ""
    """A file of which the first answer ends in its middle."""
    asked: list[Asked] = field(default_factory=list)
    address: str = ""

    def list_paths(self, method: str = "GET") -> list[str]:
        """What was asked for by a method."""
        return [one.path for one in self.asked if one.method == method]


def list_files(folder: Path) -> dict[str, bytes]:
    """Name -> content of each file of a model's folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Answers on 127.0.0.1 for as long as the block lasts; `hub.address` says where."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request; HTTP/1.0, so that each has a connection of its own."""

    hub: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.hub.asked.append(Asked(self.command, path, token, self.headers.get("Range", "")))
        if token and token not in self.hub.tokens:
            return self._refuse(401, message="Invalid credentials in Authorization header")
        words = path.strip("/").split("/")
        of_api = words[:2] == ["api", "models"]
        words = words[2:] if of_api else words
        repository = self.hub.repositories.get("/".join(words[:2]))
        if repository is None:
            return self._refuse(404, "RepoNotFound")
        if of_api:
            return self._describe("/".join(words[:2]), repository, words[2:])
        if repository.gated and not self.hub.tokens.get(token):
            return self._refuse(403 if token else 401, "GatedRepo")
        return self._send_file(repository, words[3], "/".join(words[4:]))

    def _describe(self, name: str, repository: Repository, words: list[str]) -> None:
        revision = words[1] if len(words) > 1 else "main"
        commit = revision if revision in repository.commits else repository.branches.get(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound")
        if repository.moves_to and revision in repository.branches:
            repository.branches[revision] = repository.moves_to
        if words[:1] == ["tree"]:
            files = repository.commits[commit]
            listed = [{"type": "file", "path": at, "size": len(c), "oid": _hash(c)} for at, c in files.items()]
            return self._send_json(listed)
        told = {"id": name, "sha": commit, "private": False, "gated": "manual" if repository.gated else False}
        return self._send_json({**told, "siblings": [], "tags": [], "cardData": {"license": repository.licence}})

    def _send_file(self, repository: Repository, commit: str, name: str) -> None:
        content = repository.commits[commit].get(name)
        if content is None:
            return self._refuse(404, "EntryNotFound")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{_hash(content)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            cut = self.hub.cut_once == name
            if cut:
                self.hub.cut_once = ""
            self.wfile.write(content[start : len(content) // 2 if cut else None])
        return None

    def _send_json(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str = "", message: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if message:
            self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _hash(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
