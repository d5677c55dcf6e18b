"""What the README takes from the program: `python -m tests.readme_blocks` writes it, test_readme checks it."""

import re
from pathlib import Path

from click.testing import CliRunner

from reportgen import cli
from reportgen.probes import registry

README = Path(__file__).parents[1] / "README.md"


def generated() -> dict[str, str]:
    """Block name -> its Markdown."""
    probes = [(name, registry.find(name)) for name in registry.names()]
    rows = [f"| `{name}` | {probe.question} | {_first_sentence(probe)} |" for name, probe in probes]
    table = "\n".join(["| probe | question | shows |", "| --- | --- | --- |", *rows])
    commands = [_help(name) for name in (None, *cli.COMMANDS)]
    return {"probes": table, "help": "\n\n".join(commands)}


def written(text: str) -> str:
    """The README with every generated block as it should be."""
    for name, block in generated().items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(\n<!-- end -->)"
        text = re.sub(pattern, lambda found, block=block: f"{found[1]}{block}{found[2]}", text, flags=re.DOTALL)
    return text


def _first_sentence(probe) -> str:
    from reportgen.probing.probe import explanation

    shows = explanation(probe).shows
    return shows if shows.endswith(("?", ".")) else f"{shows}."


def _help(name: str | None) -> str:
    arguments = [name, "--help"] if name else ["--help"]
    shown = CliRunner().invoke(cli.reportgen, arguments, prog_name="reportgen", terminal_width=100)
    assert shown.exit_code == 0, shown.output
    return f"```\n$ reportgen {' '.join(arguments)}\n{shown.output.rstrip()}\n```"


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
