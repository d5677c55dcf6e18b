"""A feature atlas against the same forward passes without it.

    python -m tests.benchmarks.atlas MODEL ROUNDS TOKENS

Prints {"tokens", "features", "ours": [[cpu seconds, seconds], …], "passes": […]}: taken in turn in one process. Neither
side unembeds. The dictionary is a random one whose L0 is that of a trained one.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.needs import Need, Pass, Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.text.token_patterns import TokenIndex
from reportgen.text.windows import Windows

FEATURES, CONTEXT, FIRING = 2048, 128, 50


def main(folder: str, rounds: str, tokens: str) -> None:
    from reportgen.model.sae.dictionary import load_dictionary
    from reportgen.model.sae.sources import locate_dictionaries
    from reportgen.model.sae.streaming import PORTION, AtlasStream, Sizes

    model = load(locate(parse_source(folder)), dtype="float32", device="cpu")
    windows = random_windows(int(tokens), min(model.embedding_table.shape[0], 30_000))
    layer = model.layers // 2
    with tempfile.TemporaryDirectory() as place:
        save_random(Path(place), model, windows, layer)
        (files,) = locate_dictionaries(place)
        dictionary = load_dictionary(files)
    vocabulary = TokenIndex(sorted(set(windows.ids.tolist())), lambda token: f" {token}")
    l0 = []

    def ours() -> None:
        stream = AtlasStream(windows, [dictionary], vocabulary, Sizes(examples=5))
        for portion in stream.portions():
            stream.take(portion, run_all(model, stream.passes(portion)))
        seen = stream.merge_halves(0)
        l0.append(float(seen.fired.sum() / seen.tokens))

    def passes() -> None:
        for start in range(0, len(windows), PORTION):
            some = range(start, min(start + PORTION, len(windows)))
            run_all(model, [Pass(windows.tokens(window), ()) for window in some])

    passes()
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "passes": []}
    for _ in range(int(rounds)):
        taken["ours"].append(_time_call(ours))
        taken["passes"].append(_time_call(passes))
    told = {"tokens": len(windows.ids), "features": FEATURES, "l0": l0[-1], **taken}
    sys.stdout.write(json.dumps(told) + "\n")


def random_windows(tokens: int, most: int) -> Windows:
    """Windows of random tokens."""
    count = max(tokens // CONTEXT, 2)
    ids = np.random.default_rng(0).integers(10, most, count * CONTEXT).astype(np.int32)
    return Windows(ids, np.arange(count + 1, dtype=np.int64) * CONTEXT, np.ones(count, np.int32))


def save_random(folder: Path, model: LoadedModel, windows: Windows, layer: int) -> None:
    """A JumpReLU dictionary of the stream at a layer, its thresholds such that `FIRING` features fire a token."""
    import torch
    from safetensors.torch import save_file

    need = Need(Site.RESIDUAL, "all", (layer,))
    (single,) = run_all(model, [Pass(windows.tokens(0), (need,))])
    rows = single.tensors_of(need, 0)[0][1:].float()
    made = torch.Generator().manual_seed(0)
    encoder = torch.randn(rows.shape[1], FEATURES, generator=made)
    threshold = (rows @ encoder).quantile(1 - FIRING / FEATURES, dim=0).clamp_min(1e-3)
    held = {
        "W_enc": encoder,
        "W_dec": torch.nn.functional.normalize(encoder.T.contiguous(), dim=1),
        "b_enc": torch.zeros(FEATURES),
        "b_dec": torch.zeros(rows.shape[1]),
        "threshold": threshold,
    }
    save_file(held, folder / "sae_weights.safetensors")
    said = {
        "architecture": "jumprelu",
        "d_in": rows.shape[1],
        "d_sae": FEATURES,
        "dtype": "float32",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "metadata": {"sae_lens_version": "6.0.0", "hook_name": f"blocks.{layer - 1}.hook_resid_post", "model_name": ""},
    }
    (folder / "cfg.json").write_text(json.dumps(said))


def _time_call(what: Callable[[], object]) -> tuple[float, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    what()
    return time.process_time() - cpu, time.perf_counter() - clock


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), sys.argv[2], sys.argv[3])
