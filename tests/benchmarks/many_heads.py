"""The attention grid of a small random model with as many heads as Llama-3.2-3B.

python -m tests.benchmarks.many_heads OUT
"""

import json
import sys
import time
from pathlib import Path

from reportgen import load, run
from reportgen.outputs.make import draw_figures
from tests.benchmarks.random_models import save_llama

PROMPT = "an apple a day, the apple of my eye"
TOKENS = 12


def main(out: str) -> None:
    folder = Path(out)
    model = save_llama(
        folder / "model",
        hidden_size=96, intermediate_size=64, num_hidden_layers=28, num_attention_heads=24, num_key_value_heads=8,
    )  # fmt: skip
    battery = {
        "models": {"m": str(model)},
        "probes": {"heads": {"probe": "attention_grid", "prompts": [PROMPT]}},
        "outputs": ["html", "pdf"],
    }
    (folder / "heads.yaml").write_text(json.dumps(battery))
    run(folder / "heads.yaml")
    bundle = load(folder / "heads")
    shape = bundle["heads"]["m"].arrays["weights/0"].values.shape
    assert shape == (28, 24, TOKENS, TOKENS), shape
    began = time.perf_counter()
    drawings = [figure.drawing for figure in draw_figures(bundle)]
    for drawing in drawings:
        drawing.svg("characters")
    page = time.perf_counter() - began
    began = time.perf_counter()
    for drawing in drawings:
        drawing.svg("paths")
        drawing.png()
        drawing.pdf()
    files = time.perf_counter() - began
    sizes = {name: (folder / "heads" / name).stat().st_size for name in ("report.html", "report.pdf")}
    told = {"drawn for the page": page, "drawn as files": files, "bytes": sizes}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
