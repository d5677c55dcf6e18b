"""`reportgen models`: the demo models, what lies in the cache, and how to clear it."""

import json
import shutil
from pathlib import Path
from typing import Any

import click
from rich.filesize import decimal

from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.model.convert import cache_folder, models_folder
from reportgen.model.demo import DEMO_MODELS, DemoModel


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option("--clear", metavar="NAME", help="Delete the converted files of a demo model, or of `all` models.")
def command(as_json: bool, clear: str | None) -> None:
    """List the demo models and what the cache holds."""
    if clear is not None:
        freed = _clear(clear)
        click.echo(f"{decimal(freed)} deleted.", err=as_json)
    known = _inventory()
    click.echo(json.dumps(known, indent=2, ensure_ascii=False) if as_json else _told(known))


def _inventory() -> dict[str, Any]:
    return {
        "models": [_entry(model) for model in DEMO_MODELS.values()],
        "cache": {"folder": str(cache_folder()), "bytes": _size(cache_folder())},
    }


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


def _told(known: dict[str, Any]) -> str:
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
    return "\n".join([*lines, f"cache: {cache['folder']} ({decimal(cache['bytes'])})"])


def _clear(name: str) -> int:
    """Deletes the converted folders of one model or all, of older versions too; gives the bytes that were freed."""
    name = name.removeprefix("demo:")
    if name != "all" and name not in DEMO_MODELS:
        raise BatteryError(Mistake(f"unknown demo model {name!r}", f"One of {', '.join(DEMO_MODELS)}, or all."))
    pattern = "*" if name == "all" else f"*{name}-v*"
    targets = list(models_folder().glob(pattern))
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
