"""The command line: parse, call, print, exit; a file a command, imported when it is called."""

import errno
import importlib
import os
import signal
import sys
from functools import partial
from typing import Any

import click

COMMANDS = {
    "demo": "Make a first report, of two small models.",
    "run": "Run a battery: numbers, figures, page and PDF.",
    "plan": "Print what a battery would do.",
    "merge": "Join the bundles of parts of one battery.",
    "compare": "Say what changed from one bundle to the next.",
    "open": "Open a report in the browser.",
    "nightly": "Run a battery and compare it with a baseline: one verdict.",
    "baseline": "Accept a bundle as a baseline, or calibrate one.",
    "render": "Re-render the pages of a stored bundle, without its models.",
    "figures": "Redraw the figures of a stored bundle, in any theme, format and width.",
    "table": "Print a table of a stored bundle, as CSV, LaTeX, Markdown or Parquet.",
    "cite": "Print what to cite of a stored bundle, as BibTeX.",
    "history": "Draw the metrics of many bundles over time, and mark where they changed.",
    "probes": "List the probes, or explain one.",
    "prompts": "List the prompt sets that ship, or print one.",
    "models": "List the demo models and the cache.",
    "init": "Write a starter battery.",
    "completion": "Print the completion script of a shell.",
    "doctor": "Look whether everything is here that a run needs.",
    "schema": "Print the JSON Schema of a battery, a theme or prompt sets.",
}

_SUPERVISED = frozenset(COMMANDS) - {"prompts", "models", "init", "schema", "doctor", "open", "completion"}
"""Commands in which probes of third parties run, or native code on strangers' files."""
_SIGPIPE = 141
"""As shells tell of a program that wrote where nobody reads any longer."""


class _Commands(click.Group):
    """Knows the commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"reportgen.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lm-reportgen", prog_name="reportgen")
@click.option("--debug", is_flag=True, help="Show the stack trace of an error.")
def reportgen(debug: bool) -> None:
    """See and compare what happens inside language models, on paper."""
    if debug:
        os.environ["REPORTGEN_DEBUG"] = "1"


def main() -> None:
    """Runs the command line; errors are a line or two each on stderr, exit codes mean something."""
    from reportgen.cli.terminal import tell
    from reportgen.processes.supervision import supervise

    signal.signal(signal.SIGTERM, _interrupt)
    arguments = sys.argv[1:]
    alone = not _SUPERVISED.intersection(arguments) or "--debug" in arguments  # a debugger wants one process
    sys.exit(run_command(arguments) if alone else supervise(lambda: run_command(arguments), partial(tell, err=True)))


def _interrupt(number: int, frame: Any) -> None:
    """A job that is told to end leaves as little behind as one that is interrupted."""
    raise KeyboardInterrupt


def run_command(arguments: list[str]) -> int:
    """The exit code of a command line: 0 well, 1 no model or no output, 2 usage, 3 a failed probe, 130 Ctrl-C."""
    from reportgen.cli.terminal import NobodyReads, be_writable, tell, tell_mistake, tell_usage
    from reportgen.errors import Mistake, ReportgenError

    be_writable()
    try:
        ended: Any = reportgen.main(arguments, prog_name="reportgen", standalone_mode=False)
        return ended if isinstance(ended, int) else 0
    except click.ClickException as error:
        tell_usage(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        tell("interrupted: nothing half-written is left", err=True)
        return 130
    except ReportgenError as error:
        if os.environ.get("REPORTGEN_DEBUG"):
            raise
        for mistake in error.mistakes:
            tell_mistake(mistake)
        return error.exit_code
    except NobodyReads:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to be flushed goes nowhere
        return _SIGPIPE
    except Exception as error:  # an error of ours: one line, and how to see more
        if os.environ.get("REPORTGEN_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            tell_mistake(Mistake(f"{error.filename}: the name is too long", "Names of files have at most 255 bytes."))
            return 2
        told = str(error).strip().splitlines()
        tell(f"internal error: {type(error).__name__}{f': {told[0]}' if told else ''}", err=True)
        tell("  reportgen --debug … shows where; please report it", err=True)
        return 1
