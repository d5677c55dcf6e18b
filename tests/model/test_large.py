"""Models that are not whole in memory: the same numbers, from weights that are read as they are needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reportgen.errors import ModelError
from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.measures.tensor_summary import named_tensors, summary
from reportgen.model.needs import Edit, Need, Pass, Site, Unmeasurable
from reportgen.model.network.held import is_read_in_passing
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.matrices import matrix_of
from reportgen.model.network.twin import build_random_twin
from reportgen.model.place import Held, count_bytes, spread_out
from tests.tiny import FAMILIES, random_model, save_tiny

TOKENS = (0, 15, 90, 200, 31, 144)
EVERYTHING = tuple(
    Need(site) for site in (Site.RESIDUAL, Site.ATTENTION, Site.HEADS, Site.ATTENTION_WRITE, Site.MLP_WRITE, Site.FINAL)
)
STREAMED = Held(stream=True)


def loaded(folder: Path, held: Held = STREAMED, **how: str) -> LoadedModel:
    return load(locate(parse_source(str(folder))), held=held, **how)  # type: ignore[arg-type]


def numbers_of(model: LoadedModel) -> list[torch.Tensor]:
    """What passes through a model, as it is and edited, and what is read of its weights."""
    edit = Edit(Site.RESIDUAL, 1, lambda rows: rows * 2)
    whole, edited = run_all(model, [Pass(TOKENS, EVERYTHING, steps=3), Pass(TOKENS, EVERYTHING[-1:], edits=(edit,))])
    seen = [one for need in EVERYTHING for step in range(3) for one in whole.tensors_of(need, step)]
    (normed,) = edited.tensors_of(EVERYTHING[-1], 0)
    lens = [rows.clone() for _, rows in model.lens_logits(whole.tensors_of(EVERYTHING[0], 0)[1])]
    matrices = [matrix_of(writer.projection) for writer in model.anatomy.mlp_writers if writer and writer.projection]
    return [*seen, normed, *lens, *matrices]


@pytest.mark.parametrize(
    "family", ["llama", "gemma2", "mixtral", *(pytest.param(one, marks=pytest.mark.slow) for one in FAMILIES)]
)
def test_a_streamed_model_gives_the_same_bits_and_holds_no_block(tmp_path: Path, family: str) -> None:
    folder = save_tiny(tmp_path / "m", family)
    whole, streamed = loaded(folder, Held()), loaded(folder)
    if family in ("mamba", "bloom", "falcon"):  # not all of what is asked for below is there
        ids = torch.tensor([TOKENS])
        assert torch.equal(whole.network(ids).logits, streamed.network(ids).logits)
    else:
        pairs = zip(numbers_of(whole), numbers_of(streamed), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
    assert all(parameter.device.type == "meta" for parameter in streamed.anatomy.blocks[0].parameters())
    assert is_read_in_passing(streamed.network)
    assert not is_read_in_passing(whole.network)


def test_weights_that_are_looked_at_are_read_from_the_disk_in_the_dtype_of_the_run(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    models = [loaded(folder, held, dtype="bfloat16") for held in (Held(), STREAMED)]
    of_both = [[summary(one.read()) for one in named_tensors(model, ["*.1.mlp.*", "lm_head.*"])] for model in models]
    assert [one.dtype for one in of_both[1]] == ["bfloat16"] * 4
    for one, other in zip(*of_both, strict=True):
        assert (one.mean, one.std, one.shape) == (other.mean, other.std, other.shape)


def test_a_twin_is_not_built_where_the_model_itself_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="twin with random weights"):
        build_random_twin(loaded(save_tiny(tmp_path / "m")), 0)


MEASURED = """
import re, sys, threading, time
from pathlib import Path
from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.load import load
from reportgen.model.needs import Need, Pass, Site
from reportgen.model.place import Held

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

peak, ended = 0, threading.Event()
def watch():
    global peak
    while not ended.wait(0.001):
        peak = max(peak, anonymous())
watching = threading.Thread(target=watch)
watching.start()
model = load(locate(parse_source(sys.argv[1])), dtype="bfloat16", held=Held(stream=sys.argv[2] == "stream"))
need = Need(Site.RESIDUAL)
(found,) = run_all(model, [Pass((0, 15, 90, 200), (need,), steps=2)])
ended.set()
watching.join()
import hashlib
digest = hashlib.sha256(b"".join(one.float().numpy().tobytes() for one in found.tensors_of(need, 0))).hexdigest()
print(peak, digest)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is read from /proc")
def test_the_anonymous_memory_of_a_streamed_model_stays_below_its_weights(tmp_path: Path) -> None:
    """All of it, the interpreter's and the libraries' too. Converted weights are anonymous; those of the file's own
    dtype are its pages.
    """
    import transformers

    folder = save_tiny(tmp_path / "m")
    config = transformers.LlamaConfig(
        vocab_size=320, hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=8,
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(config)
    network.save_pretrained(folder)
    weights = count_bytes(network) // 2  # in bfloat16
    ran = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MEASURED, str(folder), how],
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for how in ("whole", "stream")
    ]  # fmt: skip
    (whole, digest), (streamed, same) = ran
    assert digest == same
    assert int(whole) > weights
    assert int(streamed) < weights


def test_what_does_not_fit_is_refused_with_the_numbers_unless_it_may_be_offloaded() -> None:
    shape = random_model("llama")
    size = count_bytes(shape)
    with pytest.raises(ModelError, match=re.escape("would be brought there anew")) as raised:
        spread_out(shape, offload=False, most={"cpu": size // 2, "disk": 10**9})
    assert "offload: true" in str(raised.value)
    found = spread_out(shape, offload=True, most={"cpu": size * 3 // 4, "disk": 10**9})
    assert {found[name] for name in ("model.embed_tokens", "model.norm", "lm_head")} == {"cpu"}
    assert "disk" in found.values()
    assert set(spread_out(shape, offload=False, most={"cpu": 10**9}).values()) == {"cpu"}


def test_blocks_are_shared_out_whole_over_the_accelerators_there_are() -> None:
    shape = random_model("llama", layers=6)
    half = count_bytes(shape) * 2 // 3
    found = spread_out(shape, offload=False, most={0: half, 1: half, "cpu": 10**9})
    of_blocks = {name: device for name, device in found.items() if re.fullmatch(r"model\.layers\.\d+", name)}
    assert len(of_blocks) == 6
    assert set(of_blocks.values()) == {0, 1}


def test_a_model_that_is_offloaded_in_part_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_tiny(tmp_path / "m", layers=8)
    size = count_bytes(random_model("llama", layers=8))
    free = {"cpu": size * 8 // 10, "disk": 10**9}
    monkeypatch.setattr("reportgen.model.place.get_max_memory", lambda: dict(free))
    with pytest.raises(ModelError, match="do not fit into the host's memory"):
        loaded(folder, Held(spread=True))
    part = loaded(folder, Held(spread=True, offload=True))
    held = [next(block.parameters()).device.type for block in part.anatomy.blocks]
    assert set(held) == {"cpu", "meta"}
    pairs = zip(numbers_of(loaded(folder, Held())), numbers_of(part), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(("family", "apart"), [("llama", 1e-5), ("gemma2", None)])
def test_sdpa_is_proven_to_give_the_same_and_shows_no_pattern(tmp_path: Path, family: str, apart: float | None) -> None:
    folder = save_tiny(tmp_path / "m", family)
    if apart is None:  # its softcap of scores is not in sdpa
        with pytest.raises(ModelError, match="with attention: sdpa is refused"):
            loaded(folder, Held(), attention="sdpa")
        return
    eager, fused = loaded(folder, Held()), loaded(folder, Held(), attention="sdpa")
    needs = (Need(Site.RESIDUAL), Need(Site.HEADS))
    ((one,), (other,)) = (run_all(model, [Pass(TOKENS, needs)]) for model in (eager, fused))
    for need in needs:
        for a, b in zip(one.tensors_of(need, 0), other.tensors_of(need, 0), strict=True):
            torch.testing.assert_close(a, b, atol=apart, rtol=apart)
    with pytest.raises(Unmeasurable, match="attention: sdpa shows no patterns"):
        run_all(fused, [Pass(TOKENS, (Need(Site.ATTENTION),))])


def shard(folder: Path) -> Path:
    """A tiny model in several files, with their index."""
    save_tiny(folder)
    random_model("llama").save_pretrained(folder, max_shard_size="40KB")
    (folder / "model.safetensors").unlink()
    return folder


def test_weights_in_several_files_are_read_streamed_too_and_a_missing_one_is_named(tmp_path: Path) -> None:
    folder = shard(tmp_path / "m")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 2
    ids = torch.tensor([TOKENS])
    expected = loaded(save_tiny(tmp_path / "one"), Held()).network(ids).logits
    assert torch.equal(loaded(folder).network(ids).logits, expected)
    missing = sorted(set(index["weight_map"].values()))[1]
    (folder / missing).unlink()
    with pytest.raises(
        ModelError, match=f"1 of {len(set(index['weight_map'].values()))} weight files are missing: '{missing}'"
    ):
        loaded(folder)
