"""`reportgen completion`: commands and options completed by the shell."""

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_REPORTGEN_COMPLETE"
"""What the script sets where it asks reportgen for completions; click derives the name from the program's."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script by which SHELL completes the commands, options and files of reportgen.

    bash reads it from ~/.local/share/bash-completion/completions/reportgen, fish from
    ~/.config/fish/completions/reportgen.fish, and zsh under the name _reportgen from a folder of its $fpath.
    """
    from click.shell_completion import get_completion_class

    from reportgen.cli import reportgen
    from reportgen.cli.terminal import tell_script

    completes = get_completion_class(shell)
    assert completes is not None
    script = completes(reportgen, {}, "reportgen", VARIABLE)
    tell_script(script.source_template % script.source_vars())
