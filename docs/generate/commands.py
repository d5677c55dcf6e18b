"""The page of the command line: what each command says of itself with --help."""

from collections.abc import Iterator

import click
from click.testing import CliRunner

from docs.generate.markdown import escape, join_blocks, write_block
from reportgen import cli

WIDTH = 100
"""Characters of a line."""


def command_line_page() -> str:
    """Every command and its options."""
    return join_blocks(["# Command line", _ask_for_help(()), *_describe_commands()])


def _describe_commands() -> Iterator[str]:
    for name, told in cli.COMMANDS.items():
        yield f"## {name}"
        yield escape(told)
        yield _ask_for_help((name,))
        for inner in _list_inner(name):
            yield f"### {name} {inner}"
            yield _ask_for_help((name, inner))


def _list_inner(name: str) -> list[str]:
    """The commands of a command that is a group."""
    command = cli.reportgen.get_command(click.Context(cli.reportgen), name)
    return list(command.commands) if isinstance(command, click.Group) else []


def _ask_for_help(words: tuple[str, ...]) -> str:
    shown = CliRunner().invoke(
        cli.reportgen, [*words, "--help"], prog_name="reportgen", terminal_width=WIDTH, catch_exceptions=False
    )
    return write_block(f"$ {' '.join(('reportgen', *words, '--help'))}\n{shown.output}", "text")
