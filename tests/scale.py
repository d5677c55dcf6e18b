"""What a battery costs on many checkpoints of a large model: the arithmetic of docs/explanation/scale.md.

    python -m tests.scale

prints the page's table. What is stored is measured, on a model of the large one's shape but for its width, of which no
stored number of the battery depends; what is read and computed follows from the weights and from the plan.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reportgen.numerals import count_items

LAYERS, HEADS, KV_HEADS = 80, 64, 8
WIDTH, INNER, VOCABULARY = 8192, 28672, 128256
"""Of Llama 3.1 70B (arXiv 2407.21783, table 3)."""
CHECKPOINTS = 1000


@dataclass(frozen=True)
class Machine:
    """What is assumed of a node; the page says so."""

    disk: float = 2e9
    """Bytes read in a second, from a shared file system."""
    hashing: float = 1.5e9
    """Bytes hashed in a second, by one core."""
    multiplying: float = 1e14
    """Multiplications in a second, of two GPUs on short prompts: a tenth of what they could."""
    start: float = 20.0
    """Seconds until libraries are imported and modules built."""
    gpus: int = 2


@dataclass(frozen=True)
class Work:
    """What a battery comes to on one checkpoint."""

    tokens: int
    """That pass the model, generated ones among them."""
    stored: int
    """Bytes of results.json and arrays.safetensors."""
    cached: int
    """Bytes of results that the cache keeps."""


def count_parameters(layers: int, width: int, inner: int, vocabulary: int, heads: int, kv_heads: int) -> int:
    """Of a Llama whose ends are not tied."""
    attention = 2 * width * width + 2 * width * (width // heads) * kv_heads
    return 2 * vocabulary * width + layers * (attention + 3 * width * inner + 2 * width) + width


def seconds_of(weights: float, work: Work, parameters: int, machine: Machine) -> float:
    """Seconds that a checkpoint takes: it is hashed while it is loaded, so that the slower of both counts."""
    reading = max(weights / machine.disk, weights / machine.hashing)
    return machine.start + reading + work.tokens * parameters / machine.multiplying


def measure_work(battery: Path, model: Path, folder: Path) -> Work:
    """Runs a battery that names `model` alone, in a cache of its own."""
    os.environ["REPORTGEN_CACHE"] = str(folder / "cache")
    from reportgen import run
    from reportgen.workflows.report import plan

    passes = [single for case in plan(battery).cases for single in case.passes]
    bundle = run(battery, folder / "bundle")
    assert not bundle.failed
    assert bundle.path is not None
    stored = sum((bundle.path / name).stat().st_size for name in ("results.json", "arrays.safetensors"))
    cached = sum(file.stat().st_size for file in (folder / "cache" / "results").rglob("*") if file.is_file())
    return Work(sum(len(single.tokens) + single.steps - 1 for single in passes), stored, cached)


def write_nightly(folder: Path, layers: int, heads: int, kv_heads: int) -> tuple[Path, Path]:
    """The battery of `init --for nightly` on a Llama of such a shape, as narrow as it may be; and that model."""
    from reportgen.model.files.demo import DEMO_MODELS, demo_folder
    from reportgen.workflows.starter_texts import NamedSource, write_text
    from tests.benchmarks.random_models import save_llama

    tokenizer = demo_folder(DEMO_MODELS["smollm2-135m-instruct"])
    shape = {"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads}
    narrow = {"hidden_size": 2 * heads, "intermediate_size": 2 * heads, "vocab_size": 49152}
    model = save_llama(folder / "model", tokenizer=tokenizer, **shape, **narrow)
    battery = folder / "nightly.yaml"
    text = write_text([NamedSource("checkpoint", str(model))], "nightly", one_kind=True)
    battery.write_text(text.replace("outputs: [html]", "outputs: []"))
    return battery, model


def write_table(work: Work, machine: Machine = Machine()) -> str:
    """The page's table."""
    parameters = count_parameters(LAYERS, WIDTH, INNER, VOCABULARY, HEADS, KV_HEADS)
    weights = 2 * parameters
    seconds = seconds_of(weights, work, parameters, machine)
    passing = work.tokens * parameters / machine.multiplying
    rows = [
        ("weights, bfloat16", _size(weights), _size(weights * CHECKPOINTS)),
        ("tokens that pass", f"{work.tokens:,}", f"{work.tokens * CHECKPOINTS:,}"),
        ("multiplications", f"{work.tokens * parameters:.2g}", f"{work.tokens * parameters * CHECKPOINTS:.2g}"),
        ("seconds of a node, reading and hashing", f"{seconds - passing - machine.start:.0f}", ""),
        ("seconds of a node, passes", f"{passing:.1f}", ""),
        ("GPU hours in all", f"{seconds * machine.gpus / 3600:.2f}", f"{seconds * machine.gpus / 3.6:,.0f}"),
        ("numbers stored in bundles", _size(work.stored), _size(work.stored * CHECKPOINTS)),
        ("results kept in the cache", _size(work.cached), _size(work.cached * CHECKPOINTS)),
    ]
    head = ["| | one checkpoint | a thousand |", "| --- | --- | --- |"]
    return "\n".join([*head, *(f"| {name} | {one} | {all} |" for name, one, all in rows)])


def _size(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return count_items(int(size), "byte")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        battery, model = write_nightly(Path(folder), LAYERS, HEADS, KV_HEADS)
        sys.stdout.write(write_table(measure_work(battery, model, Path(folder))) + "\n")
