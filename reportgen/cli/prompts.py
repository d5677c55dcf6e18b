"""`reportgen prompts`: the sets of prompts that ship."""

import click


@click.command("prompts")
@click.argument("name", required=False, metavar="[FILE/SET]")
def command(name: str | None) -> None:
    """List the prompt sets that ship, or those of one FILE; or print the set FILE/SET.

    It is printed as YAML: all of it can stand in a file of prompts/ beside a battery, and its list of prompts in a
    battery.
    """
    from reportgen.battery.prompt_sets import list_prompt_sets, print_prompt_set
    from reportgen.cli.terminal import tell, tell_whole

    known = list_prompt_sets(name)
    width = max(map(len, known), default=0)
    for one, found in known.items():
        tell(f"{one:<{width}}  {len(found.prompts):>3}  {found.title}")
    if name is not None and not known:
        for line in print_prompt_set(name):
            tell_whole(line)
