"""The map of the world on 1,500 cities against the forward passes that it takes, those of the twin among them.

    python -m tests.benchmarks.world_map MODEL ROUNDS

Prints {"cities", "layers", "ours": [[cpu seconds, seconds], …], "passes": […]}: taken in turn in one process. Ours
builds the twin, reads both and fits every layer of both, with and without each country; the passes keep nothing.
"""

import json
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.needs import Pass, TwinPasses, pack_by_length
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.twin import build_random_twin
from reportgen.probes.linear_map.fits import fit_layers, set_task
from reportgen.probes.linear_map.sheet import BUILT_IN, read_sheet
from reportgen.training.hold_out import draw_held_out
from reportgen.training.representations import TOGETHER, Rows, read_rows

SHARE, SEED = 0.2, 0


def main(folder: str, rounds: str) -> None:
    located = locate(parse_source(folder))
    model = load(located, dtype="float32", device="cpu")
    tokenizer = Tokenizer.from_file(str(located.tokenizer_folder / "tokenizer.json"))
    cities = read_sheet(*BUILT_IN["cities"])
    texts = [tuple(tokenizer.encode(city.name).ids) for city in cities]
    positions = [(len(ids) - 1,) for ids in texts]
    task = set_task(
        np.array([city.numbers for city in cities]),
        [city.group for city in cities],
        draw_held_out(len(cities), SHARE, SEED),
        SEED,
    )
    layers = []

    def ours() -> None:
        layers.append(len(fit_layers(_read(read_rows(texts, positions), model), task)))
        twin = build_random_twin(model, SEED)
        fit_layers(_read(read_rows(texts, positions, twin_seed=SEED), twin), task, with_groups=False)

    def passes() -> None:
        packed = sorted(pack_by_length([Pass(ids, ()) for ids in texts], TOGETHER), key=lambda one: len(one.tokens))
        for start in range(0, len(packed), TOGETHER):
            run_all(model, packed[start : start + TOGETHER])

    passes()
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "passes": []}
    for _ in range(int(rounds)):
        taken["ours"].append(_time_call(ours))
        once, twice = _time_call(passes), _time_call(passes)  # a twin's pass costs what the model's own does
        taken["passes"].append((once[0] + twice[0], once[1] + twice[1]))
    sys.stdout.write(json.dumps({"cities": len(cities), "layers": layers[-1], **taken}) + "\n")


def _read(reading: Generator[Any, Any, Rows], model: LoadedModel) -> Rows:
    given = None
    try:
        while True:
            asked = reading.send(given)
            given = run_all(model, asked.passes if isinstance(asked, TwinPasses) else asked)
    except StopIteration as finished:
        rows: Rows = finished.value
        return rows


def _time_call(what: Callable[[], object]) -> tuple[float, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    what()
    return time.process_time() - cpu, time.perf_counter() - clock


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), sys.argv[2])
