"""`reportgen schema`: the JSON Schema of a battery."""

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a battery, for editors that check YAML."""
    from reportgen.schema import json_schema

    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))
