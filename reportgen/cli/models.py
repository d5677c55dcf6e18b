"""`reportgen models`: the demo models, what lies in the cache, and how to clear it."""

import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.filesize import decimal

from reportgen.cache import cache_folder, holding
from reportgen.cli.terminal import tell, tell_json
from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.model.files.convert import models_folder
from reportgen.model.files.demo import DEMO_MODELS, DemoModel
from reportgen.running.outcome_cache import OutcomeCache

PARTS = {
    "models": "converted models",
    "results": "what probes found",
    "drawings": "figures",
    "pages": "pages and PDFs",
    "fonts": "fonts cut down to what reports show",
    "hashes": "hashes of weights",
}
"""The folders of the cache."""


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option("--results", "with_results", is_flag=True, help="List what the cache holds of which model, too.")
@click.option(
    "--clear",
    metavar="WHAT",
    help=f"Delete the converted files of a demo model, or a part of the cache: {', '.join(PARTS)}, or all.",
)
def command(as_json: bool, with_results: bool, clear: str | None) -> None:
    """List the demo models and what the cache holds."""
    if clear is not None:
        freed = _clear(clear)
        tell(f"{decimal(freed)} deleted.", err=as_json)
    known = _inventory(with_results)
    if as_json:
        tell_json(known)
        return
    for line in _told(known):
        tell(line)


def _inventory(with_results: bool) -> dict[str, Any]:
    parts = {part: asdict(holding(cache_folder() / part)) for part in PARTS}
    cache = {"folder": str(cache_folder()), "bytes": holding(cache_folder()).bytes, "parts": parts}
    if with_results:
        cache["results"] = [asdict(entry) for entry in OutcomeCache().entries()]
    return {"models": [_entry(model) for model in DEMO_MODELS.values()], "cache": cache}


def _entry(model: DemoModel) -> dict[str, Any]:
    converted = model.converted
    return {
        "source": f"demo:{model.id}",
        "name": model.name,
        "parameters": model.parameters,
        "licence": model.licence,
        "terms": model.terms or None,
        "installed": model.installed,
        "install": model.install_command,
        "folder": str(model.folder) if converted else None,
        "bytes": _size(model.folder) if converted else 0,
    }


def _told(known: dict[str, Any]) -> list[str]:
    lines = []
    for model in known["models"]:
        terms = f" ({model['terms']})" if model["terms"] else ""
        lines.append(f"{model['source']}  {model['parameters']:,} parameters, {model['licence']}{terms}")
        if model["folder"]:
            lines.append(f"  converted: {model['folder']} ({decimal(model['bytes'])})")
        elif model["installed"]:
            lines.append("  installed; converted when it is first used")
        else:
            lines.append(f"  not installed: {model['install']}")
    cache = known["cache"]
    lines.append(f"cache: {cache['folder']} ({decimal(cache['bytes'])})")
    for part, meaning in PARTS.items():
        held = cache["parts"][part]
        if held["files"]:
            lines.append(f"  {part:<9}{decimal(held['bytes']):>9} in {held['files']:,} files: {meaning}")
    for entry in cache.get("results", ()):
        used = datetime.fromtimestamp(entry["used"]).astimezone().isoformat(" ", "minutes")
        lines.append(
            f"  {entry['model']}: {entry['probe']} {entry['version']} ({decimal(entry['bytes'])}, used {used})"
        )
    return lines


def _clear(name: str) -> int:
    """Deletes a part of the cache, all of it, or the converted folders of one model, of older versions too; gives
    the bytes that were freed.
    """
    name = name.removeprefix("demo:")
    if name not in (*PARTS, *DEMO_MODELS, "all"):
        remedy = f"One of {', '.join((*PARTS, *DEMO_MODELS))}, or all."
        raise BatteryError(Mistake(f"the cache has no part {name!r}", remedy))
    parts = PARTS if name == "all" else [name] if name in PARTS else []
    pattern = f"*{name}-v*" if name in DEMO_MODELS else ""
    targets = [target for part in parts for target in (cache_folder() / part).glob("*")]
    targets += models_folder().glob(pattern) if pattern else []
    freed = sum(_size(target) for target in targets)
    for target in targets:
        _delete(target)
    return freed


def _delete(target: Path) -> None:
    try:
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(Mistake(f"cannot be deleted: {error.strerror}", file=target)) from error


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
