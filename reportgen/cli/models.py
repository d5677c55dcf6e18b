"""`reportgen models`: the demo models, what lies in the cache and how to clear it, and which architectures are read."""

from datetime import datetime
from typing import Any

import click
from rich.filesize import decimal

from reportgen.cli.terminal import tell, tell_json
from reportgen.workflows.inventory import PARTS, clear_cache, take_inventory
from reportgen.workflows.support import describe_support


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option("--results", "with_results", is_flag=True, help="Also list what the cache holds for each model.")
@click.option(
    "--clear",
    metavar="WHAT",
    help=f"Delete the converted files of a demo model, or a part of the cache: {', '.join(PARTS)}, or all.",
)
@click.option(
    "--support",
    "architecture",
    metavar="NAME",
    help="Tell which probes measure an architecture, named by its class or its model type in config.json.",
)
def command(as_json: bool, with_results: bool, clear: str | None, architecture: str | None) -> None:
    """List the demo models and what the cache holds, or tell what can be measured in an architecture."""
    if architecture is not None:
        _tell_support(architecture, as_json)
        return
    if clear is not None:
        freed = clear_cache(clear)
        tell(f"{decimal(freed)} deleted.", err=as_json)
    known = take_inventory(with_results=with_results)
    if as_json:
        tell_json(known)
        return
    for line in _list_lines(known):
        tell(line)


def _tell_support(name: str, as_json: bool) -> None:
    rows = describe_support(name)
    if as_json:
        tell_json(rows)
        return
    for row in rows:
        tell(f"{row['name']} (model type {row['model_type']}): {', '.join(row['groups'])}")
        tell(f"  tried small, with random weights, in transformers {row['transformers']}")
        if row["other_version"]:
            tell(f"  installed is {row['other_version']}, which was not tried")
        if row["refused"]:
            tell(f"  refused: {row['refused']}")
        width = max(map(len, row["probes"]), default=0)
        for probe, outcome in row["probes"].items():
            tell(f"  {probe:<{width}}  {outcome}")


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
            told = "fetched when it is first used, or installed by" if model["fetched"] else "not installed"
            lines.append(f"  {told}: {model['install']}")
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
