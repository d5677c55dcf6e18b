"""`reportgen schema`: the JSON Schemas of the files that are written by hand."""

import click

KINDS = ("battery", "theme", "prompts")


@click.command("schema")
@click.argument("kind", type=click.Choice(KINDS), default=KINDS[0])
def command(kind: str) -> None:
    """Print the JSON Schema of a battery, or of the file of a theme or of prompt sets, for editors that check YAML."""
    from reportgen.battery.schema import SCHEMAS
    from reportgen.cli.terminal import tell_json

    tell_json(SCHEMAS[kind]())
