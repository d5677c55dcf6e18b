"""`reportgen schema`: the JSON Schemas of the files that are written by hand."""

import click

KINDS = ("battery", "theme", "prompts")


@click.command("schema")
@click.argument("kind", type=click.Choice(KINDS), default=KINDS[0])
@click.option("--path", is_flag=True, help="Print where the one that ships lies, for an editor's settings.")
def command(kind: str, *, path: bool) -> None:
    """Print the JSON Schema of a battery, or of the file of a theme or of prompt sets, for editors that check YAML.

    The one that ships lies in the installation; what is printed knows the probes of other distributions, too.
    """
    from reportgen.cli.terminal import tell_json, tell_place

    if path:
        from reportgen import resources

        tell_place(resources.folder("schemas") / f"{kind}.json")
        return
    from reportgen.battery.schema import SCHEMAS

    tell_json(SCHEMAS[kind]())
