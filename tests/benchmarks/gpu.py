"""The card's work on an accelerator, by reportgen and as a notebook does it, in one run:

    python -m tests.benchmarks.gpu             # three shapes in bfloat16: 135 million, 1 and 8 billion parameters
    python -m tests.benchmarks.gpu --tiny      # one tiny shape, also on a CPU

Nothing is downloaded: the weights are random, the tokenizer is made in code. Takes 25 GB of disk and of the device.
"""

import gc
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import torch
from ruamel.yaml import YAML

from reportgen.battery.reader import Battery, read_battery
from reportgen.running import cases, execute
from reportgen.running.plan import make_plan
from tests.benchmarks.memory import GIGABYTE
from tests.benchmarks.notebook import Notebook
from tests.benchmarks.random_models import save_llama
from tests.benchmarks.transfers import Transfers

_LLAMA_3 = {"vocab_size": 128_256, "head_dim": 128, "num_key_value_heads": 8}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "135M": {
        "vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1_536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "tie_word_embeddings": True,
    },
    "1B": {
        **_LLAMA_3, "hidden_size": 2_048, "intermediate_size": 8_192, "num_hidden_layers": 16,
        "num_attention_heads": 32, "head_dim": 64, "tie_word_embeddings": True,
    },
    "8B": {
        **_LLAMA_3, "hidden_size": 4_096, "intermediate_size": 14_336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "tie_word_embeddings": False,
    },
}  # fmt: skip
"""Those of SmolLM2-135M, Llama-3.2-1B and Llama-3.1-8B."""
TINY: Mapping[str, Mapping[str, Any]] = {
    "tiny": {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
}  # fmt: skip
HEADINGS = ("shape", "side", "load s", "probes s", "peak GB", "transfers", "passes", "a pass", "probes: ratio")


@dataclass(frozen=True)
class Side:
    """What one way of doing the card's work on one shape took."""

    load: float
    """Seconds."""
    probes: float
    """Seconds, the device's work included."""
    peak: float
    """Bytes of the device; 0 on a CPU."""
    transfers: int
    """How often the host waited for what the device had."""
    passes: int
    """Prompts and steps that passed."""


def write_battery(folder: Path, device: str, dtype: str) -> Battery:
    """The card on one model. A vocabulary made in code has no word whole: its nearest tokens are asked for by id."""
    card = YAML(typ="safe").load(Path(__file__).with_name("card.yaml"))
    card["models"] = {"m": {"source": str(folder), "device": device, "dtype": dtype}}
    card["probes"]["near"] = {"probe": "nearest_tokens", "ids": [65, 66, 67, 68], "k": 20}
    return read_battery(json.dumps(card))


def measure_ours(folder: Path, device: str, dtype: str) -> Side:
    """reportgen's probes: timed in one run, their transfers counted in another."""
    battery = write_battery(folder, device, dtype)
    plan = make_plan(battery)
    before = _begin(device)
    seconds = execute.execute(plan).durations
    peak = _peak(before, device)
    load = seconds.pop("load m")
    counted = Transfers()
    own = cases.measure_case

    def count(*arguments: Any) -> Any:
        with counted:
            return own(*arguments)

    with patch.object(cases, "measure_case", count):
        outcomes = execute.execute(plan).outcomes
    wrong = {id: outcome.reason for id, by in outcomes.items() for outcome in by.values() if outcome.status != "ok"}
    if wrong:
        raise click.ClickException(f"on {device}: {wrong}")
    (planned,) = plan.models
    passes = sum({single.path: single.steps for case in planned.cases for single in case.passes}.values())
    return Side(load, sum(seconds.values()), peak, counted.count, passes)


def measure_notebook(folder: Path, device: str, dtype: str) -> Side:
    """The same as a notebook does it, its pictures included where there are none to be drawn."""
    before = _begin(device)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as pictures, torch.no_grad():
        notebook = Notebook(str(folder), Path(pictures), dtype, device)
        notebook.save = lambda figure, name: None  # type: ignore[method-assign]  # our probes draw nothing, either
        notebook.forward("apple")  # what is made once a process is made; our proof has done that
        _wait(device)
        loaded = time.perf_counter()
        notebook.run()
        _wait(device)
        ended = time.perf_counter()
        peak = _peak(before, device)
        passes = _count_forwards(notebook)
        with Transfers() as counted:
            notebook.run()
    return Side(loaded - began, ended - loaded, peak, counted.count, passes)


def _count_forwards(notebook: Notebook) -> int:
    calls: list[None] = []
    handle = notebook.model.register_forward_hook(lambda *_: calls.append(None))
    try:
        notebook.run()
    finally:
        handle.remove()
    return len(calls)


def _begin(device: str) -> int:
    """Bytes that are held before; from here on the peak counts."""
    gc.collect()
    if device == "cpu":
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def _peak(before: int, device: str) -> float:
    return 0.0 if device == "cpu" else torch.cuda.max_memory_allocated() - before


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def make_rows(shape: str, ours: Side, notebook: Side) -> list[Sequence[str]]:
    """The two lines of a shape."""
    return [
        (shape, name, f"{side.load:.1f}", f"{side.probes:.2f}", f"{side.peak / GIGABYTE:.2f}", str(side.transfers),
         str(side.passes), f"{side.transfers / side.passes:.2f}", f"{side.probes / notebook.probes:.2f}")
        for name, side in (("reportgen", ours), ("notebook", notebook))
    ]  # fmt: skip


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in (HEADINGS, *rows))


@click.command()
@click.option("--tiny", is_flag=True, help="One tiny shape, in float32.")
@click.option("--device", default="", help="cuda or cpu [default: the accelerator, else cpu].")
@click.option("--only", multiple=True, type=click.Choice([*SHAPES]), help="Only this shape; may be repeated.")
def main(tiny: bool, device: str, only: Sequence[str]) -> None:
    """Measure reportgen against a notebook on an accelerator."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    shapes, dtype = (TINY, "float32") if tiny else (SHAPES, "bfloat16")
    rows: list[Sequence[str]] = []
    for name, shape in shapes.items():
        if only and name not in only:
            continue
        with tempfile.TemporaryDirectory(prefix="reportgen-gpu-") as place:
            folder = save_llama(Path(place), dtype=dtype, device=device, **shape)
            rows += make_rows(name, measure_ours(folder, device, dtype), measure_notebook(folder, device, dtype))
        click.echo(format_rows(rows[-2:]))
    click.echo(format_rows(rows))


if __name__ == "__main__":
    main(prog_name="python -m tests.benchmarks.gpu")
