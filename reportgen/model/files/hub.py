"""Models on the Hugging Face hub: what of a repository is downloaded, and what the hub's refusals mean.

A token comes from the environment (HF_TOKEN) or from `hf auth login`: huggingface_hub sends it, and nothing here reads
its text.
"""

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from reportgen.errors import Mistake, ModelError
from reportgen.numerals import write_number, write_share

Notify = Callable[[str], None]

_FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja")
_IGNORED = ("*/*", "consolidated*")
"""Subfolders hold other formats; `consolidated` files are the same weights once more."""
_BYTES = "huggingface_hub.snapshot_download"
"""What huggingface_hub calls the bar of the bytes that are there."""
_TOLD_FROM = 50e6
"""Bytes from which a download says how far it is."""


def download_model(target: str, revision: str | None, notify: Notify) -> Path:
    """The folder of a hub model at one commit, which is its name; what of it is there is not downloaded again, and what
    was interrupted goes on.

    Raises:
        ModelError: missing, gated, or not to be had.
    """
    try:
        return download_snapshot(target, revision, _FILES, notify, ignored=_IGNORED)
    except Exception as error:  # each library below raises its own: every one becomes a line
        raise ModelError(explain_hub_error(target, revision, error)) from error


def download_snapshot(
    target: str, revision: str | None, files: Sequence[str], notify: Notify, *, ignored: Sequence[str] = ()
) -> Path:
    """The folder of a repository at one commit, with the files that match, and those alone.

    Raises:
        Exception: what huggingface_hub raises; `explain_hub_error` says what it means.
    """
    import huggingface_hub

    if not huggingface_hub.is_offline_mode():
        notify(f"Asking the Hugging Face hub for {target}.")
    told = None if sys.stderr.isatty() else _tell_by_lines(target, notify)  # a terminal shows bars
    folder = huggingface_hub.snapshot_download(
        target,
        revision=revision,
        allow_patterns=list(files),
        ignore_patterns=list(ignored),
        tqdm_class=told,
    )
    return Path(folder)


def _tell_by_lines(target: str, notify: Notify) -> type[Any]:
    """What stands for a bar where no terminal is: a plain line each tenth of a large download."""
    from huggingface_hub.utils.tqdm import tqdm

    class Lines(tqdm):
        """Bars that are not drawn, and so do not count either: that is done here."""

        def __init__(self, *given: Any, **options: Any) -> None:
            self._of_bytes = options.get("name") == _BYTES
            self._there = 0.0
            self._told = 0
            super().__init__(*given, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            self._there += n or 0
            total = self.total or 0
            if self._of_bytes and total >= _TOLD_FROM and int(10 * self._there / total) > self._told:
                self._told = int(10 * self._there / total)
                notify(f"{target}: {write_share(self._there / total)} of {write_number(total / 1e9)} GB")
            return shown

    return Lines


def explain_hub_error(target: str, revision: str | None, error: Exception) -> Mistake:
    """What an exception of huggingface_hub means to the user; every one of them becomes a line."""
    import huggingface_hub
    from huggingface_hub import errors

    page = f"https://huggingface.co/{target}"
    at = f"{target}@{revision}" if revision else target
    if isinstance(error, errors.GatedRepoError):
        return Mistake(f"{at} is gated", _explain_gate(target, page))
    if isinstance(error, errors.RepositoryNotFoundError):
        return Mistake(
            f"{at} is not a model on the Hugging Face hub, or a private one",
            "Check the name, or log in: hf auth login. A folder is written with its path, such as ./models/name.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return Mistake(f"{target} has no revision {revision!r}", f"See {page}/tree/main.")
    if huggingface_hub.is_offline_mode():
        return Mistake(
            f"{at} is not in the local cache, or incomplete, and HF_HUB_OFFLINE forbids downloading it",
            f"Unset HF_HUB_OFFLINE, or run this where there is a network: hf download {target}",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
        return Mistake(
            f"{at} cannot be stored: {os.strerror(error.errno)}",
            "Set HF_HOME to a writable folder with enough space.",
        )
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code == HTTPStatus.UNAUTHORIZED:
        return Mistake(f"{at}: the hub refuses the token that is set here", "Log in anew: hf auth login, or HF_TOKEN.")
    if isinstance(error, errors.HfHubHTTPError):
        return Mistake(f"{at}: the hub answered {error.response.status_code}", "Try again later.")
    return Mistake(
        f"{at} is not in the local cache, and the Hugging Face hub cannot be reached ({type(error).__name__})",
        "Check the network, or name a folder or a demo model (demo:smollm2-135m-instruct).",
    )


def _explain_gate(target: str, page: str) -> str:
    """Which licence is to be accepted, where, and by whom."""
    from huggingface_hub import get_token

    licence = _name_licence(target)
    accept = f"Accept its licence{f' ({licence})' if licence else ''} at {page}"
    if get_token() is None:
        return f"{accept}, then log in: hf auth login"
    return f"{accept}, with the account that the token here belongs to."


def _name_licence(target: str) -> str:
    """What the model's page calls its licence, which anyone may read of a gated model, too; empty where it does not."""
    from huggingface_hub import HfApi

    try:
        card = HfApi().model_info(target, timeout=10).card_data
    except Exception:  # each library below raises its own; that there is a gate is told in any case
        return ""
    named = (card.get("license_name") or card.get("license")) if card else None
    return named if isinstance(named, str) and re.fullmatch(r"[\w .+-]{1,60}", named) else ""
