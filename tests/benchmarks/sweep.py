"""A sweep over layers and coefficients, as edited passes and as one forward a variant.

    python -m tests.benchmarks.sweep MODEL ROUNDS

Prints {"layers", "variants", "ours": [[cpu seconds, seconds], …], "separate": […], "apart": largest difference of the
last position's normed row}: taken in turn in one process, on one thread. Neither side unembeds.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.needs import Edit, Need, Pass, Site
from reportgen.model.network.loaded import LoadedModel

COEFFICIENTS = (-2.0, -1.0, 0.5, 1.0, 2.0)
TOKENS = 16
LAST = Need(Site.FINAL, "last")


def main(folder: str, rounds: str) -> None:
    import torch  # after reportgen.model, which says how waiting threads wait

    from reportgen.model.capture.edit import Add

    model = load(locate(parse_source(folder)), dtype="float32", device="cpu", threads=1)
    generator = torch.Generator().manual_seed(0)
    rows, width = model.embedding_table.shape
    tokens = tuple(torch.randint(10, min(rows, 30_000), (TOKENS,), generator=generator).tolist())
    direction = torch.randn(width, generator=generator)
    variants = [(layer, factor) for layer in range(model.layers) for factor in COEFFICIENTS]
    passes = [Pass(tokens, (LAST,), edits=(Edit(Site.RESIDUAL, at, Add(direction, f)),)) for at, f in variants]
    found: dict[str, list[torch.Tensor]] = {}

    def together() -> None:
        found["ours"] = [single.tensors_of(LAST, 0)[0][0] for single in run_all(model, passes)]

    def apart() -> None:
        found["separate"] = [_one(model, tokens, at, direction * factor) for at, factor in variants]

    together()  # what is proven at the first use is none of the work
    ours, separate = [], []
    for _ in range(int(rounds)):
        ours.append(_time_call(together))
        separate.append(_time_call(apart))
    far = max(float((one - other).abs().max()) for one, other in zip(found["ours"], found["separate"], strict=True))
    assert len({tuple(row.tolist()) for row in found["ours"]}) == len(variants)  # each was changed in its own way
    told = {"layers": model.layers, "variants": len(variants), "ours": ours, "separate": separate, "apart": far}
    sys.stdout.write(json.dumps(told) + "\n")


def _one(model: LoadedModel, tokens: tuple[int, ...], layer: int, added):  # type: ignore[no-untyped-def]
    """The least that one forward costs: a hook of its own, no cache."""
    import torch

    def add(_module: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        if args:
            return (args[0] + added, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": kwargs["hidden_states"] + added}

    handle = model.anatomy.blocks[layer].register_forward_pre_hook(add, with_kwargs=True)
    with torch.inference_mode():
        ids = torch.tensor([tokens], device=model.device)
        normed = model.anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state[0, -1]
    handle.remove()
    return normed


def _time_call(what: Callable[[], object]) -> tuple[float, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    what()
    return time.process_time() - cpu, time.perf_counter() - clock


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), sys.argv[2])
