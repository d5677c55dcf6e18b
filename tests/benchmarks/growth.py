"""What a run costs at 1, 4 and 16 times the work.

    python -m tests.benchmarks.growth prompts|models|layers|pages ROUNDS FOLDER

Prints {"1": [seconds, …], "4": …, "16": …}: the whole of reportgen.run by the clock, from YAML to numbers on disk
(models loaded, proven and hashed; nothing known from before), in a process that has imported everything. Nothing is
subtracted. `pages` are more prompts with the HTML page, and all figures in it.
"""

import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reportgen import run
from tests.benchmarks.random_models import save_llama

TIMES = (1, 4, 16)
SHAPE = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 8, "num_key_value_heads": 4}
LAYERS = 6
PROMPTS = 24
SHOWN_PROMPTS = 6
PHRASES = ("an apple", "the apple", "my eye", "a day", "breakfast", "I ate")


def main(what: str, rounds: str, folder: str) -> None:
    work = WORK[what]
    batteries = {times: work(Path(folder), times) for times in TIMES}
    seconds(batteries[1], Path(folder) / "warm")
    taken: dict[int, list[float]] = {times: [] for times in TIMES}
    for number in range(int(rounds)):
        for times in TIMES:
            taken[times].append(seconds(batteries[times], Path(folder) / f"round-{number}-{times}"))
    sys.stdout.write(json.dumps(taken) + "\n")


def seconds(battery: Path, place: Path) -> float:
    os.environ["REPORTGEN_CACHE"] = str(place / "cache")
    began = time.perf_counter()
    bundle = run(battery, place / "bundle")
    ended = time.perf_counter()
    assert not bundle.failed
    return ended - began


def more_prompts(folder: Path, times: int) -> Path:
    model = _model(folder, LAYERS, 0)
    return _battery(folder, times, [model], _prompts(PROMPTS * times))


def more_models(folder: Path, times: int) -> Path:
    models = [_model(folder, LAYERS, seed) for seed in range(times)]
    return _battery(folder, times, models, _prompts(PROMPTS))


def more_layers(folder: Path, times: int) -> Path:
    return _battery(folder, times, [_model(folder, LAYERS * times, 0)], _prompts(PROMPTS))


def more_pages(folder: Path, times: int) -> Path:
    return _battery(folder, times, [_model(folder, LAYERS, 0)], _prompts(SHOWN_PROMPTS * times), outputs=["html"])


WORK: dict[str, Callable[[Path, int], Path]] = {
    "prompts": more_prompts,
    "models": more_models,
    "layers": more_layers,
    "pages": more_pages,
}


def _model(folder: Path, layers: int, seed: int) -> Path:
    place = folder / f"model-{layers}-{seed}"
    return place if place.exists() else save_llama(place, seed=seed, num_hidden_layers=layers, **SHAPE)


def _prompts(count: int) -> list[str]:
    """Different texts of about one length, and the more of them the same mixture."""
    texts = [" ".join(words) for words in itertools.product(PHRASES, repeat=6)]
    return random.Random(0).sample(texts, count)


def _battery(
    folder: Path, times: int, models: Sequence[Path], prompts: Sequence[str], outputs: Sequence[str] = ()
) -> Path:
    probes: dict[str, Any] = {
        "lens": {"probe": "logit_lens", "prompts": prompts, "continue": 2},
        "heads": {"probe": "attention_grid", "prompts": prompts},
        "map": {"probe": "pca_map", "prompts": prompts},
    }
    content = {
        "models": {f"m{number}": str(model) for number, model in enumerate(models)},
        "probes": probes,
        "outputs": outputs,
    }
    file = folder / f"times-{times}.yaml"
    file.write_text(json.dumps(content))
    return file


if __name__ == "__main__":
    main(*sys.argv[1:])
