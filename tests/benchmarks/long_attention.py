"""A pass over a long prompt: its attention reduced as the probe does it, or thrown away.

python -m tests.benchmarks.long_attention MODEL TOKENS reduced|thrown-away
"""

import json
import sys
import time
from pathlib import Path

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.needs import Need, Pass
from reportgen.probes import attention_grid
from tests.benchmarks.memory import forget_peak, peak


def main(folder: str, length: str, way: str) -> None:
    import torch  # after reportgen.model, which says how waiting threads wait

    model = load(locate(parse_source(folder)), dtype="float32", device="cpu")
    tokens = tuple(torch.randint(10, 300, (int(length),), generator=torch.Generator().manual_seed(0)).tolist())
    (need,) = [value for value in vars(attention_grid).values() if isinstance(value, Need)]
    heads = model.network.config.get_text_config().num_attention_heads
    forget_peak()
    began = time.perf_counter()
    if way == "reduced":
        (captured,) = run_all(model, [Pass(tokens, (need,))])
        kept = sum(part.nbytes for block in captured.values[need] for part in vars(block).values())
    else:
        with torch.inference_mode():
            model.anatomy.decoder(input_ids=torch.tensor([tokens]), use_cache=True)
        kept = 0
    told = {
        "seconds": time.perf_counter() - began,
        "peak": peak(),
        "kept": kept,
        "attention of a layer": heads * int(length) ** 2 * 4,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), *sys.argv[2:])
