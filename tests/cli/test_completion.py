import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen import cli

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "reportgen"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_asks_for_completions_as_the_program_gives_them(reportgen, shell: str) -> None:
    found = reportgen("completion", shell)
    assert (found.code, found.err) == (0, "")
    assert f"_REPORTGEN_COMPLETE={shell}_complete" in found.out
    assert "lm-reportgen" not in found.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_its_script(reportgen) -> None:
    script = reportgen("completion", "bash").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def complete(words: str, at: int) -> list[str]:
    """What bash would be told: each word behind its kind."""
    asked = {"_REPORTGEN_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    ran = subprocess.run(PROGRAM, cwd=ROOT, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return [line.partition(",")[2] for line in ran.stdout.splitlines()]


def test_commands_options_and_choices_are_completed() -> None:
    assert complete("reportgen ", 1) == list(cli.COMMANDS)
    assert complete("reportgen do", 1) == ["doctor"]
    assert complete("reportgen init --for ", 3) == ["lecture", "compare", "nightly"]
    assert "--dtype" in complete("reportgen run --d", 2)


def test_a_shell_that_is_not_known(reportgen) -> None:
    assert reportgen("completion", "tcsh").code == 2
