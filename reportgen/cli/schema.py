"""`reportgen schema`: the JSON Schema of a battery."""

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a battery, for editors that check YAML."""
    from reportgen.battery.schema import json_schema
    from reportgen.cli.terminal import tell_json

    tell_json(json_schema())
