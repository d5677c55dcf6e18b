import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise AssertionError(f"{{name}} was imported")

sys.meta_path.insert(0, Blocked())
from importlib import import_module
module, *arguments = sys.argv[1:]
import_module(module).command(arguments)
"""
MODELS = {"torch", "transformers", "sklearn", "accelerate"}
DRAWING = {"matplotlib", "jinja2", "weasyprint"}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["reportgen.cli.schema"], '"$schema"'),
        (["reportgen.cli.probes"], "logit_lens"),
        (["reportgen.cli.probes", "logit_lens"], "Options"),
        (["reportgen.cli.models", "--support", "llama"], "LlamaForCausalLM"),
        (["reportgen.cli.init", "{folder}/x.yaml"], "x.yaml written"),
    ],
)
def test_the_command_imports_neither_models_nor_drawing(tmp_path: Path, arguments: list[str], shown: str) -> None:
    code = BLOCKED.format(blocked=MODELS | DRAWING)
    program = [sys.executable, "-c", code, *(argument.format(folder=tmp_path) for argument in arguments)]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert shown in ran.stdout


def test_planning_rendering_and_a_run_of_what_was_found_before_never_import_torch(
    reportgen: Callable[..., Any], write_battery: Callable[..., Path], tmp_path: Path
) -> None:
    probes = [
        "  lens: {probe: logit_lens, prompts: [an apple]}",
        "  heads: {probe: attention_grid, prompts: [an apple], heads: [[0, 0]]}",
        "  map: {probe: pca_map, prompts: [an apple, a day, my eye]}",
        "  near: {probe: nearest_tokens, ids: [5]}",
        "  word: {probe: word_similarity, word: apple, prompts: [an apple, the apple]}",
        "  census: {probe: parameter_census}",
    ]
    battery = write_battery(*probes)
    assert reportgen("run", battery).code == 0
    for command, given in (("plan", battery), ("render", tmp_path / "battery"), ("run", battery)):
        program = [sys.executable, "-c", BLOCKED.format(blocked=MODELS), f"reportgen.cli.{command}", str(given)]
        ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{command}: {ran.stderr}"
        assert ran.stdout


def test_planning_the_default_battery_never_imports_torch() -> None:
    program = [
        sys.executable,
        "-c",
        BLOCKED.format(blocked=MODELS),
        "reportgen.cli.plan",
        "reports/llama-vs-gemma.yaml",
    ]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "gemma: Gemma-3-270M, " in ran.stdout


def test_the_block_itself_works() -> None:
    program = [sys.executable, "-c", BLOCKED.format(blocked=MODELS), "torch"]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "torch was imported" in ran.stderr
