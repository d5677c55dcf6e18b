"""A model of Llama-3.2-3B's shape with random bfloat16 weights: 6.4 GB on disk while it lasts."""

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.memory import PeakOfTree
from tests.benchmarks.processes import run_module
from tests.benchmarks.rows import Bench, Row

GIBIBYTE = 1 << 30
MEMORY = 24
BLOCKS = 28


def measure(bench: Bench, blocks: int = BLOCKS) -> list[Measurement]:
    tokenizer = next(iter(bench.card.models.values()))
    watch = PeakOfTree()
    with bench.card.place() as place:
        battery = place.folder / "large.yaml"
        model = place.folder / "model"
        run_module("large_model", model, tokenizer, blocks, bench.card.battery, battery)
        notebook = run_module("notebook", model, place.folder / "pictures", "auto")
        ours = run_module("command", "run", battery, "-o", place.bundle, env=place.env, watch=watch)
    note = f"{ours.seconds:.0f} s : {notebook.seconds:.0f} s"
    return [
        Measurement("Llama-3.2-3B's shape: reportgen run / the notebook", ours.seconds / notebook.seconds, note=note),
        Measurement("its peak memory", watch.together / GIBIBYTE, MEMORY, "GiB"),
    ]


ROW = Row(measure, on_demand=True)
