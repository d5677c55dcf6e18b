import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "matplotlib", "jinja2", "weasyprint", "sklearn"}:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Blocked())
from importlib import import_module
module, *arguments = sys.argv[1:]
import_module(module).command(arguments)
"""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["reportgen.cli.schema"], '"$schema"'),
        (["reportgen.cli.probes"], "logit_lens"),
        (["reportgen.cli.probes", "logit_lens"], "Options"),
        (["reportgen.cli.init", "{folder}/x.yaml"], "x.yaml written"),
    ],
)
def test_the_command_imports_neither_models_nor_drawing(tmp_path: Path, arguments: list[str], shown: str) -> None:
    program = [sys.executable, "-c", BLOCKED, *(argument.format(folder=tmp_path) for argument in arguments)]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert shown in ran.stdout
