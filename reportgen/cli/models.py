"""`reportgen models`: the demo models, what lies in the cache, and how to clear it."""

from datetime import datetime
from typing import Any

import click
from rich.filesize import decimal

from reportgen.cli.terminal import tell, tell_json
from reportgen.workflows.inventory import PARTS, clear_cache, take_inventory


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option("--results", "with_results", is_flag=True, help="Also list what the cache holds for each model.")
@click.option(
    "--clear",
    metavar="WHAT",
    help=f"Delete the converted files of a demo model, or a part of the cache: {', '.join(PARTS)}, or all.",
)
def command(as_json: bool, with_results: bool, clear: str | None) -> None:
    """List the demo models and what the cache holds."""
    if clear is not None:
        freed = clear_cache(clear)
        tell(f"{decimal(freed)} deleted.", err=as_json)
    known = take_inventory(with_results=with_results)
    if as_json:
        tell_json(known)
        return
    for line in _list_lines(known):
        tell(line)


def _list_lines(known: dict[str, Any]) -> list[str]:
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
